"""Nothing is decided that nobody has read: every page posts what it showed."""

import re
from typing import Any

import pytest
from django.test import Client

from apps.categories import services
from apps.categories.models import Assignment, Category, Product, Source, Suggestion

from .conftest import MakeSuggestion
from .pages import QUEUE, bulk, page, seen, told

REVIEW = f"{QUEUE}review/"
JSON = {"accept": "application/json"}
ANOTHER_TEXT = "The text of this product changed while you looked at it: nothing was decided. Read it again."
OTHER_CANDIDATES = (
    "This product has other candidates than those that you looked at: nothing was rejected. "
    "Look at them first."
)
PAGES = {"card": REVIEW, "list": QUEUE, "its own page": f"{QUEUE}{{pk}}/change/"}


def shown(browser: Client, suggestion: Suggestion, where: str = "card") -> str:
    """What the decision's form on this page posts."""
    html = page(browser.get(PAGES[where].format(pk=suggestion.pk)))
    form = html[html.index(f'id="decide-{suggestion.pk}"') :].split("</form>")[0]
    found = re.search(r'name="seen" value="([^"]+)"', form)
    assert found is not None
    return found[1]


def rename(suggestion: Suggestion, title: str = "silk lamp mug") -> None:
    """As a shop's own code does, past every signal; no model has looked since."""
    Product.objects.filter(pk=suggestion.product_id).update(title=title)


def ask_anew(suggestion: Suggestion, *places: Category, queue: str = "review") -> None:
    """As the model does: the row keeps its key."""
    candidates = [
        {"category_code": place.code, "category_path": place.path, "confidence": 0.5} for place in places
    ]
    Suggestion.objects.filter(pk=suggestion.pk).update(candidates=candidates, queue=queue)


def post(browser: Client, suggestion: Suggestion, **data: Any) -> Any:
    return browser.post(f"{QUEUE}{suggestion.pk}/decide/", data, headers=JSON)


@pytest.mark.parametrize("where", PAGES)
@pytest.mark.parametrize("act", ["approve", "category", "reject"])
def test_a_decision_on_a_text_that_has_changed_is_refused(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category], where: str, act: str
) -> None:
    waiting = make_suggestion("drill shawl")
    known = shown(reviewing, waiting, where)
    rename(waiting)

    answer = post(reviewing, waiting, **{act: tree["Drills"].code, "seen": known})

    assert answer.status_code == 409
    assert answer.json() == {"ok": False, "message": ANOTHER_TEXT, "pks": [], "changed": True}
    waiting.refresh_from_db()
    assert waiting.is_pending
    assert not Assignment.objects.exists()
    (card,) = reviewing.get(f"{QUEUE}{waiting.pk}/card/").json()["cards"]
    assert "silk lamp mug" in card["html"]
    again = post(reviewing, waiting, **{act: tree["Drills"].code, "seen": shown(reviewing, waiting, where)})
    assert again.status_code == 200


