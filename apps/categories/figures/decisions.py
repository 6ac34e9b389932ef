"""What people decided: how many a day, and where they chose otherwise than the model."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Count, F, Q
from django.db.models.fields.json import KT

from ..models import Assignment, Category, Source, Suggestion
from ..selectors import acts_in_force
from .periods import last_days, period_of, start_of

DAYS = 30
PAIRS = 20


@dataclass(frozen=True, kw_only=True)
class DecidedDay:
    """The products that one person decided on one day."""

    day: date
    person: str
    """The name to log in with; "somebody" where nobody is noted."""
    filed: int
    rejected: int
    """Answered with "none of these"."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """One category that the model named first, and the one that people chose instead."""

    suggested: str
    """Path; the code where it is no longer in the tree."""
    chosen: str
    """Path."""
    count: int


def decided_days(*, now: datetime, days: int = DAYS) -> list[DecidedDay]:
    """Of the last `days` days, the latest first, within a day the busiest first.

    Decisions that were undone count for nothing, and neither does the undo, nor a label taken away. One
    statement.
    """
    dates = last_days(days, now=now)
    bounds = [start_of(day) for day in dates]
    person = f"actor__{get_user_model().USERNAME_FIELD}"
    rejected = Q(act=Assignment.Act.REJECT)
    filed = Q(act=Assignment.Act.FILE, to_category__isnull=False)
    acts: Any = acts_in_force().filter(filed | rejected, source=Source.HUMAN, created_at__gte=bounds[0])
    counted = (
        acts.order_by()
        .annotate(period=period_of("created_at", bounds))
        .values_list("period", person)
        .annotate(filed=Count("pk", filter=filed), rejected=Count("pk", filter=rejected))
    )
    found = [
        DecidedDay(day=dates[period - 1], person=name or "somebody", filed=filed, rejected=rejected)
        for period, name, filed, rejected in counted
    ]
    return sorted(found, key=lambda row: (-row.day.toordinal(), -row.filed - row.rejected, row.person))


def confusions(*, limit: int = PAIRS) -> list[Confusion]:
    """The most frequent pairs among the decisions that stand in the queue, the commonest first.

    Two statements.
    """
    decided = (Suggestion.Status.APPROVED, Suggestion.Status.CORRECTED)
    pairs = (
        Suggestion.objects.filter(status__in=decided, decided_category__isnull=False)
        .order_by()
        .annotate(first=KT("candidates__0__category_code"))
        .filter(first__isnull=False)
        .exclude(first=F("decided_category__code"))
        .values_list("first", "decided_category__path")
        .annotate(count=Count("pk"))
        .order_by("-count", "first", "decided_category__path")[:limit]
    )
    found = list(pairs)
    named = Category.objects.filter(code__in={first for first, _, _ in found}).values_list("code", "path")
    paths = dict(named)
    return [
        Confusion(suggested=paths.get(first, first), chosen=chosen, count=count)
        for first, chosen, count in found
    ]
