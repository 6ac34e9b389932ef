"""The other pages of the admin in a real browser."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from apps.categories import services
from apps.categories.models import Assignment, Category, Product, Source

from .conftest import OpenBrowser, roles

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Take = Callable[[Page, str], None]


@pytest.fixture
def ana(transactional_db: None, member: Callable[..., User]) -> User:
    return member("ana", roles.MANAGERS)


def test_a_product_gets_its_category_by_typing(
    ana: User, tree: dict[str, Category], open_browser: OpenBrowser, screenshot: Take
) -> None:
    product = Product.objects.create(sku="A", title="Hand saw")
    page = open_browser(ana)
    page.goto(f"/admin/categories/product/{product.pk}/change/")

    page.locator(".field-category .select2-selection").click()
    page.keyboard.type("tool saw")
    expect(page.locator(".select2-results__option")).to_have_text(["Tools > Saws"])
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save and continue editing").first.click()

    expect(page.get_by_text("a person: ana")).to_be_visible()
    screenshot(page, "product")
    product.refresh_from_db()
    assert (product.category, product.category_source) == (tree["Saws"], Source.HUMAN)
    assert Assignment.objects.get().actor == ana


def test_a_tree_is_walked_down_and_up(
    ana: User, tree: dict[str, Category], open_browser: OpenBrowser, screenshot: Take
) -> None:
    Product.objects.create(sku="A", title="Hand saw", category=tree["Saws"])
    page = open_browser(ana)
    page.goto("/admin/categories/category/")
    screenshot(page, "tree")

    page.get_by_role("link", name="Tools ›").click()
    expect(page.get_by_role("heading", name="Tools", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Saws", exact=True)).to_be_visible()
    screenshot(page, "tree-branch")
    page.get_by_role("row", name="Saws").get_by_role("link", name="1", exact=True).click()
    expect(page.get_by_role("link", name="Hand saw")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="All categories").click()
    expect(page.get_by_role("link", name="Clothing ›")).to_be_visible()


def test_the_history_shows_who_and_why_without_being_pushed_aside(
    ana: User, tree: dict[str, Category], open_browser: OpenBrowser, screenshot: Take
) -> None:
    product = Product.objects.create(sku="A", title="Hand saw of hardened steel with a wooden handle")
    for name in ("Saws", "Drills"):
        services.product_set_category(product, tree[name], actor=ana, note="the label says so")
    for width in (1280, 820):
        page = open_browser(ana, width=width)
        page.goto("/admin/categories/assignment/")
        screenshot(page, f"history-{width}")
        room = page.locator(".results").bounding_box()
        filters = page.locator("#changelist-filter").bounding_box()

        assert room is not None
        assert filters is not None
        assert filters["y"] + filters["height"] <= room["y"]
        assert room["width"] >= 0.55 * width
        if width == 1280:
            note = page.locator("td.field-note").first.bounding_box()
            assert note is not None
            assert note["x"] + note["width"] <= room["x"] + room["width"] + 1
        dates = page.locator("#result_list .cat-when")
        assert all(date.evaluate("node => node.getClientRects().length") == 1 for date in dates.all())
        assert dates.count() == 4
