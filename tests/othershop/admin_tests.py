"""The admin with CATEGORIES_PRODUCT_MODEL = "othershop.Article".

Run by tests/categories/admin/test_admin_othershop.py in a process of its own, because a product model is
chosen at start-up.
"""

import re
from unittest.mock import patch

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apps.categories import services
from apps.categories.admin import ClassifiableProductAdmin
from apps.categories.models import Assignment, Category, Suggestion
from tests.othershop.models import Article, Maker

pytestmark = pytest.mark.django_db

LIST = "/admin/othershop/article/"
QUEUE = "/admin/categories/suggestion/"


@pytest.fixture(autouse=True)
def shop(settings: Settings) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "ENABLED": False}


@pytest.fixture
def drills() -> Category:
    return Category.objects.create(name="Drills")


@pytest.fixture
def browser() -> Client:
    """Of a person whom the migration's groups let manage this shop's articles."""
    person = User.objects.create_user("ana", password="secret", is_staff=True)
    person.groups.add(Group.objects.get(name="Catalogue managers"))
    started = Client()
    started.force_login(person)
    return started


def add(drills: Category, start: int, stop: int) -> list[Suggestion]:
    now = timezone.now()
    return [
        Suggestion.objects.create(
            product=Article.objects.create(
                number=f"N{number}",
                name=f"drill {number}",
                maker=Maker.objects.create(name=f"Maker {number}"),
                net_price="12.50",
                needs_review=True,
            ),
            candidates=[{"category_code": drills.code, "category_path": drills.path, "confidence": 0.6}],
            model_version="linear-1",
            text_digest="0" * 32,
            created_at=now,
            updated_at=now,
        )
        for number in range(start, stop)
    ]


def test_the_shop_s_articles_have_our_admin() -> None:
    assert isinstance(admin.site.get_model_admin(Article), ClassifiableProductAdmin)


def test_the_list_and_the_queue_read_the_shop_s_own_columns_without_a_query_per_row(
    browser: Client, drills: Category, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    add(drills, 0, 10)
    html = browser.get(LIST).content.decode()
    assert re.search(r'<a href="/admin/othershop/article/[-\w]+/change/">drill 3</a>', html)
    assert "N3" in html
    assert "Drills" in html
    html = browser.get(QUEUE).content.decode()
    assert "Maker 3" in html
    assert "12.50" in html
    assert "maker 3" in browser.get(LIST + "?q=maker+3").content.decode().lower()
    assert 'aria-label="Select drill 4"' not in browser.get(QUEUE + "?q=maker+3").content.decode()

    add(drills, 10, 60)
    for address, queries in ((LIST + "?all=", 7), (QUEUE + "?all=", 8)):
        with django_assert_num_queries(queries):
            assert browser.get(address).content.decode().count('class="action-select"') == 60


def test_a_click_in_the_queue_and_a_choice_in_the_form(browser: Client, drills: Category) -> None:
    one, two = add(drills, 0, 2)

    browser.post(f"{QUEUE}{one.pk}/decide/", {"approve": drills.code})
    form = {
        "category": drills.pk,
        "initial-category": "",
        "number": "N1",
        "name": "drill 1",
        "warehouse": "south",
    }
    assert browser.post(f"{LIST}{two.product_id}/change/", form).status_code == 302

    first, second = Article.objects.order_by("number")
    assert [(row.category, row.source) for row in (first, second)] == [(drills, "human")] * 2
    assert second.warehouse == "south"
    assert [str(line.actor) for line in Assignment.objects.all()] == ["ana", "ana"]
    assert browser.get(f"/admin/categories/category/?under={drills.pk}").status_code == 200
    assert (
        f'href="{LIST}?under={drills.pk}">2</a>'
        in browser.get("/admin/categories/category/").content.decode()
    )
    assert f'href="{LIST}{first.pk}/change/"' in browser.get("/admin/categories/assignment/").content.decode()


def test_the_dashboard_counts_this_shop_s_articles(browser: Client, drills: Category) -> None:
    add(drills, 0, 3)
    saws = Category.objects.create(name="Saws")
    article = Article.objects.create(
        number="=N9", name="band saw", category=drills, category_source="model", model_version="linear-1"
    )
    Assignment.objects.create(
        product=article, to_category=drills, source="model", model_version="linear-1", confidence=0.95
    )
    services.product_set_category(article, saws, actor=User.objects.get(username="ana"))

    html = browser.get(f"{QUEUE}dashboard/").content.decode()

    assert "band saw" in html
    assert "3</strong> wait for a person" in html
    lines = b"".join(browser.get(f"{QUEUE}dashboard/misfiled.csv").streaming_content).decode()
    assert '"band saw","\'=N9","Drills","Saws",0.95,"linear-1"' in lines


def test_the_form_suggests_from_its_own_fields(browser: Client, drills: Category) -> None:
    article = Article.objects.create(number="N1", name="drill", maker=Maker.objects.create(name="Norrland"))

    shown = browser.get(f"{LIST}{article.pk}/change/").content.decode()

    assert f'data-cat-suggest="{LIST}suggest-category/"' in shown
    fields = "{&quot;title&quot;: &quot;name&quot;, &quot;description&quot;: &quot;long_text&quot;}"
    assert f'data-cat-fields="{fields}"' in shown
    assert f'data-cat-product="{article.pk}"' in shown
    with patch("apps.categories.admin.product_form.services.suggest", return_value=[]) as suggest:
        browser.post(f"{LIST}suggest-category/", {"product": article.pk, "title": "saw"})
    assert suggest.call_args.args[0] == {"title": "saw", "brand": "Norrland", "description": "", "seller": ""}


def test_the_form_does_not_overwrite_a_label_that_it_has_not_shown(browser: Client, drills: Category) -> None:
    saws = Category.objects.create(name="Saws")
    article = Article.objects.create(number="N1", name="drill")
    address = f"{LIST}{article.pk}/change/"
    seen = re.search(r'name="filing_seen" value="([^"]+)"', browser.get(address).content.decode())
    assert seen is not None
    person = User.objects.create_user("maria")
    services.product_set_category(article, saws, actor=person)
    form = {"number": "N1", "name": "drill", "warehouse": "south", "initial-category": ""}
    form |= {"filing_seen": seen[1], "category": drills.pk}

    answer = browser.post(address, form)

    assert "maria has filed this product under “Saws”" in answer.content.decode()
    article.refresh_from_db()
    assert (article.category, article.warehouse) == (saws, "north")
    assert browser.post(address, {**form, "category": ""}).status_code == 302
    article.refresh_from_db()
    assert (article.category, article.warehouse) == (saws, "south"), "the category was left alone"


def test_a_decision_reads_the_text_across_its_relations(
    browser: Client, drills: Category, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    one, *others = add(drills, 0, 12)
    shown = browser.get(QUEUE).content.decode()
    known = dict(re.findall(r'id="decide-(\d+)".*?name="seen" value="([^"]+)"', shown, re.DOTALL))
    also = [f"{other.pk}:{known[str(other.pk)]}" for other in others]
    Maker.objects.filter(name="Maker 5").update(name="Somebody else")

    with django_assert_max_num_queries(15):
        data = {"approve": drills.code, "seen": known[str(one.pk)], "also": also}
        browser.post(f"{QUEUE}{one.pk}/decide/", data)

    left = Article.objects.exclude(category_source="human").values_list("name", flat=True)
    assert list(left) == ["drill 5"]
