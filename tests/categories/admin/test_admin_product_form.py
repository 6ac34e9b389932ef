"""What the product's form asks while somebody types, and how old a category is."""

import html
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from apps.categories import runtime, services
from apps.categories.admin.display import age
from apps.categories.admin.products import ClassifiableProductAdmin, ClassifiableProductForm
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.taxonomy_file import TaxonomyEntry
from apps.categories.models import Assignment, Category, Product, Source
from tests.tiny import KINDS

from .pages import page

LIST = "/admin/categories/product/"
ASK = f"{LIST}suggest-category/"


@pytest.fixture
def model(db: None, settings: Settings, tiny_artifact: Path) -> ProductionClassifier:
    """The tiny model is live, over its tree."""
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "ARTIFACT": str(tiny_artifact)}
    runtime.reset()
    cache.clear()
    services.taxonomy_import(TaxonomyEntry(line=1, path=path) for path in KINDS)
    return runtime.get_classifier()


def suggested(browser: Client, **text: Any) -> list[str]:
    """The paths that are suggested for the text."""
    answer = browser.post(ASK, text)
    assert answer.status_code == 200
    return [candidate["path"] for candidate in answer.json()["candidates"]]


def test_the_best_come_first_with_what_the_field_needs(managing: Client, model: ProductionClassifier) -> None:
    answer = managing.post(ASK, {"title": "hammer drill"})
    best, *others = answer.json()["candidates"]

    drills = Category.objects.get(path="Tools > Drills")
    assert (best["pk"], best["path"]) == (drills.pk, drills.path)
    assert re.fullmatch(r"<?\d+%", best["percent"])
    assert len(others) == 2
    assert "no-store" in answer["Cache-Control"]


def test_nothing_is_written(
    managing: Client, model: ProductionClassifier, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    product = Product.objects.create(sku="A", title="x")
    with django_assert_num_queries(6) as queries:  # session, person, two of permissions, product, categories
        assert suggested(managing, title="hammer drill", product=product.pk)[0] == "Tools > Drills"
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)


def test_who_may_ask(
    managing: Client, reviewing: Client, viewing: Client, client: Client, model: ProductionClassifier
) -> None:
    product = Product.objects.create(sku="A", title="hammer drill")
    for data in ({"title": "drill"}, {"title": "drill", "product": product.pk}):
        assert managing.post(ASK, data).status_code == 200
        assert viewing.post(ASK, data).status_code == 403
        assert Client().post(ASK, data).status_code == 302
    assert reviewing.post(ASK, {"product": product.pk}).status_code == 200
    assert managing.get(ASK).status_code == 405


def test_a_forged_request_is_refused(member: Callable[..., User], model: ProductionClassifier) -> None:
    strict = Client(enforce_csrf_checks=True)
    User.objects.create_superuser("root", password="secret")
    strict.login(username="root", password="secret")
    assert strict.post(ASK, {"title": "drill"}).status_code == 403
    strict.get(f"{LIST}add/")
    token = strict.cookies["csrftoken"].value
    assert strict.post(ASK, {"title": "drill", "csrfmiddlewaretoken": token}).status_code == 200


def test_without_a_model_it_says_so(managing: Client) -> None:
    answer = managing.post(ASK, {"title": "drill"})
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "No model suggests categories at the moment."},
    )


def test_a_retired_category_is_not_suggested(managing: Client, model: ProductionClassifier) -> None:
    assert suggested(managing, title="hammer drill")[0] == "Tools > Drills"
    Category.objects.filter(path="Tools > Drills").update(is_active=False)
    assert "Tools > Drills" not in suggested(managing, title="hammer drill")


def test_an_answer_is_kept_by_text_and_model(
    managing: Client, model: ProductionClassifier, settings: Settings
) -> None:
    with patch.object(type(model), "predict", autospec=True, side_effect=type(model).predict) as predict:
        first = suggested(managing, title="hammer drill")
        assert suggested(managing, title="hammer drill", seller="nobody reads this") == first
        assert predict.call_count == 1
        suggested(managing, title="hammer drill", brand="Norrland")
        assert predict.call_count == 2
        with patch.object(model, "sha256", "0" * 64):
            suggested(managing, title="hammer drill")
        assert predict.call_count == 3


def test_the_cache_holds_no_text_and_forgets(managing: Client, model: ProductionClassifier) -> None:
    with patch("apps.categories.services.answers.cache") as kept:
        kept.get.return_value = None
        suggested(managing, title="secret drill")
    ((key, _, seconds), _) = kept.set.call_args
    assert "secret" not in key
    assert seconds == services.answers.REMEMBERED_SECONDS <= 300


