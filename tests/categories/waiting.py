"""Products in front of a person, by the thousand and without a model."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from apps.categories.inference.text import text_digest
from apps.categories.models import Product, Suggestion

CANDIDATES = [
    {"category_code": "CAT_TOOLS_DRILLS", "category_path": "Tools > Drills", "confidence": 0.6},
    {"category_code": "CAT_TOOLS_SAWS", "category_path": "Tools > Saws", "confidence": 0.2},
]


def put_in_queue(titles: Sequence[str], **more: Any) -> list[Suggestion]:
    """One product and one pending suggestion for each title; `more` are columns of the suggestions."""
    start, now = Product.objects.count(), timezone.now()
    products = Product.objects.bulk_create(
        Product(
            sku=f"W{number:06d}",
            title=title,
            needs_review=True,
            is_stale=False,
            text_digest=text_digest({"title": title}),
        )
        for number, title in enumerate(titles, start)
    )
    common = {"candidates": CANDIDATES, "threshold": 0.9, "model_version": "m", "text_digest": "d", **more}
    return Suggestion.objects.bulk_create(
        Suggestion(product=product, created_at=now, updated_at=now, **common) for product in products
    )
