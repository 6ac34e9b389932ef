"""What people decide: recorded once, with who and when, and above any model."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.categories import selectors, services
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.models import (
    Assignment,
    Category,
    ClassificationRun,
    HistoryIsAppendOnly,
    ModelVersion,
    Product,
    Suggestion,
)
from apps.categories.services import review

from .conftest import SURE, UNREADABLE, UNSURE

pytestmark = pytest.mark.django_db

AddProducts = Callable[..., list[Product]]


@pytest.fixture
def waiting(live_model: ProductionClassifier, add_products: AddProducts) -> list[Suggestion]:
    """Three products in front of a person: two unsure, one unreadable."""
    add_products(UNSURE, UNSURE, UNREADABLE)
    services.products_sweep(services.SweepOptions())
    return list(Suggestion.objects.order_by("product__sku"))


def category(code: str) -> Category:
    found: Category = Category.objects.get(code=code)
    return found


def test_approve_files_the_product_under_the_first_candidate(
    waiting: list[Suggestion], admin_user: User
) -> None:
    before = datetime.now(UTC)
    decided = services.suggestion_approve(waiting[0], actor=admin_user, note="clear")
    top = category("CAT_TOOLS_DRILLS")
    product = Product.objects.get(sku="P00000")
    assert (product.category, product.source, product.needs_review) == (top, "human", False)
    assert (product.category_confidence, product.model_version) == (None, "")
    stored = Suggestion.objects.get(pk=decided.pk)
    assert (stored.status, stored.decided_by, stored.decided_category, stored.note) == (
        Suggestion.Status.APPROVED,
        admin_user,
        top,
        "clear",
    )
    assert stored.decided_at is not None
    assert stored.decided_at >= before
    history = Assignment.objects.exclude(act="ask").get()
    assert (history.product_id, history.from_category, history.to_category) == (product.pk, None, top)
    assert (history.source, history.actor, history.note) == ("human", admin_user, "clear")


def test_approve_another_candidate(waiting: list[Suggestion], admin_user: User) -> None:
    second = waiting[0].candidates[1]["category_code"]
    decided = services.suggestion_approve(waiting[0], actor=admin_user, category_code=second)
    assert decided.status == Suggestion.Status.APPROVED
    assert Product.objects.get(sku="P00000").category == category(second)


def test_the_category_that_the_reviewer_saw_counts_after_the_candidates_changed(
    waiting: list[Suggestion], admin_user: User
) -> None:
    decided = services.suggestion_approve(waiting[0], actor=admin_user, category_code="CAT_HOGAR_BANO")
    assert decided.status == Suggestion.Status.CORRECTED
    assert Product.objects.get(sku="P00000").category == category("CAT_HOGAR_BANO")


def test_correct_and_reject(waiting: list[Suggestion], admin_user: User) -> None:
    mugs = category("CAT_KITCHEN_MUGS")
    assert services.suggestion_correct(waiting[0], actor=admin_user, category=mugs).status == "corrected"
    assert services.suggestion_reject(waiting[1], actor=admin_user, note="no such thing").status == "rejected"
    assert list(
        Product.objects.order_by("sku").values_list("category__code", "category_source", "needs_review")
    ) == [("CAT_KITCHEN_MUGS", "human", False), (None, "none", False), (None, "none", True)]
    assert list(
        Assignment.objects.exclude(act="ask").order_by("pk").values_list("act", "to_category__code", "note")
    ) == [
        ("file", "CAT_KITCHEN_MUGS", ""),
        ("reject", None, "no such thing"),
    ]
    assert [suggestion.pk for suggestion in selectors.review_queue()] == [waiting[2].pk]


@pytest.mark.parametrize("again", ["approve", "correct", "reject"])
def test_the_second_decision_is_told_about_the_first(
    waiting: list[Suggestion], admin_user: User, again: str
) -> None:
    anna = User.objects.create(username="anna")
    services.suggestion_approve(waiting[0], actor=anna)
    with pytest.raises(
        services.AlreadyDecided, match="anna has already approved this as “Tools > Drills” at 20"
    ):
        if again == "approve":
            services.suggestion_approve(waiting[0], actor=admin_user)
        elif again == "reject":
            services.suggestion_reject(waiting[0], actor=admin_user)
        else:
            services.suggestion_correct(waiting[0], actor=admin_user, category=category("CAT_TOOLS_SAWS"))
    assert Product.objects.get(sku="P00000").category == category("CAT_TOOLS_DRILLS")
    assert Assignment.objects.exclude(act="ask").count() == 1


def test_a_suggestion_that_has_gone_is_told_as_decided(waiting: list[Suggestion], admin_user: User) -> None:
    Product.objects.filter(sku="P00000").update(title=SURE)
    services.products_sweep(services.SweepOptions())
    with pytest.raises(services.AlreadyDecided, match="gone"):
        services.suggestion_approve(waiting[0], actor=admin_user)
    Product.objects.filter(sku="P00001").delete()
    with pytest.raises(services.AlreadyDecided, match="gone"):
        services.suggestion_reject(waiting[1], actor=admin_user)


def test_what_cannot_be_approved_says_why(waiting: list[Suggestion], admin_user: User) -> None:
    with pytest.raises(services.ReviewError, match="no candidate"):
        services.suggestion_approve(waiting[2], actor=admin_user)
    with pytest.raises(services.ReviewError, match="not in this shop's tree"):
        services.suggestion_approve(waiting[0], actor=admin_user, category_code="CAT_NONE")
    Category.objects.filter(code="CAT_TOOLS_DRILLS").update(is_active=False)
    with pytest.raises(services.ReviewError, match="retired"):
        services.suggestion_approve(waiting[0], actor=admin_user)
    with pytest.raises(services.ReviewError, match="retired"):
        services.product_set_category(
            Product.objects.get(sku="P00000"), category("CAT_TOOLS_DRILLS"), actor=admin_user
        )
    assert Suggestion.objects.filter(status=Suggestion.Status.PENDING).count() == 3
    assert not Assignment.objects.exclude(act="ask").exists()


def test_approve_top_in_bulk_asks_before_it_takes_low_ones(
    waiting: list[Suggestion], admin_user: User
) -> None:
    ids = [suggestion.pk for suggestion in waiting]
    outcome = services.suggestions_approve_top([*ids, 10**9], actor=admin_user)
    assert outcome == services.BulkOutcome(
        run=ClassificationRun.objects.latest("pk"),
        refused_low=tuple(ids[:2]),
        impossible=(ids[2],),
        already_decided=(10**9,),
    )
    Suggestion.objects.filter(pk=ids[1]).update(threshold=0.1)
    outcome = services.suggestions_approve_top(ids, actor=admin_user)
    assert (outcome.decided, outcome.refused_low) == ((ids[1],), (ids[0],))
    outcome = services.suggestions_approve_top(ids, actor=admin_user, confirm_low=True)
    assert (outcome.decided, outcome.already_decided) == ((ids[0],), (ids[1],))
    run = ClassificationRun.objects.latest("pk")
    assert (run.kind, run.status, run.actor) == ("review", "finished", admin_user)
    assert run.counts == {"decided": 1, "already_decided": 1, "impossible": 1}
    assert run.assignments.get().product.sku == "P00000"


def test_a_label_from_outside_the_queue_closes_what_waits(
    waiting: list[Suggestion], admin_user: User
) -> None:
    product = Product.objects.get(sku="P00000")
    services.product_set_category(product, category("CAT_KITCHEN_MUGS"), actor=admin_user)
    assert product.source == "human"
    assert Suggestion.objects.get(pk=waiting[0].pk).status == Suggestion.Status.CORRECTED
    services.product_set_category(product, None, actor=admin_user, note="wrong")
    assert (product.category, product.source, product.is_stale) == (None, "none", True)
    services.products_sweep(services.SweepOptions())
    assert Suggestion.objects.get(pk=waiting[0].pk).is_pending
    moves = (
        Assignment.objects.exclude(act="ask")
        .order_by("pk")
        .values_list("to_category__code", "source", "note")
    )
    assert list(moves) == [("CAT_KITCHEN_MUGS", "human", ""), (None, "human", "wrong")]


def test_history_only_grows(waiting: list[Suggestion], admin_user: User) -> None:
    services.suggestion_approve(waiting[0], actor=admin_user)
    row = Assignment.objects.exclude(act="ask").get()
    row.note = "changed"
    for attempt in (
        row.save,
        row.delete,
        Assignment.objects.all().delete,
        lambda: Assignment.objects.update(note="changed"),
        lambda: Assignment.objects.bulk_update([row], ["note"]),
    ):
        with pytest.raises(HistoryIsAppendOnly), transaction.atomic():
            attempt()
    assert Assignment.objects.exclude(act="ask").get().note == ""
    Product.objects.get(sku="P00000").delete()
    assert not Assignment.objects.exclude(act="ask").exists(), "it goes with its product"


def test_one_live_suggestion_a_product(waiting: list[Suggestion]) -> None:
    waiting[0].pk = None
    waiting[0]._state.adding = True
    with pytest.raises(IntegrityError), transaction.atomic():
        waiting[0].save()


def test_the_queue_is_one_query(waiting: list[Suggestion], django_assert_num_queries: object) -> None:
    with django_assert_num_queries(1):  # type: ignore[operator]  # a fixture that is a function
        shown = [(row.product.title, row.product.category) for row in selectors.review_queue()]
    assert sorted(shown) == sorted([(UNSURE, None), (UNSURE, None), (UNREADABLE, None)])


def test_labels_are_what_training_reads(waiting: list[Suggestion], admin_user: User) -> None:
    services.suggestion_approve(waiting[0], actor=admin_user)
    assert list(selectors.labelled_products()) == [
        selectors.LabelledProduct(
            pk=Product.objects.get(sku="P00000").pk,
            sku="P00000",
            text={"title": UNSURE, "brand": "", "description": "", "seller": ""},
            category_code="CAT_TOOLS_DRILLS",
            category_path="Tools > Drills",
            source="human",
        )
    ]


def test_search_finds_every_word_in_active_paths_shortest_first(shop_tree: None) -> None:
    assert [found.path for found in selectors.category_search("tools")][:2] == ["Tools", "Tools > Saws"]
    assert [found.path for found in selectors.category_search("iLum HOGAR")] == ["Hogar > Iluminación"]
    assert [found.path for found in selectors.category_search("cat_tools_saws")] == ["Tools > Saws"]
    Category.objects.filter(code="CAT_TOOLS_SAWS").update(is_active=False)
    assert selectors.category_search("saws") == []
    assert len(selectors.category_search("", limit=3)) == 3


def test_one_model_is_live_at_a_time(db: None) -> None:
    def record(version: str) -> None:
        services.model_version_record(
            version=version,
            sha256="0" * 64,
            backend="linear",
            metrics={},
            threshold=0.9,
            source="classifier.pt",
        )

    record("one")
    record("two")
    record("one")
    live = ModelVersion.objects.filter(retired_at__isnull=True)
    assert [row.version for row in live] == ["one"]
    assert ModelVersion.objects.count() == 2


@pytest.mark.parametrize(("mishap", "status"), [(RuntimeError, "failed"), (KeyboardInterrupt, "interrupted")])
def test_a_bulk_act_that_breaks_is_closed_with_what_it_did(
    waiting: list[Suggestion],
    admin_user: User,
    monkeypatch: pytest.MonkeyPatch,
    mishap: type[BaseException],
    status: str,
) -> None:
    monkeypatch.setattr(review, "CHUNK", 1)
    write, calls = review.verdicts_write, list[object]()

    def breaks(*args: Any, **more: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise mishap("the disk is full")
        write(*args, **more)

    monkeypatch.setattr(review, "verdicts_write", breaks)

    with pytest.raises(mishap, match="the disk is full"):
        services.suggestions_reject([row.pk for row in waiting], actor=admin_user)

    run = ClassificationRun.objects.get(kind="review")
    assert (run.status, run.counts) == (status, {"decided": 1})
    assert Suggestion.objects.filter(status=Suggestion.Status.REJECTED).count() == 1
