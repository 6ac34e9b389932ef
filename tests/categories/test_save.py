"""A save never depends on the model, and never writes back what it did not change."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from apps.categories import runtime, services, tasks
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.models import Assignment, Category, Product, Source, Suggestion

from .conftest import SURE, UNREADABLE, UNSURE

pytestmark = pytest.mark.django_db(transaction=True)


def _raise() -> None:
    raise RuntimeError("a bug in the model")


@pytest.fixture(params=["missing", "corrupt", "raising", "slow", "database"])
def broken_model(
    request: pytest.FixtureRequest,
    settings: Settings,
    tmp_path: Path,
    tiny_classifier: ProductionClassifier,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Everything that can be wrong with a classification."""
    if request.param == "corrupt":
        path = tmp_path / "bad.pt"
        path.write_bytes(b"PK\x03\x04 not an artifact")
        settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "ARTIFACT": str(path)}
        runtime.reset()
    acts: dict[str, Callable[[], None]] = {"raising": _raise, "slow": lambda: time.sleep(0.05)}
    if request.param in acts:
        assess = tiny_classifier.assess

        def strange(texts: Sequence[Any], *more: Any, **options: Any) -> Any:
            acts[request.param]()
            return assess([UNREADABLE] * len(texts), *more, **options)

        monkeypatch.setattr(tiny_classifier, "assess", strange)
        monkeypatch.setattr(runtime, "get_classifier", lambda: tiny_classifier)
    if request.param == "database":

        def fail(*_: Any, **__: Any) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT no_such_column FROM categories_product")

        monkeypatch.setattr(services, "products_classify", fail)
    return str(request.param)


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("fields", [None, ["title"]])
def test_the_row_is_stored_whatever_the_model_does(
    broken_model: str, inside: bool, fields: list[str] | None
) -> None:
    product = Product.objects.create(sku="A", title="first")
    Product.objects.update(is_stale=False)
    product = Product.objects.get()
    product.title = "second"
    if inside:
        with transaction.atomic():
            product.save(update_fields=fields)
            Product.objects.create(sku="B", title="beside")
    else:
        product.save(update_fields=fields)
        Product.objects.create(sku="B", title="beside")
    assert list(Product.objects.order_by("sku").values_list("sku", "title", "category")) == [
        ("A", "second", None),
        ("B", "beside", None),
    ]
    waits = broken_model != "slow"
    assert Product.objects.filter(is_stale=True).count() == (2 if waits else 0)


def test_a_rolled_back_save_leaves_nothing(live_model: ProductionClassifier) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        Product.objects.create(sku="A", title=SURE)
        raise RuntimeError
    assert not Product.objects.exists()
    Product.objects.create(sku="B", title=SURE)
    assert Product.objects.get().source == f"model@{live_model.version}"


def test_filed_after_the_save(live_model: ProductionClassifier) -> None:
    Product.objects.create(sku="A", title=SURE)
    product = Product.objects.get()
    assert product.category is not None
    assert product.category.code == "CAT_TOOLS_DRILLS"
    assert product.source == f"model@{live_model.version}"
    assert product.category_confidence == pytest.approx(
        live_model.predict([{"title": SURE}])[0][0]["confidence"]
    )
    assert (product.needs_review, product.is_stale) == (False, False)
    assert not Suggestion.objects.exists()
    history = Assignment.objects.exclude(act="ask").get()
    assert (history.from_category, history.to_category) == (None, product.category)
    assert (history.source, history.model_version) == ("model", live_model.version)
    assert history.confidence == product.category_confidence


def test_an_unsure_answer_waits_for_a_person(live_model: ProductionClassifier) -> None:
    Product.objects.create(sku="A", title=UNSURE)
    product = Product.objects.get()
    assert (product.category, product.source, product.needs_review) == (None, "none", True)
    suggestion = Suggestion.objects.get()
    assert suggestion.status == Suggestion.Status.PENDING
    assert [item["category_code"] for item in suggestion.candidates] == [
        item["category_code"] for item in live_model.predict([{"title": UNSURE}])[0]
    ]
    assert suggestion.candidates[0]["category_path"] == live_model.path(
        suggestion.candidates[0]["category_code"]
    )
    assert suggestion.threshold == 0.9
    assert suggestion.text_digest == product.text_digest
    assert not Assignment.objects.exclude(act="ask").exists()


def test_an_unreadable_text_waits_for_a_person_without_candidates(live_model: ProductionClassifier) -> None:
    Product.objects.create(sku="A", title=UNREADABLE)
    assert Product.objects.get().needs_review
    assert Suggestion.objects.get().candidates == []


def test_update_fields_marks_and_classifies_only_when_it_names_text(live_model: ProductionClassifier) -> None:
    product = Product.objects.create(sku="A", title=SURE)
    product.title, product.price = UNSURE, 3
    product.save(update_fields=["price"])
    assert Product.objects.values_list("title", "is_stale", "needs_review").get() == (SURE, False, False)
    product.save(update_fields=["title"])
    assert Product.objects.values_list("title", "is_stale", "needs_review").get() == (UNSURE, False, True)


def test_the_mark_is_stored_with_the_text(live_model: ProductionClassifier, settings: Settings) -> None:
    product = Product.objects.create(sku="A", title=SURE)
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "TASKS": "sweep"}
    product = Product.objects.get(pk=product.pk)
    product.title = "other"
    product.save(update_fields=["title"])
    assert Product.objects.get().is_stale


