"""Who has filed how much of the shop, now and in the weeks before."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, NullIf

from ..models import LABELS, Assignment, Source, get_product_model
from .bins import BINS, bin_of, place_of
from .periods import last_mondays, period_of, start_of

WEEKS = 12


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The shop as it is now; counts of products."""

    by_source: Mapping[str, int]
    """By every value of Source."""
    for_people: int
    """Wait for a person; some of them keep a place that the model gave them earlier."""
    for_model: int
    """Wait for the model to look at them."""
    confidences: Sequence[int]
    """What the model has filed and nobody is asked about, in BINS groups by its confidence."""

    @property
    def total(self) -> int:
        return sum(self.by_source.values())

    def share(self, source: str) -> float | None:
        """Of all products; None in an empty shop."""
        return self.by_source[source] / self.total if self.total else None


@dataclass(frozen=True, kw_only=True)
class CoverageAt:
    """Who had filed how many of today's products when a day began."""

    day: date | None
    """None: now."""
    by_source: Mapping[str, int]


def coverage() -> Coverage:
    """The present state. One statement, which reads the product table once."""
    rows: Any = (
        get_product_model()
        ._base_manager.order_by()
        .annotate(bin=bin_of(F("category_confidence")))
        .values_list("category_source", "needs_review", "is_stale", "bin")
        .annotate(count=Count("pk"))
    )
    by_source = dict.fromkeys(Source.values, 0)
    for_people = for_model = 0
    confidences = [0] * BINS
    for source, needs_review, is_stale, found, count in rows:
        by_source[source] += count
        for_people += count if needs_review else 0
        for_model += count if is_stale and source not in LABELS else 0
        # One that the model filed earlier, and is not sure of now, counts among those that wait.
        if source == Source.MODEL and not needs_review and (place := place_of(found)) is not None:
            confidences[place] += count
    return Coverage(
        by_source=by_source, for_people=for_people, for_model=for_model, confidences=tuple(confidences)
    )


def coverage_history(present: Coverage, *, now: datetime, weeks: int = WEEKS) -> list[CoverageAt]:
    """`present`, and the state at each of the last Mondays before it, the oldest first.

    Reckoned backwards from the present by the history of assignments: of the products that the shop has
    today. What was filed past the history (in bulk by other code) counts as filed all along. Two statements.
    """
    mondays = last_mondays(weeks, now=now)
    changes = _changes([start_of(day) for day in mondays])
    state = Counter(present.by_source)
    points = [CoverageAt(day=None, by_source=dict(present.by_source))]
    for place in range(len(mondays) - 1, -1, -1):
        for source, difference in changes.get(place + 1, Counter()).items():
            state[source] -= difference
        at_least_none = {source.value: max(0, state[source.value]) for source in Source}
        points.append(CoverageAt(day=mondays[place], by_source=at_least_none))
    return points[::-1]


def _changes(bounds: list[datetime]) -> dict[int, Counter[str]]:
    """Period → source → how many products more it had at the period's end than at its start."""
    rows = (
        Assignment.objects.filter(created_at__gte=bounds[0])
        # They leave the product where it was.
        .exclude(act__in=(Assignment.Act.REJECT, Assignment.Act.ASK))
        .order_by()
        .annotate(period=period_of("created_at", bounds))
    )
    changes: dict[int, Counter[str]] = {}
    # The model moves only what nobody, or a model, has filed: from place to place it gains nothing. An undo
    # gives it back what somebody else had taken.
    moved = {"source": Source.MODEL, "from_category__isnull": False, "act": Assignment.Act.FILE}
    kinds = rows.exclude(**moved)
    counted: Any = kinds.annotate(
        new=Q(from_category__isnull=True), gone=Q(to_category__isnull=True)
    ).values_list("period", "source", "new", "gone")
    for period, source, new, gone, count in counted.annotate(count=Count("pk")):
        change = changes.setdefault(period, Counter())
        change[Source.NONE.value if gone else source] += count
        if new:
            change[Source.NONE.value] -= count
    # Whose place was taken stands in the line itself; in an old one, in the line before.
    before = Assignment.objects.filter(product_id=OuterRef("product_id"), pk__lt=OuterRef("pk"))
    said = NullIf("from_source", Value(""))
    taken = (
        rows.exclude(**moved)
        .filter(from_category__isnull=False)
        .annotate(earlier=Coalesce(said, Subquery(before.order_by("-pk").values("source")[:1])))
        .values_list("period", "earlier")
        .annotate(count=Count("pk"))
    )
    for period, earlier, count in taken:
        # Without such a line, it was filed in bulk by other code.
        changes.setdefault(period, Counter())[earlier or Source.IMPORT.value] -= count
    return changes
