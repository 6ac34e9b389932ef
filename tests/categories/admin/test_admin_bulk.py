"""Many at once: nothing is written before it was shown, and nothing under its threshold unconfirmed."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.categories import services
from apps.categories.models import Assignment, Category, ClassificationRun, Product, Source, Suggestion

from .conftest import MakeSuggestion
from .pages import QUEUE, bulk, page, seen, told


def test_the_action_shows_what_it_would_do_and_does_nothing_yet(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    sure = make_suggestion("sure", [("Drills", 0.95), ("Saws", 0.6)])
    low = make_suggestion("low", [("Saws", 0.5)])

    html = page(bulk(reviewing, sure, low))

    assert "Nothing is filed yet" in html
    assert seen(html) == [f"{sure.pk}:CAT_TOOLS_DRILLS", f"{low.pk}:CAT_TOOLS_SAWS"]
    assert "Approve only the 1 that reaches it" in html
    assert "Approve all 2, 1 of them under it" in html
    assert Assignment.objects.count() == ClassificationRun.objects.count() == 0


@pytest.mark.parametrize(("confirm", "filed"), [("sure", {"sure"}), ("", {"sure"}), ("all", {"sure", "low"})])
def test_rows_under_the_threshold_only_go_through_when_confirmed(
    confirm: str, filed: set[str], reviewing: Client, maria: User, make_suggestion: MakeSuggestion
) -> None:
    rows = [
        make_suggestion("sure", [("Drills", 0.95), ("Saws", 0.6)]),
        make_suggestion("low", [("Saws", 0.5)]),
    ]
    data = {"seen": seen(page(bulk(reviewing, *rows))), "confirm": confirm, "next": QUEUE + "?order=oldest"}

    response = reviewing.post(f"{QUEUE}approve-top/", data)

    assert response.url == QUEUE + "?order=oldest"
    assert {product.title for product in Product.objects.filter(category_source=Source.HUMAN)} == filed
    expected = [f"{len(filed)} product{'s' if len(filed) > 1 else ''} filed under the top candidate."]
    if "low" not in filed:
        expected.append("1 product under the confidence needed: not approved; waiting.")
    assert told(response) == expected
    run = ClassificationRun.objects.get()
    assert (run.kind, run.actor) == ("review", maria)


def test_without_a_threshold_everything_needs_the_confirmation(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    html = page(bulk(reviewing, make_suggestion("a", [("Drills", 0.99)], threshold=None)))

    assert 'value="sure"' not in html
    assert "Approve 1 under it anyway" in html


def test_a_suggestion_that_changed_after_it_was_seen_is_not_approved(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion("a", [("Drills", 0.95)])
    data = {"seen": seen(page(bulk(reviewing, waiting))), "confirm": "all"}
    waiting.candidates = [
        {"category_code": tree["Saws"].code, "category_path": tree["Saws"].path, "confidence": 0.97}
    ]
    waiting.save()

    response = reviewing.post(f"{QUEUE}approve-top/", data)

    assert told(response) == [
        "1 product got new candidates while you looked: not approved, please look again."
    ]
    assert Assignment.objects.count() == 0


def test_what_somebody_else_decided_meanwhile_is_named(
    reviewing: Client, member: Callable[..., User], make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    mine, theirs = make_suggestion("mine", [("Drills", 0.95)]), make_suggestion("theirs", [("Drills", 0.95)])
    data = {"seen": seen(page(bulk(reviewing, mine, theirs))), "confirm": "sure"}
    services.suggestion_approve(theirs, actor=member("pablo"), category_code=tree["Saws"].code)

    response = reviewing.post(f"{QUEUE}approve-top/", data)

    assert told(response) == [
        "1 product filed under the top candidate.",
        "1 product decided by somebody else meanwhile, left as they are. "
        "“theirs”: corrected by pablo (Tools > Saws).",
    ]
    assert theirs.product.__class__.objects.get(pk=theirs.product_id).category == tree["Saws"]


def test_rows_without_a_usable_candidate_are_left_out(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    good = make_suggestion("good", [("Drills", 0.95)])
    html = page(
        bulk(reviewing, good, make_suggestion("empty", []), make_suggestion("gone", [("CAT_GONE", 0.95)]))
    )

    assert seen(html) == [f"{good.pk}:CAT_TOOLS_DRILLS"]
    assert "2 of the chosen products cannot be approved" in html
    only_bad = page(bulk(reviewing, Suggestion.objects.get(product__title="empty")))
    assert "None of the chosen products can be approved" in only_bad


def test_a_bulk_approval_is_bounded(
    reviewing: Client, make_suggestion: MakeSuggestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.categories.admin.suggestions.MAX_BULK", 2)
    monkeypatch.setattr("apps.categories.admin.decisions.MAX_BULK", 2)
    rows = [make_suggestion(f"d{number}", [("Drills", 0.95)]) for number in range(3)]

    assert told(bulk(reviewing, *rows)) == [
        "At most 2 at once: choose a page or a filter, and approve the rest after it."
    ]
    data = {"seen": [f"{row.pk}:CAT_TOOLS_DRILLS" for row in rows]}
    assert (
        told(reviewing.post(f"{QUEUE}approve-top/", data))[-1] == "At most 2 at once: nothing was approved."
    )
    assert Assignment.objects.count() == 0


def test_a_broken_confirmation_approves_nothing(reviewing: Client, tree: dict[str, Category]) -> None:
    data = {"seen": ["x:CAT_TOOLS", "", "9" * 40, "-1:CAT_TOOLS"], "confirm": "all"}

    assert told(reviewing.post(f"{QUEUE}approve-top/", data)) == [
        "Nothing was chosen, so nothing was approved."
    ]


def test_the_confirmation_costs_the_same_queries_for_10_and_100_rows(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    rows = [make_suggestion(f"d{number}", [("Drills", 0.95)]) for number in range(100)]
    bulk(reviewing, *rows[:1])
    with CaptureQueriesContext(connection) as few:
        bulk(reviewing, *rows[:10])
    with CaptureQueriesContext(connection) as many:
        bulk(reviewing, *rows)

    assert len(many) == len(few)
