"""What the dashboard counts, against shops small enough to count by hand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from scipy.stats import beta

from apps.categories import figures, services
from apps.categories.models import Assignment, Category, ModelVersion, Product, Source, Suggestion
from apps.categories.services.bulk import insert_rows

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday


@pytest.fixture
def anna(db: None) -> User:
    return User.objects.create_user("anna")


@pytest.fixture
def tree(db: None) -> dict[str, Category]:
    tools = Category.objects.create(name="Tools")
    found = {name: Category.objects.create(name=name, parent=tools) for name in ("Drills", "Saws", "Tool")}
    return {"Tools": tools, **found, "Toolsmith": Category.objects.create(name="Toolsmith")}


@pytest.fixture
def by_model(tree: dict[str, Category]) -> Callable[..., Product]:
    """A product that the model has filed, with its line of history."""

    def file(place: str = "Drills", *, confidence: float = 0.95, at: datetime = NOW, **more: Any) -> Product:
        product = Product.objects.create(
            sku=f"S{Product.objects.count()}",
            title="drill",
            category=tree[place],
            category_source=Source.MODEL,
            category_confidence=confidence,
            model_version=more.pop("version", "linear-1"),
            **more,
        )
        Product.objects.filter(pk=product.pk).update(is_stale=False)
        record(product, None, tree[place], Source.MODEL, at=at, version=product.model_version)
        return product

    return file


def record(
    product: Product,
    before: Category | None,
    after: Category | None,
    source: str,
    *,
    at: datetime = NOW,
    version: str = "",
) -> None:
    """A line of history of another time."""
    insert_rows(
        Assignment,
        ("product", "from_category", "to_category", "source", "model_version", "note", "created_at"),
        [(product.pk, before and before.pk, after and after.pk, str(source), version, "", at)],
        using="default",
    )


def suggest(
    product: Product, *candidates: tuple[Category | str, float], at: datetime = NOW, **more: Any
) -> Suggestion:
    return Suggestion.objects.create(
        product=product,
        candidates=[
            {
                "category_code": getattr(category, "code", category),
                "category_path": getattr(category, "path", category),
                "confidence": confidence,
            }
            for category, confidence in candidates
        ],
        model_version="linear-1",
        text_digest="0" * 32,
        created_at=at,
        updated_at=at,
        **more,
    )


@pytest.mark.parametrize(
    ("rows", "right", "low", "high"),
    [
        (59, 59, 0.939392, 1.0),  # 0.025 ** (1 / 59)
        (10, 0, 0.0, 0.308497),  # 1 - 0.025 ** (1 / 10)
        (100, 95, 0.887165, 0.983568),
        (1, 1, 0.025, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_the_exact_one(rows: int, right: int, low: float, high: float) -> None:
    assert figures.clopper_pearson(rows, right) == pytest.approx((low, high), abs=1e-6)


def test_the_interval_agrees_with_another_implementation() -> None:
    for rows in (2, 3, 17, 250, 4999, 100_000):
        for right in {1, rows // 3 + 1, rows // 2, rows - 1}:
            for doubt in (0.05, 0.01):
                expected = (
                    beta.ppf(doubt / 2, right, rows - right + 1),
                    beta.ppf(1 - doubt / 2, right + 1, rows - right),
                )
                found = figures.clopper_pearson(rows, right, confidence=1 - doubt)
                assert found == pytest.approx(expected, abs=1e-9), (rows, right)


@pytest.mark.parametrize(("rows", "right", "confidence"), [(3, 4, 0.95), (3, -1, 0.95), (3, 1, 1), (3, 1, 0)])
def test_an_interval_of_nonsense_is_refused(rows: int, right: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="no interval"):
        figures.clopper_pearson(rows, right, confidence=confidence)


def test_an_empty_shop_has_figures(db: None) -> None:
    present = figures.coverage()

    assert present.total == 0
    assert present.share(Source.MODEL) is None
    assert {sum(point.by_source.values()) for point in figures.coverage_history(present, now=NOW)} == {0}
    whole, versions = figures.judged(figures.audited(), limit=5)
    assert (whole.rows, whole.share, whole.interval, versions) == (0, None, (0.0, 1.0), [])
    queue = figures.queue_figures(now=NOW)
    assert (queue.size, queue.oldest, queue.median, sum(queue.confidences)) == (0, None, None, 0)
    assert figures.queue_state(now=NOW) == figures.QueueState(size=0, oldest=None)
    assert figures.decided_days(now=NOW) == figures.confusions() == figures.model_history() == []


def test_coverage_is_reckoned_back_through_the_history(
    tree: dict[str, Category], by_model: Callable[..., Product]
) -> None:
    weeks = [NOW - timedelta(weeks=back) for back in range(4)]
    kept = by_model(at=weeks[3])
    corrected = by_model(at=weeks[2])
    record(corrected, tree["Drills"], tree["Saws"], Source.HUMAN, at=weeks[1])
    Product.objects.filter(pk=corrected.pk).update(category_source=Source.HUMAN, category=tree["Saws"])
    moved = by_model("Saws", at=weeks[2])
    record(moved, tree["Saws"], tree["Drills"], Source.MODEL, at=weeks[0])
    taken_away = by_model(at=weeks[2])
    record(taken_away, tree["Drills"], None, Source.HUMAN, at=weeks[0])
    Product.objects.filter(pk=taken_away.pk).update(category_source=Source.NONE, category=None)
    Product.objects.bulk_create(  # in bulk by other code: no history
        [Product(sku="I1", title="x", category=tree["Saws"], category_source=Source.IMPORT)]
    )
    Product.objects.bulk_create([Product(sku="N1", title="x", needs_review=True)])
    assert kept.category_source == Source.MODEL

    present = figures.coverage()
    points = figures.coverage_history(present, now=NOW, weeks=4)

    assert present.by_source == {"none": 2, "import": 1, "human": 1, "model": 2}
    assert (present.total, present.for_people, present.for_model) == (6, 1, 1)
    assert present.share(Source.HUMAN) == pytest.approx(1 / 6)
    # The Monday of each week is before that week's changes, which were made on a Wednesday.
    assert [point.day.isoformat() if point.day else "now" for point in points] == [
        "2026-02-23",
        "2026-03-02",
        "2026-03-09",
        "2026-03-16",
        "now",
    ]
    assert [(p.by_source["model"], p.by_source["human"], p.by_source["none"]) for p in points] == [
        (0, 0, 5),
        (1, 0, 4),
        (4, 0, 1),
        (3, 1, 1),
        (2, 1, 2),
    ]
    assert {point.by_source["import"] for point in points} == {1}


def test_what_was_sent_away_or_undone_moves_nothing_in_the_history(
    tree: dict[str, Category], by_model: Callable[..., Product], anna: User
) -> None:
    labelled = Product.objects.create(sku="I", title="x", category=tree["Saws"])
    doubt = suggest(labelled, (tree["Drills"], 0.9), queue=Suggestion.Queue.LABEL)
    sent_away = suggest(by_model(), (tree["Saws"], 0.5), queue=Suggestion.Queue.AUDIT)
    undone = by_model()
    services.product_set_category(undone, tree["Saws"], actor=anna)
    services.decision_undo(Assignment.objects.latest("pk"), actor=anna)
    services.suggestion_reject(doubt, actor=anna)
    services.suggestion_reject(sent_away, actor=anna)

    now = timezone.now()
    points = figures.coverage_history(figures.coverage(), now=now + timedelta(weeks=1), weeks=2)

    assert points[-1].by_source == {"none": 0, "import": 1, "human": 0, "model": 2}
    assert points[0].by_source["human"] == 0
    assert points[0].by_source["model"] == 2


def test_what_people_keep_or_refine_was_right(
    tree: dict[str, Category], by_model: Callable[..., Product], anna: User
) -> None:
    for filed, chosen in (
        ("Drills", "Drills"),
        ("Tools", "Saws"),  # filed above, and refined
        ("Drills", "Saws"),
        ("Tools", "Toolsmith"),  # begins alike, and is somewhere else
        ("Drills", "Tools"),  # a person was less sure
    ):
        services.product_set_category(by_model(filed), tree[chosen], actor=anna)
    by_model()  # nobody has looked at it

    whole, versions = figures.judged(figures.audited(), limit=5)

    assert (whole.rows, whole.right, whole.share) == (5, 2, 0.4)
    assert whole.interval == figures.clopper_pearson(5, 2)
    assert [(one.version, one.rows, one.right) for one in versions] == [("linear-1", 5, 2)]
    wrong = figures.misfiled(figures.audited())
    assert [(line.to_category and line.to_category.name, line.product.category.name) for line in wrong] == [
        ("Drills", "Tools"),
        ("Tools", "Toolsmith"),
        ("Drills", "Saws"),
    ]


def test_a_question_of_the_model_is_no_filing(
    tree: dict[str, Category], by_model: Callable[..., Product], anna: User
) -> None:
    product = by_model(at=timezone.now())
    Assignment.objects.create(
        product=product,
        act=Assignment.Act.ASK,
        from_category=tree["Drills"],
        to_category=tree["Drills"],
        source=Source.MODEL,
        from_source=Source.MODEL,
        model_version="linear-2",
    )
    asked = Product.objects.create(sku="A", title="x", needs_review=True)
    Assignment.objects.create(product=asked, act=Assignment.Act.ASK, source=Source.MODEL, from_source="none")

    points = figures.coverage_history(figures.coverage(), now=timezone.now() + timedelta(weeks=1), weeks=2)
    assert points[0].by_source == {"none": 2, "import": 0, "human": 0, "model": 0}
    services.product_set_category(product, tree["Saws"], actor=anna)
    (judged,) = figures.judged(figures.audited(), limit=5)[1]
    assert (judged.version, judged.rows, judged.right) == ("linear-1", 1, 0)


def test_what_counts_as_evidence(
    tree: dict[str, Category], by_model: Callable[..., Product], anna: User
) -> None:
    taken_back = by_model()
    services.product_set_category(taken_back, tree["Saws"], actor=anna)
    services.product_set_category(taken_back, None, actor=anna)
    by_import = by_model()
    by_import.category = tree["Saws"]
    by_import.save()
    never_filed = Product.objects.create(sku="N", title="x")
    services.product_set_category(never_filed, tree["Saws"], actor=anna)
    services.product_set_category(never_filed, tree["Drills"], actor=anna)
    lost_its_place = by_model()
    Product.objects.filter(pk=lost_its_place.pk).update(category=None, category_source=Source.NONE)
    services.product_set_category(Product.objects.get(pk=lost_its_place.pk), tree["Saws"], actor=anna)
    assert figures.judged(figures.audited(), limit=5)[0].rows == 0

    changed_twice = by_model(version="linear-0")
    record(changed_twice, tree["Drills"], tree["Saws"], Source.MODEL, version="linear-2")
    Product.objects.filter(pk=changed_twice.pk).update(category=tree["Saws"], model_version="linear-2")
    changed_twice.refresh_from_db()
    services.product_set_category(changed_twice, tree["Drills"], actor=anna)
    services.product_set_category(changed_twice, tree["Saws"], actor=anna)

    whole, versions = figures.judged(figures.audited(), limit=5)

    assert (whole.rows, whole.right) == (1, 1)  # the last answer, about the last model
    assert [one.version for one in versions] == ["linear-2"]


def test_what_the_audit_sends_away_was_filed_wrongly_until_that_is_undone(
    tree: dict[str, Category], by_model: Callable[..., Product], anna: User
) -> None:
    product = by_model()
    services.audit_fill(1)
    waiting = Suggestion.objects.get(product=product)
    services.suggestion_reject(waiting, actor=anna)

    whole, _ = figures.judged(figures.audited(), limit=5)
    (wrong,) = figures.misfiled(figures.audited())
    assert (whole.rows, whole.right) == (1, 0)
    assert (wrong.product_id, wrong.sent_away) == (product.pk, True)  # type: ignore[attr-defined]
    services.decision_undo(Assignment.objects.latest("pk"), actor=anna)
    assert figures.judged(figures.audited(), limit=5)[0].rows == 0


def test_the_age_of_the_queue(tree: dict[str, Category]) -> None:
    for number, days in enumerate((0, 2, 3, 8, 100)):
        product = Product.objects.create(sku=f"Q{number}", title="x", needs_review=True)
        suggest(product, (tree["Drills"], number / 10), at=NOW - timedelta(days=days))
    suggest(Product.objects.create(sku="U", title="x", needs_review=True), at=NOW)  # without a candidate
    decided = Product.objects.create(sku="D", title="x")
    suggest(decided, (tree["Drills"], 0.9), at=NOW - timedelta(days=999), status=Suggestion.Status.APPROVED)

    found = figures.queue_figures(now=NOW)

    assert (found.size, found.oldest, found.median) == (6, timedelta(days=100), timedelta(days=3))
    assert found.ages == {"under a day": 2, "1 to 7 days": 2, "7 to 30 days": 1, "over 30 days": 1}
    assert [place for place, count in enumerate(found.confidences) if count] == [0, 2, 4, 6, 8]
    assert sum(found.confidences) == 5
    assert figures.queue_state(now=NOW) == figures.QueueState(size=6, oldest=timedelta(days=100))


@pytest.mark.parametrize(
    ("confidence", "place"), [(0, 0), (0.049, 0), (0.05, 1), (0.7, 14), (0.999, 19), (1, 19)]
)
def test_the_bin_of_a_confidence(by_model: Callable[..., Product], confidence: float, place: int) -> None:
    by_model(confidence=confidence)
    by_model(confidence=confidence, needs_review=True)  # waits, and is counted with those

    assert [number for number, count in enumerate(figures.coverage().confidences) if count] == [place]
    assert sum(figures.coverage().confidences) == 1


def test_decisions_by_day_and_person(
    tree: dict[str, Category], by_model: Callable[..., Product], anna: User, settings: Any
) -> None:
    settings.TIME_ZONE = "America/Santiago"
    now = timezone.now()
    products = [by_model() for _ in range(3)]
    for product in products[:2]:
        services.product_set_category(product, tree["Saws"], actor=anna)
    services.product_set_category(products[0], tree["Drills"], actor=None)
    services.product_set_category(products[1], None, actor=anna)  # taking a label away is no filing
    asked = Product.objects.create(sku="R", title="x", needs_review=True)
    services.suggestion_reject(suggest(asked, (tree["Saws"], 0.5)), actor=anna)
    record(products[2], tree["Drills"], tree["Saws"], Source.HUMAN, at=now - timedelta(days=40))

    days = figures.decided_days(now=now)

    today = timezone.localdate(now)
    assert [(row.day, row.person, row.filed, row.rejected) for row in days] == [
        (today, "anna", 2, 1),
        (today, "somebody", 1, 0),
    ]


def test_a_decision_counts_once_and_an_undone_one_not_at_all(
    tree: dict[str, Category],
    by_model: Callable[..., Product],
    anna: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    labelled = Product.objects.create(sku="L", title="x", category=tree["Saws"])
    doubt = suggest(labelled, (tree["Drills"], 0.9), queue=Suggestion.Queue.LABEL)
    sample = suggest(by_model(), (tree["Drills"], 0.9), queue=Suggestion.Queue.AUDIT)
    services.suggestion_reject(doubt, actor=anna)
    services.suggestion_reject(sample, actor=anna)
    filed = by_model()
    services.product_set_category(filed, tree["Saws"], actor=anna)
    services.product_set_category(filed, tree["Tools"], actor=anna)
    services.decision_undo(Assignment.objects.latest("pk"), actor=anna)
    away = suggest(Product.objects.create(sku="R", title="x", needs_review=True), (tree["Drills"], 0.5))
    services.suggestion_reject(away, actor=anna)
    services.decision_undo(Assignment.objects.latest("pk"), actor=anna)

    with django_assert_num_queries(1):
        days = figures.decided_days(now=timezone.now())

    assert [(row.person, row.filed, row.rejected) for row in days] == [("anna", 1, 2)]


def test_confusions_are_pairs_that_differ(tree: dict[str, Category], anna: User) -> None:
    for number, (first, chosen) in enumerate(
        [("Drills", "Saws"), ("Drills", "Saws"), ("Saws", "Drills"), ("Drills", "Drills")]
    ):
        product = Product.objects.create(sku=f"C{number}", title="x", needs_review=True)
        suggestion = suggest(product, (tree[first], 0.6), (tree["Tool"], 0.2))
        services.suggestion_correct(suggestion, actor=anna, category=tree[chosen])
    gone = Product.objects.create(sku="G", title="x", needs_review=True)
    services.suggestion_correct(suggest(gone, ("CAT_GONE", 0.6)), actor=anna, category=tree["Saws"])
    waiting = Product.objects.create(sku="W", title="x", needs_review=True)
    suggest(waiting, (tree["Drills"], 0.6))

    found = [(pair.suggested, pair.chosen, pair.count) for pair in figures.confusions()]

    assert found[0] == ("Tools > Drills", "Tools > Saws", 2)
    assert sorted(found[1:]) == [("CAT_GONE", "Tools > Saws", 1), ("Tools > Saws", "Tools > Drills", 1)]
    assert len(figures.confusions(limit=1)) == 1


@pytest.mark.parametrize("metrics", [{}, {"test": None}, {"test": "x"}, [], {"test": {"precision": True}}])
def test_a_model_without_figures_is_listed(db: None, metrics: Any) -> None:
    ModelVersion.objects.create(
        version="v1", sha256="0" * 64, backend="linear", metrics=metrics, published_at=NOW
    )

    (found,) = figures.model_history()

    assert (found.version, found.rows, found.top1, found.precision, found.coverage) == (
        "v1",
        None,
        None,
        None,
        None,
    )


def test_the_figures_of_a_model(db: None) -> None:
    test = {"rows": 900, "top1": 0.9, "precision": None, "coverage": 0}
    ModelVersion.objects.create(
        version="v1",
        sha256="0" * 64,
        backend="linear",
        metrics={"test": test},
        threshold=0.8,
        published_at=NOW,
    )

    (found,) = figures.model_history()

    assert (found.rows, found.top1, found.precision, found.coverage, found.threshold) == (
        900,
        0.9,
        None,
        0,
        0.8,
    )
