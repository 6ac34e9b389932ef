"""The audit: drawn at random once and for all, decided like anything else, and recognisable afterwards."""

from collections.abc import Callable
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.categories import figures, runtime, selectors, services
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.models import Assignment, Category, Product, Suggestion
from apps.categories.services import samples

from .conftest import SURE, UNSURE

pytestmark = pytest.mark.django_db

AddProducts = Callable[..., list[Product]]


@pytest.fixture
def filed(live_model: ProductionClassifier, add_products: AddProducts, admin_user: User) -> list[Product]:
    """Eight products that the model filed, one that waits, one that a person filed."""
    products = add_products(*[SURE] * 8, UNSURE, SURE)
    services.products_sweep(services.SweepOptions())
    drills = Category.objects.get(code="CAT_TOOLS_DRILLS")
    services.product_set_category(products[9], drills, actor=admin_user)
    return products


def drawn() -> list[object]:
    return [row.product_id for row in selectors.queue_in_order("audit")]


def test_the_sample_is_the_same_however_often_it_is_drawn(
    filed: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "PAGE", 3)
    assert services.audit_fill(4) == 4
    first = drawn()
    assert set(first) < {product.pk for product in filed[:8]}
    assert (services.audit_fill(4), drawn()) == (0, first)
    assert services.audit_fill(5) == 1
    assert drawn()[:4] == first
    assert services.audit_fill(100, salt="another") == 3
    assert set(drawn()) == {product.pk for product in filed[:8]}, "only what the model filed"
    with pytest.raises(ValueError, match="expected 1 or more"):
        services.audit_fill(0)


def test_the_audit_is_no_part_of_the_queue_and_its_decisions_are_marked(
    filed: list[Product], admin_user: User
) -> None:
    services.audit_fill(2)
    assert [row.product_id for row in selectors.review_queue()] == [filed[8].pk]
    assert not selectors.refine_queue().exists()
    right, wrong = services.claim_next(admin_user, order="audit", count=2, category_code="CAT_TOOLS_DRILLS")
    assert not Product.objects.filter(pk=right.product_id, needs_review=True).exists()
    services.suggestion_approve(right, actor=admin_user)
    saws = Category.objects.get(code="CAT_TOOLS_SAWS")
    services.suggestion_correct(wrong, actor=admin_user, category=saws)
    lines = Assignment.objects.filter(queue="audit").order_by("pk")
    assert [(line.from_source, line.from_category_id == line.to_category_id) for line in lines] == [
        ("model", True),
        ("model", False),
    ]
    assert drawn() == []
    services.decision_undo(lines[1], actor=admin_user)
    assert drawn() == [wrong.product_id]
    assert Product.objects.get(pk=wrong.product_id).category_source == "model"


def test_what_else_is_likely_is_offered_too(
    filed: list[Product],
) -> None:
    saws = Category.objects.get(code="CAT_TOOLS_SAWS")
    Product.objects.filter(pk=filed[0].pk).update(category=saws, category_confidence=0.97)
    Category.objects.filter(code="CAT_CLOTHING_SHAWLS").update(is_active=False)
    said = services.classify([SURE], top_k=3)[0]
    services.audit_fill(8)
    rows = {row.product_id: row.candidates for row in selectors.queue_in_order("audit")}
    first, *others = rows[filed[0].pk]
    assert first == {"category_code": saws.code, "category_path": saws.path, "confidence": 0.97}
    active = set(Category.objects.active().values_list("code", flat=True))
    assert [item["category_code"] for item in others] == [
        item["category_code"] for item in said if item["category_code"] in active - {saws.code}
    ]
    codes = [item["category_code"] for item in rows[filed[1].pk]]
    assert codes[0] == said[0]["category_code"]
    assert len(codes) == len(set(codes)) > 1


def test_without_a_model_only_its_place_is_offered(filed: list[Product], settings: Settings) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "ARTIFACT": "none.pt"}
    runtime.reset()
    assert services.audit_fill(8) == 8
    assert {len(row.candidates) for row in selectors.queue_in_order("audit")} == {1}