def test_an_unchanged_text_is_not_scored_again(
    live_model: ProductionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    Product.objects.create(sku="A", title=SURE)
    monkeypatch.setattr(tasks, "run_inline", lambda *_, **__: pytest.fail("scored again"))
    product = Product.objects.get()
    product.price = 5
    product.save()
    Product.objects.only("price").get().save()


@pytest.mark.parametrize("switch", [{"ENABLED": False}, {"TASKS": "sweep"}])
def test_the_switches_leave_the_row_for_the_sweep(
    live_model: ProductionClassifier, settings: Settings, switch: dict[str, Any]
) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, **switch}
    Product.objects.create(sku="A", title=SURE)
    assert Product.objects.get().is_stale
    assert Product.objects.get().category is None


def test_one_transaction_is_one_batch(
    live_model: ProductionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    classify = services.products_classify
    monkeypatch.setattr(
        services, "products_classify", lambda pks, **more: (calls.append(len(pks)), classify(pks, **more))
    )
    with transaction.atomic():
        for number in range(5):
            Product.objects.create(sku=f"A{number}", title=SURE)
        with pytest.raises(RuntimeError), transaction.atomic():
            Product.objects.create(sku="lost", title=SURE)
            raise RuntimeError
    assert calls == [6]
    assert Product.objects.filter(category_source=Source.MODEL).count() == 5


def test_a_transaction_with_too_many_products_leaves_the_rest_to_a_sweep(
    live_model: ProductionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MOST_INLINE", 3)
    with transaction.atomic():
        for number in range(5):
            Product.objects.create(sku=f"A{number}", title=SURE)
    assert Product.objects.filter(is_stale=True).count() == 2


def test_fixtures_are_loaded_as_they_are(live_model: ProductionClassifier, tmp_path: Path) -> None:
    Product.objects.create(sku="A", title=SURE)
    call_command("dumpdata", "categories.product", output=str(tmp_path / "p.json"))
    columns = [field.name for field in Product._meta.fields if field.name != "classified_at"]
    before = Product.objects.values(*columns).get()
    Product.objects.all().delete()
    call_command("loaddata", str(tmp_path / "p.json"), verbosity=0)
    assert Product.objects.values(*columns).get() == before


def test_a_save_does_not_take_back_what_was_filed_meanwhile(
    live_model: ProductionClassifier, admin_user: User
) -> None:
    early = Product.objects.create(sku="A", title=UNSURE)
    services.suggestion_approve(Suggestion.objects.get(), actor=admin_user)
    early.price = 7
    early.save()
    product = Product.objects.get()
    assert (product.source, product.price, product.needs_review) == ("human", 7, False)
    assert product.category is not None


def test_a_save_of_a_row_that_has_gone_says_so() -> None:
    product = Product.objects.create(sku="A", title="x")
    Product.objects.all().delete()
    with pytest.raises(DatabaseError):
        product.save()


def test_a_category_set_in_code_is_a_label(live_model: ProductionClassifier) -> None:
    shawls = Category.objects.get(code="CAT_CLOTHING_SHAWLS")
    product = Product.objects.create(sku="A", title=UNSURE)
    product.refresh_from_db()
    product.category = shawls
    product.save()
    stored = Product.objects.get()
    assert (stored.category, stored.source, stored.needs_review, stored.is_stale) == (
        shawls,
        "import",
        False,
        False,
    )
    assert not Suggestion.objects.exists()
    assert Assignment.objects.exclude(act="ask").values_list(
        "from_category", "to_category", "source"
    ).get() == (
        None,
        shawls.pk,
        "import",
    )
    stored.category = None
    stored.save(update_fields=["category"])
    stored = Product.objects.get()
    assert (stored.source, stored.needs_review) == ("none", True), "the model has looked at it again"


@pytest.mark.parametrize("there", [True, False])
def test_a_category_set_on_an_old_instance_is_recorded_as_what_it_replaced(
    live_model: ProductionClassifier, admin_user: User, there: bool
) -> None:
    """What the instance remembers is no history, and cannot be taken back."""
    shawls, saws = (Category.objects.get(code=f"CAT_{code}") for code in ("CLOTHING_SHAWLS", "TOOLS_SAWS"))
    Product.objects.create(sku="A", title=UNSURE, category=None if there else shawls)
    early = Product.objects.get()
    services.product_set_category(Product.objects.get(), saws if there else None, actor=admin_user)
    early.category = shawls if there else None
    early.save()
    line = Assignment.objects.filter(note="set in code").latest("pk")
    before = (saws.pk, "human") if there else (None, "none")
    assert (line.from_category_id, line.from_source, line.to_category_id) == (
        *before,
        shawls.pk if there else None,
    )


def test_a_new_product_with_a_category_is_labelled(live_model: ProductionClassifier) -> None:
    shawls = Category.objects.get(code="CAT_CLOTHING_SHAWLS")
    Product.objects.create(sku="A", title=SURE, category=shawls)
    assert Product.objects.get().source == "import"
    assert Product.objects.get().category == shawls


def test_a_late_answer_does_not_overwrite_a_newer_text(
    live_model: ProductionClassifier, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text changes while the model is at work on the old one."""
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "TASKS": "sweep"}
    product = Product.objects.create(sku="A", title=SURE)
    assess = live_model.assess

    def slow(*asked: Any, **options: Any) -> Any:
        answer = assess(*asked, **options)

        def change() -> None:
            Product.objects.filter(pk=product.pk).update(title="silk shawl")
            connection.close()

        other = threading.Thread(target=change)
        other.start()
        other.join()
        return answer

    monkeypatch.setattr(live_model, "assess", slow)
    summary = services.products_classify([product.pk])
    assert (summary.seen, summary.passed_over) == (1, 1)
    assert Product.objects.values_list("title", "category", "is_stale").get() == ("silk shawl", None, True)
    monkeypatch.undo()
    assert services.products_classify([product.pk]).filed == 1
    assert Product.objects.get().category == Category.objects.get(code="CAT_CLOTHING_SHAWLS")
