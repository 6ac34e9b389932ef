"""The product's form while somebody types, in a real browser."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Error, Page, Request, expect
from pytest_django import Settings

from apps.categories import runtime, services
from apps.categories.inference.taxonomy_file import TaxonomyEntry
from apps.categories.models import Assignment, Category, Product, Source
from tests.tiny import KINDS

from .conftest import OpenBrowser, roles
from .test_queue import CONTRAST

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ADD = "/admin/categories/product/add/"
DRILLS = "Set the category to Tools > Drills"
Take = Callable[[Page, str], None]


@pytest.fixture
def ana(transactional_db: None, member: Callable[..., User]) -> User:
    return member("ana", roles.MANAGERS)


@pytest.fixture
def shop(transactional_db: None, settings: Settings, tiny_artifact: Path) -> dict[str, Category]:
    """A tree and a real model of it; saves classify nothing."""
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "ARTIFACT": str(tiny_artifact)}
    runtime.reset()
    services.taxonomy_import(TaxonomyEntry(line=1, path=path) for path in KINDS)
    return {category.path: category for category in Category.objects.all()}


def asked(page: Page) -> list[Request]:
    """The requests for suggestions that the page makes from now on."""
    made: list[Request] = []
    page.on("request", lambda request: made.append(request) if "suggest-category" in request.url else None)
    return made


def suggested(page: Page) -> Any:
    return page.get_by_role("group", name="Suggested categories").get_by_role("button")


def test_typing_suggests_and_a_click_sets_the_category(
    ana: User, shop: dict[str, Category], open_browser: OpenBrowser, screenshot: Take
) -> None:
    page = open_browser(ana)
    page.goto(ADD)
    requests = asked(page)

    page.get_by_label("Sku").fill("A1")
    page.get_by_label("Title").press_sequentially("cordless hammer drill", delay=20)
    expect(suggested(page)).to_have_count(3)
    expect(suggested(page).first).to_have_accessible_name(re.compile(f"^{DRILLS}, <?[0-9]+% sure$"))
    expect(page.get_by_role("status")).to_contain_text("Suggested: Tools > Drills")
    assert len(requests) < 10  # of 21 keys, also on a busy machine
    assert {request.method for request in requests} == {"POST"}
    screenshot(page, "product-form-suggestions")
    suggested(page).first.click()

    expect(suggested(page).first).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".field-category .select2-selection__rendered")).to_contain_text("Tools > Drills")
    expect(page.get_by_role("status")).to_have_text("The category is set to Tools > Drills. Save to keep it.")
    assert Product.objects.count() == 0
    screenshot(page, "product-form-accepted")
    page.get_by_role("button", name="Save and continue editing").first.click()
    expect(page.get_by_text("a person, just now")).to_be_visible()
    screenshot(page, "product-form-saved")
    product = Product.objects.get()
    assert (product.category, product.category_source) == (shop["Tools > Drills"], Source.HUMAN)
    assert Assignment.objects.get().actor == ana


def test_by_keyboard_only(
    ana: User, shop: dict[str, Category], open_browser: OpenBrowser, screenshot: Take
) -> None:
    product = Product.objects.create(sku="A", title="x", category=shop["Tools > Saws"])
    page = open_browser(ana)
    page.goto(f"/admin/categories/product/{product.pk}/change/")
    title = page.get_by_label("Title")

    title.fill("")
    page.keyboard.insert_text("hammer drill")
    expect(suggested(page).first).to_have_accessible_name(re.compile(DRILLS))
    title.press("Alt+ArrowDown")
    expect(suggested(page).first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(suggested(page).last).to_be_focused()
    page.keyboard.press("Escape")
    expect(title).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    screenshot(page, "product-form-keyboard")
    page.keyboard.press("Enter")
    expect(page.locator(".field-category .select2-selection__rendered")).to_contain_text("Tools > Drills")
    product.refresh_from_db()
    assert (product.title, product.category) == ("x", shop["Tools > Saws"])
    page.get_by_role("button", name="Save and continue editing").first.click()
    expect(page.get_by_text("a person, just now")).to_be_visible()
    product.refresh_from_db()
    assert (product.title, product.category) == ("hammer drill", shop["Tools > Drills"])


def test_an_older_answer_is_never_shown(
    ana: User, shop: dict[str, Category], open_browser: OpenBrowser
) -> None:
    page = open_browser(ana)
    page.goto(ADD)

    held: list[Any] = []

    def hold_back(route: Any) -> None:
        if "hammer drill" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/suggest-category/", hold_back)
    requests = asked(page)
    title = page.get_by_label("Title")
    title.fill("hammer drill")
    while not held:
        page.wait_for_timeout(20)
    title.fill("silk shawl")
    expect(suggested(page).first).to_have_accessible_name(re.compile("Clothing > Shawls"))
    with contextlib.suppress(Error):  # The page has given the older question up.
        held[0].continue_()
    page.wait_for_timeout(500)
    expect(suggested(page).first).to_have_accessible_name(re.compile("Clothing > Shawls"))
    assert [request.failure for request in requests] == ["net::ERR_ABORTED", None]


def test_every_text_stays_text(
    ana: User, shop: dict[str, Category], open_browser: OpenBrowser, screenshot: Take
) -> None:
    attack = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    drills = shop["Tools > Drills"]
    drills.name = attack
    drills.save()
    page = open_browser(ana)
    page.goto(ADD)

    page.get_by_label("Sku").fill("A1")
    page.get_by_label("Title").fill(f"hammer drill {attack}")
    page.get_by_label("Brand").fill(attack)
    expect(suggested(page).first).to_contain_text("<script>")
    suggested(page).first.click()
    expect(page.get_by_role("status")).to_contain_text("<script>")
    screenshot(page, "product-form-hostile")
    page.get_by_role("button", name="Save and continue editing").first.click()

    expect(page.get_by_text("a person, just now")).to_be_visible()
    expect(page.locator("#id_title")).to_have_value(f"hammer drill {attack}")
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


def test_without_a_model_it_says_so_once(ana: User, open_browser: OpenBrowser, screenshot: Take) -> None:
    page = open_browser(ana)
    page.goto(ADD)
    requests = asked(page)

    page.get_by_label("Title").fill("hammer drill")
    expect(page.get_by_role("status")).to_have_text("No model suggests categories at the moment.")
    screenshot(page, "product-form-no-model")
    page.get_by_label("Title").fill("silk shawl")
    page.wait_for_timeout(600)

    assert len(requests) == 1
    expect(suggested(page)).to_have_count(0)


def test_an_unreachable_site_is_no_trouble_and_the_next_key_asks_again(
    ana: User, shop: dict[str, Category], open_browser: OpenBrowser
) -> None:
    page = open_browser(ana)
    page.goto(ADD)
    page.route("**/suggest-category/", lambda route: route.abort())
    page.get_by_label("Title").fill("hammer drill")
    page.wait_for_timeout(600)
    expect(page.get_by_role("status")).to_have_text("")
    page.unroute("**/suggest-category/")
    page.get_by_label("Title").fill("hammer drills")
    expect(suggested(page)).to_have_count(3)
    page.get_by_label("Title").fill("")
    expect(suggested(page)).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_suggestions_are_readable(
    dark: bool, ana: User, shop: dict[str, Category], open_browser: OpenBrowser, screenshot: Take
) -> None:
    page = open_browser(ana, dark=dark, width=1024)
    page.goto(ADD)
    page.get_by_label("Title").fill("hammer drill")
    suggested(page).first.click()
    screenshot(page, f"product-form-{'dark' if dark else 'light'}")
    worst = page.evaluate(CONTRAST.replace(".cat-row *, #changelist-filter a", ".cat-suggest *"))
    assert 4.5 <= worst["ratio"] < 99, worst


def test_a_policy_against_inline_scripts_changes_nothing(
    ana: User, shop: dict[str, Category], open_browser: OpenBrowser
) -> None:
    page = open_browser(ana)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    def strict(route: Any) -> None:
        answer = route.fetch()
        policy = "default-src 'self'; img-src 'self' data:"
        route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": policy})

    page.route(f"**{ADD}", strict)
    page.goto(ADD)
    page.get_by_label("Title").fill("hammer drill")
    suggested(page).first.click()
    expect(page.locator(".field-category .select2-selection__rendered")).to_contain_text("Tools > Drills")
    assert [line for line in said if "script-src" in line or "inline script" in line] == []


def test_the_example_page_suggests_too(
    ana: User, shop: dict[str, Category], open_browser: OpenBrowser
) -> None:
    page = open_browser(ana)
    page.goto("/categories/suggest/")
    page.get_by_label("Title").press_sequentially("hammer drill", delay=20)
    expect(page.locator("#candidates li").first).to_contain_text("Tools > Drills")


def test_a_category_that_no_suggestion_names_any_more_is_said_to_stay(
    ana: User, shop: dict[str, Category], open_browser: OpenBrowser
) -> None:
    page = open_browser(ana)
    page.goto(ADD)
    page.get_by_label("Title").fill("hammer drill")
    suggested(page).first.click()
    expect(page.get_by_text("The category is set to Tools > Drills.")).to_be_visible()

    page.get_by_label("Title").fill("silk shawl")

    expect(page.locator(".cat-suggest-told")).to_contain_text("The category is still Tools > Drills.")
