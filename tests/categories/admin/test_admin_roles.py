"""The three groups, and what their members find on the first page."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from apps.categories import runtime
from apps.categories.models import Category, Suggestion

from .conftest import MakeSuggestion, roles
from .pages import page


def granted(group: str) -> set[str]:
    return set(Group.objects.get(name=group).permissions.values_list("codename", flat=True))


def make_roles() -> None:
    roles.create_roles(apps, SimpleNamespace(connection=connection))


def test_each_role_holds_what_it_needs_and_no_more(db: None) -> None:
    make_roles()
    views = {f"view_{name}" for name in (*roles.TABLES, "product")}
    changes = {f"{verb}_{name}" for verb in ("add", "change", "delete") for name in ("category", "product")}

    assert granted(roles.VIEWERS) == views
    assert granted(roles.REVIEWERS) == views | {"review_suggestion"}
    assert granted(roles.MANAGERS) == views | {"review_suggestion"} | changes


def test_the_migration_makes_the_groups_and_repeats_nothing(db: None) -> None:
    Group.objects.all().delete()
    Permission.objects.filter(codename="review_suggestion").delete()

    (operation,) = roles.Migration.operations
    operation.code(apps, SimpleNamespace(connection=connection))
    before = granted(roles.REVIEWERS)
    extra = Permission.objects.get(codename="add_user")
    Group.objects.get(name=roles.REVIEWERS).permissions.add(extra)
    operation.code(apps, SimpleNamespace(connection=connection))

    assert Group.objects.count() == 3
    assert granted(roles.REVIEWERS) == before | {"add_user"}
    assert Permission.objects.filter(codename="review_suggestion").count() == 1


def test_the_first_page_says_how_many_wait(
    reviewing: Client,
    viewing: Client,
    make_suggestion: MakeSuggestion,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    assert "Nothing waits" in page(reviewing.get("/admin/"))
    make_suggestion("a")
    assert '<strong class="cat-number">1</strong> product waits for a decision.' in page(
        reviewing.get("/admin/")
    )
    make_suggestion("b")

    html = page(reviewing.get("/admin/"))

    assert '<strong class="cat-number">2</strong> products wait for a decision.' in html
    assert "Start reviewing" in html
    assert "Look at the queue" in page(viewing.get("/admin/"))
    with django_assert_num_queries(7):  # session, person, two of permissions and two of what waits, acts
        reviewing.get("/admin/")


def test_the_first_page_names_what_else_waits(reviewing: Client, make_suggestion: MakeSuggestion) -> None:
    assert "Besides" not in page(reviewing.get("/admin/"))
    for title, queue in (("a", "label"), ("b", "label"), ("c", "audit")):
        Suggestion.objects.filter(pk=make_suggestion(title).pk).update(queue=queue)

    html = page(reviewing.get("/admin/"))

    assert "2 suspected label errors</a> and" in html
    assert "?status=audit" in html
    assert "1 product of the audit sample</a>." in html


def test_the_first_page_says_that_no_model_answers(reviewing: Client) -> None:
    html = page(reviewing.get("/admin/"))

    assert "No model answers on this site" in html
    assert "train_classifier" in html


def test_the_first_page_names_the_model_and_its_bar(
    reviewing: Client, settings: Settings, tiny_artifact: Path
) -> None:
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": str(tiny_artifact), "ENABLED": False, "THRESHOLD": 0.905}
    runtime.reset()

    html = page(reviewing.get("/admin/"))

    version = runtime.get_classifier().version
    assert (
        f"Model <strong>{version}</strong> answers, and files a product by itself from 91% confidence on "
        "(some categories need more)." in html
    )
    assert "cat-alarm" not in html


def test_others_see_nothing_of_it(
    member: Callable[..., User], client: Client, tree: dict[str, Category]
) -> None:
    client.force_login(member("nobody"))

    html = page(client.get("/admin/"))

    assert "Review queue" not in html
    assert "model" not in html[html.index('id="content"') : html.index("</main>")]


@pytest.mark.parametrize(
    "name", ["suggestion", "product", "category", "assignment", "classificationrun", "modelversion"]
)
def test_every_page_of_a_viewer_is_there(name: str, viewing: Client, make_suggestion: MakeSuggestion) -> None:
    make_suggestion()

    assert viewing.get(f"/admin/categories/{name}/").status_code == 200
