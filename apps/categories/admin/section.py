"""A part of the dashboard, and the words that several parts use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from .. import figures
from .charts import BarChart, ReachChart
from .tables import Table


class Given:
    """What several parts are made of; each is reckoned when a part first asks."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    @cached_property
    def coverage(self) -> figures.Coverage:
        """The products."""
        return figures.coverage()

    @cached_property
    def queue(self) -> figures.QueueFigures:
        """What waits."""
        return figures.queue_figures(now=self.now)


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of the page, and one file."""

    title: str
    figure: str
    """The one number to take away; empty: it has none."""
    about: str
    """What that number is."""
    words: Sequence[str]
    """Sentences under the title."""
    table: Table
    chart: BarChart | ReachChart | None = None
    warning: str = ""
    """What must be known before the figures are believed."""
    table_open: bool = False
    """Whether the table is the part itself."""

    @property
    def is_reach(self) -> bool:
        """Whether the chart is one of intervals."""
        return isinstance(self.chart, ReachChart)


def count_of(number: int, thing: str = "product") -> str:
    """1 product, 2,000 products."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def age_of(age: timedelta | None) -> str:
    """An age as people say it."""
    if age is None:
        return "–"
    hours = age.total_seconds() / 3600
    if hours < 1:
        return "under an hour"
    return count_of(int(hours), "hour") if hours < 48 else count_of(int(hours / 24), "day")
