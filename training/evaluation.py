"""How good predictions are, in the numbers that a shop decides by."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from training.calibration import expected_calibration_error


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
    """Share at or above the threshold: filed without a person."""
    precision: float | None
    """Share of those that are right; None when nothing is filed."""
    filed: int
    """How many are at or above the threshold."""

    def as_dict(self) -> dict[str, float | int | None]:
        """The numbers by name, for the header."""
        return asdict(self)


def measure(
    classes: NDArray[np.int64],
    confidences: NDArray[np.float32],
    labels: Sequence[int] | NDArray[np.int64],
    *,
    threshold: float | None,
    hold_back: NDArray[np.bool_] | None = None,
) -> Metrics:
    """Metrics of ranked predictions, shape (rows, k); a label of −1 is a category the model does not know.

    `hold_back`: rows that go to review whatever their confidence.
    """
    truth = np.asarray(labels, np.int64)
    if not len(truth):
        return Metrics(
            rows=0, top1=0, top3=0, macro_f1=0, calibration_error=0, coverage=0, precision=None, filed=0
        )
    right = classes[:, 0] == truth
    filed = confidences[:, 0] >= threshold if threshold is not None else np.zeros(len(truth), bool)
    if hold_back is not None:
        filed &= ~hold_back
    return Metrics(
        rows=len(truth),
        top1=float(right.mean()),
        top3=float((classes[:, :3] == truth[:, None]).any(axis=1).mean()),
        macro_f1=macro_f1(truth, classes[:, 0]),
        calibration_error=expected_calibration_error(confidences[:, 0].astype(np.float64), right),
        coverage=float(filed.mean()),
        precision=float(right[filed].mean()) if filed.any() else None,
        filed=int(filed.sum()),
    )


def macro_f1(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Mean F1 over the categories that occur in `truth`."""
    return float(f1_score(truth, predicted, average="macro", labels=np.unique(truth), zero_division=0))
