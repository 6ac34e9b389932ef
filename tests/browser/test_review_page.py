"""The review page as a person works in it, in a real browser: keys, undo, two at once, near-duplicates."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings

from apps.categories import alike, runtime, search, services
from apps.categories.inference import artifact
from apps.categories.inference.files import ProductRow, read_rows
from apps.categories.inference.taxonomy_file import TaxonomyEntry
from apps.categories.models import Assignment, Category, ClassificationRun, Product, Source, Suggestion
from tests.categories.admin.conftest import MakeSuggestion
from tests.conftest import TINY
from training import pipeline
from training.data import LabelledRow

from .conftest import OpenBrowser, roles
from .test_queue import CONTRAST, decided

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

QUEUE = "/admin/categories/suggestion/"
REVIEW = f"{QUEUE}review/?order=oldest"
TREE = {"Drills": "drill", "Saws": "saw", "Hammers": "hammer"}
Take = Callable[[Page, str], None]


@pytest.fixture(autouse=True)
def _no_index_of_another_test() -> None:
    alike.reset()
    search.reset()


@pytest.fixture
def maria(transactional_db: None, member: Callable[..., User]) -> User:
    return member("maria", roles.REVIEWERS)


def card(page: Page) -> Locator:
    """The one card that is shown."""
    return page.locator("article.cat-bigcard:visible")


def at(page: Page, title: str) -> None:
    """Wait until the card of this product is shown."""
    expect(card(page)).to_have_attribute("aria-label", title)
    readable(page)


def readable(page: Page) -> None:
    """Wait until the card has been there long enough to be decided."""
    expect(page.locator("article.cat-bigcard[data-fresh]")).to_have_count(0)


def ready(page: Page) -> None:
    """Wait until some card is shown and may be decided."""
    expect(card(page)).to_be_visible()
    readable(page)


def answered(page: Page) -> None:
    """Wait until no decision is on its way any more."""
    expect(page.locator("article.cat-bigcard[data-state=sending]")).to_have_count(0)


def told(page: Page) -> Locator:
    return page.locator("#cat-told")


def test_every_key(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    rows = {
        name: make_suggestion(f"{name} thing", [("Drills", 0.6), ("Saws", 0.3), ("Hammers", 0.1)])
        for name in ("one", "two", "three", "parent", "none", "skipped", "found", "noted", "last")
    }
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "one thing")
    screenshot(page, "review-card")

    page.keyboard.press("1")
    at(page, "two thing")
    expect(told(page)).to_contain_text("“one thing” is filed under Tools > Drills.")
    page.keyboard.press("2")
    at(page, "three thing")
    page.keyboard.press("3")
    at(page, "parent thing")
    page.keyboard.press("p")
    at(page, "none thing")
    page.keyboard.press("r")
    at(page, "skipped thing")
    page.keyboard.press("s")
    at(page, "found thing")
    page.keyboard.press("/")
    page.keyboard.insert_text("shrits")
    expect(page.locator(".cat-options").get_by_role("option", selected=True)).to_contain_text("Shirts")
    screenshot(page, "review-search")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="File under Clothing › Shirts")).to_be_focused()
    page.keyboard.press("Enter")
    at(page, "noted thing")
    page.keyboard.press("n")
    page.keyboard.type("1 p r u: only words")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    at(page, "last thing")
    page.keyboard.press("k")
    expect(card(page)).to_contain_text("is filed under Tools > Drills")
    page.keyboard.press("j")
    at(page, "last thing")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    screenshot(page, "review-keys")
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("1")
    expect(page.locator("#cat-sitting")).to_have_text("8 decided in this sitting")
    expect(page.get_by_text("Nothing waits here.").or_(page.get_by_text("Nothing is free"))).to_be_visible()

    expected = {
        **{"one": ("approved", "Tools > Drills"), "two": ("approved", "Tools > Saws")},
        **{"three": ("approved", "Tools > Hammers"), "parent": ("corrected", "Tools")},
        **{"none": ("rejected", None), "skipped": ("pending", None)},
        **{"found": ("corrected", "Clothing > Shirts"), "noted": ("approved", "Tools > Drills")},
        "last": ("approved", "Tools > Drills"),
    }
    assert {name: decided(row) for name, row in rows.items()} == expected
    assert rows["noted"].note == "1 p r u: only words"


def test_undo_brings_the_card_back(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    first, second = make_suggestion("first thing"), make_suggestion("second thing")
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "first thing")
    page.keyboard.press("2")
    at(page, "second thing")

    page.keyboard.press("u")

    at(page, "first thing")
    expect(told(page)).to_have_text("Taken back: “first thing” is as it was.")
    screenshot(page, "review-undone")
    assert decided(first) == ("pending", None)
    page.keyboard.press("1")
    at(page, "second thing")
    page.keyboard.press("r")
    expect(told(page)).to_contain_text("None of these for “second thing”")
    page.get_by_role("button", name="Undo", exact=True).click()
    at(page, "second thing")
    assert (decided(first), decided(second)) == (("approved", "Tools > Drills"), ("pending", None))
    page.keyboard.press("u")
    at(page, "first thing")
    expect(page.locator("article.cat-bigcard")).to_have_count(2)
    page.keyboard.press("u")
    expect(told(page)).to_have_text("There is no decision of yours to undo.")


def test_two_browsers_on_one_product(
    maria: User,
    member: Callable[..., User],
    make_suggestion: MakeSuggestion,
    open_browser: OpenBrowser,
    screenshot: Take,
) -> None:
    contested = make_suggestion("contested thing")
    hers = open_browser(maria)
    hers.goto(REVIEW)
    at(hers, "contested thing")
    pablos = open_browser(member("pablo", roles.REVIEWERS))
    pablos.goto(REVIEW)
    expect(pablos.get_by_text("Nothing is free for you here.")).to_be_visible()
    # By its own address he still may: a claim hands out, it locks nothing.
    pablos.goto(f"{QUEUE}{contested.pk}/change/")
    pablos.get_by_role("button", name="Approve Tools > Saws").click()
    expect(pablos.get_by_text("is filed under Tools > Saws")).to_be_visible()

    hers.keyboard.press("1")

    expect(told(hers)).to_contain_text("pablo has already approved this as “Tools > Saws”")
    screenshot(hers, "review-too-late")
    assert decided(contested) == ("approved", "Tools > Saws")
    assert Assignment.objects.count() == 1


def test_one_decision_settles_what_is_alike_and_is_undone_as_one(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    first = make_suggestion("Saw blade 10 mm")
    others = [make_suggestion(f"Saw blade {size} mm") for size in range(20, 160, 10)]
    other = make_suggestion("Claw hammer")
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "Saw blade 10 mm")
    summary = card(page).get_by_text("Also files 14 like it")
    expect(summary).to_be_visible()
    summary.click()
    card(page).get_by_role("checkbox", name="Saw blade 30 mm").uncheck()
    expect(card(page).get_by_text("Also files 13 like it")).to_be_visible()
    screenshot(page, "review-alike")

    page.keyboard.press("2")

    expect(told(page)).to_contain_text("“Saw blade 10 mm” and 13 like it are filed under Tools > Saws.")
    at(page, "Saw blade 30 mm")
    filed = Product.objects.filter(category_source=Source.HUMAN)
    assert filed.count() == 14
    assert decided(others[1]) == ("pending", None)
    run = ClassificationRun.objects.get()
    assert (run.kind, run.counts["decided"]) == ("review", 14)
    page.keyboard.press("u")
    at(page, "Saw blade 10 mm")
    expect(told(page)).to_have_text("Taken back: “Saw blade 10 mm” and 13 like it.")
    assert not filed.exists()
    card(page).get_by_text("Also files 14 like it").click()
    card(page).get_by_role("checkbox", name="all of them").uncheck()
    page.keyboard.press("1")
    expect(told(page)).to_contain_text("“Saw blade 10 mm” is filed under Tools > Drills.")
    assert filed.count() == 1
    assert decided(first) == ("approved", "Tools > Drills")
    assert decided(other) == ("pending", None)


def test_a_decision_that_was_refused_comes_back_with_the_reason(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion("first thing")
    make_suggestion("second thing")
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "first thing")
    Category.objects.filter(pk=tree["Drills"].pk).update(is_active=False)

    page.keyboard.press("1")

    at(page, "first thing")
    expect(page.get_by_role("alert")).to_have_text("“Tools > Drills” is retired: pick another category.")
    assert decided(waiting) == ("pending", None)
    page.route("**/decide/", lambda route: route.abort())
    page.keyboard.press("2")
    at(page, "first thing")
    expect(page.get_by_role("alert")).to_have_text("The site cannot be reached. Nothing was decided.")
    page.unroute("**/decide/")
    page.keyboard.press("2")
    at(page, "second thing")
    expect(told(page)).to_contain_text("is filed under Tools > Saws")
    assert decided(waiting) == ("approved", "Tools > Saws")


def test_a_key_that_is_held_down_decides_one_product(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    for name in ("one", "two", "three"):
        make_suggestion(f"{name} thing")
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "one thing")
    page.keyboard.down("1")
    for _ in range(5):
        page.keyboard.down("1")
    page.keyboard.up("1")

    at(page, "two thing")
    expect(told(page)).to_contain_text("“one thing” is filed")
    assert Assignment.objects.count() == 1


def test_a_double_click_decides_one_product(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    for name in ("one", "two", "three"):
        make_suggestion(f"{name} thing")
    page = open_browser(maria)
    page.clock.install(time=0)
    page.goto(REVIEW)
    at(page, "one thing")
    # Both clicks and the key at one moment, however slow the machine is.
    page.clock.pause_at(10_000)

    page.get_by_role("button", name="Approve Tools > Drills").dblclick()
    page.keyboard.press("1")

    expect(card(page)).to_have_attribute("aria-label", "two thing")
    page.clock.run_for(1_000)
    at(page, "two thing")
    expect(told(page)).to_contain_text("“one thing” is filed")
    assert Assignment.objects.count() == 1


def test_what_was_skipped_comes_back_by_the_key_for_undo(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    rows = [make_suggestion(f"{name} thing") for name in ("one", "two", "three")]
    page = open_browser(maria)
    page.goto(REVIEW)
    at(page, "one thing")
    page.keyboard.press("1")
    at(page, "two thing")
    answered(page)
    page.keyboard.press("s")
    at(page, "three thing")
    expect(told(page)).to_contain_text("Skipped.")

    page.keyboard.press("u")

    at(page, "two thing")
    assert decided(rows[0]) == ("approved", "Tools > Drills")
    page.keyboard.press("u")
    at(page, "one thing")
    assert decided(rows[0]) == ("pending", None)


def test_a_note_that_is_half_written_outlives_a_reload_until_it_is_sent(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    rows = [make_suggestion(f"{name} thing") for name in ("one", "two")]
    page = open_browser(maria)
    note = page.locator("[name=note]:visible")
    for address in (REVIEW, f"{QUEUE}?order=oldest"):
        page.goto(address)
        page.keyboard.press("n")
        page.keyboard.type("ask")
        page.reload()
        expect(note.first).to_have_value("ask")
        readable(page)
        page.keyboard.press("1")
        expect(page.get_by_text("is filed under").first).to_be_visible()
        page.locator("#cat-undo").evaluate("(form) => form.requestSubmit()")
        expect(page.get_by_text(re.compile("Taken back"))).to_be_visible()
        page.reload()
        expect(note.first).to_have_value("")
    lines = Assignment.objects.filter(product_id=rows[0].product_id, source=Source.HUMAN, act="file")
    assert [line.note for line in lines] == ["ask", "ask"]


def test_next_cards_that_cannot_be_loaded_are_no_empty_queue(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    for name in ("one", "two", "three", "four"):
        make_suggestion(f"{name} thing")
    page = open_browser(maria)
    page.route("**/review/next/", lambda route: route.abort())
    page.goto(REVIEW)
    for name in ("one", "two", "three"):
        at(page, f"{name} thing")
        page.keyboard.press("1")

    expect(page.get_by_text("The next products could not be loaded.")).to_be_visible()
    expect(page.get_by_text("Nothing is free for you here.")).to_be_hidden()
    page.unroute("**/review/next/")
    page.locator("#cat-lost").get_by_role("button", name="Try again").click()
    at(page, "four thing")


def test_keys_in_the_list(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    rows = [make_suggestion(f"{name} thing") for name in ("one", "two", "three", "four")]
    page = open_browser(maria)
    page.goto(f"{QUEUE}?order=oldest")

    page.keyboard.press("1")
    expect(page.locator(f"#row-{rows[0].pk}")).to_contain_text("is filed under Tools > Drills")
    page.keyboard.press("j")
    screenshot(page, "queue-keys")
    page.keyboard.press("r")
    page.keyboard.press("u")
    expect(page.get_by_text("Taken back: “three thing” is as it was.")).to_be_visible()
    page.get_by_role("link", name="One by one").click()
    at(page, "two thing")
    assert decided(rows[0]) == ("approved", "Tools > Drills")
    assert Suggestion.objects.filter(status="pending").count() == 3


def test_bulk_with_preview_guard_and_undo(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    for name in ("one", "two", "three"):
        make_suggestion(f"{name} thing")
    page = open_browser(maria)

    def choose(action: str) -> None:
        page.goto(QUEUE)
        page.get_by_role("checkbox", name="Select all products on this page").check()
        page.get_by_label("Action:").select_option(label=action)
        page.get_by_role("button", name="Go").click()

    choose("Set a category…")
    expect(page.get_by_text("Nothing is decided yet")).to_be_visible()
    page.get_by_placeholder("Category for all 3").fill("shirt")
    expect(page.get_by_role("option", name="Shirts")).to_be_visible()
    page.keyboard.press("Enter")
    screenshot(page, "bulk-category")
    assert not Assignment.objects.exists()
    page.get_by_role("button", name="File under Clothing › Shirts").click()
    expect(page.get_by_text("3 products filed under Clothing > Shirts.")).to_be_visible()
    assert Product.objects.filter(category__path="Clothing > Shirts").count() == 3
    page.get_by_role("link", name="Undo…").click()
    screenshot(page, "run-undo")
    page.get_by_role("button", name="Undo run").click()
    expect(page.get_by_text("3 taken back")).to_be_visible()
    expect(page).to_have_url(re.compile(QUEUE + "$"))
    assert not Product.objects.filter(category__isnull=False).exists()

    choose("Reject: none of the candidates…")
    page.get_by_role("button", name="Reject 3 products").click()
    expect(page.get_by_text("3 products rejected")).to_be_visible()
    assert {row.status for row in Suggestion.objects.all()} == {"rejected"}


def test_the_page_without_scripts(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    first, second, third = (make_suggestion(f"{name} thing") for name in ("one", "two", "three"))
    page = open_browser(maria, scripts=False)
    page.goto(REVIEW)
    expect(card(page)).to_have_count(1)
    screenshot(page, "review-without-scripts")

    page.get_by_role("button", name="Approve Tools > Saws for one thing").click()
    expect(page.get_by_text("“one thing” is filed under Tools > Saws.")).to_be_visible()
    at(page, "two thing")
    card(page).get_by_role("link", name="Skip").click()
    at(page, "three thing")
    page.get_by_role("button", name="Undo my last").click()
    expect(page.get_by_text("Taken back: “one thing” is as it was.")).to_be_visible()
    assert [decided(row)[0] for row in (first, second, third)] == ["pending"] * 3


def test_a_script_tag_in_every_field_is_only_text(
    maria: User,
    make_suggestion: MakeSuggestion,
    open_browser: OpenBrowser,
    tree: dict[str, Category],
    tiny_artifact: Path,
    settings: Settings,
) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "ARTIFACT": str(tiny_artifact)}
    runtime.reset()
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    nasty = Category.objects.create(name=attack[:190])
    fields = {"description": attack, "brand": attack, "seller": attack, "image": "javascript:alert(1)"}
    Product.objects.create(title=attack, category=nasty, **{**fields, "sku": "L"})
    for number in range(2):
        make_suggestion(f"{attack} {number}", [(nasty.code, 0.6), ("Drills", 0.2)], **fields)
    Suggestion.objects.update(reason=attack, note=attack)
    page = open_browser(maria)
    page.goto(REVIEW)
    expect(card(page).get_by_text("Words that spoke for it")).to_be_visible()
    expect(card(page).locator(".cat-like li")).to_have_count(1)
    card(page).get_by_text("Also files 1 like it").click()
    page.keyboard.press("/")
    page.keyboard.insert_text("onerror")
    expect(page.locator(".cat-options:visible [role=option]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(told(page)).to_contain_text("<script>")

    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_text_is_readable_in_light_and_dark(
    dark: bool,
    maria: User,
    make_suggestion: MakeSuggestion,
    open_browser: OpenBrowser,
    screenshot: Take,
    tiny_artifact: Path,
    settings: Settings,
    tree: dict[str, Category],
) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "ARTIFACT": str(tiny_artifact)}
    runtime.reset()
    Product.objects.create(sku="N", title="Cordless drill Norrland", category=tree["Drills"])
    make_suggestion(
        "Cordless drill", [("CAT_TOOLS_DRILLS", 0.6)], brand="Makita", description="Two batteries"
    )
    make_suggestion("Cordless drill 2")
    page = open_browser(maria, dark=dark, width=1024)
    page.goto(REVIEW)
    expect(card(page).locator(".cat-word").first).to_be_visible()
    card(page).get_by_text("Also files 1 like it").click()
    screenshot(page, f"review-{'dark' if dark else 'light'}-tablet")

    worst = page.evaluate(CONTRAST)

    assert worst["ratio"] >= 4.5, worst


def test_nothing_is_cut_off_on_a_tablet_or_a_phone(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser, screenshot: Take
) -> None:
    make_suggestion("Cordless drill " * 10, description="word " * 80)
    for width in (1024, 768, 390):
        page = open_browser(maria, width=width)
        page.goto(REVIEW + "&skip=0")
        screenshot(page, f"review-{width}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for button in ("Reject", "Approve Tools > Drills"):
            box = page.get_by_role("button", name=button).bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        page.goto("about:blank")


def test_fifty_real_products_by_keyboard_only(
    maria: User,
    open_browser: OpenBrowser,
    screenshot: Take,
    shared_data: Path,
    settings: Settings,
    tmp_path: Path,
) -> None:
    """A model of 1,500 flipkart rows that files nothing by itself, and a person who knows the truth."""
    found = read_rows(shared_data / "flipkart" / "train.csv.gz")
    rows = [row for row in islice(found, 3000) if isinstance(row, ProductRow) and row.category_path][:1600]
    paths = sorted({row.category_path for row in rows})
    services.taxonomy_import(TaxonomyEntry(line=1, path=path) for path in paths)
    codes = {category.path: category.code for category in Category.objects.all()}
    labelled = [
        LabelledRow(
            title=row.title,
            brand=row.brand,
            category_path=row.category_path,
            category_code=codes[row.category_path],
            line=row.line,
        )
        for row in rows[:1500]
    ]
    result = pipeline.run(labelled, TINY, now=datetime(2026, 1, 2, tzinfo=UTC))
    artifact.publish(result.artifact, tmp_path / "flipkart.pt")
    settings.CATEGORY_CLASSIFIER = {
        **settings.CATEGORY_CLASSIFIER,
        "ARTIFACT": str(tmp_path / "flipkart.pt"),
        "ENABLED": True,
        "THRESHOLD": 1.0,
    }
    runtime.reset()
    truth = {}
    for row in rows[1500:1600]:
        product = Product.objects.create(sku=row.sku, title=row.title, brand=row.brand)
        truth[product.pk] = row.category_path
    page = open_browser(maria)
    page.goto(f"{QUEUE}review/")

    expected: dict[int, str | None] = {}
    while len(expected) < 50:
        ready(page)
        shown = card(page)
        pk = shown.get_attribute("data-pk")
        suggestion = Suggestion.objects.get(pk=pk)
        wanted = truth[suggestion.product_id]
        alike_too = [int(box.get_attribute("value") or 0) for box in shown.locator("[name=also]").all()]
        along = {
            item.product_id: truth[item.product_id] for item in Suggestion.objects.filter(pk__in=alike_too)
        }
        offered = [item["category_path"] for item in suggestion.candidates[:3]]
        if wanted in offered:
            page.keyboard.press(str(offered.index(wanted) + 1))
            expected |= dict.fromkeys([suggestion.product_id, *along], wanted)
        else:
            page.keyboard.press("/")
            page.keyboard.insert_text(wanted.replace(" > ", " "))
            expect(page.locator(".cat-options:visible [role=option]").first).to_be_visible()
            page.keyboard.press("Enter")
            button = page.locator(".cat-option-button:visible")
            expect(button).to_be_focused()
            chosen = str(button.get_attribute("value"))
            page.keyboard.press("Enter")
            place = Category.objects.get(code=chosen).path
            expected |= dict.fromkeys([suggestion.product_id, *along], place)
        expect(page.locator(f"#row-{pk}")).to_be_hidden()
        answered(page)
        expect(told(page)).to_contain_text("filed under")
    screenshot(page, "review-after-fifty")
    expect(page.locator("#cat-sitting")).to_have_text(f"{len(expected)} decided in this sitting")
    by_hand = Product.objects.filter(category_source=Source.HUMAN).values_list("pk", "category__path")
    assert dict(by_hand) == expected
    right = sum(path == truth[pk] for pk, path in expected.items())
    assert right >= 0.9 * len(expected)


def test_an_undo_brings_back_the_note_too(
    maria: User, make_suggestion: MakeSuggestion, open_browser: OpenBrowser
) -> None:
    make_suggestion("Cordless drill")
    page = open_browser(maria)
    page.goto(REVIEW)
    ready(page)
    card(page).get_by_label("Note on").fill("odd thing")
    card(page).get_by_role("button", name="Approve Tools > Drills").click()
    answered(page)
    expect(told(page)).to_contain_text("is filed under")

    page.keyboard.press("u")

    expect(card(page).get_by_label("Note on")).to_have_value("odd thing")
