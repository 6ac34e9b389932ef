"""How good predictions are, in the numbers that a shop decides by."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from training.calibration import brier_score, expected_calibration_error
from training.hierarchy import Hierarchical, hierarchical
from training.outcomes import NO_ANSWER, Outcomes
from training.thresholds import precision_interval


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Of some held-out rows; every share is 0 to 1."""

    rows: int
    top1: float
    """Share whose best prediction is the label."""
    top3: float
    """Share whose label is among the best three."""
    macro_f1: float
    """Mean F1 over the categories that occur, so that rare ones count as much as common ones."""
    calibration_error: float
    """Expected calibration error, 15 bins of equal mass."""
    coverage: float
    """Share that is filed without a person, at a category or above it."""
    precision: float | None
    """Share of those that are filed rightly; None when nothing is filed."""
    filed: int
    """How many are filed."""

    def as_dict(self) -> dict[str, float | int | None]:
        """The numbers by name, for the header."""
        return asdict(self)


def measure(
    classes: NDArray[np.int64],
    confidences: NDArray[np.float32],
    labels: Sequence[int] | NDArray[np.int64],
    *,
    filed: NDArray[np.bool_],
    rightly: NDArray[np.bool_],
) -> Metrics:
    """Metrics of ranked predictions, shape (rows, k); a label of −1 is a category the model does not know.

    `filed`: rows that need no person; `rightly`: of any row, whether filing it so is right.
    """
    truth = np.asarray(labels, np.int64)
    if not len(truth):
        return Metrics(
            rows=0, top1=0, top3=0, macro_f1=0, calibration_error=0, coverage=0, precision=None, filed=0
        )
    right = classes[:, 0] == truth
    return Metrics(
        rows=len(truth),
        top1=float(right.mean()),
        top3=float((classes[:, :3] == truth[:, None]).any(axis=1).mean()),
        macro_f1=macro_f1(truth, classes[:, 0]),
        calibration_error=expected_calibration_error(confidences[:, 0].astype(np.float64), right),
        coverage=float(filed.mean()),
        precision=float(rightly[filed].mean()) if filed.any() else None,
        filed=int(filed.sum()),
    )


def share(value: float | None, *, down: bool = False) -> str:
    """A share for people: in percent with one decimal, never 0 or 100 unless it is.

    `down`: rounded down, so that what missed a target never reads like it.
    """
    if value is None:
        return "–"
    if 0 < value < 0.001:
        return "< 0.1%"
    if down:
        value = int(round(value * 1000, 6)) / 1000
    return "> 99.9%" if 0.999 < value < 1 else f"{value:.1%}"


