"""The index that this process finds like products with: made when first asked, renewed as labels come in."""

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from django.db.models import Max

from .models import LABELS, Assignment, get_product_model

if TYPE_CHECKING:
    from .inference.title_index import TitleIndex

MOST_PRODUCTS = 100_000
"""Labelled products that are compared with, those with the highest keys."""
MOST_RECENT = 2_000
"""Labels since the index was made that are looked up beside it; one more, and it is made again."""
RENEW_SECONDS = 3600
"""Age at which it is made again, for titles that changed and labels that no history tells of."""
NOT_LESS_THAN = 0.25
"""Likeness from which on a product is worth a look."""


@dataclass
class _Slot:
    """One process's index. A forked child starts with an empty one: locks do not survive a fork."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    main: "TitleIndex | None" = None
    recent: "TitleIndex | None" = None
    made_at: float = float("-inf")
    made_after: int = 0
    """The newest line of the history when the index was made."""
    seen: int = 0
    """The newest that `recent` knows."""


_slot = _Slot()


def reset() -> None:
    """Forget the index, as a new process would."""
    global _slot
    _slot = _Slot()


os.register_at_fork(after_in_child=reset)


def nearest_labelled(title: str, *, limit: int) -> list[tuple[object, float]]:
    """(primary key, likeness 0 to 1) of products whose titles are like this one and that had a label when the
    index saw them, the nearest first: look them up, they may have lost it since.

    Cost: one query, and a millisecond or two; about a second for each 50,000 labelled products when the index
    is made, in the first call of a process, and every hour.
    """
    slot = _slot
    with slot.lock:
        _look(slot)
        indexes = [index for index in (slot.recent, slot.main) if index is not None]
    found: dict[object, float] = {}
    for index in indexes:
        for key, likeness in index.find(title, limit=limit, least=NOT_LESS_THAN):
            found.setdefault(key, likeness)
    return sorted(found.items(), key=lambda pair: -pair[1])[:limit]


def _look(slot: _Slot) -> None:
    from .inference.title_index import TitleIndex

    newest = Assignment.objects.aggregate(newest=Max("pk"))["newest"] or 0
    if slot.main is not None and newest == slot.seen and time.monotonic() - slot.made_at < RENEW_SECONDS:
        return
    if slot.main is not None and time.monotonic() - slot.made_at < RENEW_SECONDS:
        since = Assignment.objects.filter(pk__gt=slot.made_after, source__in=LABELS).order_by("-pk")
        labelled = list(since.values_list("product_id", flat=True)[: MOST_RECENT + 1])
        if len(labelled) <= MOST_RECENT:
            slot.recent, slot.seen = TitleIndex(_titles(pk__in=set(labelled))), newest
            return
    slot.main, slot.recent = TitleIndex(_titles()), None
    slot.made_at, slot.made_after, slot.seen = time.monotonic(), newest, newest


def _titles(**only: object) -> Iterable[tuple[object, str]]:
    model = get_product_model()
    rows = model._base_manager.filter(category_source__in=LABELS, category__isnull=False, **only)
    columns = rows.order_by("-pk").values_list("pk", model.classifier_fields["title"])
    for key, title in islice(columns.iterator(chunk_size=5000), MOST_PRODUCTS):
        yield key, str(title or "")
