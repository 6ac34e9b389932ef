"""Undo: the product is what it was, the history only grows, and nothing later is overwritten."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from apps.categories import selectors, services
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.models import Assignment, Category, ClassificationRun, Product, Suggestion
from apps.categories.services import undo

from .conftest import SURE, UNREADABLE, UNSURE

pytestmark = pytest.mark.django_db

AddProducts = Callable[..., list[Product]]


@pytest.fixture
def waiting(live_model: ProductionClassifier, add_products: AddProducts) -> list[Suggestion]:
    """Three products in front of a person, two of them near-duplicates."""
    add_products(UNSURE, f"{UNSURE} 5", UNREADABLE)
    services.products_sweep(services.SweepOptions())
    return list(Suggestion.objects.order_by("product__sku"))


def category(code: str) -> Category:
    found: Category = Category.objects.get(code=code)
    return found


def state() -> tuple[list[Any], list[Any]]:
    """Everything that an undo has to bring back."""
    return (
        list(Product.objects.order_by("pk").values()),
        list(Suggestion.objects.order_by("product_id").values()),
    )


def last() -> Assignment:
    return Assignment.objects.latest("pk")


@pytest.mark.parametrize("act", ["approve", "correct", "reject", "set", "unset"])
def test_a_decision_is_undone_to_the_last_column(
    waiting: list[Suggestion], admin_user: User, act: str
) -> None:
    saws, first = category("CAT_TOOLS_SAWS"), waiting[0]
    if act == "unset":
        services.suggestion_correct(first, actor=admin_user, category=saws)
    before, lines = state(), Assignment.objects.count()
    product = Product.objects.get(pk=first.product_id)
    if act == "approve":
        services.suggestion_approve(first, actor=admin_user, note="x")
    elif act == "correct":
        services.suggestion_correct(first, actor=admin_user, category=saws)
    elif act == "reject":
        services.suggestion_reject(first, actor=admin_user)
    else:
        services.product_set_category(product, saws if act == "set" else None, actor=admin_user)
    assert state() != before
    decision = last()
    services.decision_undo(decision, actor=admin_user, note="slipped")
    done = last()
    assert state() == before
    assert Assignment.objects.count() == lines + 2, "the history only grows"
    assert (done.act, done.undoes, done.actor, done.note) == ("undo", decision, admin_user, "slipped")
    assert (done.from_category_id, done.to_category_id) == (
        decision.to_category_id,
        decision.from_category_id,
    )


@pytest.mark.parametrize("act", ["approve", "reject"])
def test_what_waited_for_the_model_waits_for_it_again(
    waiting: list[Suggestion], admin_user: User, act: str
) -> None:
    product = Product.objects.get(pk=waiting[0].product_id)
    services.product_set_category(product, None, actor=admin_user)
    assert product in selectors.stale_products()
    if act == "approve":
        services.suggestion_approve(waiting[0], actor=admin_user)
    else:
        services.suggestion_reject(waiting[0], actor=admin_user)

    services.decision_undo(last(), actor=admin_user)

    assert product in selectors.stale_products()


def test_what_the_model_had_filed_comes_back_with_its_confidence(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    product = add_products(SURE)[0]
    services.products_sweep(services.SweepOptions())
    before = state()
    services.product_set_category(product, category("CAT_KITCHEN_MUGS"), actor=admin_user)
    services.decision_undo(last(), actor=admin_user)
    assert state() == before
    assert Product.objects.get().source == f"model@{live_model.version}"


def test_a_decision_is_undone_once(waiting: list[Suggestion], admin_user: User) -> None:
    services.suggestion_approve(waiting[0], actor=admin_user)
    decision = last()
    services.decision_undo(decision, actor=admin_user)
    undone, before = last(), state()
    with pytest.raises(services.ReviewError, match="admin has already undone this at 20"):
        services.decision_undo(decision, actor=admin_user)
    with pytest.raises(services.ReviewError, match="cannot be taken back itself"):
        services.decision_undo(undone, actor=admin_user)
    assert state() == before


def test_a_later_human_edit_stays_until_it_is_undone_itself(
    waiting: list[Suggestion], admin_user: User
) -> None:
    anna = User.objects.create(username="anna")
    start = state()
    services.suggestion_approve(waiting[0], actor=admin_user)
    first, product = last(), Product.objects.get(pk=waiting[0].product_id)
    services.product_set_category(product, category("CAT_TOOLS_SAWS"), actor=anna)
    before = state()
    with pytest.raises(services.ReviewError, match="anna has changed this product to “Tools > Saws” at 20"):
        services.decision_undo(first, actor=admin_user)
    assert state() == before
    services.decision_undo(last(), actor=anna)
    services.decision_undo(first, actor=admin_user)
    assert state() == start


def test_what_code_or_raw_sql_changed_since_stays(waiting: list[Suggestion], admin_user: User) -> None:
    for suggestion in waiting[:2]:
        services.suggestion_correct(suggestion, actor=admin_user, category=category("CAT_KITCHEN_MUGS"))
    saved, raw = Assignment.objects.filter(source="human").order_by("product__sku")
    product = Product.objects.get(pk=saved.product_id)
    product.category = category("CAT_TOOLS_SAWS")
    product.save()
    Product.objects.filter(pk=raw.product_id).update(category=category("CAT_TOOLS_SAWS"))
    before = state()
    with pytest.raises(services.ReviewError, match=r"Somebody \(import\) has changed this product"):
        services.decision_undo(saved, actor=admin_user)
    with pytest.raises(services.ReviewError, match="no longer as the decision left it"):
        services.decision_undo(raw, actor=admin_user)
    assert state() == before


def test_a_rejection_that_the_model_has_looked_past_stays(
    waiting: list[Suggestion], admin_user: User
) -> None:
    services.suggestion_reject(waiting[0], actor=admin_user)
    Product.objects.filter(pk=waiting[0].product_id).update(title="shawl drill")
    services.products_sweep(services.SweepOptions())
    before = state()
    with pytest.raises(services.ReviewError, match="looked at it again"):
        services.decision_undo(Assignment.objects.get(act="reject"), actor=admin_user)
    assert state() == before


def test_only_what_a_person_decided_is_undone_by_itself(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    add_products(SURE)
    services.products_sweep(services.SweepOptions())
    with pytest.raises(services.ReviewError, match="not a person's decision"):
        services.decision_undo(last(), actor=admin_user)
    mugs = category("CAT_KITCHEN_MUGS")
    old = Assignment.objects.create(product=Product.objects.get(), to_category=mugs, source="human")
    Product.objects.update(category=mugs, category_source="human")
    with pytest.raises(services.ReviewError, match="before the history kept"):
        services.decision_undo(old, actor=admin_user)
    assert Product.objects.get().category == mugs


def test_a_bulk_act_is_undone_as_one(waiting: list[Suggestion], admin_user: User) -> None:
    before = state()
    services.suggestions_approve_top([row.pk for row in waiting], actor=admin_user, confirm_low=True)
    run = ClassificationRun.objects.latest("pk")
    summary = services.run_undo(run, actor=admin_user)
    assert state() == before
    assert (summary.undone, summary.later, summary.unfiled) == (2, 0, 2)
    ledger = ClassificationRun.objects.latest("pk")
    assert (ledger.kind, ledger.undoes, ledger.status, ledger.actor) == ("undo", run, "finished", admin_user)
    assert ledger.counts == {"undone": 2, "unfiled": 2}
    assert set(Assignment.objects.filter(act="undo").values_list("run_id", flat=True)) == {ledger.pk}


def test_undoing_a_run_twice_says_so_and_writes_nothing(waiting: list[Suggestion], admin_user: User) -> None:
    services.suggestions_approve_top([row.pk for row in waiting], actor=admin_user, confirm_low=True)
    run = ClassificationRun.objects.latest("pk")
    services.run_undo(run, actor=admin_user)
    before, runs, lines = state(), ClassificationRun.objects.count(), Assignment.objects.count()
    again = services.run_undo(run, actor=admin_user)
    assert (state(), ClassificationRun.objects.count(), Assignment.objects.count()) == (before, runs, lines)
    assert (again.run, again.undone) == (None, 0)
    assert again.sentence().startswith(f"Run {run.pk} was already undone by admin at 20")


def test_a_classification_run_is_undone_but_for_what_people_decided_since(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    products = add_products(*[SURE] * 5, UNSURE)
    services.products_sweep(services.SweepOptions())
    run = ClassificationRun.objects.get()
    mugs = category("CAT_KITCHEN_MUGS")
    services.product_set_category(products[0], mugs, actor=admin_user)
    services.product_set_category(products[1], None, actor=admin_user)
    summary = services.run_undo(run, actor=admin_user)
    assert (summary.undone, summary.unfiled, summary.later) == (4, 4, 2)
    assert "2 with later changes stay" in summary.sentence()
    rows = Product.objects.order_by("sku").values_list("category__code", "category_source", "needs_review")
    assert list(rows) == [
        ("CAT_KITCHEN_MUGS", "human", False),
        *[(None, "none", False)] * 5,
    ]
    assert not Suggestion.objects.exists(), "what the run asked is not asked any more"
    Product.objects.filter(pk=products[1].pk).update(is_stale=False)
    assert services.products_sweep(services.SweepOptions()).seen == 0, "a sweep does not repeat it"
    assert services.products_sweep(services.SweepOptions(everything=True)).filed == 4


def test_a_later_run_goes_back_to_what_the_earlier_one_filed(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    """With a suggestion that waited, one that a person had rejected, and one that the model asked later."""
    add_products(SURE, UNSURE, UNSURE, SURE)
    services.products_sweep(services.SweepOptions())
    first = ClassificationRun.objects.get()
    services.suggestion_reject(Suggestion.objects.get(product__sku="P00002"), actor=admin_user)
    before = state()
    titles = dict(Product.objects.values_list("sku", "title"))
    Product.objects.exclude(sku="P00003").update(title="silk shawl")
    services.products_sweep(services.SweepOptions())
    second = ClassificationRun.objects.latest("pk")
    assert not Suggestion.objects.exists()
    assert services.run_undo(second, actor=admin_user).undone == 3
    for sku, title in titles.items():
        Product.objects.filter(sku=sku).update(title=title)
    now = state()
    looked_at = ("text_digest", "classified_at", "is_stale")
    for rows in (before[0], now[0]):
        for row in rows:
            for name in looked_at:
                row.pop(name)
    for rows in (before[1], now[1]):
        for row in rows:
            row.pop("id")
    assert now == before
    assert services.run_undo(first, actor=admin_user).undone == 3, "all but what a person rejected"


def test_what_the_model_asks_since_is_still_asked(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    add_products(SURE)
    services.products_sweep(services.SweepOptions())
    Product.objects.update(title=UNSURE)
    services.products_sweep(services.SweepOptions())
    services.run_undo(ClassificationRun.objects.earliest("pk"), actor=admin_user)
    assert Product.objects.values_list("category", "category_source", "needs_review").get() == (
        None,
        "none",
        True,
    )
    assert selectors.review_queue().count() == 1


@pytest.fixture
def sweep_at(settings: Settings) -> Callable[[float], ClassificationRun]:
    """A pass over everything, by another bar."""

    def sweep(bar: float) -> ClassificationRun:
        settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "THRESHOLD": bar}
        services.products_sweep(services.SweepOptions(everything=True))
        found: ClassificationRun = ClassificationRun.objects.latest("pk")
        return found

    return sweep


def comparable() -> tuple[list[Any], list[Any]]:
    """The state, without what says that the model has looked."""
    products, suggestions = state()
    for row in products:
        del row["classified_at"]
    for row in suggestions:
        del row["id"]
    return products, suggestions


def test_a_question_that_a_run_answered_is_asked_again(
    live_model: ProductionClassifier,
    add_products: AddProducts,
    admin_user: User,
    sweep_at: Callable[[float], ClassificationRun],
) -> None:
    add_products(SURE)
    filing, filed = sweep_at(0.9), comparable()
    asking, asked = sweep_at(1.0), comparable()
    assert selectors.review_queue().get().product.category == category("CAT_TOOLS_DRILLS")
    answering = sweep_at(0.9)
    assert comparable() == filed
    assert [line.act for line in Assignment.objects.order_by("pk")] == ["file", "ask", "file"]
    for run, before in ((answering, asked), (asking, filed)):
        assert services.run_undo(run, actor=admin_user).undone == 1
        assert comparable() == before
    assert services.run_undo(filing, actor=admin_user).unfiled == 1


def test_a_run_that_only_asked_is_undone(waiting: list[Suggestion], admin_user: User) -> None:
    run = ClassificationRun.objects.get()
    lines = Assignment.objects.values_list("act", "source", "to_category", "from_review", "run")
    assert list(lines) == [("ask", "model", None, False, run.pk)] * 3
    services.suggestion_reject(waiting[0], actor=admin_user)
    summary = services.run_undo(run, actor=admin_user)
    assert (summary.undone, summary.later) == (2, 1)
    assert not Product.objects.filter(needs_review=True).exists()
    assert Suggestion.objects.get().status == "rejected"
    assert services.products_sweep(services.SweepOptions()).seen == 0, "a sweep does not repeat it"
    services.decision_undo(Assignment.objects.get(act="reject"), actor=admin_user)
    assert services.run_undo(run, actor=admin_user).undone == 1
    assert not Suggestion.objects.exists()


def test_a_question_asked_anew_leaves_no_line_and_stays(
    waiting: list[Suggestion], admin_user: User, sweep_at: Callable[[float], ClassificationRun]
) -> None:
    first, lines = ClassificationRun.objects.get(), Assignment.objects.count()
    second = sweep_at(0.95)
    assert Assignment.objects.count() == lines
    before = state()
    for run in (second, first):
        services.run_undo(run, actor=admin_user)
        assert state() == before


def test_a_sample_that_a_run_ended_waits_again(
    live_model: ProductionClassifier,
    add_products: AddProducts,
    admin_user: User,
    sweep_at: Callable[[float], ClassificationRun],
) -> None:
    add_products(SURE, SURE)
    sweep_at(0.9)
    services.audit_fill(2)
    rejected, _ = selectors.queue_in_order("audit")
    services.suggestion_reject(rejected, actor=admin_user)
    Suggestion.objects.update(model_version="an earlier one")
    before = comparable()
    run = sweep_at(0.9)
    assert not Suggestion.objects.exists()
    assert services.run_undo(run, actor=admin_user).undone == 2
    assert comparable() == before


def test_one_that_a_run_let_wait_to_be_refined_does_not_any_more(
    forked_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    add_products("power tool gabecide")
    services.products_sweep(services.SweepOptions())
    first = ClassificationRun.objects.get()
    Suggestion.objects.all().delete()
    before = comparable()
    for lines in (2, 2):
        services.products_sweep(services.SweepOptions(everything=True))
        assert Assignment.objects.count() == lines
    assert selectors.refine_queue().exists()
    run = ClassificationRun.objects.filter(pk__gt=first.pk).earliest("pk")
    assert services.run_undo(run, actor=admin_user).undone == 1
    assert comparable() == before


def test_a_question_overtakes_no_move_but_what_leaves_a_product_where_it_is(
    live_model: ProductionClassifier,
    add_products: AddProducts,
    admin_user: User,
    sweep_at: Callable[[float], ClassificationRun],
) -> None:
    add_products(SURE)
    filing, _, answering = sweep_at(0.9), sweep_at(1.0), sweep_at(0.9)
    assert selectors.acts_overtaken(filing).count() == 1
    asking_again, before = sweep_at(1.0), state()
    assert selectors.acts_overtaken(answering).count() == 1
    assert services.run_undo(answering, actor=admin_user).later == 1
    assert state() == before
    services.run_undo(asking_again, actor=admin_user)
    assert not selectors.acts_overtaken(answering).exists()
    add_products(SURE)
    moving, _ = sweep_at(0.9), sweep_at(1.0)
    new = Assignment.objects.filter(run=moving, product__sku="P00001")
    assert not selectors.acts_overtaken(moving).filter(pk__in=new).exists()


def test_the_statements_of_a_pass_do_not_grow_with_what_it_changes(
    live_model: ProductionClassifier,
    add_products: AddProducts,
    sweep_at: Callable[[float], ClassificationRun],
) -> None:
    counts = []
    for size in (3, 100):
        add_products(*[SURE, UNSURE] * size)
        for bar in (0.9, 1.0, 0.9, 0.9):
            with CaptureQueriesContext(connection) as queries:
                sweep_at(bar)
            counts.append(sum("categories_suggestion" in query["sql"] for query in queries))
    # What is left over of the earlier products makes the second first pass no first one.
    assert counts[1:4] == counts[5:8]


def test_a_run_that_filed_a_product_twice_goes_back_to_before_both(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    product = add_products(SURE)[0]
    run = services.run_start(ClassificationRun.Kind.CLASSIFY, options={})
    services.products_classify([product.pk], run=run)
    Product.objects.update(title="silk shawl")
    services.products_classify([product.pk], run=run)
    services.run_finish(run)
    assert services.run_undo(run, actor=admin_user).undone == 2
    assert Product.objects.values_list("category", "category_source").get() == (None, "none")


class Killed(BaseException):
    """As sudden as a signal."""


def test_a_killed_undo_goes_on(
    live_model: ProductionClassifier,
    add_products: AddProducts,
    admin_user: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_products(*[SURE] * 7)
    services.products_sweep(services.SweepOptions())
    run = ClassificationRun.objects.get()
    monkeypatch.setattr(undo, "CHUNK", 2)
    beats, beat = iter(range(100)), undo.run_beat

    def die(*args: Any, **more: Any) -> None:
        if next(beats) == 2:
            raise Killed
        beat(*args, **more)

    monkeypatch.setattr(undo, "run_beat", die)
    with pytest.raises(Killed):
        services.run_undo(run, actor=admin_user)
    assert Product.objects.filter(category=None).count() == 4
    ledger = ClassificationRun.objects.latest("pk")
    assert (ledger.status, ledger.counts["undone"]) == ("interrupted", 4)
    summary = services.run_undo(run, actor=admin_user)
    assert (summary.run, summary.undone) == (ledger, 7)
    ledger.refresh_from_db()
    assert (ledger.status, ledger.counts["undone"]) == ("finished", 7)
    assert Assignment.objects.filter(act="undo").count() == 7
    assert not Product.objects.exclude(category=None).exists()


def test_what_cannot_be_undone_says_why(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    add_products(SURE)
    services.products_sweep(services.SweepOptions())
    run = ClassificationRun.objects.get()
    ClassificationRun.objects.update(status="running")
    with pytest.raises(services.ReviewError, match="still at work"):
        services.run_undo(run, actor=admin_user)
    ClassificationRun.objects.update(status="finished")
    other = services.run_start(ClassificationRun.Kind.UNDO, options={}, undoes=run)
    with pytest.raises(services.ReviewError, match=f"being undone already, by run {other.pk}"):
        services.run_undo(run, actor=admin_user)
    with pytest.raises(services.ReviewError, match="an undo itself"):
        services.run_undo(other, actor=admin_user)
    imported = services.run_start(ClassificationRun.Kind.IMPORT, options={})
    with pytest.raises(services.ReviewError, match="import products"):
        services.run_undo(imported, actor=admin_user)
    assert Product.objects.get().category is not None


def test_the_statements_of_an_undo_do_not_grow(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    counts = []
    for size in (5, 200):
        add_products(*[SURE] * size)
        services.products_sweep(services.SweepOptions())
        run = ClassificationRun.objects.filter(kind="classify_products").latest("pk")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert services.run_undo(run, actor=admin_user).undone == size
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_product_goes_with_its_history(waiting: list[Suggestion], admin_user: User) -> None:
    services.suggestion_approve(waiting[0], actor=admin_user)
    services.decision_undo(last(), actor=admin_user)
    Product.objects.get(pk=waiting[0].product_id).delete()
    assert not Assignment.objects.filter(product_id=waiting[0].product_id).exists()
