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
    confidence: float | None
    version: str
    """The model that looked at it last."""
    needs_review: bool
    texts: tuple[Any, ...]
    """As stored, in the order of text_lookups()."""
    stored: tuple[Any, ...]
    """All of it, as values_list(*row_columns()) gave it."""


# In the order of Row.
_COLUMNS = (
    "pk",
    "category_source",
    "category_id",
    "is_stale",
    "text_digest",
    "classified_at",
    "category_confidence",
    "model_version",
    "needs_review",
)
_COUNT = len(_COLUMNS)


def row_columns() -> tuple[str, ...]:
    """The values_list() columns that make a Row."""
    lookups = get_product_model().text_lookups().values()
    return (*_COLUMNS, *lookups)


def to_row(values: tuple[Any, ...]) -> Row:
    """A Row of what values_list(*row_columns()) gave."""
    return Row._make((*values[:_COUNT], values[_COUNT:], values))


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


def title_reader() -> Callable[[Row], Any]:
    """What gives the title of a row."""
    place = list(get_product_model().text_lookups()).index("title")
    return lambda row: row.texts[place]