def macro_f1(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Mean F1 over the categories that occur in `truth`."""
    return float(f1_score(truth, predicted, average="macro", labels=np.unique(truth), zero_division=0))


@dataclass(frozen=True, kw_only=True)
class CategoryFigures:
    """One category of the file, or one that was predicted; every share is 0 to 1."""

    path: str
    known: bool
    """Whether it is a class of the model."""
    rows: int
    """Rows with this label."""
    predicted: int
    """Rows for which it is the best answer."""
    right: int
    """Rows of both."""
    precision: float | None
    """Of those predicted, the share that is right; None when it is never predicted."""
    recall: float | None
    """Of those with this label, the share that was found; None when there are none."""
    f1: float
    filed: int
    """Rows with this label that would be filed without a person, wherever."""
    filed_right: int
    """Those of them that would be filed where they belong."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a model does on labelled rows; every share is 0 to 1, over all rows unless it says otherwise.

    A row whose label the model does not know, or whose text it cannot read, counts as wrong.
    """

    rows: int
    unread: int
    """Rows with nothing that the model can read."""
    unknown: int
    """Rows whose label is no class of the model."""
    top1: float
    """Share whose best prediction is the label."""
    top3: float
    """Share whose label is among the best three."""
    accuracy: float
    """The same as `top1`, under the name that scikit-learn gives it."""
    macro_f1: float
    """Mean F1 over the categories that occur, so that rare ones count as much as common ones."""
    weighted_f1: float
    """The same, each category by its rows."""
    hierarchical: Hierarchical
    """Of the best prediction."""
    calibration_error: float
    """Expected calibration error of the best prediction, 15 bins of equal mass."""
    brier: float
    """Brier score of the best prediction."""
    target: float
    """The precision that the model was asked to keep."""
    filed: int
    """Rows that would be filed without a person, those in a parent category included."""
    filed_parent: int
    """Those of them that would be filed in a parent category."""
    filed_right: int
    """Those of `filed` that would be where they belong: in a parent, anywhere below it."""
    coverage: float
    """Share filed."""
    precision: float | None
    """Share of the filed that are right; None when nothing is filed."""
    precision_low: float
    precision_high: float
    """Exact two-sided 95% interval of the precision."""
    left_for_people: float
    """Share not filed."""
    categories: tuple[CategoryFigures, ...]
    """Those with a row or a prediction, in the order of their paths."""

    @property
    def verdict(self) -> str:
        """Whether the target was kept, as far as so many rows can tell."""
        if self.precision is None:
            return "nothing would be filed"
        if self.precision >= self.target:
            sure = self.precision_low >= self.target
            return "kept" if sure else "kept on these products; too few to be certain"
        return (
            "missed" if self.precision_high < self.target else "short of it on these products, within chance"
        )

    @property
    def kept(self) -> bool | None:
        """The verdict as far as it is one: None between the two, and where nothing is filed."""
        if self.precision is None or self.precision < self.target <= self.precision_high:
            return None
        return self.precision >= self.target


def evaluate(outcomes: Outcomes, *, target: float) -> Evaluation:
    """The figures of at least one row."""
    rows, truth, right, filed = len(outcomes.rows), outcomes.truth, outcomes.right, outcomes.filed
    best, paths = outcomes.classes[:, 0], outcomes.paths
    sure = outcomes.confidences[:, 0].astype(np.float64)
    count, good = int(filed.sum()), int(outcomes.filed_right.sum())
    low, high = precision_interval(count, count - good)
    top1 = float(right.mean())
    return Evaluation(
        rows=rows,
        unread=int((~outcomes.read).sum()),
        unknown=int((truth >= outcomes.known).sum()),
        top1=top1,
        top3=float((outcomes.classes[:, :3] == truth[:, None]).any(axis=1).mean()),
        accuracy=top1,
        macro_f1=macro_f1(truth, best),
        weighted_f1=float(
            f1_score(truth, best, average="weighted", labels=np.unique(truth), zero_division=0)
        ),
        hierarchical=hierarchical(
            (paths[label], None if found == NO_ANSWER else paths[found])
            for label, found in zip(truth.tolist(), best.tolist(), strict=True)
        ),
        calibration_error=expected_calibration_error(sure, right),
        brier=brier_score(sure, right),
        target=target,
        filed=count,
        filed_parent=sum(decision.action == "assign_parent" for decision in outcomes.decisions),
        filed_right=good,
        coverage=count / rows,
        precision=good / count if count else None,
        precision_low=low,
        precision_high=high,
        left_for_people=1 - count / rows,
        categories=_categories(outcomes),
    )


def _categories(outcomes: Outcomes) -> tuple[CategoryFigures, ...]:
    def count(places: NDArray[np.int64]) -> list[int]:
        return [int(times) for times in np.bincount(places, minlength=len(outcomes.paths))]

    truth = outcomes.truth
    rows, right = count(truth), count(truth[outcomes.right])
    predicted = count(outcomes.classes[outcomes.read, 0])
    filed, filed_there = count(truth[outcomes.filed]), count(truth[outcomes.filed_right])
    return tuple(
        CategoryFigures(
            path=path,
            known=place < outcomes.known,
            rows=rows[place],
            predicted=predicted[place],
            right=right[place],
            precision=right[place] / predicted[place] if predicted[place] else None,
            recall=right[place] / rows[place] if rows[place] else None,
            f1=2 * right[place] / (rows[place] + predicted[place]),
            filed=filed[place],
            filed_right=filed_there[place],
        )
        for path, place in sorted((path, place) for place, path in enumerate(outcomes.paths))
        if rows[place] or predicted[place]
    )
