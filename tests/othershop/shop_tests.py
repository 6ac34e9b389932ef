"""Everything works with CATEGORIES_PRODUCT_MODEL = "othershop.Article".

Run by tests/categories/test_othershop.py in a process of its own, because a product model is chosen at
start-up.
"""

import io
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from apps.categories import runtime, selectors, services
from apps.categories.inference.taxonomy_file import TaxonomyEntry
from apps.categories.models import Assignment, Category, Product, Suggestion, get_product_model
from tests.othershop.models import Article, Maker
from tests.tiny import KINDS

SURE, UNSURE = "compact cordless drill classic", "drill shawl"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop() -> None:
    services.taxonomy_import(TaxonomyEntry(line=1, path=path) for path in KINDS)
    runtime.reset()


def test_the_shop_s_own_model_is_in_place_of_ours() -> None:
    assert get_product_model() is Article
    assert Product._meta.swapped == "othershop.Article"
    assert Product not in apps.get_models()
    assert "categories_product" not in connection.introspection.table_names()


def test_saved_filed_and_filed_again_when_a_text_changes() -> None:
    article = Article.objects.create(number="A", name=SURE)
    article.refresh_from_db()
    assert article.category.code == "CAT_TOOLS_DRILLS"
    assert article.source.startswith("model@")
    article.name = "silk shawl"
    article.save(update_fields=["name"])
    article.refresh_from_db()
    assert article.category.code == "CAT_CLOTHING_SHAWLS"
    article.warehouse = "south"
    article.save(update_fields=["warehouse"])
    assert Assignment.objects.filter(product=article).count() == 2
    assert article.assignments.count() == 2


def test_a_change_of_the_maker_is_a_change_of_text() -> None:
    maker, other = Maker.objects.create(name="Norrland"), Maker.objects.create(name="Aguila")
    Article.objects.create(number="A", name=SURE, maker=maker)
    before = Article.objects.get().text_digest
    assert Article.objects.get().classifier_text()["brand"] == "Norrland"
    article = Article.objects.get()
    article.maker = other
    article.save(update_fields=["maker"])
    middle = Article.objects.get().text_digest
    Maker.objects.filter(pk=other.pk).update(name="Tessera")
    call_command("classify_products", verbosity=0)
    assert len({before, middle, Article.objects.get().text_digest}) == 3


def test_the_sweep_finds_bulk_rows_and_spares_labels(django_user_model: type[User]) -> None:
    rows = Article.objects.bulk_create(Article(number=f"N{n}", name=SURE) for n in range(30))
    mugs = Category.objects.get(code="CAT_KITCHEN_MUGS")
    services.product_set_category(rows[3], mugs, actor=django_user_model.objects.create(username="anna"))
    call_command("classify_products", "--batch-size", "7", verbosity=0)
    assert Article.objects.filter(category__code="CAT_TOOLS_DRILLS").count() == 29
    assert Article.objects.get(number="N3").source == "human"
    assert Assignment.objects.count() == 30


def test_the_queue_and_a_decision(django_user_model: type[User]) -> None:
    article = Article.objects.create(number="A", name=UNSURE)
    waiting = selectors.review_queue().get()
    assert waiting.product == article
    assert article.suggestion == waiting
    anna = django_user_model.objects.create(username="anna")
    services.suggestion_approve(waiting, actor=anna)
    assert Article.objects.get().source == "human"
    label = next(iter(selectors.labelled_products()))
    assert (label.sku, label.text["title"], label.pk) == ("A", UNSURE, article.pk)


def test_import_fills_the_columns_that_the_shop_has(tmp_path: Path) -> None:
    Maker.objects.create(name="Norrland")
    file = tmp_path / "articles.csv"
    file.write_text(
        "sku,title,brand,description,price,rating,category_path\n"
        "A,hammer drill,Norrland,strong,12.5,4.5,Tools > Drills\n"
        "B,silk shawl,,,,,\n"
    )
    out = io.StringIO()
    for _ in range(2):
        call_command("import_products", str(file), "--rejected", str(tmp_path / "r.csv"), stdout=out)
    assert "Created 0 products, updated 0, unchanged 2" in out.getvalue()
    first, second = Article.objects.order_by("number")
    assert (first.name, first.long_text, str(first.net_price), first.maker) == (
        "hammer drill",
        "strong",
        "12.50",
        None,
    )
    assert (first.source, first.category.path, first.warehouse) == ("import", "Tools > Drills", "north")
    assert (second.category, second.is_stale, second.updated is None) == (None, True, False)


def test_the_admin_shows_the_shop_s_articles(admin_client: Client) -> None:
    article = Article.objects.create(number="A", name=UNSURE)
    suggestion = Suggestion.objects.get()
    for path in (
        "/admin/",
        "/admin/othershop/article/",
        f"/admin/othershop/article/{article.pk}/change/",
        "/admin/categories/suggestion/",
        f"/admin/categories/suggestion/{suggestion.pk}/change/",
    ):
        page = admin_client.get(path)
        assert page.status_code == 200, path
    assert UNSURE in admin_client.get("/admin/categories/suggestion/").content.decode()
