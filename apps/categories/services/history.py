"""Lines of the history: the one place that knows what each must hold, so that every act can be taken back."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.dateparse import parse_datetime

from ..models import Assignment, Source, Suggestion
from .bulk import insert_rows

COPIED = (
    "candidates",
    "status",
    "reason",
    "threshold",
    "model_version",
    "text_digest",
    "decided_by",
    "decided_at",
    "decided_category",
    "note",
    "created_at",
    "updated_at",
    "queue",
    "cluster",
    "top_code",
    "top_confidence",
    "priority",
)
"""The fields of a suggestion that a copy of it holds."""
_TIMES = ("decided_at", "created_at", "updated_at")


class Line(NamedTuple):
    """One line to be written; the names are those of Assignment, foreign keys as raw values."""

    product: Any
    from_category: int | None
    from_source: str
    from_confidence: float | None
    from_model_version: str
    from_review: bool
    suggestion_before: Mapping[str, Any] | None
    to_category: int | None
    source: str
    created_at: datetime
    confidence: float | None = None
    model_version: str = ""
    actor: Any = None
    run: int | None = None
    note: str = ""
    act: str = Assignment.Act.FILE.value
    undoes: int | None = None
    queue: str = ""


def history_write(lines: Iterable[Line], *, using: str) -> None:
    """Add these lines in one statement."""
    insert_rows(Assignment, Line._fields, lines, using=using)


def suggestion_copies(products: Iterable[Any], *, using: str) -> dict[Any, dict[str, Any]]:
    """By primary key of the product, a copy of its suggestion as a line of the history holds it. One
    query."""
    found = Suggestion.objects.using(using).filter(product_id__in=list(products))
    return {values.pop("product"): _written(values) for values in found.values("product", *COPIED)}


def suggestion_copy(suggestion: Suggestion) -> dict[str, Any]:
    """The same of one that is loaded. No query."""
    names = [suggestion._meta.get_field(name).attname for name in COPIED]  # type: ignore[union-attr]
    return _written(dict(zip(COPIED, (getattr(suggestion, name) for name in names), strict=True)))


def suggestions_restore(copies: Mapping[Any, Mapping[str, Any]], *, using: str) -> None:
    """Make the suggestions of these products (primary key → copy) what they were; at most one statement."""
    insert_rows(
        Suggestion,
        ("product", *COPIED),
        ((product, *_read(copy)) for product, copy in copies.items()),
        using=using,
        on_conflict="product",
        replace=COPIED,
    )


def filed_source(line: Assignment) -> str:
    """The source of a product after this act, as the product itself says it."""
    if line.act in (Assignment.Act.REJECT, Assignment.Act.ASK):
        return line.from_source
    return line.source if line.to_category_id is not None else Source.NONE.value


def _written(values: dict[str, Any]) -> dict[str, Any]:
    for name in _TIMES:
        values[name] = values[name].isoformat() if values[name] else None
    return values


def _read(copy: Mapping[str, Any]) -> Iterable[Any]:
    for name in COPIED:
        value = copy[name]
        yield parse_datetime(value) if name in _TIMES and value else value
