"""The tree, one level at a time."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.categories import services
from apps.categories.admin import categories
from apps.categories.models import Category, Product, Suggestion

from .conftest import MakeSuggestion
from .pages import page

LIST = "/admin/categories/category/"


def rows(html: str) -> dict[str, tuple[str, ...]]:
    """Name → the text of the other cells, for each row of a list."""
    found = {}
    body = html[html.index("<tbody>") : html.index("</tbody>")] if "<tbody>" in html else ""
    for row in body.split("<tr>")[1:]:
        cells = [
            re.sub(r"<small.*?</small>|<[^>]+>", "", cell).strip() for cell in re.split(r"</t[dh]>", row)
        ]
        found[re.sub(r"\s+", " ", cells[0])] = tuple(cells[1:3])
    return found


def test_the_list_is_one_level_with_counts(viewing: Client, tree: dict[str, Category]) -> None:
    for number, place in enumerate(("Drills", "Drills", "Saws", "Tools")):
        Product.objects.create(sku=str(number), title="x", category=tree[place])

    top = page(viewing.get(LIST))
    assert rows(top) == {"Clothing ›": ("1", "–"), "Tools ›": ("3", "4")}
    assert f'href="{LIST}?under={tree["Tools"].pk}"' in top
    below = page(viewing.get(f"{LIST}?under={tree['Tools'].pk}"))
    assert rows(below) == {"Drills": ("–", "2"), "Hammers": ("–", "–"), "Saws": ("–", "1")}
    assert f'href="/admin/categories/product/?under={tree["Drills"].pk}"' in below
    assert f'href="{LIST}{tree["Drills"].pk}/change/"' in below
    deepest = page(viewing.get(f"{LIST}?under={tree['Drills'].pk}"))
    assert f'<a href="?under={tree["Tools"].pk}">Tools</a>' in deepest
    assert '<span aria-current="page">Drills</span>' in deepest


@pytest.mark.parametrize("nonsense", ["abc", "-1", "999999", "9" * 30, "9" * 5000])
def test_a_branch_that_is_not_there_is_empty(
    nonsense: str, viewing: Client, tree: dict[str, Category]
) -> None:
    assert rows(page(viewing.get(f"{LIST}?under={nonsense}"))) == {}


def test_the_search_finds_everywhere_or_below_the_branch(viewing: Client, tree: dict[str, Category]) -> None:
    Category.objects.create(name="Saw guards", parent=tree["Clothing"], external_id="gid-77")

    assert set(rows(page(viewing.get(LIST + "?q=saw")))) == {"Tools › Saws", "Clothing › Saw guards"}
    assert set(rows(page(viewing.get(LIST + "?q=tools SAW")))) == {"Tools › Saws"}
    assert set(rows(page(viewing.get(LIST + "?q=gid-77")))) == {"Clothing › Saw guards"}
    assert set(rows(page(viewing.get(LIST + "?q=cat_tools_saws")))) == {"Tools › Saws"}
    below = page(viewing.get(f"{LIST}?q=saw&under={tree['Clothing'].pk}"))
    assert set(rows(below)) == {"Clothing › Saw guards"}
    assert next(iter(rows(page(viewing.get(LIST + "?q=tools"))))) == "Tools ›"


def test_the_list_finds_retired_categories_and_mistyped_ones_and_the_field_no_retired(
    managing: Client, tree: dict[str, Category], monkeypatch: pytest.MonkeyPatch
) -> None:
    Category.objects.filter(pk=tree["Saws"].pk).update(is_active=False)
    Category.objects.create(name="Sawhorses", parent=tree["Tools"])

    def offered(term: str) -> list[str]:
        asked = {"app_label": "categories", "model_name": "product", "field_name": "category", "term": term}
        return [found["text"] for found in managing.get("/admin/autocomplete/", asked).json()["results"]]

    assert list(rows(page(managing.get(LIST + "?q=saw")))) == ["Tools › Saws", "Tools › Sawhorses"]
    assert list(rows(page(managing.get(LIST + "?q=saw&is_active__exact=1")))) == ["Tools › Sawhorses"]
    assert list(rows(page(managing.get(LIST + "?q=hamers")))) == ["Tools › Hammers"]
    assert offered("saw") == offered("sawhrose") == ["Tools > Sawhorses"]
    monkeypatch.setattr(categories, "FOUND_AT_MOST", 1)
    assert list(rows(page(managing.get(LIST + "?q=saw")))) == ["Tools › Saws"]
    assert rows(page(managing.get(LIST + "?q=zzzz"))) == {}


def test_a_tree_of_10000_stays_in_pages_at_a_constant_number_of_queries(
    viewing: Client, db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    roots = [Category.objects.create(name=f"Root {number:02}") for number in range(10)]
    rows_below = [
        Category(
            name=f"Leaf {number:04}",
            slug="x",
            parent=root,
            depth=1,
            path=f"{root.path} > Leaf {number:04}",
            code=f"{root.code}_{number}",
        )
        for root in roots
        for number in range(999)
    ]
    Category.objects.bulk_create(rows_below)

    # Session, person, two of permissions, count, rows, their children, the products, the paths.
    with django_assert_num_queries(9):
        assert len(rows(page(viewing.get(LIST)))) == 10
    with django_assert_num_queries(10):  # and the branch
        html = page(viewing.get(f"{LIST}?under={roots[3].pk}"))
    assert len(rows(html)) == 100
    assert len(html) < 120_000
    product_list = page(viewing.get(f"/admin/categories/product/?under={roots[3].pk}"))
    assert product_list.count("· Leaf") == 60


def test_the_code_of_a_category_never_changes(managing: Client, tree: dict[str, Category]) -> None:
    address = f"{LIST}{tree['Saws'].pk}/change/"
    assert 'name="code"' not in page(managing.get(address))

    posted = {
        "name": "Saws and blades",
        "parent": tree["Tools"].pk,
        "is_active": "on",
        "slug": "saws",
        "code": "CAT_X",
    }
    assert managing.post(address, posted).status_code == 302

    saws = Category.objects.get(pk=tree["Saws"].pk)
    assert (saws.path, saws.code) == ("Tools > Saws and blades", "CAT_TOOLS_SAWS")


def test_a_wrong_place_is_explained(managing: Client, tree: dict[str, Category]) -> None:
    address = f"{LIST}{tree['Tools'].pk}/change/"
    below_itself = {"name": "Tools", "parent": tree["Saws"].pk, "is_active": "on"}
    taken = {"name": "Clothing", "is_active": "on"}

    assert "A node cannot be made a descendant of itself." in page(managing.post(address, below_itself))
    assert "There is already a category “Clothing”." in page(managing.post(address, taken))


def test_the_parent_offers_no_deletion_of_what_is_in_use(managing: Client, tree: dict[str, Category]) -> None:
    html = page(managing.get(f"{LIST}{tree['Drills'].pk}/change/"))

    assert 'id="change_id_parent"' in html
    assert 'id="delete_id_parent"' not in html


def test_a_category_is_added_where_one_stands(managing: Client, tree: dict[str, Category]) -> None:
    link = f"{LIST}add/?parent={tree['Tools'].pk}"
    assert f'href="{link}"' in page(managing.get(f"{LIST}?under={tree['Tools'].pk}"))
    assert f'<option value="{tree["Tools"].pk}" selected>' in page(managing.get(link))

    managing.post(link, {"name": "Files", "parent": tree["Tools"].pk, "is_active": "on"})

    assert Category.objects.get(name="Files").code == "CAT_TOOLS_FILES"


def test_only_a_category_that_nothing_points_at_can_be_deleted(
    managing: Client, maria: User, tree: dict[str, Category], make_suggestion: MakeSuggestion
) -> None:
    product = make_suggestion().product
    services.product_set_category(product, tree["Saws"], actor=maria)
    services.product_set_category(product, None, actor=maria)
    # Put there past the services, as an import tool of the shop's own would: no history.
    Product.objects.filter(pk=product.pk).update(category=tree["Drills"])
    Suggestion.objects.update(decided_category=tree["Shirts"])

    def delete(name: str) -> int:
        return int(managing.post(f"{LIST}{tree[name].pk}/delete/", {"post": "yes"}).status_code)

    assert delete("Tools") == 403  # children
    assert delete("Drills") == 403  # a product
    assert delete("Saws") == 403  # history
    assert delete("Shirts") == 403  # a decision
    assert delete("Hammers") == 302
    assert not Category.objects.filter(name="Hammers").exists()


def test_who_may_only_look_changes_nothing(reviewing: Client, tree: dict[str, Category]) -> None:
    data: dict[str, Any] = {"name": "X", "is_active": "on"}

    assert reviewing.post(f"{LIST}{tree['Saws'].pk}/change/", data).status_code == 403
    assert reviewing.post(f"{LIST}add/", data).status_code == 403
    assert "Add a category" not in page(reviewing.get(f"{LIST}?under={tree['Tools'].pk}"))


def test_typing_offers_nothing_retired_and_short_paths_first(
    managing: Client, tree: dict[str, Category]
) -> None:
    tree["Saws"].is_active = False
    tree["Saws"].save()
    asked = {"app_label": "categories", "model_name": "product", "field_name": "category", "term": "tools"}

    found = [item["text"] for item in managing.get("/admin/autocomplete/", asked).json()["results"]]

    assert found == ["Tools", "Tools > Drills", "Tools > Hammers"]
