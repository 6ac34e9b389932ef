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


def macro_f1(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Mean F1 over the categories that occur in `truth`."""
    return float(f1_score(truth, predicted, average="macro", labels=np.unique(truth), zero_division=0))