def test_without_scripts_it_is_told_on_the_page_that_shows_the_new_text(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion("drill shawl")
    known = shown(reviewing, waiting)
    rename(waiting)

    data = {"approve": tree["Drills"].code, "seen": known, "next": REVIEW}
    answer = reviewing.post(f"{QUEUE}{waiting.pk}/decide/", data)

    assert (answer.status_code, answer.url, told(answer)) == (302, REVIEW, [ANOTHER_TEXT])
    assert "silk lamp mug" in page(reviewing.get(answer.url))


def test_other_candidates_refuse_a_rejection_and_no_category_that_was_seen(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion("drill shawl")
    known = shown(reviewing, waiting)
    ask_anew(waiting, tree["Shirts"])

    refused = post(reviewing, waiting, reject="1", seen=known)
    assert (refused.status_code, refused.json()["message"]) == (409, OTHER_CANDIDATES)
    assert refused.json()["changed"]
    assert not Assignment.objects.exists()
    filed = post(reviewing, waiting, approve=tree["Drills"].code, seen=known)

    assert filed.status_code == 200
    waiting.refresh_from_db()
    assert (waiting.status, waiting.decided_category) == ("corrected", tree["Drills"])


def test_a_rejection_answers_the_question_that_was_asked(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    """In another queue, rejecting the same candidates means something else."""
    waiting = make_suggestion("drill shawl", [("Drills", 0.5)])
    known = shown(reviewing, waiting)
    ask_anew(waiting, tree["Drills"], queue="label")

    assert post(reviewing, waiting, reject="1", seen=known).status_code == 409


def test_a_near_duplicate_of_another_text_is_left_alone_and_told(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    first, kept, renamed = (make_suggestion(f"Saw blade {size} mm") for size in (10, 20, 30))
    html = page(reviewing.get(f"{REVIEW}?order=oldest"))
    card = html[html.index(f'<article id="row-{first.pk}"') :].split("</article>")[0]
    also = re.findall(r'name="also" value="([^"]+)"', card)
    assert [int(value.partition(":")[0]) for value in also] == [renamed.pk, kept.pk]
    rename(renamed)

    known = shown(reviewing, first)
    answer = post(reviewing, first, approve=tree["Saws"].code, seen=known, also=also).json()

    assert answer["pks"] == [first.pk, kept.pk]
    assert answer["message"] == (
        "“Saw blade 10 mm” and 1 like it are filed under Tools > Saws. "
        "1 more has another text by now: read it first."
    )
    renamed.refresh_from_db()
    assert renamed.is_pending
    assert Product.objects.filter(category_source=Source.HUMAN).count() == 2


def test_nothing_goes_along_with_a_product_whose_own_text_has_changed(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    first, other = (make_suggestion(f"Saw blade {size} mm") for size in (10, 20))
    known = shown(reviewing, first)
    rename(first)

    answer = post(reviewing, first, approve=tree["Saws"].code, seen=known, also=f"{other.pk}")

    assert (answer.status_code, answer.json()["message"]) == (409, ANOTHER_TEXT)
    assert not Assignment.objects.exists()


@pytest.mark.parametrize("act", ["approve_top", "set_category", "reject"])
def test_a_bulk_act_leaves_what_has_another_text(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category], act: str
) -> None:
    rows = [make_suggestion(f"{word} thing", [("Drills", 0.95)]) for word in ("kept", "renamed")]
    chosen = [row.pk for row in rows]
    html = page(reviewing.post(QUEUE, {"action": act, "_selected_action": chosen}))
    rename(rows[1])

    data: dict[str, Any] = {"seen": seen(html)}
    if act == "approve_top":
        answer = reviewing.post(f"{QUEUE}approve-top/", data)
    else:
        data |= {"reject": "1"} if act == "reject" else {"category": tree["Drills"].code}
        answer = reviewing.post(f"{QUEUE}bulk/", data)

    assert [line.product_id for line in Assignment.objects.all()] == [rows[0].product_id]
    assert told(answer)[-1] == (
        "1 product got another text or new candidates while you looked: left as they are, please look again."
    )


def test_a_bulk_rejection_leaves_what_has_other_candidates_and_a_category_does_not(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion("thing")
    html = page(reviewing.post(QUEUE, {"action": "reject", "_selected_action": [waiting.pk]}))
    ask_anew(waiting, tree["Shirts"])

    reviewing.post(f"{QUEUE}bulk/", {"seen": seen(html), "reject": "1"})
    assert not Assignment.objects.exists()
    reviewing.post(f"{QUEUE}bulk/", {"seen": seen(html), "category": tree["Saws"].code})
    assert Assignment.objects.get().to_category == tree["Saws"]


def test_approving_the_first_candidate_in_bulk_compares_it_under_the_lock(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion("thing", [("Drills", 0.95), ("Saws", 0.1)])
    html = page(bulk(reviewing, waiting))
    ask_anew(waiting, tree["Drills"], tree["Shirts"])
    reviewing.post(f"{QUEUE}approve-top/", {"seen": seen(html), "confirm": "all"})
    assert Assignment.objects.get().to_category == tree["Drills"], "the one that was seen is still the first"


def test_a_token_that_is_none_decides_nothing() -> None:
    assert services.Seen.read("") is None
    whole = services.Seen(text="a", question="b", top="CAT.WITH.DOTS")
    assert services.Seen.read(str(whole)) == whole
    assert services.Seen.read("nonsense") == services.Seen(text="nonsense")
    filing = services.FilingSeen(category_id=7, source="human")
    assert services.FilingSeen.read(str(filing)) == filing
    for nonsense in ("", "x:human", "7:", "7:boss", "-1:human"):
        assert services.FilingSeen.read(nonsense) is None
