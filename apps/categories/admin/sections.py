"""The dashboard's parts: those about people's work, and the list of all."""

from collections import Counter
from collections.abc import Callable, Mapping

from .. import figures
from .charts import Series, bar_chart
from .model_sections import (
    audit_section,
    confidences_section,
    coverage_section,
    misfiled_section,
    models_section,
    precision_section,
)
from .section import Given, Section, age_of, count_of
from .tables import MAX_CSV_ROWS, Column, Table

PEOPLE_DRAWN = 3


def queue_section(given: Given) -> Section:
    """How long the queue is, and how old."""
    state = given.queue
    return Section(
        title="Review queue",
        figure=f"{state.size:,}",
        about="wait for a person" if state.size else "Nothing waits for a person",
        words=[_how_long(state)] if state.size else [],
        chart=bar_chart(
            list(state.ages),
            [Series(name="waiting", values=list(state.ages.values()), colour=1)],
            words="Products in the review queue by how long they have waited",
            says=lambda number: f"{number:,.0f}",
        ),
        table=Table(
            columns=[Column(name="waiting for"), Column(name="products", kind="number")],
            rows=list(state.ages.items()),
        ),
    )


def decisions_section(given: Given) -> Section:
    """Who decides how much."""
    days = figures.decided_days(now=given.now)
    people = Counter[str]()
    dates = figures.last_days(figures.DAYS, now=given.now)
    by_day: dict[str, Counter[str]] = {day.isoformat(): Counter() for day in dates}
    for row in days:
        people[row.person] += row.filed + row.rejected
        by_day[row.day.isoformat()][row.person] += row.filed + row.rejected
    drawn = [name for name, _ in people.most_common(PEOPLE_DRAWN)]
    others = [name for name in people if name not in drawn]
    series = [
        Series(name=name, values=[counts[name] for counts in by_day.values()], colour=colour)
        for colour, name in enumerate(drawn, 1)
    ]
    if others:
        rest = [sum(counts[name] for name in others) for counts in by_day.values()]
        series.append(Series(name=count_of(len(others), "other"), values=rest, colour=PEOPLE_DRAWN + 1))
    return Section(
        title="Decisions",
        figure=f"{people.total():,}",
        about=f"product{'' if people.total() == 1 else 's'} decided by {len(people):,} "
        f"{'person' if len(people) == 1 else 'people'} in {figures.DAYS} days",
        words=["In the queue and on the products’ own pages; a bulk decision counts each of its products."],
        chart=bar_chart(
            list(by_day),
            series,
            words="Products decided a day, by person",
            says=lambda number: f"{number:,.0f}",
        ),
        table=Table(
            columns=[
                Column(name="day", kind="day"),
                Column(name="person"),
                Column(name="filed", kind="number"),
                Column(name="none of these", kind="number"),
            ],
            rows=[(row.day, row.person, row.filed, row.rejected) for row in days],
        ),
    )


def confusions_section() -> Section:
    """Where people chose otherwise than the model."""
    return Section(
        title="What it mixes up",
        figure="",
        about="",
        words=["What the model named first, and what people chose instead; the commonest first."],
        table_open=True,
        table=Table(
            columns=[
                Column(name="the model’s first candidate", kind="path"),
                Column(name="people chose", kind="path"),
                Column(name="products", kind="number"),
            ],
            rows=[(pair.suggested, pair.chosen, pair.count) for pair in figures.confusions()],
        ),
    )


SECTIONS: Mapping[str, Callable[[Given], Section]] = {
    "coverage": coverage_section,
    "queue": queue_section,
    "audit": lambda _: audit_section(),
    "precision": lambda _: precision_section(),
    "misfiled": lambda _: misfiled_section(),
    "decisions": decisions_section,
    "confidences": confidences_section,
    "confusions": lambda _: confusions_section(),
    "models": lambda _: models_section(),
}
"""By the word that names a part in its address and its file. In pairs, but for the wide ones: mistakes and
confusions."""


def whole_table(name: str, given: Given) -> Table:
    """All rows of one part's table, for its file. Raises KeyError."""
    if name == "misfiled":
        return misfiled_section(limit=MAX_CSV_ROWS).table
    return SECTIONS[name](given).table


def _how_long(state: figures.QueueFigures) -> str:
    """How long products have waited, in a sentence."""
    oldest, median = age_of(state.oldest), age_of(state.median)
    if oldest == median:
        return f"The oldest has waited {oldest}."
    return f"The oldest has waited {oldest}, half of them {median} or longer."
