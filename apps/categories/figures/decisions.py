"""What people decided: how many a day, and where they chose otherwise than the model."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime

from django.contrib.auth import get_user_model
from django.db.models import Count, F
from django.db.models.fields.json import KT

from ..models import Assignment, Category, Source, Suggestion
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
    """Answered with "none of these", as far as no newer suggestion has taken the place of the answer."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """One category that the model named first, and the one that people chose instead."""

    suggested: str
    """Path; the code where it is no longer in the tree."""
    chosen: str
    """Path."""
    count: int


def decided_days(*, now: datetime, days: int = DAYS) -> list[DecidedDay]:
    """Of the last `days` days, the latest first, within a day the busiest first. Two statements."""
    dates = last_days(days, now=now)
    bounds = [start_of(day) for day in dates]
    login = get_user_model().USERNAME_FIELD
    filed, rejected = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
    people = Assignment.objects.filter(
        source=Source.HUMAN, to_category__isnull=False, created_at__gte=bounds[0]
    )
    away = Suggestion.objects.filter(status=Suggestion.Status.REJECTED, decided_at__gte=bounds[0])
    for rows, moment, who, counted in (
        (people.order_by(), "created_at", f"actor__{login}", filed),
        (away.order_by(), "decided_at", f"decided_by__{login}", rejected),
    ):
        by_day = rows.annotate(period=period_of(moment, bounds)).values_list("period", who)
        for period, name, count in by_day.annotate(count=Count("pk")):
            counted[period, name or "somebody"] += count
    found = [
        DecidedDay(day=dates[key[0] - 1], person=key[1], filed=filed[key], rejected=rejected[key])
        for key in filed.keys() | rejected.keys()
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
