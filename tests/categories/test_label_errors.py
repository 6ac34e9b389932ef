"""Suspected label errors: asked about once, decided like anything else, and no label is ever touched."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from apps.categories import runtime, selectors, services
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.files import ProductRow
from apps.categories.inference.text import group_key, text_digest
from apps.categories.models import Assignment, Category, ClassificationRun, Product, Source, Suggestion
from apps.categories.services import LabelErrors, LabelSuspect, label_errors
from tests.tiny import labelled_rows

from .conftest import SURE, UNSURE
from .waiting import put_in_queue

pytestmark = pytest.mark.django_db

DRILLS, SAWS, MUGS = "CAT_TOOLS_DRILLS", "CAT_TOOLS_SAWS", "CAT_KITCHEN_MUGS"
Filed = list[Product]


def category(code: str) -> Category:
    found: Category = Category.objects.get(code=code)
    return found


@pytest.fixture
def labelled(shop_tree: None) -> Filed:
    """Five products under drills: four by an import, one by a person."""
    Product.objects.bulk_create(
        Product(
            sku=f"L{number}",
            title=f"jigsaw blade {number}",
            category=category(DRILLS),
            category_source=Source.HUMAN if number == 4 else Source.IMPORT,
            is_stale=False,
        )
        for number in range(5)
    )
    return list(Product.objects.order_by("pk"))


def suspect(product: Product, margin: float = 0.6, **more: Any) -> LabelSuspect:
    given: dict[str, Any] = {
        "product": product.pk,
        "category_code": DRILLS,
        "text_digest": text_digest({"title": product.title}),
        "candidates": ((SAWS, 0.8), (DRILLS, 0.2), (MUGS, 0.1)),
        "margin": margin,
    }
    return LabelSuspect(**{**given, **more})


def fill(*products: Product, **more: Any) -> LabelErrors:
    return services.label_errors_fill([suspect(product) for product in products], model_version="m1", **more)


def asked() -> list[Any]:
    return [row.product_id for row in selectors.queue_in_order("label")]


def state() -> tuple[list[Any], list[Any]]:
    hidden = {"pk", "id"}
    suggestions = Suggestion.objects.order_by("product_id").values()
    return (
        list(Product.objects.order_by("pk").values()),
        [{name: value for name, value in row.items() if name not in hidden} for row in suggestions],
    )


def last() -> Assignment:
    return Assignment.objects.latest("pk")


# --- Filling ------------------------------------------------------------------------


def test_a_suspect_waits_with_the_better_category_first_and_its_label_stays(labelled: Filed) -> None:
    before = list(Product.objects.order_by("pk").values())
    clear, vague = suspect(labelled[0]), suspect(labelled[4], 0.1)
    assert services.label_errors_fill([clear, vague], model_version="m1") == LabelErrors(new=2)
    assert list(Product.objects.order_by("pk").values()) == before
    assert asked() == [labelled[0].pk, labelled[4].pk], "the clearest first"
    row = selectors.queue_in_order("label")[0]
    assert [(item["category_code"], item["category_path"]) for item in row.candidates] == [
        (SAWS, "Tools > Saws"),
        (DRILLS, "Tools > Drills"),
        (MUGS, "Kitchen > Mugs"),
    ]
    assert row.reason == (
        "the label “Drills” (20%) may be wrong: a model of the other labels says “Saws” (80%)"
    )
    assert (row.top_code, row.top_confidence, row.priority, row.threshold) == (SAWS, 0.8, 0.6, None)
    assert (row.cluster, row.model_version) == (group_key("jigsaw blade"), "m1")
    assert not selectors.review_queue().exists()
    assert not selectors.refine_queue().exists()
    assert not Product.objects.filter(needs_review=True).exists()


def test_filling_again_brings_up_to_date_and_adds_nothing(labelled: Filed) -> None:
    fill(*labelled)
    before = state()
    assert fill(*labelled) == LabelErrors(waiting=5)
    now = state()
    for rows in (before[1], now[1]):
        for row in rows:
            row.pop("updated_at")
    assert now == before
    surer = suspect(labelled[0], 0.9, candidates=((MUGS, 0.95), (DRILLS, 0.05)))
    assert services.label_errors_fill([surer], model_version="m2") == LabelErrors(waiting=1)
    row = Suggestion.objects.get(product=labelled[0])
    assert (row.top_code, row.priority, row.model_version) == (MUGS, 0.9, "m2")
    assert row.created_at == before[1][0]["created_at"], "it has waited all along"


def test_the_limit_counts_what_waits_not_what_was_answered(
    labelled: Filed, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_errors, "PAGE", 2)
    assert fill(*labelled, limit=2) == LabelErrors(new=2)
    assert fill(*labelled, limit=2) == LabelErrors(waiting=2)
    services.suggestion_reject(Suggestion.objects.get(product=labelled[0]), actor=admin_user)
    assert fill(*labelled, limit=3) == LabelErrors(new=2, waiting=1, answered=1)
    assert fill(*labelled) == LabelErrors(new=1, waiting=3, answered=1)


def test_what_has_changed_since_it_was_looked_at_is_left_alone(labelled: Filed) -> None:
    Product.objects.filter(pk=labelled[0].pk).update(title="red mug")
    Product.objects.filter(pk=labelled[1].pk).update(category=category(MUGS))
    Product.objects.filter(pk=labelled[2].pk).update(category_source="model")
    Product.objects.filter(pk=labelled[3].pk).delete()
    assert fill(*labelled) == LabelErrors(new=1, changed=4)
    Category.objects.filter(code=SAWS).update(is_active=False)
    Suggestion.objects.all().delete()
    assert fill(labelled[4]) == LabelErrors(changed=1)
    assert fill() == LabelErrors()


def test_what_waits_in_another_queue_is_left_alone(labelled: Filed) -> None:
    other = put_in_queue(["hand saw"])[0]
    Product.objects.filter(pk=other.product_id).update(category=category(DRILLS), category_source="import")
    before = Suggestion.objects.filter(pk=other.pk).values().get()
    assert fill(other.product) == LabelErrors(changed=1)
    assert Suggestion.objects.filter(pk=other.pk).values().get() == before


def test_long_names_fit_into_the_reason(labelled: Filed) -> None:
    for code in (SAWS, DRILLS):
        Category.objects.filter(code=code).update(path=f"Tools > {code} {'x' * 150}")
    fill(labelled[0])
    assert len(Suggestion.objects.get().reason) <= 200


def test_a_page_of_suspects_costs_the_same_as_one(labelled: Filed) -> None:
    costs = []
    for products in (labelled[:1], labelled):
        with CaptureQueriesContext(connection) as queries:
            fill(*products)
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert costs[0] <= 7


# --- Deciding -----------------------------------------------------------------------


def test_a_label_that_a_person_calls_right_is_not_asked_about_again(
    labelled: Filed, admin_user: User
) -> None:
    fill(labelled[0])
    before = Product.objects.filter(pk=labelled[0].pk).values().get()
    services.suggestion_reject(Suggestion.objects.get(), actor=admin_user)
    assert Product.objects.filter(pk=labelled[0].pk).values().get() == before
    assert (last().act, last().queue, last().to_category) == ("reject", "label", category(DRILLS))
    assert fill(labelled[0]) == LabelErrors(answered=1)
    assert asked() == []
    Suggestion.objects.all().delete()
    assert fill(labelled[0]) == LabelErrors(answered=1), "the history knows, not the suggestion"

    reworded = labelled[0]
    reworded.title = "hand saw"
    reworded.save()
    assert fill(reworded) == LabelErrors(new=1), "another text is another question"
    services.suggestion_reject(Suggestion.objects.get(), actor=admin_user)
    reworded.category = category(MUGS)
    reworded.save()
    relabelled = suspect(reworded, category_code=MUGS)
    assert services.label_errors_fill([relabelled], model_version="m1") == LabelErrors(new=1), "another label"


def test_approving_and_correcting_relabel_and_are_undone(labelled: Filed, admin_user: User) -> None:
    fill(*labelled)
    before = state()
    rows = {row.product_id: row for row in Suggestion.objects.all()}
    services.suggestion_approve(rows[labelled[0].pk], actor=admin_user)
    services.suggestion_correct(rows[labelled[4].pk], actor=admin_user, category=category(MUGS))
    lines = list(Assignment.objects.order_by("pk"))
    assert [
        (line.from_source, line.from_category and line.from_category.code, line.to_category, line.queue)
        for line in lines
    ] == [("import", DRILLS, category(SAWS), "label"), ("human", DRILLS, category(MUGS), "label")]
    assert Product.objects.get(pk=labelled[0].pk).source == "human"
    moved = suspect(labelled[0], category_code=SAWS, candidates=((DRILLS, 0.9), (SAWS, 0.1)))
    assert services.label_errors_fill([moved], model_version="m2") == LabelErrors(answered=1)
    for line in lines:
        services.decision_undo(line, actor=admin_user)
    assert state() == before


def test_calling_a_label_right_is_undone(labelled: Filed, admin_user: User) -> None:
    fill(labelled[0])
    before = state()
    services.suggestion_reject(Suggestion.objects.get(), actor=admin_user)
    services.decision_undo(last(), actor=admin_user)
    assert state() == before
    assert fill(labelled[0]) == LabelErrors(waiting=1)


def test_undoing_the_doubted_label_itself_takes_the_doubt_along(
    shop_tree: None, labelled: Filed, admin_user: User
) -> None:
    row = put_in_queue(["jigsaw blade"], text_digest=text_digest({"title": "jigsaw blade"}))[0]
    before = state()
    services.suggestion_correct(row, actor=admin_user, category=category(DRILLS))
    services.product_set_category(labelled[0], category(MUGS), actor=admin_user)
    decisions = list(Assignment.objects.order_by("pk"))
    doubted = suspect(labelled[0], category_code=MUGS)
    assert services.label_errors_fill([suspect(row.product), doubted], model_version="m") == LabelErrors(
        new=2
    )
    for line in decisions:
        services.decision_undo(line, actor=admin_user)
    assert state() == before


def test_nothing_is_approved_in_bulk_unconfirmed(labelled: Filed, admin_user: User) -> None:
    fill(*labelled)
    pks = [row.pk for row in selectors.queue_in_order("label")]
    assert services.suggestions_approve_top(pks, actor=admin_user).refused_low == tuple(pks)
    services.suggestions_approve_top(pks, actor=admin_user, confirm_low=True)
    assert set(Product.objects.values_list("category__code", flat=True)) == {SAWS}
    run = ClassificationRun.objects.latest("pk")
    assert services.run_undo(run, actor=admin_user).undone == 5
    assert set(Product.objects.values_list("category__code", flat=True)) == {DRILLS}
    assert len(asked()) == 5


# --- What else happens to such a product --------------------------------------------


def test_a_new_label_answers_the_doubt(labelled: Filed, admin_user: User) -> None:
    fill(*labelled)
    labelled[0].category = category(MUGS)
    labelled[0].save()
    rows = [
        ProductRow(line=2, sku="L1", title="jigsaw blade 1", category_code=MUGS),
        ProductRow(line=3, sku="L2", title="another text", category_code=DRILLS),
        ProductRow(line=4, sku="L4", title="jigsaw blade 4", category_code=MUGS),
    ]
    assert services.products_import(lambda: rows, name="x.csv").kept_human == 1
    services.product_set_category(labelled[3], category(SAWS), actor=admin_user)
    assert set(asked()) == {labelled[2].pk, labelled[4].pk}
    assert last().queue == "label", "decided on the product's own page, it is answered all the same"


def test_another_text_leaves_the_question_to_people(labelled: Filed) -> None:
    fill(labelled[0])
    labelled[0].title = "red mug"
    labelled[0].save()
    assert asked() == [labelled[0].pk]


def test_a_label_taken_away_takes_the_doubt_along_until_it_is_undone(
    live_model: ProductionClassifier, labelled: Filed, admin_user: User
) -> None:
    fill(*labelled[:2])
    before = state()
    services.product_set_category(labelled[0], None, actor=admin_user)
    labelled[1].category = None
    labelled[1].save()
    assert asked() == []
    services.decision_undo(Assignment.objects.exclude(act="ask").get(queue="label"), actor=admin_user)
    first = [rows[0] for rows in state()]
    assert first == [rows[0] for rows in before]
    services.product_set_category(labelled[0], None, actor=admin_user)
    services.products_sweep(services.SweepOptions())
    waiting = Suggestion.objects.filter(status="pending").exclude(queue="review")
    assert not waiting.exists()


def test_a_doubt_that_was_refused_does_not_keep_the_model_from_filing_later(
    live_model: ProductionClassifier, labelled: Filed, admin_user: User
) -> None:
    Product.objects.filter(pk=labelled[0].pk).update(title=SURE, text_digest=text_digest({"title": SURE}))
    labelled[0].refresh_from_db()
    doubt = suspect(labelled[0])
    services.label_errors_fill([doubt], model_version=live_model.version)
    services.suggestion_reject(Suggestion.objects.get(), actor=admin_user)
    services.product_set_category(labelled[0], None, actor=admin_user)
    services.products_sweep(services.SweepOptions())
    assert Product.objects.get(pk=labelled[0].pk).category_source == Source.MODEL


def test_passes_of_the_model_leave_doubts_alone(
    live_model: ProductionClassifier, labelled: Filed, admin_user: User, add_products: Callable[..., Filed]
) -> None:
    fill(*labelled)
    before = Suggestion.objects.order_by("pk").values()
    kept = list(before)
    add_products(SURE, UNSURE)
    services.products_sweep(services.SweepOptions(everything=True))
    services.products_classify([product.pk for product in labelled], force=True)
    services.priorities_refresh()
    services.run_undo(ClassificationRun.objects.get(kind="classify_products"), actor=admin_user)
    assert list(before.filter(queue="label").all()) == kept
    assert set(Product.objects.filter(pk__in=[row.pk for row in labelled]).values_list("category__code")) == {
        (DRILLS,)
    }


def test_a_doubt_goes_with_its_product(labelled: Filed) -> None:
    fill(labelled[0])
    labelled[0].delete()
    assert not Suggestion.objects.exists()


# --- The command --------------------------------------------------------------------


@pytest.fixture
def shop(shop_tree: None) -> Filed:
    """The tiny catalogue, labelled, with four saws among the mugs; answers those."""
    rows = list(labelled_rows())
    places = {place.code: place for place in Category.objects.all()}
    saws = [row for row in rows if row.category_code == SAWS and "assorted" not in row.title][:4]
    wrong = [replace(row, category_code=MUGS) if row in saws else row for row in rows]
    Product.objects.bulk_create(
        Product(
            sku=row.sku, title=row.title, category=places[row.category_code], category_source=Source.IMPORT
        )
        for row in wrong
    )
    return list(Product.objects.filter(sku__in=[row.sku for row in saws]))


def test_the_command_finds_planted_errors(shop: Filed, admin_user: User) -> None:
    out = StringIO()
    before = list(Product.objects.order_by("pk").values())
    call_command("find_label_errors", "--limit", "3", stdout=out)

    found = selectors.queue_in_order("label")
    assert {row.product_id for row in found} <= {product.pk for product in shop}
    assert {row.top_code for row in found} == {SAWS}
    assert len(found) == 3
    assert list(Product.objects.order_by("pk").values()) == before
    said = out.getvalue()
    assert "3 of them now wait for a person" in said
    assert "out-of-fold predictions" in said

    for row in found[:2]:
        services.suggestion_reject(row, actor=admin_user)
    again = StringIO()
    call_command("find_label_errors", "--limit", "3", stdout=again)
    assert "2 left alone: a person has said that the label is right" in again.getvalue()
    silent = StringIO()
    call_command("find_label_errors", verbosity=0, stdout=silent)
    assert silent.getvalue() == ""


def test_a_training_that_goes_live_asks_about_the_labels_too(
    shop: Filed, settings: Settings, tmp_path: Path
) -> None:
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": tmp_path / "models" / "classifier.pt", "ENABLED": False}
    runtime.reset()
    out = StringIO()
    quick = ("--backend", "linear", "--fields", "title", "--class-weight", "none", "--folds", "3")
    call_command("train_classifier", *quick, "--no-promote", stdout=StringIO())
    assert asked() == [], "an experiment asks nobody"
    call_command("train_classifier", *quick, "--test-fraction", "0.05", stdout=out)
    assert "labels look wrong" in out.getvalue()
    first = selectors.queue_in_order("label")[0]
    assert first.product_id in {product.pk for product in shop}
    assert first.model_version == services.model_info().version


@pytest.mark.parametrize(
    ("labels", "said"), [(0, "no product has a label yet"), (5, "5 usable labelled rows")]
)
def test_too_few_labels_are_an_error(shop_tree: None, labels: int, said: str) -> None:
    Product.objects.bulk_create(
        Product(sku=str(n), title="saw", category=category(SAWS), category_source="import")
        for n in range(labels)
    )
    with pytest.raises(CommandError, match=said):
        call_command("find_label_errors", stdout=StringIO())


def test_without_the_training_packages_it_says_what_to_install(
    labelled: Filed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "training.pipeline", None)
    monkeypatch.delattr("training.pipeline", raising=False)
    with pytest.raises(CommandError, match=r"pip install -r requirements-ml\.txt"):
        call_command("find_label_errors", stdout=StringIO())


@pytest.mark.parametrize("limit", ["0", "x"])
def test_a_limit_is_a_count(db: None, limit: str) -> None:
    with pytest.raises(CommandError, match="limit"):
        call_command("find_label_errors", "--limit", limit)


def test_ctrl_c_leaves_everything_whole(labelled: Filed, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.pipeline.run", stop)
    err = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("find_label_errors", stdout=StringIO(), stderr=err)
    assert ended.value.code == 130
    assert "Stopped." in err.getvalue()
