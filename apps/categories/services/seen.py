"""What a person had before them when they decided: nothing is filed over what they have not read."""

from dataclasses import dataclass
from typing import Self

from django.utils import timezone

from ..models import LABELS, Assignment, Category, ClassifiableProduct, Source
from .deciding import AlreadyDecided


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
