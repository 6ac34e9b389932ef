"""The products' list and form."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from apps.categories import services
from apps.categories.admin import ClassifiableProductAdmin
from apps.categories.models import Assignment, Category, Product, Source, Suggestion, get_product_model

from .conftest import MakeSuggestion
from .pages import page, told

LIST = "/admin/categories/product/"


def form_of(browser: Client, address: str) -> dict[str, str]:
    """What a browser would post from the form at `address`, if nothing were changed."""
    html = page(browser.get(address))
    form = html[
        html.index('<form method="post" enctype') if 'enctype="' in html else html.index("product_form") :
    ]
    data = {
        name: value
        for name, value in re.findall(
            r'<input type="(?:text|hidden|number)" name="([^"]+)" value="([^"]*)"', form
        )
        if name != "csrfmiddlewaretoken"
    }
    for name, text in re.findall(r'<textarea name="([^"]+)"[^>]*>\s*(.*?)</textarea>', form, re.DOTALL):
        data[name] = text
    for name, options in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        data[name] = chosen.group(1) if chosen else ""
    return data


def test_the_list_shows_where_a_product_is_and_who_says_so(
    viewing: Client, tree: dict[str, Category], make_suggestion: MakeSuggestion
) -> None:
    waiting = make_suggestion("waits")
    # A doubt about its label is no confidence in it.
    make_suggestion("by hand", [("Hammers", 0.03)], category=tree["Saws"], category_source=Source.HUMAN)
    Product.objects.filter(title="by hand").update(needs_review=False)
    Suggestion.objects.filter(product__title="by hand").update(queue="label")
    Product.objects.create(
        sku="M",
        title="by model",
        category=tree["Drills"],
        category_source=Source.MODEL,
        category_confidence=0.979,
        model_version="linear-1",
    )

    html = page(viewing.get(LIST))
    rows = {
        title: row
        for row in html.split("<tr>")[2:]
        for title in ("waits", "by hand", "by model")
        if title in row
    }

    assert "perhaps" in rows["waits"]
    assert "Drills" in rows["waits"]
    assert "62%" in rows["waits"]
    assert f'href="/admin/categories/suggestion/{waiting.pk}/change/">needs review</a>' in rows["waits"]
    assert "Saws" in rows["by hand"]
    assert "a person" in rows["by hand"]
    assert "3%" not in rows["by hand"]
    assert "97%" in rows["by model"]
    assert 'title="linear-1">the model</span>' in rows["by model"]
    only = page(viewing.get(LIST + "?needs_review__exact=1"))
    assert "waits" in only
    assert "by hand" not in only


def test_a_page_costs_the_same_queries_for_10_and_for_100_rows(
    managing: Client, make_suggestion: MakeSuggestion, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(10):
        make_suggestion(f"drill {number}")
    with django_assert_num_queries(7):  # session, person, two of permissions, count, rows, the branch filter
        assert page(managing.get(LIST + "?all=")).count('class="action-checkbox"') == 10
    for number in range(10, 100):
        make_suggestion(f"drill {number}")
    with django_assert_num_queries(7):
        assert page(managing.get(LIST + "?all=")).count('class="action-checkbox"') == 100


def test_search_and_branch(viewing: Client, tree: dict[str, Category]) -> None:
    for sku, title, brand, place in (
        ("A1", "hammer drill", "Bosch", "Drills"),
        ("A2", "hand saw", "Bahco", "Saws"),
        ("A3", "oxford", "Eton", "Shirts"),
    ):
        Product.objects.create(sku=sku, title=title, brand=brand, category=tree[place])

    def titles(query: str) -> set[str]:
        html = page(viewing.get(LIST + query))
        return {title for title in ("hammer drill", "hand saw", "oxford") if f">{title}</a>" in html}

    assert titles("?q=saw") == {"hand saw"}
    assert titles("?q=bosch") == {"hammer drill"}
    assert titles("?q=A3") == {"oxford"}
    assert titles(f"?under={tree['Tools'].pk}") == {"hammer drill", "hand saw"}
    assert titles(f"?under={tree['Saws'].pk}") == {"hand saw"}
    for nonsense in ("abc", "-1", "0", "9" * 30, "١"):
        assert titles(f"?under={nonsense}") == set()


def test_the_branch_filter_offers_the_way_up_and_one_level_down(
    viewing: Client, tree: dict[str, Category]
) -> None:
    html = page(viewing.get(f"{LIST}?under={tree['Tools'].pk}"))
    offered = re.findall(
        r'<a href="\?(?:under=(\d+))?">([^<]+)</a></li>', html[html.index('data-filter-title="category"') :]
    )

    assert offered == [
        ("", "All"),
        (str(tree["Tools"].pk), "Tools"),
        (str(tree["Drills"].pk), "· Drills"),
        (str(tree["Hammers"].pk), "· Hammers"),
        (str(tree["Saws"].pk), "· Saws"),
    ]


def test_a_category_chosen_in_the_form_is_a_persons_label(
    managing: Client, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    waiting = make_suggestion("Cordless drill")
    address = f"{LIST}{waiting.product_id}/change/"
    data = form_of(managing, address)

    response = managing.post(address, {**data, "category": tree["Saws"].pk, "brand": "Makita"})

    assert response.status_code == 302
    product = Product.objects.get()
    assert (product.category, product.category_source, product.needs_review) == (
        tree["Saws"],
        Source.HUMAN,
        False,
    )
    assert product.brand == "Makita"
    line = Assignment.objects.get()
    assert line.actor is not None
    assert (line.actor.username, line.source, line.to_category) == ("ana", Source.HUMAN, tree["Saws"])
    waiting.refresh_from_db()
    assert (waiting.status, waiting.decided_by) == ("approved", line.actor)


def test_a_form_that_leaves_the_category_alone_labels_nothing(
    managing: Client, make_suggestion: MakeSuggestion
) -> None:
    waiting = make_suggestion("Cordless drill")
    address = f"{LIST}{waiting.product_id}/change/"

    managing.post(address, {**form_of(managing, address), "title": "Cordless drill 12V"})

    product = Product.objects.get()
    assert (product.title, product.category, product.category_source) == (
        "Cordless drill 12V",
        None,
        Source.NONE,
    )
    assert product.needs_review
    assert Assignment.objects.count() == 0


def test_a_form_that_was_open_while_a_model_filed_the_product_does_not_undo_it(
    managing: Client, tree: dict[str, Category]
) -> None:
    product = Product.objects.create(sku="A", title="Cordless drill")
    address = f"{LIST}{product.pk}/change/"
    data = form_of(managing, address)
    Product.objects.filter(pk=product.pk).update(
        category=tree["Drills"],
        category_source=Source.MODEL,
        category_confidence=0.97,
        model_version="linear-1",
    )

    assert managing.post(address, {**data, "brand": "Makita"}).status_code == 302

    product.refresh_from_db()
    assert (product.brand, product.category, product.source) == ("Makita", tree["Drills"], "model@linear-1")
    assert Assignment.objects.count() == 0


def test_emptying_the_category_takes_the_label_away(
    managing: Client, maria: User, tree: dict[str, Category]
) -> None:
    product = Product.objects.create(sku="A", title="Cordless drill")
    services.product_set_category(product, tree["Saws"], actor=maria)
    address = f"{LIST}{product.pk}/change/"
    data = form_of(managing, address)
    assert data["category"] == str(tree["Saws"].pk)

    managing.post(address, {**data, "category": ""})

    product.refresh_from_db()
    assert (product.category, product.category_source) == (None, Source.NONE)
    assert [line.to_category for line in Assignment.objects.order_by("pk")] == [tree["Saws"], None]


def test_a_new_product_with_a_category_is_labelled_by_its_author(
    managing: Client, tree: dict[str, Category]
) -> None:
    data = {"sku": "N", "title": "New drill", "initial-category": ""}

    assert managing.post(LIST + "add/", {**data, "category": tree["Drills"].pk}).status_code == 302
    assert managing.post(LIST + "add/", {**data, "sku": "N2"}).status_code == 302

    labelled, bare = Product.objects.get(sku="N"), Product.objects.get(sku="N2")
    assert (labelled.category, labelled.category_source) == (tree["Drills"], Source.HUMAN)
    assert (bare.category, bare.category_source) == (None, Source.NONE)
    line = Assignment.objects.get()
    assert line.actor is not None
    assert (line.product_id, line.actor.username) == (labelled.pk, "ana")


def test_a_retired_category_is_refused_unless_the_product_is_there(
    managing: Client, tree: dict[str, Category]
) -> None:
    inside = Product.objects.create(sku="A", title="Hand saw", category=tree["Saws"])
    outside = Product.objects.create(sku="B", title="Cordless drill")
    tree["Saws"].is_active = False
    tree["Saws"].save()

    address = f"{LIST}{outside.pk}/change/"
    html = page(managing.post(address, {**form_of(managing, address), "category": tree["Saws"].pk}))
    assert "This category is retired: pick another one." in html
    address = f"{LIST}{inside.pk}/change/"
    assert managing.post(address, {**form_of(managing, address), "brand": "Bahco"}).status_code == 302
    inside.refresh_from_db()
    assert (inside.brand, inside.category) == ("Bahco", tree["Saws"])


def test_a_refusal_of_the_service_is_told(
    managing: Client, tree: dict[str, Category], monkeypatch: pytest.MonkeyPatch
) -> None:
    product = Product.objects.create(sku="B", title="Cordless drill")
    address = f"{LIST}{product.pk}/change/"
    data = form_of(managing, address)

    def refuse(*_: Any, **__: Any) -> None:
        raise services.ReviewError("Somebody retired it just now.")

    monkeypatch.setattr(services, "product_set_category", refuse)
    response = managing.post(address, {**data, "category": tree["Saws"].pk})

    assert "Somebody retired it just now." in told(response)
    product.refresh_from_db()
    assert product.category is None


def test_a_reviewer_may_correct_the_category_and_nothing_else(
    reviewing: Client, maria: User, tree: dict[str, Category]
) -> None:
    product = Product.objects.create(sku="A", title="Hand saw", brand="Bahco")
    address = f"{LIST}{product.pk}/change/"
    html = page(reviewing.get(address))
    assert 'name="category"' in html
    assert 'name="title"' not in html

    posted = {"category": tree["Saws"].pk, "initial-category": "", "title": "changed", "brand": "changed"}
    assert reviewing.post(address, posted).status_code == 302

    product.refresh_from_db()
    assert (product.title, product.brand, product.category) == ("Hand saw", "Bahco", tree["Saws"])
    assert Assignment.objects.get().actor == maria
    assert reviewing.post(LIST + "add/", {"sku": "X", "title": "X"}).status_code == 403
    assert reviewing.post(f"{LIST}{product.pk}/delete/", {"post": "yes"}).status_code == 403


@admin.action(permissions=["change"])
def rebrand(_: Any, request: HttpRequest, queryset: Any) -> None:
    """A shop's own action."""
    queryset.update(brand="changed")


