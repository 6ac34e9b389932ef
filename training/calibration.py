"""Scores to probabilities: one temperature, fitted on predictions the model did not train on."""

from dataclasses import dataclass

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


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Rows of about the same confidence."""

    rows: int
    right: int
    confidence: float
    """Their mean, 0 to 1."""


def reliability(confidences: NDArray[np.float64], right: NDArray[np.bool_], *, bins: int = 15) -> list[Bin]:
    """At most `bins` bins of equal mass by rising confidence; none is empty."""
    order = np.argsort(confidences, kind="stable")
    return [
        Bin(rows=len(part), right=int(right[part].sum()), confidence=float(confidences[part].mean()))
        for part in np.array_split(order, bins)
        if len(part)
    ]


def expected_calibration_error(
    confidences: NDArray[np.float64], right: NDArray[np.bool_], *, bins: int = 15
) -> float:
    """Mean |accuracy − confidence| over bins of equal mass, weighted by rows; 0 to 1."""
    gaps = [
        abs(part.right / part.rows - part.confidence) * part.rows
        for part in reliability(confidences, right, bins=bins)
    ]
    return sum(gaps) / max(1, len(confidences))


def brier_score(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean squared distance of a confidence from what came true (1 right, 0 wrong); 0 to 1 (Brier, 1950)."""
    return float(((confidences - right) ** 2).mean()) if len(confidences) else 0.0
