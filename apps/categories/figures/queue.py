"""How long the review queue is, and how long its products have waited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, FloatField, Min
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from .. import selectors
from .bins import BINS, bin_of, place_of
from .periods import period_of

AGES: tuple[tuple[str, timedelta | None], ...] = (
    ("under a day", timedelta(days=1)),
    ("1 to 7 days", timedelta(days=7)),
    ("7 to 30 days", timedelta(days=30)),
    ("over 30 days", None),
)
"""The groups that ages are counted in: name, and the age that is no longer in it."""


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """The review queue at one moment."""

    size: int
    """Products that wait for a person."""
    oldest: timedelta | None
    """Since the product that has waited longest was first put before people; None when nothing waits."""


@dataclass(frozen=True, kw_only=True)
class QueueFigures(QueueState):
    """More of the same, for who looks at it."""

    median: timedelta | None
    """Half of the products have waited so long, or longer."""
    ages: Mapping[str, int]
    """By group of AGES."""
    confidences: Sequence[int]
    """Of the first candidates, in BINS groups; a product without a candidate is in none."""


def queue_state(*, now: datetime) -> QueueState:
    """Size and greatest age. One statement."""
    found = selectors.review_queue().order_by().aggregate(size=Count("pk"), first=Min("created_at"))
    return QueueState(size=found["size"], oldest=_since(found["first"], now))


def queue_figures(*, now: datetime) -> QueueFigures:
    """Ages and confidences of all that waits. Two statements."""
    queue = selectors.review_queue().order_by()
    # Rising: the oldest group is before the first.
    bounds = [now - limit for _, limit in reversed(AGES) if limit is not None]
    sure = Cast(KT("candidates__0__confidence"), FloatField())
    rows: Any = queue.annotate(age=period_of("created_at", bounds), bin=bin_of(sure)).values_list(
        "age", "bin"
    )
    ages, confidences, firsts = [0] * len(AGES), [0] * BINS, []
    for age, found, count, first in rows.annotate(count=Count("pk"), first=Min("created_at")):
        ages[len(AGES) - 1 - age] += count
        firsts.append(first)
        if (place := place_of(found)) is not None:
            confidences[place] += count
    middle = sum(ages) // 2
    moments = queue.order_by("-created_at").values_list("created_at", flat=True)[middle : middle + 1]
    return QueueFigures(
        size=sum(ages),
        oldest=_since(min(firsts, default=None), now),
        median=_since(next(iter(moments), None), now),
        ages={name: count for (name, _), count in zip(AGES, ages, strict=True)},
        confidences=tuple(confidences),
    )


def _since(moment: datetime | None, now: datetime) -> timedelta | None:
    return None if moment is None else max(now - moment, timedelta())