@pytest.mark.parametrize("may_change", [False, True])
def test_only_who_may_change_products_changes_them_in_a_shops_own_list(
    reviewing: Client, maria: User, monkeypatch: pytest.MonkeyPatch, may_change: bool
) -> None:
    shop: Any = admin.site._registry[Product]
    columns = shop.get_list_display
    monkeypatch.setattr(shop, "list_editable", ("brand",), raising=False)
    monkeypatch.setattr(shop, "get_list_display", lambda request: (*columns(request), "brand"))
    monkeypatch.setattr(shop, "actions", (rebrand,))
    if may_change:
        maria.user_permissions.add(Permission.objects.get(codename="change_product"))
    product = Product.objects.create(sku="A", title="Hand saw", brand="Bahco")
    rows = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": product.pk, "_save": "Save"}

    html = page(reviewing.get(LIST))
    assert ('name="form-0-brand"' in html) is may_change
    assert ('value="rebrand"' in html) is may_change
    saved = reviewing.post(LIST, {**rows, "form-0-brand": "changed"})
    assert saved.status_code == (302 if may_change else 403)
    product.refresh_from_db()
    assert product.brand == ("changed" if may_change else "Bahco")
    Product.objects.update(brand="Bahco")
    reviewing.post(LIST, {"action": "rebrand", "_selected_action": [product.pk]})
    product.refresh_from_db()
    assert product.brand == ("changed" if may_change else "Bahco")
    assert 'name="category"' in page(reviewing.get(f"{LIST}{product.pk}/change/"))


