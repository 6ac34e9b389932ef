"""Scores to probabilities: one temperature, fitted on predictions the model did not train on."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar


def fit_scale(
    scores: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> float:
    """The scale (inverse temperature) of softmax(scale × score) with the least log loss.

    `scores`: shape (rows, classes), held out; `labels`: shape (rows,), −1 where the true class is none of
    them (such rows are left out). Guo et al., 2017. Returns a number in [0.05, 50].
    """
    known = labels >= 0
    held = scores[known].astype(np.float32)
    held -= held.max(axis=1, keepdims=True)
    own = held[np.arange(len(held)), labels[known]]
    share = np.ones(len(held)) if weights is None else weights[known]

    def loss(log_scale: float) -> float:
        scale = np.float32(np.exp(log_scale))
        total = np.exp(held * scale).sum(axis=1, dtype=np.float64)
        return float(np.average(np.log(total) - float(scale) * own, weights=share))

    found = minimize_scalar(
        loss, bounds=(np.log(0.05), np.log(50)), method="bounded", options={"xatol": 1e-3}
    )
    return float(np.exp(found.x))


def expected_calibration_error(
    confidences: NDArray[np.float64], right: NDArray[np.bool_], *, bins: int = 15
) -> float:
    """Mean |accuracy − confidence| over bins of equal mass, weighted by rows; 0 to 1."""
    if not len(confidences):
        return 0.0
    order = np.argsort(confidences, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(float(right[part].mean()) - float(confidences[part].mean())) * len(part) for part in parts]
    return sum(gaps) / len(order)
