"""Many rows in few statements, with what the columns hold unharmed."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from apps.categories.models import Category, Product, Suggestion
from apps.categories.services.bulk import insert_rows, update_rows

pytestmark = pytest.mark.django_db

AT = datetime(2026, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
ODD = 'o\'clock "%s" %% ? {}; ñ 長 \\ '
COLUMNS = ("title", "price", "rating", "is_stale", "category", "classified_at")


@pytest.fixture
def products(db: None) -> list[Product]:
    return Product.objects.bulk_create(Product(sku=f"B{number}", title="old") for number in range(4))


def stored() -> list[tuple[Any, ...]]:
    return list(Product.objects.order_by("sku").values_list(*COLUMNS))


def test_update(products: list[Product], django_assert_num_queries: DjangoAssertNumQueries) -> None:
    tools = Category.objects.create(name="Tools")
    rows = [
        (ODD, Decimal("1.20"), 0.1, False, tools.pk, AT),
        ("", None, None, True, None, None),
        ("x", Decimal("9999999999.99"), 1e-300, False, None, AT),
    ]
    with django_assert_num_queries(1):
        update_rows(
            Product,
            COLUMNS,
            ((product.pk, *row) for product, row in zip(products, rows, strict=False)),
            using="default",
        )
    assert stored() == [*rows, ("old", None, None, True, None, None)]


def test_update_with_one_value_throughout(products: list[Product]) -> None:
    """A column that never varies, NULL included, has a type all the same."""
    row = ("same", None, None, False, None, AT)
    update_rows(Product, COLUMNS, [(product.pk, *row) for product in products], using="default")
    assert stored() == [row] * 4


def test_nothing_to_do_is_no_statement(
    products: list[Product], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        update_rows(Product, COLUMNS, [], using="default")
        insert_rows(Suggestion, ("product", "note"), [], using="default")


def test_insert_or_replace(products: list[Product]) -> None:
    columns = (
        "product",
        "candidates",
        "status",
        "reason",
        "threshold",
        "model_version",
        "text_digest",
        "note",
    )
    more = (*columns, "created_at", "updated_at")
    later = datetime(2026, 3, 1, tzinfo=UTC)

    def put(candidates: Any, at: datetime, *which: Product) -> None:
        insert_rows(
            Suggestion,
            more,
            [(product.pk, candidates, "pending", ODD, None, "v", "d", "", at, at) for product in which],
            using="default",
            on_conflict="product",
            replace=("candidates", "updated_at", "decided_at"),
        )

    put([{"category_code": "CAT_X", "confidence": 0.25}], AT, *products[:2])
    Suggestion.objects.update(decided_at=AT)
    put([], later, *products[1:3])
    found = Suggestion.objects.order_by("product__sku").values_list(
        "product__sku", "candidates", "reason", "created_at", "updated_at", "decided_at"
    )
    assert list(found) == [
        ("B0", [{"category_code": "CAT_X", "confidence": 0.25}], ODD, AT, AT, AT),
        ("B1", [], ODD, AT, later, None),
        ("B2", [], ODD, later, later, None),
    ]
    assert connection.vendor in ("sqlite", "postgresql")