def test_a_viewer_changes_nothing(viewing: Client, tree: dict[str, Category]) -> None:
    product = Product.objects.create(sku="A", title="Hand saw")
    address = f"{LIST}{product.pk}/change/"

    assert 'name="category"' not in page(viewing.get(address))
    assert viewing.post(address, {"category": tree["Saws"].pk, "initial-category": ""}).status_code == 403


def test_deleting_a_product_takes_its_history_and_its_suggestion_along(
    managing: Client, maria: User, make_suggestion: MakeSuggestion, tree: dict[str, Category]
) -> None:
    one, two, three = (make_suggestion(f"d{number}") for number in range(3))
    services.suggestion_approve(one, actor=maria, category_code=tree["Saws"].code)

    assert managing.post(f"{LIST}{one.product_id}/delete/", {"post": "yes"}).status_code == 302
    chosen = {"action": "delete_selected", "_selected_action": [two.product_id], "post": "yes"}
    assert managing.post(LIST, chosen).status_code == 302

    assert list(Product.objects.values_list("pk", flat=True)) == [three.product_id]
    assert Assignment.objects.count() == 0


def test_the_form_shows_the_picture_and_the_history(
    managing: Client, maria: User, tree: dict[str, Category]
) -> None:
    product = Product.objects.create(sku="A", title="Hand saw", image="/media/saw.jpg")
    services.product_set_category(product, tree["Saws"], actor=maria, note="obvious")

    html = page(managing.get(f"{LIST}{product.pk}/change/"))

    assert '<img class="cat-image" src="/media/saw.jpg"' in html
    assert html.count('<img class="cat-image"') == 1
    assert "a person: maria" in html
    assert "obvious" in html
    product.image = "javascript:alert(1)"
    product.save()
    assert "<img class" not in page(managing.get(f"{LIST}{product.pk}/change/"))
    assert "Picture:" not in page(managing.get(f"{LIST}add/"))


