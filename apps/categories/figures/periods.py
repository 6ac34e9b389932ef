"""Days and weeks of the shop's own time zone, and which of them a moment falls into."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from django.db.models import Case, Expression, IntegerField, Value, When
from django.utils import timezone


def last_days(count: int, *, now: datetime) -> list[date]:
    """The last `count` days, today the last."""
    today = timezone.localdate(now)
    return [today - timedelta(days=back) for back in range(count - 1, -1, -1)]


def last_mondays(count: int, *, now: datetime) -> list[date]:
    """The Mondays of the last `count` weeks, this week's the last."""
    today = timezone.localdate(now)
    monday = today - timedelta(days=today.weekday())
    return [monday - timedelta(weeks=back) for back in range(count - 1, -1, -1)]


def start_of(day: date) -> datetime:
    """The first moment of a day."""
    return timezone.make_aware(datetime.combine(day, time.min))


def period_of(field: str, bounds: Sequence[datetime]) -> Expression:
    """How many of the `bounds`, in rising order, are not after the moment in `field`.

    A tree of comparisons: truncating to a day costs SQLite a call into Python for every row.
    """

    def among(low: int, high: int) -> Expression:
        if low == high:
            return Value(low, output_field=IntegerField())
        middle = (low + high) // 2
        earlier = When(**{f"{field}__lt": bounds[middle]}, then=among(low, middle))
        return Case(earlier, default=among(middle + 1, high), output_field=IntegerField())

    return among(0, len(bounds))
