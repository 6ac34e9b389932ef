"""The review page while answers come late: none turns what is typed into a decision, or undoes another."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from apps.categories import services
from apps.categories.models import Product, Suggestion
from tests.categories.admin.conftest import MakeSuggestion

from .conftest import OpenBrowser
from .test_queue import decided
from .test_review_page import QUEUE, REVIEW, answered, at, maria, ready, told

__all__ = ["maria"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LATE = """(fails) => {
    const real = window.fetch;
    window.fetch = async (address, options) => {
        if (!String(address).includes('/decide/')) {
            return real(address, options);
        }
        const answer = fails ? null : await real(address, options);
        await new Promise((done) => { window.letAnswerCome = done; });
        if (fails) {
            throw new TypeError('refused');
        }
        return answer;
    };
}"""


def come(page: Page) -> None:
    """Lets the answer that is held back come, once it is there."""
    page.wait_for_function("() => window.letAnswerCome")
    page.evaluate("() => { window.letAnswerCome(); window.letAnswerCome = null; }")


@pytest.mark.parametrize("fails", [False, True])
def test_an_answer_does_not_take_the_focus_from_a_note(
    fails: bool, maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    rows = [make_suggestion(f"{name} thing") for name in ("one", "two", "three")]
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "one thing")
    page.evaluate(LATE, fails)
    page.keyboard.press("1")
    at(page, "two thing")
    page.keyboard.press("n")
    page.keyboard.type("late")
    come(page)
    expect(told(page)).to_contain_text("was not decided" if fails else "is filed under")

    page.keyboard.type(" rrr 1 p")

    at(page, "two thing")
    assert page.evaluate("document.activeElement.value") == "late rrr 1 p"
    assert [decided(row)[0] for row in rows] == ["pending" if fails else "approved", "pending", "pending"]
    if fails:
        page.get_by_role("button", name="Back to it").click()
        at(page, "one thing")
        expect(page.get_by_role("alert").first).to_have_text(
            "The site cannot be reached. Nothing was decided."
        )


def test_an_answer_costs_the_next_key_nothing(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    rows = [make_suggestion(f"{name} thing") for name in ("one", "two", "three")]
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "one thing")
    page.evaluate(LATE, False)
    page.keyboard.press("1")
    at(page, "two thing")

    come(page)
    expect(told(page)).to_contain_text("“one thing” is filed under")
    page.keyboard.press("1")

    at(page, "three thing")
    come(page)
    expect(told(page)).to_contain_text("“two thing” is filed under")
    assert [decided(row)[0] for row in rows] == ["approved", "approved", "pending"]


def test_nothing_is_decided_while_an_undo_is_under_way(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    rows = [make_suggestion(f"{name} thing") for name in ("one", "two", "three")]
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "one thing")
    page.evaluate(LATE, False)
    page.keyboard.press("1")
    at(page, "two thing")
    page.keyboard.press("u")
    page.keyboard.press("2")
    come(page)

    at(page, "one thing")
    expect(told(page)).to_have_text("Taken back: “one thing” is as it was.")
    assert [decided(row)[0] for row in rows] == ["pending"] * 3


def test_a_reload_keeps_what_is_handed_out(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    for name in ("one", "two", "three", "four"):
        make_suggestion(f"{name} thing")
    mine = Suggestion.objects.filter(claimed_by=maria)
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "one thing")
    page.reload()
    at(page, "one thing")
    page.wait_for_timeout(500)
    assert mine.count() == 3
    page.goto("about:blank")
    for _ in range(50):
        if not mine.exists():
            break
        page.wait_for_timeout(100)
    assert mine.count() == 0


def test_in_the_list_a_key_never_decides_another_row_than_the_last(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    rows = [make_suggestion(f"{name} thing") for name in ("one", "two", "three")]
    page = open_browser(maria)
    page.goto(f"{QUEUE}?order=oldest")
    for _ in rows:
        page.keyboard.press("j")
    page.keyboard.press("1")
    expect(page.locator(f"#row-{rows[2].pk}")).to_contain_text("is filed under")

    page.keyboard.press("1")
    page.wait_for_timeout(300)

    assert [decided(row)[0] for row in rows] == ["pending", "pending", "approved"]


def test_in_the_list_undo_waits_for_what_is_on_its_way(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    rows = [make_suggestion(f"{name} thing") for name in ("one", "two", "three")]
    page = open_browser(maria)
    page.goto(f"{QUEUE}?order=oldest")
    page.keyboard.press("1")
    expect(page.locator(f"#row-{rows[0].pk}")).to_contain_text("is filed under")
    expect(page.locator("body[data-fresh]")).to_have_count(0)
    page.evaluate(LATE, False)
    page.keyboard.press("r")

    page.keyboard.press("u")
    come(page)

    expect(page.get_by_text("Taken back: “two thing” is as it was.")).to_be_visible()
    assert [decided(row)[0] for row in rows] == ["approved", "pending", "pending"]


def test_what_was_undone_in_another_window_comes_again(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    names = [f"{letter * 3} thing" for letter in "abcdefgh"]
    rows = [make_suggestion(name) for name in names]
    page = open_browser(maria)
    page.goto(REVIEW)
    for name in names[:3]:
        at(page, name)
        page.keyboard.press("1")
    at(page, names[3])
    expect(told(page)).to_contain_text(names[2])
    other = open_browser(maria)
    other.goto(QUEUE)
    for _ in range(3):
        with other.expect_navigation():
            other.locator("#cat-undo").evaluate("(form) => form.requestSubmit()")
    other.context.close()

    for _ in range(8):
        ready(page)
        page.keyboard.press("1")
        answered(page)

    assert [decided(row)[0] for row in rows] == ["approved"] * 8


def test_a_card_whose_text_changed_comes_back_as_it_is_now(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    rows = [make_suggestion(f"{name} thing") for name in ("one", "two")]
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "one thing")
    page.keyboard.press("n")
    page.keyboard.type("half")
    page.keyboard.press("Escape")
    Product.objects.filter(pk=rows[0].product_id).update(title="silk lamp mug")

    page.keyboard.press("1")

    at(page, "silk lamp mug")
    expect(told(page)).to_contain_text("The text of this product changed while you looked at it")
    expect(page.get_by_role("alert")).to_contain_text("nothing was decided")
    assert [decided(row)[0] for row in rows] == ["pending", "pending"]
    assert page.get_by_label("Note on silk lamp mug").input_value() == "half"
    page.keyboard.press("1")
    at(page, "two thing")
    answered(page)
    assert [decided(row)[0] for row in rows] == ["approved", "pending"]


def test_in_the_list_a_row_whose_text_changed_can_only_be_loaded_again(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    waiting = make_suggestion("one thing")
    page = open_browser(maria)
    page.goto(QUEUE)
    Product.objects.filter(pk=waiting.product_id).update(title="silk lamp mug")

    page.keyboard.press("1")

    expect(page.get_by_role("alert")).to_contain_text("The text of this product changed while you looked")
    expect(page.locator("tr.cat-row button[name=approve]").first).to_be_disabled()
    page.keyboard.press("1")
    page.get_by_role("button", name="Load the page again").click()
    expect(page.get_by_role("link", name="silk lamp mug")).to_be_visible()
    assert decided(waiting)[0] == "pending"


def test_the_key_for_undo_leads_to_the_page_of_a_bulk_act(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    rows = [make_suggestion(f"{name} thing") for name in ("one", "two", "three")]
    services.suggestions_reject([row.pk for row in rows[:2]], actor=maria)
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "three thing")

    page.keyboard.press("u")

    expect(told(page)).to_contain_text("This was a bulk act on 2 products: nothing is undone yet.")
    assert [decided(row)[0] for row in rows] == ["rejected", "rejected", "pending"]
    page.get_by_role("link", name="What would be taken back").click()
    expect(page.get_by_text("Undoing takes back what it did to 2 products.")).to_be_visible()
    page.get_by_role("button", name="Undo run").click()
    expect(page.get_by_role("heading", name="3 waiting")).to_be_visible()


def test_in_the_list_p_files_under_the_parent(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    waiting = make_suggestion("one thing")
    page = open_browser(maria)
    page.goto(QUEUE)

    page.keyboard.press("p")

    expect(page.locator(f"#row-{waiting.pk}")).to_have_text("“one thing” is filed under Tools. Undo")
    assert decided(waiting) == ("corrected", "Tools")
