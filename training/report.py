"""The report of an evaluation: one HTML page that needs nothing else, and its pictures as files."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from apps.categories.inference.classifier import ProductionClassifier
from training import plots, plots_classes
from training.evaluation import CategoryFigures, Evaluation, share
from training.label_errors import SuspectedLabel, suspected_labels
from training.outcomes import FILED, Outcomes
from training.plots import Plot
from training.plots_classes import Confusion
from training.timing import Timing

PAGE = "report.html"
FILES = (PAGE, "precision_coverage.png", "reliability.png", "confusion.png", "map.png")
"""Everything that a report may have; a picture for which there is too little is left out."""
TEMPLATE = Path(__file__).with_name("report.html")
SHOWN = 50
"""Most rows of each list of products; what is left out is counted."""
TITLE = 160
"""Most characters of a title."""


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """What a report is made of."""

    source: str
    """Name of the file of labelled rows."""
    classifier: ProductionClassifier
    outcomes: Outcomes
    evaluation: Evaluation
    timing: Timing
    familiar: bool
    """Whether the model has learned from some of the rows, so that no verdict on it is honest."""
    notes: Sequence[str]
    """What a reader must know before the figures, a sentence each."""
    skipped: Mapping[str, int]
    """Rows of the file that are not judged, and how many: the words for them to a number."""
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A row that is wrong, or whose label seems to be."""

    name: str
    """Its line or sku."""
    title: str
    label: str
    answer: str
    confidence: float
    """In the answer."""
    own: float
    """In the label."""
    filed: bool
    """Whether it would be filed without a person."""
    suspected: bool
    """Whether the label is the likelier fault."""


def build(given: ReportInput, *, progress: Callable[[str], None] = lambda _: None) -> dict[str, bytes]:
    """The files of the report by name. Cost: about 20 seconds, most of it the map."""
    progress("drawing the pictures")
    pairs = plots_classes.confusions(given.outcomes)
    pictures = [
        plots.precision_coverage(given.outcomes, given.evaluation),
        plots.reliability_diagram(given.outcomes),
        plots_classes.confusion_plot(given.outcomes, pairs),
        plots_classes.map_plot(given.outcomes, given.classifier),
    ]
    drawn = {picture.name: picture for picture in pictures if picture is not None}
    files = {f"{name}.png": picture.light for name, picture in drawn.items()}
    files[PAGE] = _page(given, drawn, pairs).encode()
    return files


def worst_mistakes(outcomes: Outcomes, suspected: Sequence[SuspectedLabel]) -> list[Mistake]:
    """Rows with a category that the model knows, and another answer; the surest first."""
    doubted = {found.row for found in suspected}
    wrong = outcomes.read & ~outcomes.right & (outcomes.truth < outcomes.known)
    places = [place for place, yes in enumerate(wrong.tolist()) if yes]
    places.sort(key=lambda place: -float(outcomes.confidences[place, 0]))
    return [_mistake(outcomes, place, suspected=place in doubted) for place in places]


def _mistake(outcomes: Outcomes, place: int, *, suspected: bool) -> Mistake:
    row = outcomes.rows[place]
    title = " ".join(row.title.split())
    return Mistake(
        name=row.name(),
        title=title if len(title) <= TITLE else f"{title[: TITLE - 1]}…",
        label=outcomes.paths[int(outcomes.truth[place])],
        answer=outcomes.paths[int(outcomes.classes[place, 0])],
        confidence=float(outcomes.confidences[place, 0]),
        own=float(outcomes.own[place]),
        filed=outcomes.decisions[place].action in FILED,
        suspected=suspected,
    )


def _page(given: ReportInput, drawn: Mapping[str, Plot], pairs: Sequence[Confusion]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"share": share, "count": "{:,}".format, "data_uri": _data_uri}
    suspected = suspected_labels(given.outcomes)
    mistakes = worst_mistakes(given.outcomes, suspected)
    categories = given.evaluation.categories
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        given=given,
        at=given.evaluation,
        plots=drawn,
        confusions=pairs[:SHOWN],
        all_confusions=len(pairs),
        mistakes=mistakes[:SHOWN],
        all_mistakes=len(mistakes),
        suspected=[_mistake(given.outcomes, found.row, suspected=True) for found in suspected[:SHOWN]],
        all_suspected=len(suspected),
        categories=sorted(categories, key=_needs_work),
        unknown=[category for category in categories if not category.known],
    )


def _needs_work(category: CategoryFigures) -> tuple[int, str]:
    wrong = category.rows - category.right + category.predicted - category.right
    return -wrong, category.path


def _data_uri(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
