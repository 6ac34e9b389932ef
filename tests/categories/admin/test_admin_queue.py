"""The review queue: what a reviewer sees, and what each click does."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.categories import services
from apps.categories.models import Assignment, Category, Product, Source, Suggestion

from .conftest import MakeSuggestion
from .pages import QUEUE, decide, page, told

# --- What is shown -------------------------------------------------------------------


def test_a_row_shows_the_product_and_its_candidates(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    waiting = make_suggestion(
        description="With two batteries", brand="Makita", price="129.90", image="https://shop.example/d.jpg"
    )

    html = page(reviewing.get(QUEUE))

    for text in ("Cordless drill 18V", "With two batteries", "Makita", "129.90", "62%", "20%", "10%"):
        assert text in html
    assert "62% is under the 90% this model needs" in html
    assert re.search(
        r'<img class="cat-image" src="https://shop.example/d.jpg" alt="" width="\d+" height="\d+" '
        r'loading="lazy" decoding="async" referrerpolicy="no-referrer">',
        html,
    )
    buttons = re.findall(
        rf'form="decide-{waiting.pk}" name="approve" value="(\w+)"[^>]*aria-label="([^"]+)"', html
    )
    assert buttons == [
        ("CAT_TOOLS_DRILLS", "Approve Tools &gt; Drills for Cordless drill 18V, 62% sure"),
        ("CAT_TOOLS_SAWS", "Approve Tools &gt; Saws for Cordless drill 18V, 20% sure"),
        ("CAT_TOOLS_HAMMERS", "Approve Tools &gt; Hammers for Cordless drill 18V, 10% sure"),
    ]
    assert html.count('class="cat-bar-fill"') == 3
    assert f'<form id="decide-{waiting.pk}"' in html


def test_no_field_stands_where_return_would_approve(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    """On Return a browser presses a form's first button: here one that is disabled."""
    waiting = make_suggestion()

    html = page(reviewing.get(f"{QUEUE}{waiting.pk}/change/"))
    note = html.index(f'id="note-{waiting.pk}"')
    blocker = html.index(f'<button type="submit" form="decide-{waiting.pk}" disabled hidden>')

    assert blocker < note
    assert html.index('name="approve"') > blocker


