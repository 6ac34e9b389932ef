"""The rows that a pass works on, and its counts."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ..inference.text import TEXT_FIELDS, digest_of, text_digest
from ..models import get_product_model


@dataclass(frozen=True, kw_only=True)
class ClassifySummary:
    """How many products a batch, or a whole pass, looked at and what became of them. All counts of
    products."""

    seen: int = 0
    """Taken up for classification: the sum of filed, review, unanswered and passed_over."""
    filed: int = 0
    """Filed by the model, at a category or above it."""
    review: int = 0
    """Waiting for a person, with candidates."""
    unanswered: int = 0
    """Waiting for a person, without candidates: nothing in their text that the model can read."""
    passed_over: int = 0
    """Left alone: labelled by a person or an import, changed or deleted meanwhile, or rejected with this
    model."""
    above: int = 0
    """Those of the filed ones that are filed above their category, with candidates for a person to refine."""

    def __add__(self, other: "ClassifySummary") -> "ClassifySummary":
        return ClassifySummary(
            **{
                item.name: getattr(self, item.name) + getattr(other, item.name)
                for item in dataclasses.fields(ClassifySummary)
            }
        )

    def as_counts(self) -> dict[str, int]:
        """The same, as a run stores it."""
        return dataclasses.asdict(self)


class Row(NamedTuple):
    """One product as it was read for classification."""

    pk: Any
    source: str
    category_id: int | None
    is_stale: bool
    digest: str
    """Of the text that was classified last."""
    classified_at: datetime | None
    texts: tuple[Any, ...]
    """As stored, in the order of text_lookups()."""
    stored: tuple[Any, ...]
    """All of it, as values_list(*row_columns()) gave it."""


def row_columns() -> tuple[str, ...]:
    """The values_list() columns that make a Row."""
    lookups = get_product_model().text_lookups().values()
    return ("pk", "category_source", "category_id", "is_stale", "text_digest", "classified_at", *lookups)


def to_row(values: tuple[Any, ...]) -> Row:
    """A Row of what values_list(*row_columns()) gave."""
    pk, source, category_id, is_stale, digest, classified_at = values[:6]
    return Row(pk, source, category_id, is_stale, digest, classified_at, values[6:], values)


def digest_reader() -> Callable[[Row], str]:
    """What gives the `text_digest` of a row's texts."""
    names = tuple(get_product_model().text_lookups())
    if names == TEXT_FIELDS:
        return lambda row: digest_of(row.texts)
    text = text_reader()
    return lambda row: text_digest(text(row))


def text_reader() -> Callable[[Row], dict[str, Any]]:
    """What gives the texts of a row by our names."""
    names = tuple(get_product_model().text_lookups())
    return lambda row: dict(zip(names, row.texts, strict=True))
