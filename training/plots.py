"""Pictures for the report, each for light and for dark pages and in words for who cannot see it."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from apps.categories.inference.taxonomy import SEPARATOR, split_path
from training.calibration import reliability
from training.evaluation import Evaluation, share
from training.outcomes import Outcomes
from training.thresholds import precision_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIRST_ROWS = 20
"""The precision of fewer rows than this is mostly chance and is not drawn."""
DPI = 130


@dataclass(frozen=True, kw_only=True)
class Theme:
    """The colours of one picture."""

    surface: str
    ink: str
    muted: str
    """Axes, ticks and lines that only guide."""
    main: str
    accent: str
    groups: tuple[str, ...]
    """Of groups that must be told apart, also by the colour-blind."""


LIGHT = Theme(
    surface="#ffffff",
    ink="#1c2128",
    muted="#6b7480",
    main="#1f6feb",
    accent="#b3400a",
    groups=("#0072b2", "#d55e00", "#009e73", "#b0508f", "#8a6d00", "#3aa0d8", "#7a4fb5", "#5c4033"),
)
DARK = Theme(
    surface="#1b2027",
    ink="#e8ebef",
    muted="#98a2ae",
    main="#6cb0ff",
    accent="#ff9a5c",
    groups=("#4fb3ef", "#ff8a3d", "#2fd6a1", "#ea8fc6", "#e0c04a", "#9ddcff", "#b79bff", "#c9a58a"),
)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One picture."""

    name: str
    """Of its file, without the suffix."""
    title: str
    light: bytes
    """PNG."""
    dark: bytes
    """PNG."""
    alt: str
    """What it shows, with the numbers that matter."""
    caption: str = ""
    """A sentence below it."""


def draw(
    name: str,
    title: str,
    alt: str,
    paint: Callable[["Axes", Theme], None],
    *,
    size: tuple[float, float] = (7.2, 4.6),
) -> Plot:
    """Paint the same picture for light and for dark pages; `size` in inches."""
    light, dark = (_png(paint, theme, size) for theme in (LIGHT, DARK))
    return Plot(name=name, title=title, light=light, dark=dark, alt=alt)


def _png(paint: Callable[["Axes", Theme], None], theme: Theme, size: tuple[float, float]) -> bytes:
    import warnings

    import matplotlib as mpl
    from matplotlib.figure import Figure

    colours: dict[Any, Any] = dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), theme.ink)
    colours |= dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), theme.muted)
    colours |= dict.fromkeys(("figure.facecolor", "axes.facecolor", "legend.facecolor"), theme.surface)
    # A category may be called "$5 to $10": no formula.
    with mpl.rc_context({**colours, "text.parse_math": False, "font.size": 10, "legend.frameon": False}):
        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        paint(axes, theme)
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            # Letters that the font lacks become boxes; the tables beside the picture have them all.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _percent_axes(axes: "Axes", *, x: str, y: str) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def reliability_diagram(outcomes: Outcomes) -> Plot:
    """How often the model is right beside how sure it is, in 15 groups of equal size."""
    bins = reliability(outcomes.confidences[:, 0].astype(np.float64), outcomes.right)
    sure = [part.confidence for part in bins]
    right = [part.right / part.rows for part in bins]
    reach = [precision_interval(part.rows, part.rows - part.right) for part in bins]

    def paint(axes: "Axes", theme: Theme) -> None:
        axes.plot([0, 1], [0, 1], color=theme.muted, linestyle="--", linewidth=1, label="as sure as right")
        down = [max(0.0, value - low) for value, (low, _) in zip(right, reach, strict=True)]
        up = [max(0.0, high - value) for value, (_, high) in zip(right, reach, strict=True)]
        axes.errorbar(
            sure,
            right,
            yerr=[down, up],
            color=theme.main,
            marker="o",
            markersize=5,
            linewidth=1.6,
            elinewidth=1,
            capsize=2,
            label="this model (with the range that chance allows)",
        )
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
        _percent_axes(axes, x="how sure the model says it is", y="how often it is right")
        axes.legend(loc="upper left")

    pairs = "; ".join(f"{c:.0%} sure, {s:.0%} right" for c, s in zip(sure, right, strict=True))
    return draw(
        "reliability",
        "Is it as often right as it says?",
        f"Line of {len(bins)} groups of products, from the least to the most certain answers: {pairs}.",
        paint,
    )


def precision_coverage(outcomes: Outcomes, evaluation: Evaluation) -> Plot:
    """The precision of filing more and more products, the surest first, and where this model stops."""
    order = np.argsort(-outcomes.confidences[:, 0], kind="stable")
    filed = np.arange(1, len(order) + 1)
    precision = np.cumsum(outcomes.right[order]) / filed
    first = min(FIRST_ROWS, len(order)) - 1
    coverage, precision = (filed / len(order))[first:], precision[first:]
    at = evaluation

    def paint(axes: "Axes", theme: Theme) -> None:
        axes.axhline(at.target, color=theme.muted, linestyle="--", linewidth=1)
        axes.annotate(
            f"asked for: {at.target:.0%}",
            (0.01, at.target),
            xytext=(0, -12),
            textcoords="offset points",
            color=theme.muted,
        )
        axes.plot(
            coverage, precision, color=theme.main, linewidth=1.8, label="filing the surest products first"
        )
        low = float(min(precision.min(), at.target))
        if at.precision is not None:
            low = min(low, at.precision_low)
            axes.errorbar(
                [at.coverage],
                [at.precision],
                yerr=[[at.precision - at.precision_low], [at.precision_high - at.precision]],
                color=theme.accent,
                marker="o",
                markersize=8,
                linestyle="none",
                capsize=4,
                label="where this model stops",
            )
        axes.set(xlim=(0, 1.02), ylim=(max(0.0, low - 0.03), 1.005))
        _percent_axes(axes, x="share of products filed without a person", y="share of those filed rightly")
        axes.legend(loc="lower left")

    marks = np.unique(np.linspace(0, len(coverage) - 1, 5).astype(int))
    steps = "; ".join(f"{coverage[place]:.0%} filed, {precision[place]:.1%} rightly" for place in marks)
    chosen = (
        "This model files nothing by itself."
        if at.precision is None
        else f"This model files {share(at.coverage)} by itself, {share(at.precision, down=True)} of those "
        f"rightly; {at.target:.0%} were asked for."
    )
    return draw(
        "precision_coverage",
        "What filing more would cost",
        f"Falling line: {steps}. {chosen}",
        paint,
    )


def shorten(name: str, *, length: int = 34) -> str:
    """A name as a picture has room for."""
    return name if len(name) <= length else f"{name[: length - 1].rstrip()}…"


def distinct(paths: Sequence[str]) -> list[str]:
    """The last name of each path; where several end alike, after the lowest name that tells them apart."""
    names = [split_path(path) for path in paths]

    def at(place: int, level: int) -> str:
        own = names[place]
        if level == 1 or level > len(own):
            return shorten(own[-1])
        between = SEPARATOR if level == 2 else f"{SEPARATOR}…{SEPARATOR}"
        return f"{shorten(own[-level], length=22)}{between}{shorten(own[-1], length=26)}"

    levels = [1] * len(paths)
    for _ in range(max(map(len, names), default=0)):
        shown = [at(place, level) for place, level in enumerate(levels)]
        levels = [
            level + (shown.count(name) > 1 and level < len(own))
            for level, name, own in zip(levels, shown, names, strict=True)
        ]
    return [at(place, level) for place, level in enumerate(levels)]
