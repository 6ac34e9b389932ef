"""The index that this process searches the category tree with: made once, renewed when the tree changes."""

import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from .conf import get_settings
from .models import Category

if TYPE_CHECKING:
    from .inference.tree_search import TreeIndex


@dataclass
class _Slot:
    """One process's index. A forked child starts with an empty one: locks do not survive a fork."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    rows: list[tuple[object, ...]] | None = None
    index: "TreeIndex | None" = None
    looked_at: float = float("-inf")


_slot = _Slot()


def reset() -> None:
    """Forget the index, as a new process would."""
    global _slot
    _slot = _Slot()


os.register_at_fork(after_in_child=reset)


def tree_index() -> "TreeIndex":
    """The index of the tree as it was at most RELOAD_SECONDS ago, whoever changed it, and how.

    Cost: microseconds; one query of the whole tree every RELOAD_SECONDS (10,000 short rows); a quarter
    second when it has changed. The rows are compared because nothing less tells every change: the categories
    have no date, and a corrected letter leaves counts and lengths as they were. While one thread looks, the
    others go on with the index as it is.
    """
    slot, seconds = _slot, get_settings().reload_seconds
    index = slot.index
    if index is not None and time.monotonic() - slot.looked_at < seconds:
        return index
    if not slot.lock.acquire(blocking=index is None):
        return cast("TreeIndex", index)
    try:
        # Another thread may have looked while this one waited for it.
        if slot.index is None or time.monotonic() - slot.looked_at >= seconds:
            _look(slot)
        return cast("TreeIndex", slot.index)
    finally:
        slot.lock.release()


def _look(slot: _Slot) -> None:
    # Here, because it needs numpy: commands that search nothing start without it.
    from .inference.tree_search import TreeIndex, TreeRow

    started = time.monotonic()
    rows = list(Category.objects.order_by("pk").values_list(*TreeRow._fields))
    if rows != slot.rows:
        slot.index = TreeIndex([TreeRow._make(row) for row in rows])
        slot.rows = rows
    slot.looked_at = started