@pytest.fixture
def to_refine(forked_model: ProductionClassifier, add_products: AddProducts) -> Suggestion:
    """The suggestion of a product that the model filed at Tools, in doubt between saws and drills."""
    add_products("power tool ceifdabg")
    services.products_sweep(services.SweepOptions())
    found: Suggestion = selectors.refine_queue().get()
    assert found.product.category is not None
    assert found.product.category.code == "CAT_TOOLS"
    return found


def test_one_that_waits_to_be_refined_is_asked_about_the_place_where_it_is_filed(
    to_refine: Suggestion, admin_user: User
) -> None:
    assert services.audit_fill(8) == 1
    asked = Suggestion.objects.get()
    tools = {
        "category_code": "CAT_TOOLS",
        "category_path": "Tools",
        "confidence": to_refine.product.category_confidence,
    }
    below = [item for item in to_refine.candidates if item["category_code"] != "CAT_TOOLS"]
    assert len(below) > 1
    assert (asked.queue, asked.candidates) == ("audit", [tools, *below])
    assert (asked.top_code, asked.top_confidence) == ("CAT_TOOLS", to_refine.product.category_confidence)
    assert asked.reason.startswith("drawn at random from what the model has filed; unsure of the exact")
    assert (asked.created_at, asked.threshold) == (to_refine.created_at, None)
    assert services.audit_fill(8) == 0
    assert Suggestion.objects.get().candidates == asked.candidates
    services.suggestion_approve(asked, actor=admin_user)
    assert figures.audit_figures(limit=1).whole.judged.right == 1
    services.decision_undo(Assignment.objects.latest("pk"), actor=admin_user)
    assert Suggestion.objects.get().candidates == asked.candidates
    services.suggestion_approve(asked, actor=admin_user, category_code=below[1]["category_code"])
    assert (judged := figures.audit_figures(limit=1).whole.judged).right == judged.rows == 1


def test_nothing_of_a_sample_is_approved_in_bulk_unconfirmed(to_refine: Suggestion, admin_user: User) -> None:
    Suggestion.objects.update(threshold=0.1)
    services.audit_fill(8)
    outcome = services.suggestions_approve_top([to_refine.pk], actor=admin_user)
    assert outcome.refused_low == (to_refine.pk,)


def test_filed_anew_above_its_category_it_waits_to_be_refined_again(to_refine: Suggestion) -> None:
    services.audit_fill(8)
    services.products_sweep(services.SweepOptions(everything=True))
    again = selectors.refine_queue().get()
    assert (again.candidates, again.reason) == (to_refine.candidates, to_refine.reason)
    assert again.threshold == to_refine.threshold


def test_what_the_model_is_not_sure_of_any_more_stays_in_the_review_queue(filed: list[Product]) -> None:
    Product.objects.filter(pk=filed[0].pk).update(title=UNSURE)
    services.products_sweep(services.SweepOptions())
    assert Product.objects.get(pk=filed[0].pk).category_source == "model"
    assert services.audit_fill(100) == 7
    assert {row.product_id for row in selectors.review_queue()} == {filed[0].pk, filed[8].pk}


def test_one_that_was_sent_away_is_not_drawn_again_until_the_model_has_filed_it_anew(
    filed: list[Product], admin_user: User
) -> None:
    services.audit_fill(1)
    away = selectors.queue_in_order("audit")[0]
    services.suggestion_reject(away, actor=admin_user)
    assert services.audit_fill(1, salt="audit") == 1
    other = drawn()
    assert away.product_id not in other
    assert services.audit_fill(1) == 0
    services.decision_undo(Assignment.objects.latest("pk"), actor=admin_user)
    assert set(drawn()) == {*other, away.product_id}
    services.suggestion_reject(away, actor=admin_user)
    Product.objects.filter(pk=away.product_id).update(title="silk shawl")
    services.products_sweep(services.SweepOptions())
    assert services.audit_fill(1) == 1
    assert set(drawn()) == {*other, away.product_id}


