"""The sweep: finds what no signal saw, never touches labels, and can be interrupted anywhere."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apps.categories import services
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.models import Assignment, Category, ClassificationRun, Product, Source, Suggestion
from apps.categories.services import filing, sweep

from .conftest import SURE, UNREADABLE, UNSURE

pytestmark = pytest.mark.django_db

AddProducts = Callable[..., list[Product]]


def run(*options: str) -> str:
    out = io.StringIO()
    call_command("classify_products", *options, stdout=out)
    return out.getvalue()


def outcome() -> list[tuple[Any, ...]]:
    return list(
        Product.objects.order_by("sku").values_list(
            "sku", "category__code", "category_source", "needs_review"
        )
    )


def test_one_sweep_finds_what_no_signal_saw(
    live_model: ProductionClassifier, add_products: AddProducts
) -> None:
    """bulk_create, update() and raw SQL; the last two change texts of rows that look settled."""
    add_products(SURE, SURE, SURE)
    run()
    add_products(SURE)
    Product.objects.filter(sku="P00001").update(title="silk shawl")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE categories_product SET title = 'coffee mug' WHERE sku = 'P00002'")
    run()
    assert outcome() == [
        ("P00000", "CAT_TOOLS_DRILLS", "model", False),
        ("P00001", "CAT_CLOTHING_SHAWLS", "model", False),
        ("P00002", "CAT_KITCHEN_MUGS", "model", False),
        ("P00003", "CAT_TOOLS_DRILLS", "model", False),
    ]
    assert not Product.objects.filter(is_stale=True).exists()
    assert Assignment.objects.exclude(act="ask").count() == 6
    assert "Nothing to do" in run()
    assert ClassificationRun.objects.count() == 2, "a pass with nothing to do leaves no row"


def test_labels_are_never_touched(
    live_model: ProductionClassifier, add_products: AddProducts, admin_user: User
) -> None:
    human, imported = add_products(SURE, SURE)
    mugs = Category.objects.get(code="CAT_KITCHEN_MUGS")
    services.product_set_category(human, mugs, actor=admin_user)
    Product.objects.filter(pk=imported.pk).update(category=mugs, category_source=Source.IMPORT)
    Product.objects.update(is_stale=True)
    run()
    run("--all")
    assert services.products_classify([human.pk, imported.pk], force=True).seen == 0
    assert outcome() == [
        ("P00000", "CAT_KITCHEN_MUGS", "human", False),
        ("P00001", "CAT_KITCHEN_MUGS", "import", False),
    ]


def test_a_label_given_while_the_model_was_at_work_stays(
    live_model: ProductionClassifier,
    add_products: AddProducts,
    admin_user: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    product = add_products(SURE)[0]
    mugs = Category.objects.get(code="CAT_KITCHEN_MUGS")
    outcomes = filing._outcomes

    def decide_meanwhile(*args: Any) -> Any:
        services.product_set_category(product, mugs, actor=admin_user)
        return outcomes(*args)

    monkeypatch.setattr(filing, "_outcomes", decide_meanwhile)
    assert services.products_sweep(services.SweepOptions()).passed_over == 1
    assert outcome() == [("P00000", "CAT_KITCHEN_MUGS", "human", False)]
    assert Assignment.objects.exclude(act="ask").get().source == "human"


def test_only_one_of_two_sweeps_writes_a_row(
    live_model: ProductionClassifier, add_products: AddProducts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second pass runs when the first one has scored the same rows and not written them."""
    add_products(SURE, UNSURE)
    outcomes = filing._outcomes
    inner: list[services.ClassifySummary] = []

    def sweep_meanwhile(*args: Any) -> Any:
        if not inner:
            inner.append(services.ClassifySummary())
            inner[0] = services.products_sweep(services.SweepOptions())
        return outcomes(*args)

    monkeypatch.setattr(filing, "_outcomes", sweep_meanwhile)
    outer = services.products_sweep(services.SweepOptions())
    assert (inner[0].filed, inner[0].review, outer.passed_over, outer.filed) == (1, 1, 2, 0)
    assert (Assignment.objects.exclude(act="ask").count(), Suggestion.objects.count()) == (1, 1)


