"""The review queue as a person uses it, in a real browser."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from apps.categories import services
from apps.categories.models import Assignment, Category, Product, Source, Suggestion
from tests.categories.admin.conftest import MakeSuggestion

from .conftest import OpenBrowser, roles

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUEUE = "/admin/categories/suggestion/"
Take = Callable[[Page, str], None]


@pytest.fixture
def maria(transactional_db: None, member: Callable[..., User]) -> User:
    return member("maria", roles.REVIEWERS)


def decided(suggestion: Suggestion) -> tuple[str, str | None]:
    """(status, path of the chosen category) as stored."""
    suggestion.refresh_from_db()
    place = suggestion.decided_category
    return suggestion.status, place.path if place else None


def test_from_the_first_page_to_a_decision_in_two_clicks(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    first = make_suggestion(
        "Cordless drill 18V", description="With two batteries", brand="Makita", price="129.90"
    )
    make_suggestion("Hand saw", [("Saws", 0.55), ("Hammers", 0.3)])
    page = open_browser(maria)

    expect(page.get_by_role("heading", name="Review queue")).to_be_visible()
    screenshot(page, "first-page")
    page.get_by_role("link", name="Start reviewing").click()
    expect(page.get_by_role("heading", name="2 waiting")).to_be_visible()
    page.get_by_role("link", name="List").click()
    screenshot(page, "queue")
    page.get_by_role("button", name="Approve Tools > Saws for Cordless drill 18V, 20% sure").click()

    expect(page.locator(f"#row-{first.pk}")).to_have_text(
        "“Cordless drill 18V” is filed under Tools > Saws. Undo"
    )
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == (
        "Approve Tools > Saws for Hand saw, 55% sure"
    )
    assert decided(first) == ("approved", "Tools > Saws")
    screenshot(page, "queue-decided")
    page.reload()
    expect(page.get_by_text("Cordless drill 18V")).to_have_count(0)


def readable(page: Page) -> None:
    """Wait until the row that came under the pointer may be decided."""
    expect(page.locator("body[data-fresh]")).to_have_count(0)


def test_a_double_click_decides_one_product(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    first, second = (make_suggestion(title) for title in ("Cordless drill", "Hand saw"))
    page = open_browser(maria)
    page.clock.install()
    page.goto(f"{QUEUE}?order=oldest")
    page.keyboard.press("1")
    expect(page.locator(f"#row-{first.pk}")).to_contain_text("is filed under")

    # The clock of the page stands still: it is as soon after the first as can be.
    page.keyboard.press("1")
    page.locator(f"#row-{second.pk} button.cat-candidate").first.click()
    page.wait_for_load_state("networkidle")
    assert decided(second) == ("pending", None)

    page.clock.run_for(1000)
    readable(page)
    page.keyboard.press("1")
    expect(page.locator(f"#row-{second.pk}")).to_contain_text("is filed under")


def test_the_keys_act_on_the_marked_row_and_only_in_sight(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    words = ("Axe", "Bolt", "Clamp", "Drill", "Easel", "File", "Gauge", "Hammer", "Iron", "Jigsaw")
    waiting = [make_suggestion(word) for word in words]
    page = open_browser(maria)
    page.goto(f"{QUEUE}?order=oldest")
    marked = page.locator("tr.cat-current")
    expect(marked).to_have_attribute("id", f"row-{waiting[0].pk}")

    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.keyboard.press("1")
    expect(marked).not_to_have_attribute("id", f"row-{waiting[0].pk}")
    expect(marked).to_be_in_viewport()
    assert {decided(one)[0] for one in waiting} == {"pending"}

    page.locator(f"#row-{waiting[-1].pk} .cat-facts").click()
    expect(marked).to_have_attribute("id", f"row-{waiting[-1].pk}")
    page.keyboard.press("1")
    expect(page.locator(f"#row-{waiting[-1].pk}")).to_contain_text("is filed under")


def test_the_row_that_was_decided_last_offers_its_undo(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    first, second = make_suggestion("Cordless drill"), make_suggestion("Hand saw", [("Saws", 0.55)])
    other = make_suggestion("Vice")
    page = open_browser(maria)
    page.goto(f"{QUEUE}?order=oldest")
    page.get_by_role("button", name="Approve Tools > Drills for Cordless drill").click()
    expect(page.locator(f"#row-{first.pk}").get_by_role("button", name="Undo")).to_be_visible()
    readable(page)
    third = page.locator(f"#row-{other.pk}").get_by_role("checkbox")
    third.check()

    page.get_by_role("button", name="Approve Tools > Saws for Hand saw").click()
    expect(page.locator(f"#row-{second.pk}").get_by_role("button", name="Undo")).to_be_visible()
    expect(page.get_by_role("button", name="Undo", exact=True)).to_have_count(1)
    screenshot(page, "queue-undo")
    page.get_by_role("button", name="Undo", exact=True).click()

    # In place: what is marked and ticked stays so.
    expect(page.get_by_role("button", name="Approve Tools > Saws for Hand saw")).to_be_focused()
    expect(page.locator("#cat-toast")).to_contain_text("Hand saw")
    expect(page.locator("tr.cat-current")).to_have_attribute("id", f"row-{second.pk}")
    expect(third).to_be_checked()
    assert [decided(waiting)[0] for waiting in (first, second)] == ["approved", "pending"]


def test_in_the_list_too_a_decision_takes_its_near_duplicates_along(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    first, second, third = (make_suggestion(f"Saw blade {size} mm") for size in (150, 180, 210))
    other = make_suggestion("Hand saw", [("Saws", 0.55)])
    page = open_browser(maria)
    page.goto(f"{QUEUE}?order=oldest")
    row = page.locator(f"#row-{first.pk}")
    expect(row.locator("summary")).to_contain_text("Also files 2 like it")

    row.locator("summary").click()
    row.get_by_role("checkbox", name="Saw blade 210 mm").uncheck()
    expect(row.locator("summary")).to_contain_text("Also files 1 like it")
    screenshot(page, "queue-near-duplicates")
    row.get_by_role("button", name="Approve Tools > Drills for Saw blade 150 mm").click()

    expect(page.locator(f"#row-{second.pk}")).to_have_text("Filed with the one like it.")
    expect(page.get_by_role("button", name="Approve Tools > Drills for Saw blade 210 mm")).to_be_focused()
    assert [decided(one)[0] for one in (first, second, third, other)] == [
        "approved",
        "approved",
        "pending",
        "pending",
    ]
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_role("button", name="Approve Tools > Drills for Saw blade 180 mm")).to_be_visible()
    assert {decided(one)[0] for one in (first, second, third)} == {"pending"}


def test_another_category_by_keyboard_only(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    waiting = make_suggestion("Oxford, blue")
    page = open_browser(maria)
    page.goto(QUEUE)
    field = page.get_by_role("combobox", name="Another category for Oxford, blue")

    found = page.get_by_role("listbox", name="Categories found")

    field.focus()
    page.keyboard.insert_text("shir")
    expect(page.get_by_role("option", name="Shirts Clothing")).to_be_visible()
    expect(field).to_have_attribute("aria-expanded", "true")
    screenshot(page, "queue-search")
    page.keyboard.press("Escape")
    expect(found).to_be_hidden()
    field.fill("")
    page.keyboard.insert_text("tools")
    expect(found.get_by_role("option")).to_have_count(4)
    expect(found.get_by_role("option", selected=True)).to_have_text("Tools")
    page.keyboard.press("ArrowDown")
    expect(found.get_by_role("option", selected=True)).to_have_text("SawsTools")
    field.fill("cloth shir")
    expect(found.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    chosen = page.get_by_role("button", name="File under Clothing › Shirts")
    expect(chosen).to_be_focused()
    assert decided(waiting) == ("pending", None)
    page.keyboard.press("Enter")

    expect(page.locator(f"#row-{waiting.pk}")).to_contain_text("is filed under Clothing > Shirts")
    assert decided(waiting) == ("corrected", "Clothing > Shirts")


def test_the_search_says_when_it_finds_nothing_and_when_it_does_not_answer(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    waiting = make_suggestion()
    page = open_browser(maria)
    page.goto(QUEUE)
    field, found = page.get_by_placeholder("Another category"), page.locator(".cat-options")

    field.fill("zzz")
    field.press("Enter")
    expect(found).to_have_text("No category for “zzz”")
    field.press("Enter")
    expect(page).to_have_url(re.compile(f"{QUEUE}$"))
    maria.groups.clear()
    field.fill("saw")
    expect(found).to_have_text("The search does not answer. Load the page again.")
    field.press("Escape")
    page.get_by_role("button", name="Approve Tools > Drills").click()
    expect(page.get_by_role("alert")).to_contain_text("may not decide this")
    assert decided(waiting) == ("pending", None)


def test_return_in_the_note_decides_nothing_and_a_rejection_keeps_it(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    waiting = make_suggestion("Toy drill")
    page = open_browser(maria)
    page.goto(QUEUE)
    note = page.get_by_role("textbox", name="Note on Toy drill")

    note.fill("a toy, not a tool")
    note.press("Enter")
    page.wait_for_timeout(300)
    assert decided(waiting) == ("pending", None)
    page.get_by_role("button", name="Reject: none of these for Toy drill").click()

    expect(page.locator(f"#row-{waiting.pk}")).to_contain_text("None of these for “Toy drill”")
    assert decided(waiting) == ("rejected", None)
    assert waiting.note == "a toy, not a tool"


def test_two_people_at_one_product(
    maria: User,
    member: Callable[..., User],
    make_suggestion: MakeSuggestion,
    open_browser: OpenBrowser,
    tree: dict[str, Category],
    screenshot: Take,
) -> None:
    waiting = make_suggestion("Cordless drill")
    page = open_browser(maria)
    page.goto(QUEUE)
    services.suggestion_approve(waiting, actor=member("pablo"), category_code=tree["Hammers"].code)

    page.get_by_role("button", name="Approve Tools > Drills").click()

    row = page.locator(f"#row-{waiting.pk}")
    expect(row).to_contain_text("pablo has already approved this as “Tools > Hammers”")
    screenshot(page, "queue-too-late")
    assert decided(waiting) == ("approved", "Tools > Hammers")
    assert Assignment.objects.count() == 1


def test_what_cannot_be_decided_is_told_in_the_row(
    maria: User,
    make_suggestion: MakeSuggestion,
    open_browser: OpenBrowser,
    tree: dict[str, Category],
) -> None:
    waiting = make_suggestion("Cordless drill")
    page = open_browser(maria)
    page.goto(QUEUE)
    Category.objects.filter(pk=tree["Drills"].pk).update(is_active=False)

    page.get_by_role("button", name="Approve Tools > Drills").click()

    expect(page.get_by_role("alert")).to_have_text("“Tools > Drills” is retired: pick another category.")
    assert decided(waiting) == ("pending", None)
    page.get_by_role("button", name="Approve Tools > Saws").click()
    expect(page.locator(f"#row-{waiting.pk}")).to_contain_text("is filed under Tools > Saws")


def test_many_at_once_with_the_guard(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    make_suggestion("sure drill", [("Drills", 0.95), ("Saws", 0.6)])
    make_suggestion("doubtful saw", [("Saws", 0.5), ("Drills", 0.3)])
    page = open_browser(maria)
    page.goto(QUEUE)

    page.get_by_role("checkbox", name="Select all products on this page").check()
    expect(page.get_by_text("2 of 2 selected")).to_be_visible()
    page.get_by_label("Action:").select_option(label="Approve the top candidate…")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_text("The model is not sure enough of these")).to_be_visible()
    screenshot(page, "approve-top")
    page.get_by_role("button", name="Approve only the 1 that reaches it").click()

    expect(page.get_by_text("1 product filed under the top candidate.")).to_be_visible()
    assert [product.title for product in Product.objects.filter(category_source=Source.HUMAN)] == [
        "sure drill"
    ]
    expect(page.get_by_role("link", name="doubtful saw")).to_be_visible()


def test_everything_works_without_scripts(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    drill, shirt = make_suggestion("Drill"), make_suggestion("Oxford", [("Saws", 0.3)])
    page = open_browser(maria, scripts=False)
    page.goto(QUEUE)

    page.get_by_role("button", name="Approve Tools > Hammers for Drill").click()
    expect(page.get_by_text("“Drill” is filed under Tools > Hammers.")).to_be_visible()
    field = page.get_by_label("Another category for Oxford")
    field.fill("shirts")
    page.get_by_role("button", name="Find", exact=True).click()
    screenshot(page, "without-scripts")
    page.get_by_role("button", name="File under Clothing > Shirts").click()
    expect(page.get_by_text("“Oxford” is filed under Clothing > Shirts.")).to_be_visible()

    assert decided(drill) == ("approved", "Tools > Hammers")
    assert decided(shirt) == ("corrected", "Clothing > Shirts")


def test_a_script_tag_is_only_text(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, tree: dict[str, Category]
) -> None:
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    nasty = Category.objects.create(name=attack[:190])
    waiting = make_suggestion(
        attack,
        [(nasty.code, 0.6), ("Drills", 0.2)],
        description=attack,
        brand=attack,
        image="javascript:document.title='owned'",
    )
    Suggestion.objects.update(reason=attack)
    page = open_browser(maria)
    page.goto(QUEUE)
    page.get_by_placeholder("Another category").fill("onerror")
    expect(page.locator(".cat-options [role=option]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="File under")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator(f"#row-{waiting.pk} .cat-settled-good")).to_contain_text("<script>")
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0
    page.goto(f"{QUEUE}?status=all")
    assert page.title() != "owned"


@pytest.mark.parametrize("dark", [False, True])
def test_text_is_readable_in_light_and_dark(
    dark: bool, maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    """The contrast of every word of a row against what is behind it, as WCAG computes it, is at least 4.5."""
    make_suggestion("Cordless drill", brand="Makita", description="With two batteries")
    page = open_browser(maria, dark=dark, width=1024)
    page.goto(QUEUE)
    screenshot(page, f"queue-{'dark' if dark else 'light'}-tablet")

    worst = page.evaluate(CONTRAST)

    assert worst["ratio"] >= 4.5, worst


def test_nothing_is_cut_off_on_a_tablet_or_a_phone(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    make_suggestion("Cordless drill " * 10, description="word " * 80)
    for width in (1024, 768, 390):
        page = open_browser(maria, width=width)
        page.goto(QUEUE)
        screenshot(page, f"queue-{width}")
        assert page.evaluate("document.querySelector('.cat-queue').scrollWidth <= innerWidth")
        box = page.get_by_role("button", name="Reject").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def box_of(place: Locator) -> dict[str, float]:
    """Where it stands on the page, in pixels, with its right and lower edges."""
    box = place.bounding_box()
    assert box is not None
    return {**box, "right": box["x"] + box["width"], "bottom": box["y"] + box["height"]}


def test_a_suggestions_own_page_stacks_where_two_columns_have_no_room(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    waiting = make_suggestion("Cordless drill", brand="Makita Corporation", description="word " * 80)
    for width in (820, 390):
        page = open_browser(maria, width=width)
        page.goto(f"{QUEUE}{waiting.pk}/change/")
        screenshot(page, f"own-page-{width}")
        product, decision = page.locator(".cat-single > section").all()

        assert box_of(product)["bottom"] <= box_of(decision)["y"]
        assert box_of(page.locator(".cat-facts dd").first)["width"] >= 60
        assert box_of(page.locator(".cat-description"))["width"] >= 180
        assert box_of(decision)["right"] <= width


def test_a_decided_row_and_a_picked_category_keep_to_their_place(
    maria: User,
    make_suggestion: MakeSuggestion,
    open_browser: OpenBrowser,
    tree: dict[str, Category],
    screenshot: Take,
) -> None:
    Category.objects.create(name="Interchangeable accumulators and chargers", parent=tree["Drills"])
    for width in (1280, 820, 390):
        first, second = make_suggestion("Cordless drill"), make_suggestion("Hand saw")
        page = open_browser(maria, width=width)
        page.goto(f"{QUEUE}?order=newest")
        page.locator(f"#row-{second.pk}").get_by_role("button", name="Approve Tools > Saws").click()
        told = page.locator(f"#row-{second.pk} p")
        expect(told).to_contain_text("is filed under")
        field = page.locator(f"#pick-{first.pk}")
        field.fill("accumulators")
        expect(page.locator(".cat-options [role=option]")).to_have_count(1)
        field.press("Enter")
        picked = page.get_by_role("button", name="File under Tools")
        expect(picked).to_be_focused()
        screenshot(page, f"queue-picked-{width}")

        assert box_of(told)["width"] >= 0.85 * box_of(page.locator("#result_list"))["width"]
        cell = box_of(page.locator(f"#row-{first.pk} td.cat-other"))
        assert box_of(picked)["right"] <= cell["right"]
        assert box_of(field)["right"] <= cell["right"]
        assert picked.evaluate("node => getComputedStyle(node).display") == "block"


def test_the_bar_of_buttons_hides_the_rows_that_it_lies_over(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    for number in range(25):
        make_suggestion(f"Hand saw no. {number}")
    for width, dark in ((1280, False), (390, True)):
        page = open_browser(maria, width=width, dark=dark)
        page.goto(QUEUE)
        page.get_by_role("checkbox", name="Select all products on this page").check()
        page.get_by_label("Action:").select_option(label="Approve the top candidate…")
        page.get_by_role("button", name="Go").click()
        bar = page.locator(".cat-submit")
        expect(bar).to_be_visible()
        screenshot(page, f"approve-top-bar-{width}")

        colours = "node => [node, document.body].map((one) => getComputedStyle(one).backgroundColor)"
        own, behind = bar.evaluate(colours)
        assert own == behind
        box, button = box_of(bar), box_of(bar.get_by_role("button").first)
        assert box["bottom"] <= 1000
        assert button["y"] - box["y"] >= 8
        over = "([x, y]) => Boolean(document.elementFromPoint(x, y).closest('.cat-submit'))"
        assert page.evaluate(over, [box["right"] - 4, box["y"] + 4])


CONTRAST = """() => {
    const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map((v) => {
            const c = v / 255;
            return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
            if (a > 0.99 && r !== undefined) {
                return [r, g, b];
            }
        }
        return [255, 255, 255];
    };
    let worst = {ratio: 99};
    document.querySelectorAll('.cat-row *, #changelist-filter a').forEach((node) => {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
        if (!own || node.closest('.cat-sep')) {
            return;
        }
        const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < worst.ratio) {
            worst = {ratio, text: node.textContent.trim().slice(0, 40), node: node.className || node.tagName};
        }
    });
    return worst;
}"""