def test_what_was_sent_away_takes_no_place_in_the_next_sample(filed: list[Product], admin_user: User) -> None:
    assert services.audit_fill(5) == 5
    away = set(drawn())
    for suggestion in list(selectors.queue_in_order("audit")):
        services.suggestion_reject(suggestion, actor=admin_user)
    assert services.audit_fill(2) == 2
    assert services.audit_fill(5) == 1
    assert len(drawn()) == 3
    assert not away & set(drawn())
    assert services.audit_fill(5) == 0


def test_one_that_is_judged_after_it_was_drawn_is_left_alone(
    filed: list[Product], admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.audit_fill(1)
    (away,) = selectors.queue_in_order("audit")
    monkeypatch.setattr(
        samples, "_likely", lambda page, using: services.suggestion_reject(away, actor=admin_user) and {}
    )
    assert services.audit_fill(1) == 0
    assert drawn() == []


def test_the_audit_measures_precision(filed: list[Product], admin_user: User) -> None:
    """Kept or refined is right; corrected, sent away or left without a place is wrong; undone is nothing."""
    tools, saws, drills = (
        Category.objects.get(code=code) for code in ("CAT_TOOLS", "CAT_TOOLS_SAWS", "CAT_TOOLS_DRILLS")
    )
    Product.objects.filter(pk=filed[7].pk).update(category=tools)
    Product.objects.filter(pk=filed[6].pk).update(model_version="other")
    services.audit_fill(8)
    rows = {row.product_id: row for row in selectors.queue_in_order("audit")}
    kept, corrected, away, undone, above, unfiled, other, refined = (rows[one.pk] for one in filed[:8])
    services.suggestion_approve(kept, actor=admin_user)
    services.suggestion_correct(corrected, actor=admin_user, category=saws)
    services.suggestion_reject(away, actor=admin_user)
    services.suggestion_correct(undone, actor=admin_user, category=saws)
    services.decision_undo(Assignment.objects.latest("pk"), actor=admin_user)
    services.suggestion_correct(above, actor=admin_user, category=tools)
    services.product_set_category(filed[5], None, actor=admin_user)
    services.suggestion_correct(refined, actor=admin_user, category=drills)
    services.product_set_category(filed[8], saws, actor=admin_user)  # of another queue

    found = figures.audit_figures(limit=5)

    assert (found.whole.drawn, found.whole.waiting) == (8, 2)
    assert (found.whole.judged.rows, found.whole.judged.right) == (6, 2)
    assert found.whole.judged.interval == figures.clopper_pearson(6, 2)
    assert [(one.judged.version, one.judged.rows, one.waiting, one.drawn) for one in found.versions] == [
        (filed_by(kept), 6, 1, 7),
        ("other", 0, 1, 1),
    ]
    assert len(figures.audit_figures(limit=1).versions) == 1
    assert drawn() == [row.product_id for row in selectors.queue_in_order("audit") if row in (undone, other)]
    assert unfiled.pk not in Suggestion.objects.values_list("pk", flat=True), "it is answered"


def filed_by(suggestion: Suggestion) -> str:
    return suggestion.model_version


def test_the_age_of_one_that_is_drawn_counts_from_the_draw(filed: list[Product]) -> None:
    old = Suggestion.objects.create(
        product=filed[0],
        candidates=[],
        status=Suggestion.Status.REJECTED,
        model_version="m",
        text_digest="d",
        created_at="2026-01-01T00:00Z",
        updated_at="2026-01-01T00:00Z",
    )
    services.audit_fill(8)
    old.refresh_from_db()
    assert (old.queue, old.created_at) == ("audit", old.updated_at)


def test_the_command_draws(filed: list[Product], db: None) -> None:
    out = StringIO()
    call_command("draw_audit_sample", "--size", "3", stdout=out)
    assert "3 more products wait in the audit queue" in out.getvalue()
    assert len(drawn()) == 3
    call_command("draw_audit_sample", "--size", "3", stdout=out)
    assert "Nothing more to draw" in out.getvalue()
    silent = StringIO()
    call_command("draw_audit_sample", stdout=silent, verbosity=0)
    assert (silent.getvalue(), len(drawn())) == ("", 8)
    with pytest.raises(CommandError, match="size"):
        call_command("draw_audit_sample", "--size", "0")