def test_statements_do_not_grow_with_the_batch(
    live_model: ProductionClassifier,
    add_products: AddProducts,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    add_products(*[SURE] * 150, *[UNSURE] * 100, UNREADABLE)
    with django_assert_max_num_queries(30):
        services.products_sweep(services.SweepOptions(batch_size=500))
    assert Assignment.objects.exclude(act="ask").count() == 150
    assert Suggestion.objects.count() == 101


def test_limit_and_batch_size(live_model: ProductionClassifier, add_products: AddProducts) -> None:
    add_products(*[SURE] * 10)
    summary = services.products_sweep(services.SweepOptions(limit=7, batch_size=3))
    assert (summary.seen, summary.filed) == (7, 7)
    assert Product.objects.filter(category_source=Source.MODEL).count() == 7
    assert ClassificationRun.objects.get().counts == summary.as_counts()


def test_min_confidence_only_raises_the_bar(
    live_model: ProductionClassifier, add_products: AddProducts, settings: Settings
) -> None:
    add_products(SURE, UNSURE)
    run("--min-confidence", "0.1")
    assert [row[2:] for row in outcome()] == [("model", False), ("none", True)]
    run("--all", "--min-confidence", "1")
    product = Product.objects.get(sku="P00000")
    assert (product.source, product.needs_review) == (f"model@{live_model.version}", True)
    suggestion = Suggestion.objects.get(product=product)
    assert (suggestion.threshold, suggestion.reason) == (1.0, "99% is under the 100% that is needed")


def test_the_model_s_own_threshold_counts_when_the_shop_sets_none(
    live_model: ProductionClassifier, add_products: AddProducts, settings: Settings
) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "THRESHOLD": None}
    add_products(UNREADABLE)
    run()
    assert Suggestion.objects.get().threshold == live_model.threshold


def test_a_dry_run_writes_nothing(live_model: ProductionClassifier, add_products: AddProducts) -> None:
    add_products(SURE, UNSURE, UNREADABLE)
    said = run("--dry-run")
    assert "Would have classified 3 products" in said
    assert "1  filed by the model" in said
    assert outcome() == [(f"P0000{number}", None, "none", False) for number in range(3)]
    assert not Suggestion.objects.exists()
    assert not ClassificationRun.objects.exists()


def test_a_filed_product_that_becomes_doubtful_keeps_its_place(
    live_model: ProductionClassifier, add_products: AddProducts
) -> None:
    add_products(SURE)
    run()
    Product.objects.update(title=UNSURE)
    run()
    product = Product.objects.get()
    assert (product.category.code, product.source) == ("CAT_TOOLS_DRILLS", f"model@{live_model.version}")
    assert product.needs_review
    Product.objects.update(title="silk shawl")
    run()
    assert outcome() == [("P00000", "CAT_CLOTHING_SHAWLS", "model", False)]
    assert not Suggestion.objects.exists()
    moves = (
        Assignment.objects.exclude(act="ask")
        .order_by("pk")
        .values_list("from_category__code", "to_category__code")
    )
    assert list(moves) == [
        (None, "CAT_TOOLS_DRILLS"),
        ("CAT_TOOLS_DRILLS", "CAT_CLOTHING_SHAWLS"),
    ]


@pytest.mark.parametrize("fate", ["retired", "gone"])
def test_a_category_that_the_shop_does_not_offer_goes_to_a_person(
    live_model: ProductionClassifier, add_products: AddProducts, fate: str
) -> None:
    drills = Category.objects.filter(code="CAT_TOOLS_DRILLS")
    if fate == "gone":
        drills.delete()
    else:
        drills.update(is_active=False)
    add_products(SURE)
    run()
    assert outcome() == [("P00000", None, "none", True)]
    assert Suggestion.objects.get().reason.startswith("the category CAT_TOOLS_DRILLS is")


