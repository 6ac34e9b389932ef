"""The queue's order, its clusters, and who is handed what."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import checks
from django.db import connection
from django.db.models import F, Value
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apps.categories import selectors, services
from apps.categories.checks import check_product_model
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.text import group_key
from apps.categories.models import Assignment, Category, ClassificationRun, Product, Suggestion
from apps.categories.models.suggestion import NO_CLUSTER

from .conftest import SURE, UNREADABLE, UNSURE
from .waiting import put_in_queue

pytestmark = pytest.mark.django_db

AddProducts = Callable[..., list[Product]]
DRILLS = "CAT_TOOLS_DRILLS"


@pytest.fixture
def anna(db: None) -> User:
    return User.objects.create(username="anna")


def cluster(*numbers: int, **more: Any) -> list[Suggestion]:
    """Near-duplicates: titles that differ by a number."""
    title = more.pop("title", "drill shawl")
    found = put_in_queue([f"{title} {number} mm" for number in numbers], **more)
    services.priorities_refresh()
    for row in found:
        row.refresh_from_db()
    return found


def titles(order: str, **more: Any) -> list[str]:
    return [row.product.title for row in selectors.queue_in_order(order, **more)]  # type: ignore[attr-defined]


# --- What is stored -----------------------------------------------------------------


def test_a_sweep_stores_the_cluster_and_the_first_candidate(
    live_model: ProductionClassifier, add_products: AddProducts
) -> None:
    add_products(UNSURE, f"{UNSURE} 5 mm", UNREADABLE, "")
    services.products_sweep(services.SweepOptions())
    rows = list(Suggestion.objects.order_by("product__sku"))
    assert [row.cluster for row in rows] == [group_key(UNSURE)] * 2 + [group_key(UNREADABLE), NO_CLUSTER]
    for row in rows:
        top = row.top or {"category_code": "", "confidence": 0.0}
        assert (row.top_code, row.top_confidence) == (top["category_code"], top["confidence"])
    Product.objects.filter(sku="P00000").update(title="shawl red drill blue")
    services.products_sweep(services.SweepOptions())
    rows[0].refresh_from_db()
    assert rows[0].cluster == group_key("shawl red drill blue")


def test_rows_written_without_them_are_completed(shop_tree: None) -> None:
    row = put_in_queue(["drill shawl 5 mm"])[0]
    assert (row.cluster, row.top_code) == ("", "")
    services.priorities_refresh()
    row.refresh_from_db()
    assert (row.cluster, row.top_code, row.top_confidence) == (group_key("drill shawl"), DRILLS, 0.6)
    saved = Suggestion.objects.create(
        product=Product.objects.create(sku="S", title="red mug"),
        candidates=row.candidates,
        model_version="m",
        text_digest="d",
        created_at=timezone.now(),
        updated_at=timezone.now(),
    )
    assert (saved.cluster, saved.top_code, saved.top_confidence) == (group_key("red mug"), DRILLS, 0.6)


# --- Near-duplicates ----------------------------------------------------------------


def test_a_cluster_holds_what_waits_and_is_alike(shop_tree: None, admin_user: User) -> None:
    first, second, decided, labelled = cluster(1, 2, 3, 4)
    cluster(1, title="red mug")
    services.suggestion_approve(decided, actor=admin_user)
    Product.objects.filter(pk=labelled.product_id).update(category_source="import")
    assert list(selectors.cluster_of(first)) == [second]
    untitled = put_in_queue(["", ""])
    services.priorities_refresh()
    untitled[0].refresh_from_db()
    assert list(selectors.cluster_of(untitled[0])) == [], "no title is not the same title"


def test_one_decision_settles_its_near_duplicates_and_is_undone_as_one(
    shop_tree: None, admin_user: User, anna: User
) -> None:
    first, second, third, decided, labelled, unchosen = cluster(1, 2, 3, 4, 5, 6)
    mugs = Category.objects.get(code="CAT_KITCHEN_MUGS")
    services.suggestion_correct(decided, actor=anna, category=mugs)
    Product.objects.filter(pk=labelled.product_id).update(category=mugs, category_source="import")
    before = list(Product.objects.order_by("pk").values()), list(Suggestion.objects.order_by("pk").values())
    others = [second.pk, third.pk, decided.pk, labelled.pk, 10**9, first.pk]
    outcome = services.suggestions_settle(first, others, category_code=DRILLS, actor=admin_user, note="all")
    assert outcome.decided == (first.pk, second.pk, third.pk)
    assert (outcome.already_decided, outcome.labelled) == ((decided.pk, 10**9), (labelled.pk,))
    filed = Product.objects.filter(category__code=DRILLS, category_source="human", needs_review=False)
    assert set(filed.values_list("suggestion", flat=True)) == {first.pk, second.pk, third.pk}
    assert Product.objects.get(pk=decided.product_id).category == mugs
    assert Product.objects.get(pk=labelled.product_id).category_source == "import"
    run = ClassificationRun.objects.get()
    assert (outcome.run, run.status) == (run, "finished")
    assert run.counts == {"decided": 3, "already_decided": 2, "labelled": 1}
    lines = Assignment.objects.filter(run=run, actor=admin_user, note="all")
    assert lines.count() == 3
    assert list(selectors.review_queue()) == [unchosen]
    assert services.run_undo(run, actor=admin_user).undone == 3
    assert before == (
        list(Product.objects.order_by("pk").values()),
        list(Suggestion.objects.order_by("pk").values()),
    )


def test_settling_is_refused_whole_when_the_first_is_decided(
    shop_tree: None, admin_user: User, anna: User
) -> None:
    first, second = cluster(1, 2)
    with pytest.raises(services.ReviewError, match="not in this shop's tree"):
        services.suggestions_settle(first, [second.pk], category_code="CAT_NONE", actor=admin_user)
    with pytest.raises(services.ReviewError, match="at most 500"):
        services.suggestions_settle(first, range(10**6, 10**6 + 501), category_code=DRILLS, actor=admin_user)
    services.suggestion_reject(first, actor=anna)
    with pytest.raises(services.AlreadyDecided, match="anna has already rejected"):
        services.suggestions_settle(first, [second.pk], category_code=DRILLS, actor=admin_user)
    Category.objects.filter(code=DRILLS).update(is_active=False)
    with pytest.raises(services.ReviewError, match="retired"):
        services.suggestions_settle(second, [], category_code=DRILLS, actor=admin_user)
    assert Suggestion.objects.get(pk=second.pk).is_pending
    assert not ClassificationRun.objects.exists()
    assert Assignment.objects.exclude(act="ask").count() == 1


def test_alone_it_is_a_plain_decision(shop_tree: None, admin_user: User) -> None:
    first = cluster(1)[0]
    assert services.suggestions_settle(first, [], category_code=DRILLS, actor=admin_user).run is None
    assert Assignment.objects.exclude(act="ask").get().run is None


def test_settling_costs_the_same_for_2_and_for_200(shop_tree: None, admin_user: User) -> None:
    costs = []
    for size, title in ((2, "drill shawl"), (200, "red mug")):
        first, *others = cluster(*range(size), title=title)
        pks = [row.pk for row in others]
        with CaptureQueriesContext(connection) as queries:
            services.suggestions_settle(first, pks, category_code=DRILLS, actor=admin_user)
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert costs[0] <= 12


# --- Orders -------------------------------------------------------------------------


def priorities() -> dict[str, float]:
    return dict(Suggestion.objects.values_list("product__title", "priority"))


def test_value_is_what_is_set_right_and_what_is_taught(shop_tree: None, settings: Settings) -> None:
    put_in_queue(["drill shawl 1 mm", "drill shawl 2 mm", "red mug", "blue mug"])
    services.priorities_refresh()
    # Each leaves a doubt of 0.4, half of it in either word; the newest mug is asked for first.
    copies = {"drill shawl 1 mm": 0.8, "drill shawl 2 mm": -1 / 1.8}
    first, second = 3 * 0.4 * 0.2, 3 * 0.4 * 0.2 / 2
    assert priorities() == pytest.approx({**copies, "blue mug": 0.4 + first, "red mug": 0.4 + second})
    drills = Category.objects.get(code=DRILLS)
    Product.objects.bulk_create(
        Product(sku=f"L{number}", title="mug", category=drills, category_source=source)
        for number, source in enumerate(["import", "human", "import", "model", "none"])
    )
    assert services.priorities_refresh() == 2
    first, second = 3 * 0.4 * 0.2 / 4, 3 * 0.4 * 0.2 / 5
    assert priorities() == pytest.approx({**copies, "blue mug": 0.4 + first, "red mug": 0.4 + second})


def test_weights_are_taken_in_units_of_their_mean(shop_tree: None, settings: Settings) -> None:
    put_in_queue(["drill", "shawl", "mug"])
    for title, price in (("drill", 3000), ("shawl", 1000)):
        Product.objects.filter(title=title).update(price=price)
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "REVIEW_WEIGHT": "price"}
    services.priorities_refresh()
    assert priorities() == pytest.approx({"drill": 0.6, "shawl": 0.2, "mug": 0.4}), "none is the mean"
    below = {"REVIEW_WEIGHT": F("price") * Value(-1)}
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, **below}
    services.priorities_refresh()
    assert priorities() == pytest.approx({"drill": 0, "shawl": 0, "mug": 0.4}), "below nothing is nothing"


def test_the_order_does_not_depend_on_the_page(shop_tree: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for confidence in (0.5, 0.2, 0.5):
        put_in_queue(["mug", "red mug", "red drill"], top_confidence=confidence, top_code=DRILLS, cluster="-")
    services.priorities_refresh()
    whole = dict(Suggestion.objects.values_list("pk", "priority"))
    assert len(set(whole.values())) == 9, "each takes from what the next one teaches"
    Suggestion.objects.update(priority=0)
    monkeypatch.setattr("apps.categories.services.priorities.PAGE", 2)
    assert services.priorities_refresh() == 9
    assert dict(Suggestion.objects.values_list("pk", "priority")) == pytest.approx(whole)
    assert services.priorities_refresh() == 0


def test_by_value_one_stands_for_its_cluster_and_the_others_come_last(
    shop_tree: None, admin_user: User
) -> None:
    first, second, third = cluster(1, 2, 3)
    alone = cluster(1, title="red mug")[0]
    untitled = put_in_queue(["", ""], top_confidence=0.9, cluster=NO_CLUSTER)
    services.priorities_refresh()
    assert list(selectors.queue_in_order("value")) == [first, alone, *untitled, second, third]
    services.suggestion_reject(first, actor=admin_user)
    assert list(selectors.queue_in_order("value")) == [alone, *untitled, second, third]
    services.priorities_refresh()
    assert list(selectors.queue_in_order("value")) == [second, alone, *untitled, third]


def test_the_other_orders(shop_tree: None) -> None:
    for title, confidence, code in (("b", 0.5, "CAT_B"), ("c", 0.9, "CAT_A"), ("a", 0.1, "CAT_A")):
        put_in_queue([title], top_code=code, top_confidence=confidence, cluster=title)
    assert titles("newest") == ["a", "c", "b"]
    assert titles("oldest") == ["b", "c", "a"]
    assert titles("sure") == ["c", "b", "a"]
    assert titles("unsure") == ["a", "b", "c"]
    assert titles("category") == ["c", "a", "b"]
    assert titles("newest", category_code="CAT_A") == ["a", "c"]
    with pytest.raises(ValueError, match="'best' is no order of the queue"):
        selectors.queue_in_order("best")


@pytest.mark.parametrize("order", ["value", "newest", "unsure"])
def test_a_page_in_any_order_is_one_query(
    shop_tree: None, order: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    cluster(*range(5))
    with django_assert_num_queries(1):
        assert titles(order)


def test_marked_passes_leave_the_order_to_the_full_ones(
    live_model: ProductionClassifier, add_products: AddProducts
) -> None:
    add_products(UNSURE, f"{UNSURE} 5")
    services.products_sweep(services.SweepOptions(marked_only=True))
    confidence, priority = Suggestion.objects.values_list("top_confidence", "priority")[0]
    assert priority == pytest.approx(1 - confidence)
    services.products_sweep(services.SweepOptions())
    first = Suggestion.objects.order_by("-priority").values_list("priority", flat=True)[0]
    assert first == pytest.approx(2 * priority)


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ("stock", "Cannot resolve keyword 'stock'"),
        ("title", "gives a CharField, not a number"),
        (F("x"), "'x'"),
    ],
)
def test_a_weight_that_the_product_has_not_is_an_error(settings: Settings, weight: Any, said: str) -> None:
    settings.CATEGORY_CLASSIFIER = {"REVIEW_WEIGHT": weight}
    (found,) = check_product_model()
    assert isinstance(found, checks.Error)
    assert (found.id, said in found.msg) == ("categories.E008", True)
    settings.CATEGORY_CLASSIFIER = {"REVIEW_WEIGHT": "price"}
    assert check_product_model() == []


def test_age_counts_from_when_it_began_to_wait(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User, settings: Settings
) -> None:
    add_products(*[UNSURE] * 6)
    services.products_sweep(services.SweepOptions())
    rows = list(Suggestion.objects.order_by("product__sku"))
    Suggestion.objects.update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    kept, decided, rejected, audited, _, refined = rows
    services.suggestion_approve(decided, actor=admin_user)
    services.product_set_category(decided.product, None, actor=admin_user)
    services.suggestion_reject(rejected, actor=admin_user)
    Suggestion.objects.filter(pk=audited.pk).update(queue="audit")
    Product.objects.filter(pk=refined.product_id).update(
        needs_review=False, category=Category.objects.get(code="CAT_TOOLS"), category_source="model"
    )
    Product.objects.update(title="shawl drill")
    began = timezone.now()

    services.products_sweep(services.SweepOptions(everything=True))

    found = dict(Suggestion.objects.filter(status="pending").values_list("pk", "created_at"))
    assert {row.pk for row in rows if found[row.pk] < began} == {kept.pk, rows[4].pk}
    assert len(found) == 6
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "THRESHOLD": 0.6}
    Product.objects.update(title=UNSURE)
    services.products_sweep(services.SweepOptions())
    assert selectors.refine_queue().count() == 6
    later = dict(Suggestion.objects.values_list("pk", "created_at"))
    assert all(later[pk] > found[pk] for pk in later), "to be refined, it waits for something else"
    services.products_sweep(services.SweepOptions(everything=True))
    assert dict(Suggestion.objects.values_list("pk", "created_at")) == later


# --- Claims -------------------------------------------------------------------------


def test_two_reviewers_are_handed_different_products(shop_tree: None, admin_user: User, anna: User) -> None:
    alike = cluster(1, 2)
    alone = cluster(1, title="red mug")[0]
    for order in ("value", "oldest"):
        mine = services.claim_next(admin_user, order=order)
        assert mine == [alike[0]]
        theirs = services.claim_next(anna, order=order, count=5)
        assert theirs == [alone], "nor its near-duplicate"
        assert services.claim_next(admin_user, order=order) == mine, "my own is handed to me again"
    assert services.claim_next(admin_user, order="oldest", skip=[alike[0].pk]) == [alike[1]]
    assert services.claims_release(anna) == 1
    assert services.claim_next(admin_user, order="newest") == [alone]


def test_a_claim_runs_out(shop_tree: None, admin_user: User, anna: User, settings: Settings) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "CLAIM_MINUTES": 3}
    cluster(1)
    row = services.claim_next(admin_user)[0]
    left = row.claimed_until - timezone.now()  # type: ignore[operator]  # it is claimed
    assert timedelta(minutes=2) < left <= timedelta(minutes=3)
    assert services.claim_next(anna) == []
    Suggestion.objects.update(claimed_until=timezone.now())
    assert services.claim_next(anna) == [row]
    assert services.claim_next(admin_user) == []


def test_a_claim_never_stops_a_decision(shop_tree: None, admin_user: User, anna: User) -> None:
    cluster(1)
    row = services.claim_next(admin_user)[0]
    services.suggestion_approve(row, actor=anna)
    with pytest.raises(services.AlreadyDecided, match="anna has already approved"):
        services.suggestion_approve(row, actor=admin_user)
    assert services.claim_next(admin_user) == []


def test_handing_out_costs_the_same_for_few_and_for_many(
    shop_tree: None, admin_user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    statements = 6 if connection.vendor == "postgresql" else 5
    for size in (5, 100):
        cluster(*range(size), title=f"{random.choice('abc')} mug {'x' * size}")
        with django_assert_num_queries(statements):
            assert len(services.claim_next(admin_user, order="newest", count=5)) == 5


def test_the_last_decision_is_what_the_key_for_undo_means(
    shop_tree: None, admin_user: User, anna: User
) -> None:
    first, second = cluster(1, 2)
    assert selectors.last_decision(admin_user) is None
    services.suggestion_approve(first, actor=admin_user)
    services.suggestion_reject(second, actor=admin_user)
    services.suggestion_approve(cluster(1, title="red mug")[0], actor=anna)
    for expected in (second, first):
        line = selectors.last_decision(admin_user)
        assert line is not None
        assert line.product_id == expected.product_id
        services.decision_undo(line, actor=admin_user)
    assert selectors.last_decision(admin_user) is None


def test_the_key_for_undo_passes_over_what_was_overtaken(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User, anna: User
) -> None:
    """Else it would be refused for ever, and no earlier decision could be reached."""
    add_products(*[UNSURE] * 4)
    services.products_sweep(services.SweepOptions())
    first, relabelled, renamed, raw = Suggestion.objects.order_by("product__sku").select_related("product")
    for row in (first, relabelled, raw):
        services.suggestion_approve(row, actor=admin_user)
    services.suggestion_reject(renamed, actor=admin_user)
    services.product_set_category(relabelled.product, None, actor=anna)
    Product.objects.filter(pk=renamed.product_id).update(title="shawl drill")
    Product.objects.filter(pk=raw.product_id).update(category=None, category_source="none")
    services.products_sweep(services.SweepOptions())

    line = selectors.last_decision(admin_user)

    assert line is not None
    assert line.product_id == first.product_id
    services.decision_undo(line, actor=admin_user)
    assert selectors.last_decision(admin_user) is None


def test_the_sure_that_was_filed_is_in_no_queue(
    live_model: ProductionClassifier, add_products: AddProducts
) -> None:
    add_products(SURE)
    services.products_sweep(services.SweepOptions())
    assert [titles(order) for order in (*selectors.ORDERS, "audit", "label")] == [[]] * 8


# --- Labels that were set past the queue --------------------------------------------

ACTS: dict[str, Callable[[Suggestion, User], Any]] = {
    "approve": lambda row, actor: services.suggestion_approve(row, actor=actor),
    "reject": lambda row, actor: services.suggestion_reject(row, actor=actor),
    "settle": lambda row, actor: services.suggestions_settle(row, [], category_code=DRILLS, actor=actor),
}
BULK: dict[str, Callable[[Suggestion, User], services.BulkOutcome]] = {
    "top": lambda row, actor: services.suggestions_approve_top([row.pk], actor=actor, confirm_low=True),
    "set": lambda row, actor: services.suggestions_set_category([row.pk], category_code=DRILLS, actor=actor),
    "reject": lambda row, actor: services.suggestions_reject([row.pk], actor=actor),
}


@pytest.fixture
def labelled_past_the_signals(shop_tree: None) -> Suggestion:
    (row,) = cluster(1)
    mugs = Category.objects.get(code="CAT_KITCHEN_MUGS")
    Product.objects.filter(pk=row.product_id).update(category=mugs, category_source="human")
    return row


@pytest.mark.parametrize("act", ACTS)
def test_a_decision_does_not_overwrite_a_label_set_past_the_signals(
    labelled_past_the_signals: Suggestion, admin_user: User, act: str
) -> None:
    with pytest.raises(services.AlreadyDecided, match="Somebody has already filed this product under “Kitch"):
        ACTS[act](labelled_past_the_signals, admin_user)
    assert Product.objects.get().source == "human"
    assert not Assignment.objects.exists()


@pytest.mark.parametrize("act", BULK)
def test_a_bulk_act_does_not_overwrite_a_label_set_past_the_signals(
    labelled_past_the_signals: Suggestion, admin_user: User, act: str
) -> None:
    outcome = BULK[act](labelled_past_the_signals, admin_user)
    assert (outcome.decided, outcome.already_decided) == ((), (labelled_past_the_signals.pk,))
    assert Product.objects.get().category == Category.objects.get(code="CAT_KITCHEN_MUGS")
    assert not Assignment.objects.exists()


@pytest.mark.parametrize("act", [*ACTS.values(), *BULK.values()])
@pytest.mark.parametrize("queue", ["label", "audit"])
def test_the_queues_that_ask_about_what_is_filed_are_exempt(
    labelled_past_the_signals: Suggestion,
    admin_user: User,
    act: Callable[[Suggestion, User], Any],
    queue: str,
) -> None:
    Suggestion.objects.update(queue=queue)
    act(labelled_past_the_signals, admin_user)
    assert Assignment.objects.count() == 1