def test_a_category_is_found_by_typing(managing: Client, tree: dict[str, Category]) -> None:
    html = page(managing.get(LIST + "add/"))
    assert 'data-ajax--url="/admin/autocomplete/"' in html
    assert html.count("<option") < len(tree)

    asked = {"app_label": "categories", "model_name": "product", "field_name": "category", "term": "tool saw"}
    found = managing.get("/admin/autocomplete/", asked).json()["results"]

    assert found == [{"id": str(tree["Saws"].pk), "text": "Tools > Saws"}]


def test_a_shops_own_admin_inherits_everything(
    tree: dict[str, Category], member: Callable[..., User]
) -> None:
    """A shop adds its own columns and keeps ours."""

    class ShopAdmin(ClassifiableProductAdmin):
        list_filter = (*ClassifiableProductAdmin.list_filter, "brand")

    site = admin.AdminSite("shop")
    shop = ShopAdmin(get_product_model(), site)
    request = RequestFactory().get("/")
    request.user = member("pat")
    request.user.user_permissions.add(Permission.objects.get(codename="change_product"))

    assert shop.get_list_display(request) == ("title", "sku", "place", "confidence", "filed_by", "state")
    assert shop.get_search_fields(request) == ("title", "sku", "brand")
    assert shop.has_change_permission(request)
    assert admin.site.is_registered(get_product_model())


