"""Bars and intervals as numbers for the templates that draw them; what they say stands in a table as well."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 560.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 10.0, 18.0, 30.0
LINE = 34.0
"""Height of one line of an interval chart."""
MAX_NAME = 24
LABEL = 80.0
"""Room that a label below a bar may take."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One colour of a bar chart."""

    name: str
    values: Sequence[float]
    colour: int
    """1 to 4, of the style sheet."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A rectangle of one colour."""

    x: float
    y: float
    width: float
    height: float
    colour: int


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What stands at one place of the axis."""

    x: float
    width: float
    pieces: Sequence[Piece]
    says: str
    """Its values, for who points at it."""
    label: str
    """Below it; empty where there is no room."""
    label_at: float
    anchor: str
    """"middle", or "end" where the label would leave the picture."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A line across, with its number."""

    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A dashed line at one place of the axis, with its words."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, kw_only=True)
class BarChart:
    """What `categories/admin/bars.html` draws."""

    width: float
    height: float
    left: float
    right: float
    bottom: float
    top: float
    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    series: Sequence[Series]
    mark: Mark | None
    words: str
    """The axis, for who cannot see it."""


def bar_chart(
    places: Sequence[str],
    series: Sequence[Series],
    *,
    words: str,
    says: Callable[[float], str],
    top: float | None = None,
    beside: bool = False,
    labels: int = 5,
    mark: tuple[float, str] | None = None,
) -> BarChart | None:
    """Bars at `places`, the series on one another or `beside` each other; None where nothing is to be seen.

    `top`: where the axis ends, by itself if None. `mark`: a place on the axis, 0 to 1, and its words.
    `labels`: places that are named below, at most.
    """
    highest = max(
        ((max if beside else sum)([one.values[place] for one in series]) for place in range(len(places))),
        default=0,
    )
    if highest <= 0:
        return None
    ticks = _ticks(highest) if top is None else [top * part / 4 for part in range(5)]
    down, across = HEIGHT - BOTTOM, WIDTH - LEFT - RIGHT
    unit, slot = (down - TOP) / ticks[-1], across / len(places)
    # The last one is always named, and moved inwards where it would leave the picture.
    apart = 1.5 * LABEL - slot * 0.4 if LEFT + across - slot / 2 + LABEL / 2 > WIDTH else LABEL
    every = max(math.ceil(len(places) / labels), math.ceil(apart / slot))
    bars = []
    for place, name in enumerate(places):
        x, width = LEFT + slot * place + slot * 0.1, slot * 0.8
        at_edge = x + width / 2 + LABEL / 2 > WIDTH
        values = [one.values[place] for one in series]
        heights = [max(0.0, value) * unit for value in values]
        part = width / len(series) if beside else width
        pieces = [
            Piece(
                x=round(x + part * number if beside else x, 2),
                y=round(down - height - (0 if beside else sum(heights[:number])), 2),
                width=round(part, 2),
                height=round(height, 2),
                colour=one.colour,
            )
            for number, (one, height) in enumerate(zip(series, heights, strict=True))
            if height
        ]
        bars.append(
            Bar(
                x=round(LEFT + slot * place, 2),
                width=round(slot, 2),
                pieces=pieces,
                says=f"{name}: "
                + ", ".join(f"{one.name} {says(value)}" for one, value in zip(series, values, strict=True)),
                label=name[:MAX_NAME] if (len(places) - 1 - place) % every == 0 else "",
                label_at=round(x + width if at_edge else x + width / 2, 1),
                anchor="end" if at_edge else "middle",
            )
        )
    line = None
    if mark is not None:
        at = LEFT + across * min(max(mark[0], 0.0), 1.0)
        line = Mark(x=round(at, 1), label=mark[1], anchor="end" if mark[0] > 0.5 else "start")
    return BarChart(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        bottom=down,
        top=TOP,
        bars=bars,
        ticks=[
            Tick(y=round(down - value * unit, 1), label=says(value).replace(".0%", "%")) for value in ticks
        ],
        series=series,
        mark=line,
        words=words,
    )


def _ticks(highest: float) -> list[float]:
    """Round numbers from 0 to `highest` or above it."""
    size = 10 ** math.floor(math.log10(highest / 4)) if highest > 4 else 1
    steps = (size * part for part in (1, 2, 2.5, 5, 10))
    step = next(step for step in steps if step * 4 >= highest and step % 1 == 0)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """One line of an interval chart: from `low` to `high`, a dot at `middle`; all 0 to 1."""

    name: str
    low: float
    middle: float
    high: float
    says: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A Reach, placed."""

    name: str
    says: str
    low: float
    middle: float
    high: float
    y: float


@dataclass(frozen=True, kw_only=True)
class ReachChart:
    """What `categories/admin/reach.html` draws."""

    width: float
    height: float
    left: float
    right: float
    lines: Sequence[Line]
    ticks: Sequence[Mark]
    mark: Mark
    words: str


def reach_chart(reaches: Sequence[Reach], *, goal: float, words: str) -> ReachChart | None:
    """Intervals of shares under one another, with a line at `goal`; None where there are none."""
    if not reaches:
        return None
    start = math.floor(min(goal, *(reach.low for reach in reaches)) * 10) / 10
    start = min(start, 0.9)
    left = 170.0
    height = LINE * len(reaches) + TOP + BOTTOM

    def at(share: float) -> float:
        return round(left + (share - start) / (1 - start) * (WIDTH - 30 - left), 1)

    shares = [start + (1 - start) * part / 4 for part in range(5)]
    return ReachChart(
        width=WIDTH,
        height=height,
        left=left,
        right=at(1),
        lines=[
            Line(
                name=reach.name if len(reach.name) <= 22 else f"{reach.name[:21]}…",
                says=reach.says,
                low=at(reach.low),
                middle=at(reach.middle),
                high=at(reach.high),
                y=TOP + LINE * (place + 0.5),
            )
            for place, reach in enumerate(reaches)
        ],
        ticks=[
            Mark(x=at(share), label=f"{share:.1%}".replace(".0%", "%"), anchor="middle") for share in shares
        ],
        mark=Mark(x=at(goal), label=f"asked for: {goal:.0%}", anchor="end"),
        words=words,
    )
