"""The review page: what it hands out, what it tells a script, what each click costs."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from apps.categories import alike, runtime, services
from apps.categories.models import Assignment, Category, Product, Source, Suggestion

from .conftest import MakeSuggestion
from .pages import QUEUE, page, told

REVIEW = f"{QUEUE}review/"
JSON = {"accept": "application/json"}


@pytest.fixture(autouse=True)
def _no_index_of_another_test() -> None:
    alike.reset()


def shown(html: str) -> list[int]:
    """The cards of a page, in their order."""
    return [int(pk) for pk in re.findall(r'<article id="row-(\d+)"', html)]


def post(browser: Client, address: str, **data: Any) -> Any:
    return browser.post(address, data, headers=JSON)


def test_the_page_begins_with_the_first_cards_of_the_order(
    reviewing: Client, maria: User, make_suggestion: MakeSuggestion
) -> None:
    rows = [
        make_suggestion(f"{word} saw", [("Saws", sure)])
        for word, sure in (("a", 0.5), ("b", 0.2), ("c", 0.4))
    ]
    make_suggestion("d saw", [("Saws", 0.3)])

    html = page(reviewing.get(REVIEW + "?order=unsure"))

    assert shown(html) == [rows[1].pk, Suggestion.objects.get(product__title="d saw").pk, rows[2].pk]
    assert '<option value="unsure" selected>' in html
    assert 'data-count="4"' in html
    held = Suggestion.objects.filter(claimed_by=maria).values_list("pk", flat=True)
    assert set(held) == set(shown(html))


def test_an_unknown_order_is_the_usual_one(reviewing: Client, make_suggestion: MakeSuggestion) -> None:
    make_suggestion()

    assert '<option value="value" selected>' in page(reviewing.get(REVIEW + "?order=backwards"))


def test_two_reviewers_are_shown_different_products(
    reviewing: Client, member: Callable[..., User], make_suggestion: MakeSuggestion
) -> None:
    for word in "abcdefgh":
        make_suggestion(f"{word} saw")
    pablo = Client()
    pablo.force_login(member("pablo", "Catalogue reviewers"))

    mine, theirs = shown(page(reviewing.get(REVIEW))), shown(page(pablo.get(REVIEW)))

    assert len(mine) == len(theirs) == 3
    assert not set(mine) & set(theirs)
    more = post(reviewing, f"{REVIEW}next/", order="value", skip=",".join(map(str, mine)), count="5").json()
    assert not {card["pk"] for card in more["cards"]} & {*mine, *theirs}
    assert len(more["cards"]) == 2
    assert post(pablo, f"{REVIEW}leave/").status_code == 204
    freed = post(reviewing, f"{REVIEW}next/", order="value", skip=",".join(map(str, mine)), count="5").json()
    assert set(theirs) <= {card["pk"] for card in freed["cards"]}


@pytest.mark.parametrize(
    "address", ["review/", "review/next/", "review/undo/", "review/leave/", "{pk}/card/"]
)
def test_who_may_only_look_cannot_review(
    viewing: Client, make_suggestion: MakeSuggestion, address: str
) -> None:
    waiting = make_suggestion()
    address = QUEUE + address.format(pk=waiting.pk)
    for answer in (viewing.get(address), viewing.post(address)):
        assert answer.status_code in (403, 405)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.claimed_by) == ("pending", None)
    assert "One by one" not in page(viewing.get(QUEUE))


def test_a_card_shows_what_is_alike_and_takes_it_along(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    first = make_suggestion("Saw blade 10 mm")
    others = [make_suggestion(f"Saw blade {size} mm", sku=f"B{size}") for size in (20, 30)]
    different = make_suggestion("Saw blade 40 mm", [("Saws", 0.9)])
    services.priorities_refresh()

    html = page(reviewing.get(REVIEW))
    card = html[html.index(f'<article id="row-{first.pk}"') :].split("</article>")[0]
    assert {int(pk) for pk in re.findall(r'name="also" value="(\d+):', card)} == {
        *(other.pk for other in others),
        different.pk,
    }
    assert card.count("the model says") == 1
    answer = post(
        reviewing,
        f"{QUEUE}{first.pk}/decide/",
        approve=tree["Drills"].code,
        also=[str(others[0].pk), str(different.pk), "x", "10000000"],
        note="one series",
    ).json()

    assert answer["message"] == (
        "“Saw blade 10 mm” and 2 like it are filed under Tools > Drills. "
        "1 more had been decided meanwhile and stays."
    )
    assert answer["pks"] == [first.pk, others[0].pk, different.pk]
    filed = Product.objects.filter(category=tree["Drills"], category_source=Source.HUMAN)
    assert set(filed.values_list("sku", flat=True)) == {"S1", "B20", different.product.sku}
    others[1].refresh_from_db()
    assert others[1].is_pending

    back = post(reviewing, f"{REVIEW}undo/").json()
    assert back["ok"]
    assert back["pks"][0] == first.pk
    assert set(back["pks"]) == set(answer["pks"])
    assert Suggestion.objects.filter(status="pending").count() == 4
    assert not Product.objects.filter(category_source=Source.HUMAN).exists()


def test_the_parent_is_offered_and_said_to_be_assigned_where_it_is(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    guessed, assigned = make_suggestion("a drill"), make_suggestion("b saw", [("Saws", 0.5)])
    top = make_suggestion("c tool", [("Tools", 0.5)])
    product = assigned.product
    Product.objects.filter(pk=product.pk).update(
        category=tree["Tools"], category_source=Source.MODEL, needs_review=False, model_version="linear-1"
    )
    html = page(reviewing.get(REVIEW + "?order=oldest"))

    parents = re.findall(r'name="category" value="(\w+)" class="cat-candidate cat-parent"', html)
    assert shown(html) == [guessed.pk, top.pk]
    assert parents == [tree["Tools"].code]
    assert "assigned parent" not in html
    refining = page(reviewing.get(REVIEW + "?order=refine"))
    assert shown(refining) == [assigned.pk]
    assert "assigned parent" in refining


def test_undo_takes_back_the_last_decision_of_this_person_only(
    reviewing: Client, maria: User, member: Callable[..., User], make_suggestion: MakeSuggestion
) -> None:
    mine, theirs = make_suggestion("mine"), make_suggestion("theirs")
    services.suggestion_approve(mine, actor=maria)
    services.suggestion_reject(theirs, actor=member("pablo"))

    answer = post(reviewing, f"{REVIEW}undo/")

    assert answer.json() == {
        "ok": True,
        "message": "Taken back: “mine” is as it was.",
        "pks": [mine.pk],
    }
    mine.refresh_from_db(), theirs.refresh_from_db()
    assert (mine.status, theirs.status) == ("pending", "rejected")
    again = post(reviewing, f"{REVIEW}undo/")
    assert (again.status_code, again.json()["message"]) == (
        400,
        "There is no decision of yours to undo.",
    )


def test_a_decision_is_undone_from_the_products_page_by_name(
    reviewing: Client, maria: User, make_suggestion: MakeSuggestion
) -> None:
    mine = make_suggestion("mine")
    services.suggestion_reject(mine, actor=maria)
    html = page(reviewing.get(f"{QUEUE}{mine.pk}/change/"))
    assert "Undo this decision" in html
    decision = Assignment.objects.get()

    answer = reviewing.post(
        f"{REVIEW}undo/", {"decision": str(decision.pk), "next": f"{QUEUE}{mine.pk}/change/"}
    )

    assert (answer.status_code, answer.url) == (302, f"{QUEUE}{mine.pk}/change/")
    assert told(answer) == ["Taken back: “mine” is as it was."]
    mine.refresh_from_db()
    assert mine.is_pending
    assert "Undo this decision" not in page(reviewing.get(f"{QUEUE}{mine.pk}/change/"))
    gone = post(reviewing, f"{REVIEW}undo/", decision="10000000")
    assert gone.json()["message"] == "This decision is not in the history."


@pytest.mark.parametrize("from_the_queue", [True, False])
def test_what_somebody_else_decided_is_undone_by_managers_alone(
    reviewing: Client,
    managing: Client,
    member: Callable[..., User],
    make_suggestion: MakeSuggestion,
    tree: dict[str, Category],
    from_the_queue: bool,
) -> None:
    theirs, pablo = make_suggestion("theirs"), member("pablo")
    if from_the_queue:
        services.suggestion_reject(theirs, actor=pablo)
    else:
        services.product_set_category(theirs.product, tree["Saws"], actor=pablo)
    decision = str(Assignment.objects.get().pk)

    assert "Undo this decision" not in page(reviewing.get(f"{QUEUE}{theirs.pk}/change/"))
    refused = post(reviewing, f"{REVIEW}undo/", decision=decision)

    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "This was decided by pablo: only they, or a manager, can take it back.",
    )
    assert Assignment.objects.count() == 1
    assert "Undo this decision" in page(managing.get(f"{QUEUE}{theirs.pk}/change/"))
    assert post(managing, f"{REVIEW}undo/", decision=decision).status_code == 200
    theirs.refresh_from_db()
    assert theirs.is_pending


def test_a_whole_bulk_act_is_never_undone_by_a_key(
    reviewing: Client, maria: User, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    rows = [make_suggestion(f"{word} saw") for word in "ab"]
    done = services.suggestions_set_category(
        [row.pk for row in rows], category_code=tree["Saws"].code, actor=maria
    )
    where = f"/admin/categories/classificationrun/{done.run.pk}/undo/"

    told_so = post(reviewing, f"{REVIEW}undo/", next=REVIEW)
    plain = reviewing.post(f"{REVIEW}undo/", {"next": REVIEW})

    assert (told_so.status_code, told_so.json()["ok"]) == (409, False)
    assert told_so.json()["address"].startswith(where)
    assert told_so.json()["message"].startswith("This was a bulk act on 2 products: nothing is undone yet.")
    assert plain.status_code == 302
    assert plain.url == told_so.json()["address"]
    assert Product.objects.filter(category_source=Source.HUMAN).count() == 2
    html = page(reviewing.get(plain.url))
    assert "Undoing takes back what it did to 2 products" in html
    for row in rows:
        assert f"<tr><td>{row.product.title}</td>" in html, "each is named, with where it goes back to"
    assert f'class="cat-cancel" href="{REVIEW}"' in html
    assert reviewing.post(plain.url).url == REVIEW
    assert Suggestion.objects.filter(status="pending").count() == 2


def test_why_names_the_words_and_the_nearest_labelled_products(
    reviewing: Client,
    make_suggestion: MakeSuggestion,
    tree: dict[str, Category],
    tiny_artifact: Path,
    settings: Settings,
) -> None:
    waiting = make_suggestion("cordless drill <b>drobas</b>", [("CAT_TOOLS_DRILLS", 0.6), ("CAT_GONE", 0.1)])
    near = Product.objects.create(sku="N", title="Cordless drill Norrland", category=tree["Drills"])
    Product.objects.create(sku="F", title="Silk shawl", category=tree["Shirts"])
    without = page(reviewing.get(f"{QUEUE}{waiting.pk}/why/"))
    assert "No model answers" in without

    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "ARTIFACT": str(tiny_artifact)}
    runtime.reset()
    html = page(reviewing.get(f"{QUEUE}{waiting.pk}/why/"))

    assert re.findall(r'cat-word-\d">(\w+)<', html)[:2] in (["drill", "cordless"], ["cordless", "drill"])
    assert "no word of this text" in html
    assert "<b>drobas" not in html
    assert "Cordless drill Norrland" in html
    assert f"/product/{near.pk}/change/" in html
    assert "Silk shawl" not in html
    assert "As linear-20260102T030405Z" in html
    assert reviewing.get(f"{QUEUE}10000000/why/").status_code == 404
    whole = page(reviewing.get(f"{QUEUE}{waiting.pk}/change/"))
    assert "Cordless drill Norrland" in whole


def test_what_was_skipped_without_a_script_never_outgrows_the_address(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    last = make_suggestion("one thing")
    skipped = ",".join(str(10**9 + number) for number in range(450))
    html = page(reviewing.get(f"{REVIEW}?order=oldest&skip={skipped}"))
    skip = re.search(r'href="([^"]+skip=[\d,]+)"', html)
    assert skip is not None
    assert len(skip[1]) < 4000
    assert skip[1].endswith(f"{10**9 + 449},{last.pk}"), "the newest are kept"


def test_skipping_without_a_script_leads_on(reviewing: Client, make_suggestion: MakeSuggestion) -> None:
    rows = [make_suggestion(f"{word} saw") for word in "ab"]

    html = page(reviewing.get(REVIEW + "?order=oldest"))
    skip = re.search(r'href="([^"]+skip=[\d,]+)"', html)
    assert skip is not None
    html = page(reviewing.get(skip[1].replace("&amp;", "&")))
    assert shown(html) == [rows[1].pk]
    html = page(reviewing.get(f"{REVIEW}?order=oldest&skip={rows[0].pk},{rows[1].pk}"))
    assert shown(html) == []
    assert "You skipped 2" in html


def test_a_category_of_its_own(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    make_suggestion("drill")
    saw = make_suggestion("saw", [("Saws", 0.5)])

    html = page(reviewing.get(f"{REVIEW}?category={tree['Saws'].code}"))

    assert shown(html) == [saw.pk]
    assert "all categories" in html


@pytest.mark.parametrize(("rows", "limit"), [(3, 12), (40, 12)])
def test_the_page_and_its_next_cards_cost_a_bounded_number_of_statements(
    reviewing: Client, make_suggestion: MakeSuggestion, rows: int, limit: int
) -> None:
    for number in range(rows):
        make_suggestion(f"Saw blade {number} mm" if number % 2 else f"saw {chr(97 + number)}")
    reviewing.get(REVIEW)

    with CaptureQueriesContext(connection) as first:
        assert len(shown(page(reviewing.get(REVIEW)))) == 3
    with CaptureQueriesContext(connection) as more:
        post(reviewing, f"{REVIEW}next/", order="value", count="2")

    for spent in (first, more):
        assert len([query for query in spent if "SAVEPOINT" not in query["sql"]]) <= limit


def test_a_decision_costs_at_most_8_statements_beside_the_login(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    one, two = make_suggestion("a saw"), make_suggestion("b saw")
    post(reviewing, f"{QUEUE}{one.pk}/decide/", approve=tree["Saws"].code)

    with CaptureQueriesContext(connection) as spent:
        post(reviewing, f"{QUEUE}{two.pk}/decide/", approve=tree["Saws"].code)

    statements = [query["sql"] for query in spent if "SAVEPOINT" not in query["sql"]]
    login = [sql for sql in statements if "django_session" in sql or '"auth_' in sql]
    assert len(statements) - len(login) <= 8, json.dumps(statements, indent=1)


def test_a_decision_with_its_near_duplicates_costs_no_more(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    first, *others = (make_suggestion(f"Saw blade {number} mm") for number in range(40))
    # Of one of them the place was no candidate.
    others.append(make_suggestion("Saw blade 41 mm", [("Drills", 0.5)]))
    reviewing.get(REVIEW)

    with CaptureQueriesContext(connection) as spent:
        also = [str(other.pk) for other in others]
        post(reviewing, f"{QUEUE}{first.pk}/decide/", approve=tree["Saws"].code, also=also)

    statements = [query["sql"] for query in spent if "SAVEPOINT" not in query["sql"]]
    login = [sql for sql in statements if "django_session" in sql or '"auth_' in sql]
    assert len(statements) - len(login) <= 8, json.dumps(statements, indent=1)
    assert Product.objects.filter(category=tree["Saws"]).count() == 41
    statuses = [Suggestion.objects.get(pk=pk).status for pk in (first.pk, others[0].pk, others[-1].pk)]
    assert statuses == ["approved", "approved", "corrected"]


def test_an_order_that_is_none_is_refused(reviewing: Client) -> None:
    answer = post(reviewing, f"{REVIEW}next/", order="backwards")

    assert answer.status_code == 400
    assert "'backwards' is no order of the queue" in answer.json()["message"]


def test_one_card_again_whatever_became_of_it(
    reviewing: Client, maria: User, make_suggestion: MakeSuggestion
) -> None:
    waiting = make_suggestion()
    services.suggestion_reject(waiting, actor=maria)

    (card,) = reviewing.get(f"{QUEUE}{waiting.pk}/card/").json()["cards"]

    assert card["pk"] == waiting.pk
    assert "maria rejected all candidates." in card["html"]
    assert reviewing.get(f"{QUEUE}10000000/card/").status_code == 404


def test_rejecting_in_the_audit_says_what_becomes_of_it(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    drawn = make_suggestion("odd saw")
    Suggestion.objects.filter(pk=drawn.pk).update(queue=Suggestion.Queue.AUDIT)
    Product.objects.filter(pk=drawn.product_id).update(category=tree["Saws"], category_source=Source.MODEL)

    answer = post(reviewing, f"{QUEUE}{drawn.pk}/decide/", reject="1").json()

    assert answer["message"] == (
        "None of these for “odd saw”: counted as wrong. It stays where it is until filed."
    )


def test_rejecting_a_suspected_label_error_says_that_the_label_is_right(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    suspect = make_suggestion("odd saw")
    Suggestion.objects.filter(pk=suspect.pk).update(queue=Suggestion.Queue.LABEL)
    Product.objects.filter(pk=suspect.product_id).update(category=tree["Saws"], category_source=Source.IMPORT)

    html = page(reviewing.get(REVIEW + "?order=label"))
    assert shown(html) == [suspect.pk]
    assert "It is right as it is" in html
    answer = post(reviewing, f"{QUEUE}{suspect.pk}/decide/", reject="1").json()

    assert answer["message"] == "“odd saw” stays where it is: its label is right."
    product = Product.objects.get(pk=suspect.product_id)
    assert product.category == tree["Saws"]


def test_whose_bulk_act_may_be_undone_by_the_key(
    reviewing: Client, managing: Client, member: Callable[..., User], make_suggestion: MakeSuggestion
) -> None:
    rows = [make_suggestion("a saw"), make_suggestion("b saw")]
    done = services.suggestions_set_category(
        [row.pk for row in rows], category_code="CAT_CLOTHING_SHIRTS", actor=member("pablo")
    )
    line = Assignment.objects.filter(run=done.run).first()
    assert line is not None

    assert "with all that went with it" not in page(reviewing.get(f"{QUEUE}{rows[0].pk}/change/"))
    refused = post(reviewing, f"{REVIEW}undo/", decision=str(line.pk))

    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "This was part of a bulk act of pablo: only they, or a manager, can take it back.",
    )
    assert Product.objects.filter(category_source=Source.HUMAN).count() == 2
    assert "with all that went with it" in page(managing.get(f"{QUEUE}{rows[0].pk}/change/"))
    asked = managing.post(f"{REVIEW}undo/", {"decision": str(line.pk)})
    assert managing.post(asked.url).status_code == 302
    assert not Product.objects.filter(category_source=Source.HUMAN).exists()


def test_an_undo_that_finds_nothing_says_so(
    reviewing: Client,
    maria: User,
    member: Callable[..., User],
    make_suggestion: MakeSuggestion,
    tree: dict[str, Category],
) -> None:
    row = make_suggestion("a saw")
    services.suggestions_set_category([row.pk], category_code=tree["Saws"].code, actor=maria)
    services.product_set_category(row.product, tree["Drills"], actor=member("pablo"))

    answer = post(reviewing, f"{REVIEW}undo/")

    assert answer.status_code == 400
    assert answer.json()["message"] == "There is no decision of yours to undo."
    assert Product.objects.get().category == tree["Drills"]


def test_undo_begins_with_the_one_that_was_looked_at(
    reviewing: Client, maria: User, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    rows = [make_suggestion(f"Saw blade {number} mm") for number in range(105)]
    also = [row.pk for row in rows[:104]]
    services.suggestions_settle(rows[104], also, category_code=tree["Saws"].code, actor=maria)

    pks = post(reviewing, f"{REVIEW}undo/").json()["pks"]

    assert pks[0] == rows[104].pk
    assert len(pks) == 105


def test_a_long_row_of_near_duplicates_leaves_the_next_card_its_own(
    reviewing: Client, make_suggestion: MakeSuggestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.categories.admin.cards.ALIKE_AT_MOST", 3)
    many = [make_suggestion(f"Saw blade {number} mm") for number in range(30)]
    few = [make_suggestion(f"Gadget {number} kg") for number in range(3)]
    services.priorities_refresh()

    html = page(reviewing.get(REVIEW))

    cards = {pk: html.split(f'<article id="row-{pk}"')[1].split("</article>")[0] for pk in shown(html)}
    assert cards[many[0].pk].count('name="also"') == 3
    assert "there are more" in cards[many[0].pk]
    assert cards[few[0].pk].count('name="also"') == 2
    assert "there are more" not in cards[few[0].pk]


def test_leaving_frees_only_what_that_page_held(
    reviewing: Client, maria: User, make_suggestion: MakeSuggestion
) -> None:
    for word in "abcd":
        make_suggestion(f"{word} saw")
    first = re.search(r'data-until="([^"]+)"', page(reviewing.get(REVIEW)))
    assert first is not None
    reviewing.get(REVIEW)

    post(reviewing, f"{REVIEW}leave/", until=first[1])
    assert Suggestion.objects.filter(claimed_by=maria).count() == 3
    post(reviewing, f"{REVIEW}leave/", until="nonsense")
    assert Suggestion.objects.filter(claimed_by=maria).count() == 0