def a_form_that_is_open(browser: Client, product: Product, **typed: Any) -> tuple[str, dict[str, Any]]:
    """The address of a product's form, and what a browser that has it open would post."""
    address = f"{LIST}{product.pk}/change/"
    return address, {**form_of(browser, address), **typed}


@pytest.mark.parametrize("chosen", ["Shirts", None])
def test_a_label_of_somebody_else_that_the_form_has_not_shown_is_not_overwritten(
    managing: Client, maria: User, tree: dict[str, Category], chosen: str | None
) -> None:
    product = Product.objects.create(sku="A", title="Cordless drill")
    services.product_set_category(product, tree["Drills"], actor=maria)
    wanted = tree[chosen].pk if chosen else ""
    address, data = a_form_that_is_open(managing, product, category=wanted, brand="Makita")
    services.product_set_category(product, tree["Saws"], actor=maria)

    answer = managing.post(address, data)

    html = page(answer)
    assert answer.status_code == 200
    assert re.search(
        r"maria has filed this product under “Tools &gt; Saws” at 20\d\d-\d\d-\d\d \d\d:\d\d", html
    )
    assert "Load the page again, and decide then." in html
    assert 'value="Makita"' in html, "what was typed is still there"
    assert not chosen or f'<option value="{wanted}" selected>' in html
    product.refresh_from_db()
    assert (product.category, product.source, product.brand) == (tree["Saws"], "human", "")
    assert Assignment.objects.count() == 2
    assert managing.post(address, data).status_code == 200, "saving once more does not help"
    address, data = a_form_that_is_open(managing, product, category=tree["Shirts"].pk, brand="Makita")
    assert managing.post(address, data).status_code == 302, "loading again does"
    product.refresh_from_db()
    assert (product.category, product.brand) == (tree["Shirts"], "Makita")


def test_a_person_s_word_on_the_place_that_the_form_showed_is_not_overwritten(
    managing: Client, maria: User, tree: dict[str, Category]
) -> None:
    """The category is the one that the form showed; that a person has confirmed it is not."""
    product = Product.objects.create(sku="A", title="Cordless drill")
    Product.objects.update(category=tree["Drills"], category_source=Source.MODEL, model_version="m")
    address, data = a_form_that_is_open(managing, product, category=tree["Shirts"].pk)
    services.product_set_category(product, tree["Drills"], actor=maria)

    assert "maria has filed this product" in page(managing.post(address, data))

    product.refresh_from_db()
    assert product.category == tree["Drills"]


def test_a_label_that_comes_between_the_check_and_the_save_is_not_overwritten(
    managing: Client, maria: User, tree: dict[str, Category], monkeypatch: pytest.MonkeyPatch
) -> None:
    product = Product.objects.create(sku="A", title="Cordless drill")
    address, data = a_form_that_is_open(managing, product, category=tree["Shirts"].pk, brand="Makita")
    check, load = services.require_filing_seen, ClassifiableProductAdmin.get_object
    checked: list[Any] = []

    def maria_files_it() -> None:
        services.product_set_category(Product.objects.get(), tree["Saws"], actor=maria)

    def loaded(*args: Any) -> Any:
        if checked:
            maria_files_it()  # One connection stands for two people here: the first time was undone.
        return load(*args)

    def passed(*args: Any) -> None:
        check(*args)
        checked.append(args)
        maria_files_it()

    monkeypatch.setattr(ClassifiableProductAdmin, "get_object", loaded)
    monkeypatch.setattr(services, "require_filing_seen", passed)
    answer = managing.post(address, data)

    assert (answer.status_code, len(checked)) == (200, 1)
    assert "maria has filed this product under “Tools &gt; Saws”" in page(answer)
    assert 'value="Makita"' in page(answer)
    product.refresh_from_db()
    assert (product.category, product.brand) == (tree["Saws"], "")
