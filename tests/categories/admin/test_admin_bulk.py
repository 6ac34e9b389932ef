"""Many at once: nothing is written before it was shown, and nothing under its threshold unconfirmed."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.categories import services
from apps.categories.models import (
    Assignment,
    Category,
    ClassificationRun,
    Product,
    Source,
    Suggestion,
)

from .conftest import MakeSuggestion
from .pages import QUEUE, bulk, page, seen, told

RUNS = "/admin/categories/classificationrun/"


def undo_link(run: ClassificationRun, back: str = QUEUE) -> str:
    return f'<a href="{RUNS}{run.pk}/undo/?{urlencode({"next": back})}">Undo…</a>'


def test_the_action_shows_what_it_would_do_and_does_nothing_yet(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    sure = make_suggestion("sure", [("Drills", 0.95), ("Saws", 0.6)])
    low = make_suggestion("low", [("Saws", 0.5)])

    html = page(bulk(reviewing, sure, low))

    assert "Nothing is filed yet" in html
    assert seen(html) == [f"{row.pk}:{services.Seen.of(row, row.product)}" for row in (sure, low)]
    assert "Approve only the 1 that reaches it" in html
    assert "Approve all 2, 1 of them although the model is not sure" in html
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
    run = ClassificationRun.objects.get()
    products = f"{len(filed)} product{'s' if len(filed) > 1 else ''}"
    expected = [f"{products} filed under the top candidate. {undo_link(run, QUEUE + '?order=oldest')}"]
    if "low" not in filed:
        expected.append("1 product under the confidence needed: not approved; waiting.")
    assert told(response) == expected
    assert (run.kind, run.actor) == ("review", maria)


def test_without_a_threshold_everything_needs_the_confirmation(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    unlike = make_suggestion("a", [("Drills", 0.99)], threshold=None, reason="unlike the training data")
    html = page(bulk(reviewing, unlike))

    assert "Unlike the training data</span>" in html
    assert 'value="sure"' not in html
    assert "Approve 1, although the model is not sure" in html


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
        "1 product got another text or new candidates while you looked: left as they are, please look again."
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
        f"1 product filed under the top candidate. {undo_link(ClassificationRun.objects.get())}",
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

    assert seen(html) == [f"{good.pk}:{services.Seen.of(good, good.product)}"]
    assert "2 of the chosen products cannot be approved" in html
    only_bad = page(bulk(reviewing, Suggestion.objects.get(product__title="empty")))
    assert "None of the chosen products can be approved" in only_bad


def test_a_bulk_approval_is_bounded(
    reviewing: Client, make_suggestion: MakeSuggestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.categories.admin.bulk.MAX_BULK", 2)
    rows = [make_suggestion(f"d{number}", [("Drills", 0.95)]) for number in range(3)]

    assert told(bulk(reviewing, *rows)) == [
        "At most 2 at once: choose a page or a filter, and do the rest after it."
    ]
    data = {"seen": [f"{row.pk}:CAT_TOOLS_DRILLS" for row in rows]}
    assert (
        told(reviewing.post(f"{QUEUE}approve-top/", data))[-1] == "At most 2 at once: nothing was approved."
    )
    assert Assignment.objects.count() == 0


def test_a_broken_confirmation_approves_nothing(reviewing: Client, tree: dict[str, Category]) -> None:
    data = {"seen": ["x:CAT_TOOLS", "", "9" * 40, "-1:CAT_TOOLS"], "confirm": "all"}

    assert told(reviewing.post(f"{QUEUE}approve-top/", data)) == [
        "Nothing was chosen, so nothing was decided."
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


def approve(browser: Client, *rows: Suggestion) -> ClassificationRun:
    data = {"seen": seen(page(bulk(browser, *rows))), "confirm": "all", "next": QUEUE}
    browser.post(f"{QUEUE}approve-top/", data)
    return ClassificationRun.objects.latest("pk")


def test_a_bulk_act_is_undone_from_the_page_of_its_run(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    rows = [make_suggestion("a saw"), make_suggestion("b saw")]
    run = approve(reviewing, *rows)
    assert "Undo this run…" in page(reviewing.get(f"{RUNS}{run.pk}/change/"))
    asked = page(reviewing.get(f"{RUNS}{run.pk}/undo/"))
    assert "takes back what it did to 2 products" in asked
    assert Product.objects.filter(category_source=Source.HUMAN).count() == 2

    done = reviewing.post(f"{RUNS}{run.pk}/undo/?next={QUEUE}", {"note": "too quick"})

    assert done.url == QUEUE
    assert told(done) == [f"Run {run.pk} is undone: 2 taken back."]
    assert not Product.objects.filter(category_source=Source.HUMAN).exists()
    assert Assignment.objects.latest("pk").note == "too quick"
    again = page(reviewing.get(f"{RUNS}{run.pk}/change/"))
    assert "Undo this run…" not in again
    assert f"Run {run.pk} was undone." in again
    elsewhere = reviewing.post(f"{RUNS}{run.pk}/undo/?next=//example.org/")
    assert elsewhere.url == f"{RUNS}{run.pk}/change/"


def test_the_page_says_beforehand_what_undoing_leaves(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    rows = [make_suggestion(f"{name} saw") for name in "abc"]
    run = approve(reviewing, *rows)
    address = f"{RUNS}{run.pk}/undo/"
    assert "touched since" not in page(reviewing.get(address))
    for row, times in zip(rows, (1, 2, 0), strict=True):
        for place in [tree["Hammers"], tree["Drills"]][:times]:
            services.product_set_category(Product.objects.get(pk=row.product_id), place, actor=None)
    asked = page(reviewing.get(address))
    assert "takes back what it did to 1 product." in asked
    assert "2 more were touched since by a person, an import or a later run, and stay as they are." in asked
    assert told(reviewing.post(address)) == [
        f"Run {run.pk} is undone: 1 taken back. 2 with later changes stay as they are."
    ]


def test_whose_run_may_be_undone(
    reviewing: Client, managing: Client, viewing: Client, make_suggestion: MakeSuggestion
) -> None:
    theirs = approve(managing, make_suggestion("a saw"))
    address = f"{RUNS}{theirs.pk}/undo/"
    for browser in (reviewing, viewing):
        assert browser.get(address).status_code == browser.post(address).status_code == 403
        assert "Undo this run…" not in page(browser.get(f"{RUNS}{theirs.pk}/change/"))
    mine = approve(reviewing, make_suggestion("b saw"))
    assert managing.get(f"{RUNS}{mine.pk}/undo/").status_code == 200
    assert managing.get(f"{RUNS}10000000/undo/").status_code == 404
    assert Product.objects.filter(category_source=Source.HUMAN).count() == 2


def chosen(browser: Client, action: str, *rows: Suggestion) -> str:
    pks = [row.pk for row in rows]
    return page(browser.post(QUEUE, {"action": action, "_selected_action": pks}))


def test_setting_a_category_shows_what_changes_first(
    reviewing: Client, maria: User, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    rows = [make_suggestion("a saw"), make_suggestion("b saw"), make_suggestion("c saw")]
    html = chosen(reviewing, "set_category", *rows)
    assert "Nothing is decided yet" in html
    data = {"seen": seen(html), "next": QUEUE, "note": "all one"}
    searched = page(reviewing.post(f"{QUEUE}bulk/", {**data, "find": "shrits"}))
    assert f'name="category" value="{tree["Shirts"].code}"' in searched
    assert not Assignment.objects.exists()
    services.suggestion_reject(rows[2], actor=maria)

    done = reviewing.post(f"{QUEUE}bulk/", {**data, "category": tree["Shirts"].code})

    run = ClassificationRun.objects.get()
    first, second = told(done)
    assert first == f"2 products filed under Clothing &gt; Shirts. {undo_link(run)}"
    assert second.startswith("1 product decided by somebody else meanwhile")
    assert set(Product.objects.filter(category=tree["Shirts"]).values_list("title", flat=True)) == {
        "a saw",
        "b saw",
    }
    assert set(Assignment.objects.filter(run=run).values_list("note", flat=True)) == {"all one"}


def test_a_retired_category_is_refused_for_all(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    data = {"seen": seen(chosen(reviewing, "set_category", make_suggestion()))}
    Category.objects.filter(pk=tree["Shirts"].pk).update(is_active=False)

    html = page(reviewing.post(f"{QUEUE}bulk/", {**data, "category": tree["Shirts"].code}))
    assert "is retired: pick another category" in html
    html = page(reviewing.post(f"{QUEUE}bulk/", {**data, "category": "CAT_GONE"}))
    assert "not in this shop&#x27;s tree" in html
    assert Assignment.objects.count() == ClassificationRun.objects.count() == 0


def test_rejecting_many_is_one_act(
    reviewing: Client, viewing: Client, make_suggestion: MakeSuggestion
) -> None:
    rows = [make_suggestion("a saw"), make_suggestion("b saw")]
    data = {"seen": seen(chosen(reviewing, "reject", *rows)), "reject": "1"}
    assert viewing.post(f"{QUEUE}bulk/", data).status_code == 403

    done = reviewing.post(f"{QUEUE}bulk/", data)

    assert told(done)[0].startswith("2 products rejected: none of their candidates was right.")
    assert set(Suggestion.objects.values_list("status", flat=True)) == {"rejected"}
    assert services.run_undo(ClassificationRun.objects.get(), actor=None).undone == 2


def test_from_a_product_back_to_the_list_as_it_was(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    waiting = make_suggestion()
    html = page(reviewing.get(f"{QUEUE}?sure=middle&order=oldest"))
    back = urlencode({"back": f"{QUEUE}?sure=middle&order=oldest"}).replace("&", "&amp;")
    assert f"{QUEUE}{waiting.pk}/change/?{back}" in html

    own = page(reviewing.get(f"{QUEUE}{waiting.pk}/change/?{back}"))

    assert f'name="next" value="{QUEUE}?sure=middle&amp;order=oldest"' in own