def test_a_rejected_product_waits_for_another_text_or_model(
    live_model: ProductionClassifier,
    add_products: AddProducts,
    admin_user: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_products(UNSURE)
    run()
    services.suggestion_reject(Suggestion.objects.get(), actor=admin_user)
    Product.objects.update(is_stale=True)
    run()
    run("--all")
    assert Suggestion.objects.get().status == Suggestion.Status.REJECTED
    assert Product.objects.values_list("needs_review", "is_stale").get() == (False, False)
    monkeypatch.setattr(live_model, "version", "linear-next")
    run("--all")
    assert Suggestion.objects.get().status == Suggestion.Status.PENDING
    assert Suggestion.objects.get().decided_by is None
    services.suggestion_reject(Suggestion.objects.get(), actor=admin_user)
    Product.objects.update(title=UNSURE + " !")
    Product.objects.update(title="shawl drill")
    run()
    assert Suggestion.objects.get().status == Suggestion.Status.PENDING


class Killed(BaseException):
    """As sudden as a signal."""


def test_an_unfinished_pass_over_everything_is_continued(
    live_model: ProductionClassifier, add_products: AddProducts, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_products(*[SURE] * 10)
    run()
    progress = iter(range(100))

    def die(_: Any) -> None:
        if next(progress) == 2:
            raise Killed

    wanted = services.SweepOptions(everything=True, batch_size=4)
    with pytest.raises(Killed):
        services.products_sweep(wanted, on_progress=die)
    assert ClassificationRun.objects.latest("pk").status == ClassificationRun.Status.INTERRUPTED
    assert services.products_sweep(wanted).seen == 2
    assert services.products_sweep(wanted).seen == 10, "a finished pass is not continued"
    monkeypatch.setattr(live_model, "version", "linear-next")
    assert services.products_sweep(wanted).seen == 10


def test_a_failing_batch_rolls_back_alone(
    live_model: ProductionClassifier, add_products: AddProducts, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_products(*[SURE] * 6)
    batches = iter(range(100))
    beat = filing.run_beat

    def fail(*args: Any, **more: Any) -> None:
        if next(batches) == 1:
            raise DatabaseError("the connection is gone")
        beat(*args, **more)

    monkeypatch.setattr(filing, "run_beat", fail)
    with pytest.raises(DatabaseError):
        services.products_sweep(services.SweepOptions(batch_size=3))
    assert Product.objects.filter(category_source=Source.MODEL).count() == 3
    assert Assignment.objects.exclude(act="ask").count() == 3
    assert ClassificationRun.objects.get().status == ClassificationRun.Status.FAILED
    assert ClassificationRun.objects.get().counts["filed"] == 3


def test_passes_beside_a_living_one_start_elsewhere_and_see_every_row(
    live_model: ProductionClassifier, add_products: AddProducts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "PAGE", 4)
    monkeypatch.setattr(sweep.secrets, "randbelow", lambda total: total // 2)
    products = add_products(*[SURE] * 10)
    services.run_start(ClassificationRun.Kind.CLASSIFY, options={})
    seen: list[Any] = []
    score = sweep.rows_score
    monkeypatch.setattr(
        sweep,
        "rows_score",
        lambda rows, **more: (seen.extend(row.pk for row in rows), score(rows, **more))[1],
    )
    services.products_sweep(services.SweepOptions(batch_size=3))
    keys = [product.pk for product in products]
    assert seen == keys[5:] + keys[:5]


def test_a_run_that_fell_silent_is_closed(
    live_model: ProductionClassifier, add_products: AddProducts
) -> None:
    dead = services.run_start(ClassificationRun.Kind.CLASSIFY, options={})
    ClassificationRun.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    add_products(SURE)
    run()
    dead.refresh_from_db()
    assert dead.status == ClassificationRun.Status.INTERRUPTED


def test_without_a_model_the_command_says_what_to_do(add_products: AddProducts) -> None:
    add_products(SURE)
    with pytest.raises(CommandError, match="train_classifier"):
        run()
    assert not ClassificationRun.objects.exists()


@pytest.mark.parametrize(
    "options", [["--limit", "0"], ["--min-confidence", "1.5"], ["--all", "--stale"], ["--watch", "--all"]]
)
def test_senseless_options_are_refused(db: None, options: list[str]) -> None:
    with pytest.raises(CommandError):
        run(*options)


class Enough(Exception):
    """Ends a worker that would run for ever."""


def test_the_watcher_files_what_is_marked_and_waits_out_trouble(
    live_model: ProductionClassifier,
    add_products: AddProducts,
    settings: Settings,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = settings.CATEGORY_CLASSIFIER
    passes: list[int] = []
    trouble: list[str] = []
    naps = iter(range(100))

    def sleep(_: float) -> None:
        nap = next(naps)
        if nap == 0:
            # Marked by its default: the cheap look finds it.
            add_products(SURE)
        elif nap == 1:
            # Not marked: only a pass that compares texts finds it.
            Product.objects.update(title="silk shawl")
        elif nap == 2:
            assert outcome() == [("P00000", "CAT_TOOLS_DRILLS", "model", False)]
            monkeypatch.setattr(sweep, "FULL_PASS_EVERY", 0.0)
            settings.CATEGORY_CLASSIFIER = {**good, "ARTIFACT": str(tmp_path / "gone.pt")}
        elif nap == 4:
            settings.CATEGORY_CLASSIFIER = good
        elif nap == 5:
            raise Enough

    with pytest.raises(Enough):
        services.products_watch(
            services.SweepOptions(),
            interval=0,
            on_pass=lambda summary: passes.append(summary.seen),
            on_trouble=trouble.append,
            sleep=sleep,
        )
    assert (passes, trouble[1:]) == ([0, 1, 1], [])
    assert "gone.pt" in trouble[0]
    assert outcome() == [("P00000", "CAT_CLOTHING_SHAWLS", "model", False)]