def test_only_the_beginning_of_a_text_is_read(managing: Client, model: ProductionClassifier) -> None:
    with patch.object(type(model), "predict", autospec=True, side_effect=type(model).predict) as predict:
        suggested(managing, title="drill " * 5000, brand="b" * 10_000)
    ((text,),) = (predict.call_args.args[1],)
    assert {name: len(value) for name, value in text.items()} == {"title": 4000, "brand": 4000}


@pytest.mark.parametrize("title", ["", "  ", "—", "\x00", "<script>alert(1)</script>", "\ufffd" * 50])
def test_anything_may_be_typed(title: str, managing: Client, model: ProductionClassifier) -> None:
    answer = managing.post(ASK, {"title": title, "product": ""})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("key", ["0", "-1", "x", "9" * 30, "9" * 9000, "\x00", "1 OR 1=1"])
def test_a_product_that_is_not_there_adds_no_text(
    key: str, managing: Client, model: ProductionClassifier
) -> None:
    assert suggested(managing, title="hammer drill", product=key)[0] == "Tools > Drills"
    assert suggested(managing, product=key) == []


def test_what_is_not_in_the_form_is_read_from_the_stored_product(
    managing: Client, model: ProductionClassifier
) -> None:
    product = Product.objects.create(sku="A", title="hammer drill", brand="Norrland")
    assert suggested(managing, product=product.pk)[0] == "Tools > Drills"
    assert suggested(managing, product=product.pk, title="silk shawl")[0] == "Clothing > Shawls"
    assert suggested(managing, product=product.pk, title="", brand="") == []


def test_the_form_tells_the_script_where_to_ask(
    managing: Client, reviewing: Client, tree: dict[str, Category]
) -> None:
    def told(browser: Client, address: str) -> dict[str, str]:
        return {
            name: html.unescape(value)
            for name, value in re.findall(r'data-cat-(\w+)="([^"]*)"', page(browser.get(address)))
        }

    product = Product.objects.create(sku="A", title="Hand saw")
    change = f"{LIST}{product.pk}/change/"
    fields = {"title": "title", "brand": "brand", "description": "description", "seller": "seller"}
    asked = told(managing, change)
    assert (asked["suggest"], asked["product"]) == (ASK, str(product.pk))
    assert json.loads(asked["fields"]) == fields
    assert told(managing, f"{LIST}add/")["product"] == ""
    assert told(reviewing, change) == {}  # reads the text, and cannot type
    shown = page(managing.get(change))
    assert "categories/product_form.js" in shown
    assert re.findall(r"<script(?![^>]*src=)[^>]*>", shown) == []


def test_a_field_that_a_shop_declared_is_not_changed_for_all_requests(tree: dict[str, Category]) -> None:
    class ShopForm(ClassifiableProductForm):
        category = forms.ModelChoiceField(Category.objects.all(), required=False)

    class ShopAdmin(ClassifiableProductAdmin):
        form = ShopForm

    shop = ShopAdmin(Product, admin.site)
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root")
    made = shop.get_form(request, Product.objects.create(sku="A", title="x"), change=True)
    assert "data-cat-product" in str(made()["category"])
    assert "data-cat-product" not in ShopForm.base_fields["category"].widget.attrs


def test_the_badge_says_who_and_how_long_ago(
    managing: Client, maria: User, tree: dict[str, Category]
) -> None:
    product = Product.objects.create(sku="A", title="Hand saw")
    address = f"{LIST}{product.pk}/change/"
    assert ">nobody yet</span>" in page(managing.get(address))
    services.product_set_category(product, tree["Saws"], actor=maria)
    assert ">a person, just now</span>" in page(managing.get(address))
    with patch.object(timezone, "now", return_value=timezone.now() + timedelta(days=3, hours=5)):
        managing.force_login(User.objects.get(username="ana"))
        assert ">a person, 3 days ago</span>" in page(managing.get(address))
    # Filed past the history: nobody knows when.
    Product.objects.update(category=tree["Drills"], category_source=Source.MODEL, model_version="linear-9")
    assert 'title="linear-9">the model</span>' in page(managing.get(address))
    Assignment.objects.create(
        product=product, to_category=tree["Drills"], source=Source.MODEL, model_version="linear-9"
    )
    assert re.search(
        r'title="linear-9, \d{4}-\d\d-\d\d \d\d:\d\d">the model, just now</span>', page(managing.get(address))
    )


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=61), "1 minute ago"),
        (timedelta(hours=2, minutes=50), "2 hours ago"),
        (timedelta(days=800), "2 years ago"),
    ],
)
def test_an_age_in_words(ago: timedelta, words: str) -> None:
    assert age(timezone.now() - ago) == words