def test_what_is_most_worth_deciding_comes_first_unless_another_order_is_chosen(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    worth = {"middle": 3.0, "high": 1.0, "low": 2.0, "none": 0.5}
    for title, confidence in (("middle", 0.5), ("high", 0.8), ("low", 0.2)):
        make_suggestion(title, [("Drills", confidence)])
    make_suggestion("none", [])
    for suggestion in Suggestion.objects.select_related("product"):
        Suggestion.objects.filter(pk=suggestion.pk).update(priority=worth[suggestion.product.title])

    def order(query: str) -> list[str]:
        return re.findall(r'<h2 class="cat-title"><a [^>]*>(\w+)</a>', page(reviewing.get(QUEUE + query)))

    assert order("") == ["middle", "low", "high", "none"]
    assert order("?order=sure") == ["high", "middle", "low", "none"]
    assert order("?order=unsure") == ["none", "low", "middle", "high"]
    assert order("?order=newest") == ["none", "low", "high", "middle"]
    assert order("?order=oldest") == ["middle", "high", "low", "none"]
    assert order("?sure=high") == ["high"]
    assert order("?sure=middle") == ["middle"]
    assert order("?sure=low") == ["low"]
    assert order("?q=MIDD") == ["middle"]
    assert order("?order=nonsense&sure=nonsense&status=all") == ["none", "low", "high", "middle"]


def test_what_is_decided_leaves_the_queue_and_stays_readable(
    reviewing: Client, maria: User, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    approved, rejected = make_suggestion("first"), make_suggestion("other one")
    services.suggestion_approve(
        approved, actor=maria, category_code=tree["Saws"].code, note="by the look of it"
    )
    services.suggestion_reject(rejected, actor=maria)

    assert "Nothing waits for you" in page(reviewing.get(QUEUE))
    html = page(reviewing.get(QUEUE + "?status=approved"))
    assert "maria approved “Tools &gt; Saws”." in html
    assert "by the look of it" in html
    assert 'name="approve"' not in html
    assert "other one" not in html
    assert "maria rejected all candidates." in page(reviewing.get(QUEUE + "?status=rejected"))


def test_a_page_costs_the_same_queries_for_10_and_for_100_rows(
    reviewing: Client, make_suggestion: MakeSuggestion, django_assert_num_queries: Any
) -> None:
    for number in range(10):
        make_suggestion(f"drill {number}")
    reviewing.get(QUEUE + "?all=")
    with django_assert_num_queries(8):  # session, person, two of permissions, count, rows, copies, categories
        assert page(reviewing.get(QUEUE + "?all=")).count('class="cat-row"') == 10
    for number in range(10, 100):
        make_suggestion(f"drill {number}")
    with django_assert_num_queries(8):
        assert page(reviewing.get(QUEUE + "?all=")).count('class="cat-row"') == 100


def test_what_is_decided_costs_the_same_queries_for_2_and_for_20_rows(
    reviewing: Client, maria: User, make_suggestion: MakeSuggestion, django_assert_num_queries: Any
) -> None:
    def decide_some(count: int) -> None:
        for _ in range(count):
            services.suggestion_approve(make_suggestion(), actor=maria)

    decide_some(2)
    with django_assert_num_queries(7):
        reviewing.get(QUEUE + "?status=all")
    decide_some(18)
    with django_assert_num_queries(7):
        assert page(reviewing.get(QUEUE + "?status=all")).count("maria approved") == 20


def test_a_candidate_that_has_left_the_tree_cannot_be_approved(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion(candidates=[("Drills", 0.6), ("Saws", 0.2), ("CAT_GONE", 0.1)])
    tree["Saws"].is_active = False
    tree["Saws"].save()

    html = page(reviewing.get(QUEUE))

    assert re.findall(r'name="approve" value="(\w+)"', html) == ["CAT_TOOLS_DRILLS"]
    assert "(retired)" in html
    assert "(not in this shop’s tree)" in html
    for code, reason in (("CAT_TOOLS_SAWS", "is retired"), ("CAT_GONE", "is not in this shop's tree")):
        response = decide(reviewing, waiting, approve=code)
        assert reason in told(response)[-1]
    waiting.refresh_from_db()
    assert waiting.is_pending


def test_a_renamed_category_is_shown_by_its_present_name(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    make_suggestion()
    tree["Drills"].name = "Drilling machines"
    tree["Drills"].save()

    html = page(reviewing.get(QUEUE))

    assert "Drilling machines" in html
    assert 'value="CAT_TOOLS_DRILLS"' in html


def test_a_long_description_is_cut_in_the_list_and_whole_on_its_page(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    waiting = make_suggestion(description="x" * 5000)

    assert "x" * 401 not in page(reviewing.get(QUEUE))
    assert "x" * 5000 in page(reviewing.get(f"{QUEUE}{waiting.pk}/change/"))


def test_a_candidate_that_is_hardly_likely_does_not_read_as_impossible(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    make_suggestion(candidates=[("Drills", 0.9949), ("Saws", 0.004), ("Hammers", 0.0)])

    shown = re.findall(r'class="cat-percent">([^ ]+?)</span>', page(reviewing.get(QUEUE)))

    assert shown == ["99%", "&lt;1%", "0%"]


def test_a_suggestion_without_candidates_can_be_corrected_or_rejected(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    waiting = make_suggestion(candidates=[])

    html = page(reviewing.get(QUEUE))

    assert "No candidate" in html
    assert 'name="approve"' not in html
    assert 'name="reject"' in html
    assert decide(reviewing, waiting, category="CAT_TOOLS_SAWS").status_code == 302
    waiting.refresh_from_db()
    assert waiting.status == "corrected"


# --- One click -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Drills", "Saws", "Hammers"])
def test_one_click_approves_any_candidate(
    name: str, reviewing: Client, maria: User, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion()

    response = decide(reviewing, waiting, approve=tree[name].code, next=QUEUE + "?sure=middle")

    assert (response.status_code, response.url) == (302, QUEUE + "?sure=middle")
    assert told(response) == [f"“Cordless drill 18V” is filed under Tools > {name}."]
    waiting.refresh_from_db()
    product = waiting.product
    assert (waiting.status, waiting.decided_by, waiting.decided_category) == ("approved", maria, tree[name])
    assert (product.category, product.category_source, product.needs_review) == (
        tree[name],
        Source.HUMAN,
        False,
    )
    line = Assignment.objects.get()
    assert (line.actor, line.to_category, line.source) == (maria, tree[name], Source.HUMAN)


def test_another_category_is_a_correction(
    reviewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion()

    decide(reviewing, waiting, category=tree["Shirts"].code, note=" not a tool\x00 at all ")

    waiting.refresh_from_db()
    assert (waiting.status, waiting.decided_category) == ("corrected", tree["Shirts"])
    assert waiting.note == "not a tool at all"
    assert Assignment.objects.get().note == "not a tool at all"


def test_none_of_these(reviewing: Client, make_suggestion: MakeSuggestion) -> None:
    waiting = make_suggestion()

    response = decide(reviewing, waiting, reject="1", note="a toy")

    waiting.refresh_from_db()
    assert (waiting.status, waiting.note, waiting.decided_category) == ("rejected", "a toy", None)
    long = make_suggestion("Toy saw")
    decide(reviewing, long, reject="1", note="x" * 5000)
    long.refresh_from_db()
    assert long.note == "x" * 2000
    assert waiting.product.category is None
    assert "None of these for “Cordless drill 18V”" in told(response)[0]


def test_a_click_without_a_choice_decides_nothing(reviewing: Client, make_suggestion: MakeSuggestion) -> None:
    waiting = make_suggestion()

    response = decide(reviewing, waiting, note="only a note")

    assert "Nothing was chosen" in told(response)[0]
    waiting.refresh_from_db()
    assert waiting.is_pending


def test_the_second_of_two_reviewers_is_told_who_decided_what(
    reviewing: Client, member: Callable[..., User], make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion()
    services.suggestion_approve(waiting, actor=member("pablo"), category_code=tree["Saws"].code)

    response = decide(reviewing, waiting, approve=tree["Drills"].code)

    (sentence,) = told(response)
    assert sentence.startswith("pablo has already approved this as “Tools > Saws” at ")
    assert Product.objects.get().category == tree["Saws"]
    assert Assignment.objects.count() == 1


def test_a_script_is_answered_in_json(
    reviewing: Client, member: Callable[..., User], make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion()
    address = f"{QUEUE}{waiting.pk}/decide/"

    def ask(**data: str) -> Any:
        return reviewing.post(address, data, headers={"accept": "application/json"})

    refused = ask(approve="CAT_GONE")
    assert (refused.status_code, refused.json()["ok"]) == (400, False)
    done = ask(approve=tree["Drills"].code)
    assert done.status_code == 200
    assert done.json() == {
        "ok": True,
        "message": "“Cordless drill 18V” is filed under Tools > Drills.",
        "pks": [waiting.pk],
    }
    late = ask(approve=tree["Saws"].code)
    assert late.status_code == 409
    assert "maria has already approved this" in late.json()["message"]
    assert told(reviewing.get(QUEUE)) == []


def test_a_suggestion_that_has_gone(reviewing: Client, make_suggestion: MakeSuggestion) -> None:
    waiting = make_suggestion()
    pk = waiting.pk
    waiting.product.delete()

    response = reviewing.post(f"{QUEUE}{pk}/decide/", {"reject": "1"})
    assert "has gone" in told(response)[0]
    assert reviewing.get(f"{QUEUE}{pk}/change/").url == QUEUE
    assert reviewing.get(f"{QUEUE}abc/change/").url == QUEUE


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_a_decision_never_leads_to_another_site(
    next: str, reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    assert decide(reviewing, make_suggestion(), reject="1", next=next).url == QUEUE


def test_a_decision_is_a_post_with_a_token(maria: User, make_suggestion: MakeSuggestion) -> None:
    waiting = make_suggestion()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(maria)

    assert strict.post(f"{QUEUE}{waiting.pk}/decide/", {"reject": "1"}).status_code == 403
    assert strict.get(f"{QUEUE}{waiting.pk}/decide/?reject=1").status_code == 405
    assert strict.get(f"{QUEUE}approve-top/").status_code == 405
    waiting.refresh_from_db()
    assert waiting.is_pending


# --- Who may -------------------------------------------------------------------------


def test_a_viewer_sees_everything_and_decides_nothing(
    viewing: Client, make_suggestion: MakeSuggestion
) -> None:
    waiting = make_suggestion()

    for address in (QUEUE, f"{QUEUE}{waiting.pk}/change/?find=saw"):
        html = page(viewing.get(address))
        assert "Cordless drill 18V" in html
        assert "62%" in html
        for control in (
            'name="approve"',
            'name="reject"',
            'name="category"',
            'value="approve_top"',
            "<textarea",
        ):
            assert control not in html
    assert decide(viewing, waiting, reject="1").status_code == 403
    assert viewing.post(f"{QUEUE}approve-top/", {"seen": f"{waiting.pk}:CAT_TOOLS_DRILLS"}).status_code == 403
    assert viewing.get(f"{QUEUE}find/?q=saw").status_code == 200
    action = {"action": "approve_top", "_selected_action": waiting.pk}
    viewing.post(QUEUE, action)
    waiting.refresh_from_db()
    assert waiting.is_pending


def test_others_do_not_get_in(
    member: Callable[..., User], make_suggestion: MakeSuggestion, client: Client
) -> None:
    waiting = make_suggestion()
    addresses = (QUEUE, f"{QUEUE}{waiting.pk}/change/", f"{QUEUE}find/?q=a")

    for address in addresses:
        assert client.get(address).url.startswith("/admin/login/")
    client.force_login(member("nobody"))
    for address in addresses:
        assert client.get(address).status_code == 403
    assert decide(client, waiting, reject="1").status_code == 403


# --- Another category ----------------------------------------------------------------


def test_the_search_finds_every_word_anywhere_in_the_path(
    reviewing: Client, tree: dict[str, Category]
) -> None:
    response = reviewing.get(f"{QUEUE}find/", {"q": "TOOL saw"})

    assert response.json() == {
        "results": [
            {
                "code": "CAT_TOOLS_SAWS",
                "name": "Saws",
                "above": "Tools",
                "name_parts": [["Saw", True], ["s", False]],
                "above_parts": [["Tool", True], ["s", False]],
            }
        ]
    }
    assert reviewing.get(f"{QUEUE}find/", {"q": " \x00 "}).json() == {"results": []}
    root, *_ = reviewing.get(f"{QUEUE}find/", {"q": "tools"}).json()["results"]
    assert (root["code"], root["name"], root["above"], root["above_parts"]) == ("CAT_TOOLS", "Tools", "", [])


@pytest.mark.parametrize(
    "typed", ["cañas", "CAÑAS", "canas", "CaNaS", "azucar", "AZÚCAR", "gid://7", "de caña azuc"]
)
def test_the_search_needs_neither_accents_nor_capitals(
    typed: str, reviewing: Client, tree: dict[str, Category]
) -> None:
    Category.objects.create(name="Cañas de Azúcar", external_id="gid://7")

    found = reviewing.get(f"{QUEUE}find/", {"q": typed}).json()["results"]

    assert [item["name"] for item in found] == ["Cañas de Azúcar"]


def test_the_prefix_of_every_code_is_no_word_of_a_path(reviewing: Client, tree: dict[str, Category]) -> None:
    Category.objects.create(name="Cat food")

    found = reviewing.get(f"{QUEUE}find/", {"q": "cat"}).json()["results"]

    assert [item["name"] for item in found] == ["Cat food"]


@pytest.mark.parametrize("typed", ["&", "> >", "\u200b", "\ud800", "日本", "x" * 5000, "%", "_", "'", '"'])
def test_the_search_takes_anything(typed: str, reviewing: Client, tree: dict[str, Category]) -> None:
    found = reviewing.get(f"{QUEUE}find/", {"q": typed.encode(errors="replace").decode()})

    assert found.status_code == 200


def test_the_search_is_bounded_and_offers_nothing_retired(
    reviewing: Client, tree: dict[str, Category]
) -> None:
    for number in range(30):
        Category.objects.create(name=f"Gauge {number}", parent=tree["Tools"], is_active=number > 0)

    found = reviewing.get(f"{QUEUE}find/", {"q": "gauge"}).json()["results"]

    assert len(found) == 20
    assert "Gauge 0" not in {item["name"] for item in found}


def test_without_a_script_the_search_leads_to_the_suggestions_own_page(
    reviewing: Client, make_suggestion: MakeSuggestion
) -> None:
    waiting = make_suggestion()
    address = f"{QUEUE}{waiting.pk}/change/"

    assert f'<form id="find-{waiting.pk}" method="get" action="{address}">' in page(reviewing.get(QUEUE))
    html = page(reviewing.get(address, {"find": "shirt"}))
    assert re.findall(r'name="category" value="(\w+)"', html) == ["CAT_CLOTHING_SHIRTS"]
    assert "Nothing found for “zzz”" in page(reviewing.get(address, {"find": "zzz"}))


def test_the_own_page_shows_the_history(
    reviewing: Client, maria: User, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion()
    services.suggestion_approve(waiting, actor=maria, category_code=tree["Saws"].code, note="sure")

    html = page(reviewing.get(f"{QUEUE}{waiting.pk}/change/"))

    assert "maria approved “Tools &gt; Saws”." in html
    assert "a person: maria" in html
    assert reverse("admin:categories_product_change", args=[waiting.product_id]) in html


def test_a_long_queue_is_not_counted_to_its_end(
    reviewing: Client, make_suggestion: MakeSuggestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        make_suggestion(f"saw {number}")
    assert "4 products" in page(reviewing.get(QUEUE))
    monkeypatch.setattr("apps.categories.admin.suggestions.COUNTED_AT_MOST", 3)

    assert "more than 3 products" in page(reviewing.get(QUEUE))


def test_a_row_offers_the_parent_and_says_where_the_model_has_chosen_it(
    reviewing: Client, viewing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    guessed, assigned = make_suggestion("a drill"), make_suggestion("b saw", [("Saws", 0.5)])
    Product.objects.filter(pk=assigned.product_id).update(
        category=tree["Tools"], category_source=Source.MODEL, needs_review=False, model_version="linear-1"
    )
    button = re.compile(r'form="decide-(\d+)" name="category" value="(\w+)" class="cat-candidate cat-parent"')

    html = page(reviewing.get(QUEUE))
    refining = page(reviewing.get(f"{QUEUE}?status=refine"))

    assert button.findall(html) == [(str(guessed.pk), tree["Tools"].code)]
    assert "assigned parent" not in html
    assert button.findall(refining) == [(str(assigned.pk), tree["Tools"].code)]
    assert "assigned parent" in refining
    assert not button.search(page(viewing.get(QUEUE)))
