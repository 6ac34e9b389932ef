"""What happened is read, never written."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.categories import services
from apps.categories.models import Assignment, Category, ClassificationRun, ModelVersion, Product, Source

from .pages import page


@pytest.fixture
def history(maria: User, tree: dict[str, Category]) -> dict[str, Any]:
    run = ClassificationRun.objects.create(
        kind="classify_products",
        status="interrupted",
        counts={"filed": 12345},
        options={"batch_size": 500},
        started_at=timezone.now(),
        heartbeat_at=timezone.now(),
    )
    version = services.model_version_record(
        version="linear-1",
        sha256="ab" * 32,
        backend="linear",
        metrics={"test": {"rows": 1200, "top1": 0.93456, "precision": None}, "out_of_fold": {"top1": 0.9}},
        threshold=0.905,
        source="x",
    )
    product = Product.objects.create(sku="A", title="Hand saw")
    by_model = Assignment.objects.create(
        product=product,
        to_category=tree["Drills"],
        source=Source.MODEL,
        model_version="linear-1",
        confidence=0.979,
        run=run,
    )
    services.product_set_category(product, tree["Saws"], actor=maria, note="not a drill")
    return {"run": run, "version": version, "assignment": by_model, "product": product}


@pytest.mark.parametrize("name", ["assignment", "classificationrun", "modelversion"])
def test_not_even_a_superuser_writes_it(name: str, history: dict[str, Any], client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    model = {"assignment": Assignment, "classificationrun": ClassificationRun, "modelversion": ModelVersion}[
        name
    ]
    base = f"/admin/categories/{name}/"
    pk = model._default_manager.first().pk  # type: ignore[union-attr]  # the fixture made one
    before = list(model._default_manager.values())

    assert client.get(base).status_code == 200
    assert client.get(f"{base}{pk}/change/").status_code == 200
    assert client.get(f"{base}add/").status_code == 403
    assert client.post(f"{base}{pk}/change/", {"note": "x"}).status_code == 403
    assert client.post(f"{base}{pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(base, {"action": "delete_selected", "_selected_action": pk, "post": "yes"})
    assert list(model._default_manager.values()) == before


def test_the_history_says_who_or_what(viewing: Client, history: dict[str, Any]) -> None:
    html = page(viewing.get("/admin/categories/assignment/"))

    for text in ("Hand saw", "the model", "97%", "maria", "not a drill"):
        assert text in html
    one = page(viewing.get(f"/admin/categories/assignment/{history['assignment'].pk}/change/"))
    for text in ("97%", f"run {history['run'].pk}", "linear-1"):
        assert text in one
    assert f'href="/admin/categories/product/{history["product"].pk}/change/"' in html
    assert "maria" not in page(viewing.get("/admin/categories/assignment/?source__exact=model"))
    run = history["run"].pk
    assert "maria" not in page(viewing.get(f"/admin/categories/assignment/?run__id__exact={run}"))
    assert "not a drill" in page(viewing.get("/admin/categories/assignment/?q=hand"))


def test_the_history_costs_the_same_queries_for_10_and_50_rows(
    viewing: Client,
    history: dict[str, Any],
    tree: dict[str, Category],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    def add(count: int) -> None:
        for number in range(count):
            product = Product.objects.create(sku=f"{count}-{number}", title="x")
            Assignment.objects.create(product=product, to_category=tree["Saws"], source=Source.IMPORT)

    add(8)
    with django_assert_num_queries(6):  # session, person, two of permissions, count, rows
        viewing.get("/admin/categories/assignment/")
    add(40)
    with django_assert_num_queries(6):
        viewing.get("/admin/categories/assignment/")


def test_a_run_shows_its_counts_and_links_to_what_it_did(viewing: Client, history: dict[str, Any]) -> None:
    html = page(viewing.get(f"/admin/categories/classificationrun/{history['run'].pk}/change/"))

    assert "12,345 filed" in page(viewing.get("/admin/categories/classificationrun/"))
    assert "12,345" in html
    assert "batch size" in html
    assert "interrupted" in html
    assert f'href="/admin/categories/assignment/?run__id__exact={history["run"].pk}"' in html


def test_a_model_version_shows_its_bar_and_figures(viewing: Client, history: dict[str, Any]) -> None:
    html = page(viewing.get("/admin/categories/modelversion/"))
    assert "live" in html
    assert "91%" in html
    one = page(viewing.get(f"/admin/categories/modelversion/{history['version'].pk}/change/"))
    assert "first candidate right</th><td>93.5%</td><td>90.0%</td>" in one
    history["version"].threshold = None
    history["version"].save()
    assert "nothing by itself" in page(viewing.get("/admin/categories/modelversion/"))
