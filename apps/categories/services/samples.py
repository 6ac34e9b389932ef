"""The audit: a random sample of what the model filed by itself, for people to judge."""

import hashlib
import heapq
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import router, transaction
from django.utils import timezone

from ..conf import get_settings
from ..inference.errors import ClassifierUnavailable
from ..models import ClassifiableProduct, Source, Suggestion, get_product_model
from ..models.suggestion import cluster_of_title
from ..selectors import active_categories, acts_in_force
from .answers import classify
from .asking import ASKED, REPLACED
from .bulk import insert_rows

PAGE = 1000
"""Products that are read, or written, at a time."""

DRAWN = "drawn at random from what the model has filed"
"""The reason; of one that waits to be refined, what its own reason was follows."""

_FILED = {"category_source": Source.MODEL, "needs_review": False}
"""What the model has filed by itself; what it is not sure of any more waits for a person already."""


def audit_fill(size: int, *, salt: str = "audit") -> int:
    """Let `size` of the products that the model has filed wait in the audit queue; returns how many are new.

    Chosen by a hash of primary key and `salt`: the same ones however often it is asked, and a random sample
    of all that the model has filed, however sure it was. What people then decide measures its precision: the
    act's `queue` is "audit", its `from_category` what the model had said, its `to_category` the truth. One
    that a person has judged as it stands is not asked about again, and the next one is drawn in its stead. A
    product that the model files anew leaves the audit; fill it again. The place where it is filed comes
    first, then what the live model takes for next likely; without a live model only the first. Reads the key
    of every product that the model filed, a page at a time. Raises ValueError for a size below 1.

    One that waits to be refined is asked here instead. Its own candidates follow the place, its own reason
    the one of the audit, and its age goes on; it has no bar any more, so that nothing of a sample is approved
    in bulk unconfirmed. Whatever is answered answers both: the place, or one below it, is right and settles
    where it belongs; none of these says that no candidate below is right either. Undone, it waits here again,
    with all its candidates; filed anew above its category, it waits to be refined again.
    """
    if size < 1:
        raise ValueError(f"The audit sample is to have {size} products; expected 1 or more.")
    using = router.db_for_write(Suggestion)
    judged = _judged(using)
    unjudged = (pk for pk in _filed_by_model(using) if pk not in judged)
    drawn = heapq.nsmallest(size, ((_draw(pk, salt), pk) for pk in unjudged))
    new = 0
    for start in range(0, len(drawn), PAGE):
        page = {pk: 1 - share for share, pk in drawn[start : start + PAGE]}
        # Before the transaction: nobody waits for a model that is slow.
        likely = _likely(page, using)
        with transaction.atomic(using=using):
            new += _put(page, likely, using)
    return new


def _likely(page: Mapping[Any, float], using: str) -> dict[Any, list[dict[str, Any]]]:
    """By primary key: the candidates of the live model for those that do not wait yet; empty without one."""
    products = get_product_model()._base_manager.using(using).filter(pk__in=page, **_FILED)
    waiting = Suggestion.objects.using(using).filter(product_id__in=page, status=Suggestion.Status.PENDING)
    new = list(products.exclude(pk__in=waiting.values("product_id")))
    try:
        found = classify([product.classifier_text() for product in new], top_k=get_settings().top_k)
    except ClassifierUnavailable:
        return {}
    known = active_categories({item["category_code"] for one in found for item in one})
    return {
        product.pk: [
            {**item, "category_path": known[item["category_code"]].path}
            for item in one
            if item["category_code"] in known
        ]
        for product, one in zip(new, found, strict=True)
    }


def _filed_by_model(using: str) -> Iterator[Any]:
    """The primary keys of what the model has filed, PAGE at a time."""
    filed = get_product_model()._base_manager.using(using).filter(**_FILED)
    keys = filed.order_by("pk").values_list("pk", flat=True)
    rest = keys
    while page := list(rest[:PAGE]):
        yield from page
        rest = keys.filter(pk__gt=page[-1])


def _draw(pk: Any, salt: str) -> float:
    """A number from 0 to 1 that looks random, and is always the same for these two."""
    digest = hashlib.blake2b(f"{salt}:{pk}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _put(page: Mapping[Any, float], likely: Mapping[Any, list[dict[str, Any]]], using: str) -> int:
    """Put these products (primary key → place in the queue) into the audit, with their `likely` candidates;
    returns how many were not in it."""
    model = get_product_model()
    at = timezone.now()
    products = model._base_manager.using(using).filter(pk__in=page, **_FILED)
    locked = {row.pk: row for row in products.order_by("pk").select_for_update()}
    # Somebody may have judged one since it was drawn.
    for pk in _judged(using, locked):
        del locked[pk]
    paths = dict(products.values_list("pk", "category__path"))
    codes = dict(products.values_list("pk", "category__code"))
    titles = dict(products.values_list("pk", model.classifier_fields["title"]))
    found = Suggestion.objects.using(using).filter(
        product_id__in=list(locked), status=Suggestion.Status.PENDING
    )
    waiting = {row.product_id: row for row in found}
    new = [
        row for pk, row in locked.items() if pk not in waiting or waiting[pk].queue != Suggestion.Queue.AUDIT
    ]

    def asked(row: ClassifiableProduct) -> tuple[Any, ...]:
        """The columns ASKED of one of these."""
        code, confidence, refine = codes[row.pk], row.category_confidence or 0.0, waiting.get(row.pk)
        place = {"category_code": code, "category_path": paths[row.pk], "confidence": confidence}
        others = refine.candidates if refine else likely.get(row.pk, ())
        return (
            row.pk,
            [place, *(item for item in others if item["category_code"] != code)],
            Suggestion.Status.PENDING.value,
            f"{DRAWN}; {refine.reason}"[:200] if refine and refine.reason else DRAWN,
            row.model_version,
            row.text_digest,
            "",
            refine.created_at if refine else at,
            at,
            Suggestion.Queue.AUDIT.value,
            cluster_of_title(titles[row.pk]),
            code,
            confidence,
            page[row.pk],
        )

    rows = map(asked, new)
    insert_rows(Suggestion, ASKED, rows, using=using, on_conflict="product", replace=REPLACED)
    return len(new)


def _judged(using: str, products: Mapping[Any, ClassifiableProduct] | None = None) -> set[Any]:
    """Those (of these products only) that a person has judged in an audit when the model had filed the same
    text at the same place: sent away, they stay filed by the model. One query, for every act of an audit."""
    acts = acts_in_force(products).using(using).filter(queue=Suggestion.Queue.AUDIT)
    told = acts.order_by().values_list(
        "product_id",
        "from_category_id",
        "suggestion_before__text_digest",
        "product__category_id",
        "product__text_digest",
    )
    return {pk for pk, category, text, place, digest in told if (category, text) == (place, digest)}
