"""What follows a save, once it has committed. Nothing here may undo or delay the save's own outcome."""

import logging
from typing import Any

from django.db import connections, transaction

from .conf import get_settings

logger = logging.getLogger(__name__)

MOST_INLINE = 1000
"""Products that one commit classifies by itself; a transaction that saved more leaves the rest to a sweep."""


class _Batch:
    """The products that one transaction has saved: classified together by the first callback that runs."""

    def __init__(self) -> None:
        self.pks: dict[Any, None] = {}
        self.overflow = 0

    def add(self, pk: Any) -> None:
        if pk in self.pks or len(self.pks) < MOST_INLINE:
            self.pks[pk] = None
        else:
            self.overflow += 1

    def take(self) -> list[Any]:
        pks, self.pks = list(self.pks), {}
        if self.overflow:
            logger.info("%d more products wait for `manage.py classify_products`.", self.overflow)
            self.overflow = 0
        return pks


def enqueue(pk: Any, *, using: str) -> None:
    """Have the product classified after the running transaction commits, or at once outside of one.

    With TASKS = "sweep", or ENABLED = False, it waits for the next sweep instead. Never raises for what
    happens in the classification.
    """
    settings = get_settings()
    if not settings.enabled or settings.tasks != "inline":
        return
    connection = connections[using]
    batch: _Batch | None = getattr(connection, "categories_batch", None)
    # An empty list means that the transaction that filled the batch is over, one way or the other.
    if batch is None or not connection.run_on_commit:
        batch = _Batch()
        connection.categories_batch = batch  # type: ignore[attr-defined]  # lives with the connection
    batch.add(pk)

    # A nested function, because Django cannot name a failing functools.partial and raises into the save
    # instead.
    def classify_saved() -> None:
        run_inline(batch.take(), using=using)

    transaction.on_commit(classify_saved, using=using, robust=True)


def run_inline(pks: list[Any], *, using: str) -> None:
    """Classify these products now; whatever goes wrong is logged, and the products stay marked for the
    sweep."""
    from . import services

    if not pks:
        return
    try:
        services.products_classify(pks, using=using)
    except services.ClassifierUnavailable as error:
        logger.warning("%d saved products wait for a model: %s", len(pks), error)
    except Exception:  # the one boundary between a save and a classification
        logger.exception("%d saved products could not be classified now; a sweep will try again.", len(pks))
