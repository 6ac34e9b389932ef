"""From held-out predictions to the confidence at which a product is filed without a person."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

CONFIDENCE = 0.95
"""Certainty of every bound, one-sided."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A threshold with its evidence."""

    value: float | None
    """Lowest confidence that is filed without a person; None: nothing is certified, all goes to review."""
    target: float
    """The precision asked for."""
    rows: int
    """Held-out predictions at or above the value."""
    errors: int
    """Those of them that were wrong."""
    bound: float
    """One-sided 95% Clopper–Pearson lower bound of the precision there; 0.0 when nothing is certified."""
    coverage: float
    """Share of all held-out predictions at or above the value."""


def precision_bound(rows: int, errors: int, *, confidence: float = CONFIDENCE) -> float:
    """One-sided lower bound of a precision after `errors` wrong of `rows` (Clopper and Pearson, 1934)."""
    if rows <= errors:
        return 0.0
    return float(_bounds(np.array([rows]), np.array([errors]), confidence)[0])


def precision_interval(rows: int, errors: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Two-sided interval of a precision after `errors` wrong of `rows` (Clopper and Pearson, 1934)."""
    side = (1 + confidence) / 2
    low = precision_bound(rows, errors, confidence=side)
    return low, 1 - precision_bound(rows, rows - errors, confidence=side)


def _bounds(rows: NDArray[np.int64], errors: NDArray[np.int64], confidence: float) -> NDArray[np.float64]:
    """The exact bound of each pair; NaN where nothing is right."""
    return np.asarray(beta.ppf(1 - confidence, rows - errors, errors + 1), np.float64)


def choose(confidences: Sequence[float], right: Sequence[bool], *, target: float) -> Threshold:
    """The lowest threshold whose bound reaches `target`; `confidences` and `right` are one a held-out row.

    Equal confidences are never parted. Cost: one sort.
    """
    held = np.asarray(confidences, np.float64)
    order = np.argsort(-held, kind="stable")
    falling = held[order]
    errors = np.cumsum(~np.asarray(right, bool)[order])
    rows = np.arange(1, len(held) + 1)
    # A threshold takes all rows of its own confidence.
    last = np.flatnonzero(np.r_[falling[1:] != falling[:-1], True]) if len(held) else np.zeros(0, int)
    bounds = _bounds(rows[last], errors[last], CONFIDENCE)
    reached = np.flatnonzero(np.nan_to_num(bounds) >= target)
    if not len(reached):
        return Threshold(value=None, target=target, rows=0, errors=0, bound=0.0, coverage=0.0)
    place = int(last[reached[-1]])
    return Threshold(
        value=float(falling[place]),
        target=target,
        rows=int(rows[place]),
        errors=int(errors[place]),
        bound=float(bounds[reached[-1]]),
        coverage=float(rows[place]) / len(held),
    )
