"""A suggestion that begins to wait, whoever puts it there: its columns, and the one that it replaces."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ..models import Suggestion

ASKED = (
    "product",
    "candidates",
    "status",
    "reason",
    "model_version",
    "text_digest",
    "note",
    "created_at",
    "updated_at",
    "queue",
    "cluster",
    "top_code",
    "top_confidence",
    "priority",
)
REPLACED = (*ASKED[1:], "threshold", "decided_by", "decided_at", "decided_category")
"""What an earlier suggestion of the product loses."""


class KnownSuggestion(NamedTuple):
    """What a product has already, without the candidates."""

    status: str
    queue: str
    created_at: datetime


def suggestions_known(products: Sequence[Any], *, using: str) -> dict[Any, KnownSuggestion]:
    """By primary key, of those of these products that have one. At most one query."""
    if not products:
        return {}
    found = Suggestion.objects.using(using).filter(product_id__in=products)
    columns = found.values_list("product_id", "status", "queue", "created_at")
    return {pk: KnownSuggestion(status, queue, created_at) for pk, status, queue, created_at in columns}
