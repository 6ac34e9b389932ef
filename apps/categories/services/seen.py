"""What a person had before them when they decided: nothing is filed over what they have not read."""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal, Self

from django.utils import timezone

from ..inference.text import text_digest
from ..models import LABELS, Assignment, Category, ClassifiableProduct, Source, Suggestion
from .deciding import AlreadyDecided, ReviewError

Part = Literal["text", "question", "top"]
DIGEST = 12
"""Hexadecimal digits that tell one row of candidates from the next of the same product."""


class ChangedMeanwhile(ReviewError):
    """What is decided is no longer what was looked at; the message says what changed."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a reviewer had before them. As text, what a page posts with the decision."""

    text: str
    """Digest of the product's text as it was shown, whether a model had read it or not."""
    question: str = ""
    """Digest of the queue and of the candidates in their order: what a rejection sends away."""
    top: str = ""
    """The first candidate's code; empty: there was none."""

    @classmethod
    def of(cls, suggestion: Suggestion, product: ClassifiableProduct) -> Self:
        """No query, if what the product's text reads is joined."""
        codes = [item["category_code"] for item in suggestion.candidates]
        asked = json.dumps([suggestion.queue, *codes]).encode()
        return cls(
            text=text_digest(product.classifier_text()),
            question=hashlib.sha256(asked).hexdigest()[:DIGEST],
            top=codes[0] if codes else "",
        )

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What `str()` gave, or its beginning; None for nothing."""
        digest, _, rest = text.partition(".")
        question, _, top = rest.partition(".")
        return cls(text=digest, question=question, top=top) if text else None

    def __str__(self) -> str:
        return f"{self.text}.{self.question}.{self.top}"

    def changed(self, now: "Seen", *parts: Part) -> bool:
        """Whether one of these parts is another now."""
        return any(getattr(self, part) != getattr(now, part) for part in parts)


def require_seen(
    suggestion: Suggestion, product: ClassifiableProduct, seen: Seen | None, *, rejecting: bool
) -> None:
    """Raises ChangedMeanwhile where the text, or what a rejection sends away, is not what was seen."""
    if seen is None:
        return
    now = Seen.of(suggestion, product)
    if seen.changed(now, "text"):
        raise ChangedMeanwhile(
            "The text of this product changed while you looked at it: nothing was decided. Read it again."
        )
    if rejecting and seen.changed(now, "question"):
        raise ChangedMeanwhile(
            "This product has other candidates than those that you looked at: nothing was rejected. "
            "Look at them first."
        )


@dataclass(frozen=True, kw_only=True)
class FilingSeen:
    """Where a form showed a product to be. As text, what the form posts again."""

    category_id: int | None
    source: str

    @classmethod
    def of(cls, product: ClassifiableProduct) -> Self:
        return cls(category_id=product.category_id, source=product.category_source)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What `str()` gave; None for anything else."""
        number, _, source = text.partition(":")
        if source not in Source.values or not (number == "" or (number.isascii() and number.isdigit())):
            return None
        return cls(category_id=int(number) if number else None, source=source)

    def __str__(self) -> str:
        return f"{'' if self.category_id is None else self.category_id}:{self.source}"


def require_filing_seen(
    product: ClassifiableProduct, category: Category | None, seen: FilingSeen | None
) -> None:
    """Raises AlreadyDecided, with who, what and when, where filing the product under `category` would
    overwrite a label that is not the one seen. No query unless it does."""
    now = FilingSeen.of(product)
    chosen = category.pk if category is not None else None
    same = now in (seen, FilingSeen(category_id=chosen, source=now.source))
    if seen is None or same or now.source not in LABELS:
        return
    last = Assignment.objects.filter(product_id=product.pk).select_related("actor").first()
    known = last is not None and (last.to_category_id, last.source) == (now.category_id, now.source)
    who = "An import" if now.source == Source.IMPORT else "Somebody"
    when = ""
    if last is not None and known:
        who = str(last.actor) if last.actor else who
        when = f" at {timezone.localtime(last.created_at):%Y-%m-%d %H:%M}"
    place = f"“{product.category.path}”" if product.category else "no category"
    raise AlreadyDecided(
        f"{who} has filed this product under {place}{when}, which you have not seen: nothing was changed. "
        "Load the page again, and decide then."
    )
