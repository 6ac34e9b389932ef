"""Scores to probabilities, fitted on predictions that the model did not train on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from apps.categories.inference.ranking import (
    Calibration,
    Logistic,
    Ranked,
    Tree,
    left_over,
    mapped,
    rank,
    terms,
)

PARTS = 5
"""Parts of the cross-validation by title group that decides which maps are kept and what error they have."""
LEAST_RIGHT_AND_WRONG = 10
"""Fewer right or wrong predictions than this fit no map: the temperature stays alone."""
_RIDGE = 1.0
"""Penalty on the squared weights of standardised terms, in rows: keeps a separable sample finite."""
_EDGE = 0.005
"""Share of the rows at either end of a term that are taken to be at its edge."""
_NEWTON_STEPS = 100
_LONGEST_STEP = 2.0
"""Of a Newton step in any weight: far from the solution it would overshoot."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A calibration with its evidence."""

    calibration: Calibration
    """Fitted on all held-out rows."""
    method: str
    """What was kept."""
    honest: Ranked
    """The held-out rows ranked by calibrations that were fitted on the other parts: what may be certified on.
    Maps know the labels of the rows that they were fitted on, which would pass bars too often."""
    error_before: float
    """Expected calibration error of the plain softmax of the scores."""
    error_temperature: float
    """Of the temperature alone."""
    error_after: float
    """Of all, each row under maps fitted on other rows."""
    brier_before: float
    brier_temperature: float
    brier_after: float
    """Mean squared distance of the first confidence from right (1) or wrong (0), as the errors above."""
    expected_error: float
    """What a perfect calibration would show as its error on so many rows, by chance alone."""

    def describe(self) -> dict[str, object]:
        """For the header."""
        return {
            "method": self.method,
            "scale": self.calibration.scale,
            "leaf": asdict(self.calibration.leaf) if self.calibration.leaf else None,
            "above": asdict(self.calibration.above) if self.calibration.above else None,
            "error_before": self.error_before,
            "error_temperature": self.error_temperature,
            "error_after": self.error_after,
            "brier_before": self.brier_before,
            "brier_temperature": self.brier_temperature,
            "brier_after": self.brier_after,
            "expected_error": self.expected_error,
        }


def calibrate(
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    parts: NDArray[np.int64],
    weights: NDArray[np.float64],
    tree: Tree,
    *,
    k: int,
) -> Calibrated:
    """The calibration of held-out rows: a temperature, and the maps on top of it that validate better.

    `parts`: a number a row, the same for all rows of a title group; a map is judged, by log loss, on parts
    that it was not fitted on. The temperature, one number, is fitted on all. `weights` count in it alone,
    where a title under several labels would pull for each of them. `k`: candidates of `honest`, at least 2.
    """
    everything = np.ones(len(scores), bool)
    scale = fit_scale(scores, labels, weights)
    plain = rank(scores.copy(), everything, Calibration(scale=scale), k=k, tree=tree)
    right = plain.classes[:, 0] == labels
    beneath = within(tree, plain.classes[:, 0], labels)
    there = tree.above[:, plain.classes[:, 0]].T >= 0
    fits = fit_without_each(plain, labels, parts, tree, scale=scale)
    both = joined(plain, parts, fits)
    leaf = _loss(both.confidences[:, 0], right) < _loss(plain.confidences[:, 0], right)
    above = leaf and _loss(both.above[there], beneath[there]) < _loss(plain.above[there], beneath[there])

    def kept(found: Calibration) -> Calibration:
        return replace(found, leaf=found.leaf if leaf else None, above=found.above if above else None)

    final = kept(fit_maps(plain, labels, tree, scale=scale))
    honest = joined(plain, parts, [kept(fit) for fit in fits])
    before = rank(scores.copy(), everything, Calibration(scale=1.0), k=1).confidences[:, 0]
    sure = honest.confidences[:, 0].astype(np.float64)
    method = "temperature"
    method += ", then a logistic map of the best class" if final.leaf else ""
    method += ", and one of what lies above it" if final.above else ""
    return Calibrated(
        calibration=final,
        method=method,
        honest=honest,
        error_before=expected_calibration_error(before.astype(np.float64), right),
        error_temperature=expected_calibration_error(plain.confidences[:, 0].astype(np.float64), right),
        error_after=expected_calibration_error(sure, right),
        brier_before=float(np.mean((before - right) ** 2)),
        brier_temperature=float(np.mean((plain.confidences[:, 0] - right) ** 2)),
        brier_after=float(np.mean((sure - right) ** 2)),
        expected_error=error_by_chance(sure),
    )


def fit_maps(plain: Ranked, labels: NDArray[np.int64], tree: Tree, *, scale: float) -> Calibration:
    """Both maps on top of the temperature, fitted on rows ranked under it alone."""
    first, share = plain.classes[:, 0], plain.confidences[:, 0]
    leaf = fit_logistic(terms(share, plain.best, plain.runner), first == labels)
    # What lies above is asked for where the class itself is wrong; where it is right there is no question.
    asked = (tree.above[:, first].T >= 0) & (first != labels)[:, None]
    rows, _ = np.nonzero(asked)
    left = left_over(plain.above, share)[asked]
    above = fit_logistic(
        terms(left, plain.best[rows], plain.runner[rows]), within(tree, first, labels)[asked]
    )
    return Calibration(scale=scale, leaf=leaf, above=above if leaf else None)


def fit_without_each(
    plain: Ranked, labels: NDArray[np.int64], parts: NDArray[np.int64], tree: Tree, *, scale: float
) -> list[Calibration]:
    """For each part, by its number, the maps fitted on all the others."""
    return [
        fit_maps(plain[parts != part], labels[parts != part], tree, scale=scale) for part in np.unique(parts)
    ]


def joined(plain: Ranked, parts: NDArray[np.int64], fits: Sequence[Calibration]) -> Ranked:
    """Each part under its own maps, in the order of the rows."""
    order = np.argsort(parts, kind="stable")
    by_part = [mapped(plain[parts == part], fit) for part, fit in zip(np.unique(parts), fits, strict=True)]
    return Ranked.joined(by_part)[np.argsort(order)]


def within(tree: Tree, first: NDArray[np.int64], labels: NDArray[np.int64]) -> Bools:
    """Shape (rows, levels): whether the truth is the node above `first` at a level, or lies below it.

    A label of −1 is a category outside the tree.
    """
    nodes = tree.above[:, first].T
    truth = tree.above[:, labels].T
    found = (nodes == truth) | (nodes == labels[:, None])
    return np.asarray(found & (nodes >= 0) & (labels >= 0)[:, None])


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
    work = np.empty_like(held)

    def loss(log_scale: float) -> float:
        scale = np.float32(np.exp(log_scale))
        np.multiply(held, scale, out=work)
        np.exp(work, out=work)
        total = work.sum(axis=1, dtype=np.float64)
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


def fit_logistic(columns: NDArray[np.float64], right: Bools) -> Logistic | None:
    """The map of `terms` to P(right) with the least penalised log loss; None where too few rows differ."""
    if min(int(right.sum()), int((~right).sum())) < LEAST_RIGHT_AND_WRONG:
        return None
    low, high = np.quantile(columns, [_EDGE, 1 - _EDGE], axis=0)
    held = np.clip(columns, low, high)
    middle, spread = held.mean(axis=0), np.maximum(held.std(axis=0), 1e-9)
    held = np.column_stack([np.ones(len(held)), (held - middle) / spread])
    truth = right.astype(np.float64)
    penalty = np.r_[0.0, np.full(columns.shape[1], _RIDGE)]
    found = np.zeros(held.shape[1])
    for _ in range(_NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(held @ found, -30, 30)))
        slope = held.T @ (chance - truth) + penalty * found
        curve = (held.T * (chance * (1 - chance))) @ held + np.diag(penalty)
        step = np.linalg.solve(curve + 1e-9 * np.eye(len(found)), slope)
        found -= step * min(1.0, _LONGEST_STEP / float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    weights = found[1:] / spread
    return Logistic(
        intercept=float(found[0] - weights @ middle),
        weights=tuple(weights.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
    )


def error_by_chance(confidences: NDArray[np.float64], *, draws: int = 50, seed: int = 0) -> float:
    """The calibration error that perfectly calibrated confidences show by chance: the mean of some draws."""
    rng = np.random.default_rng(seed)
    return float(
        np.mean(
            [
                expected_calibration_error(confidences, rng.random(len(confidences)) < confidences)
                for _ in range(draws)
            ]
        )
    )


def _loss(confidences: NDArray[np.float32], right: Bools) -> float:
    """Mean log loss."""
    held = np.clip(confidences.astype(np.float64), 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(right, np.log(held), np.log1p(-held)))) if len(held) else 0.0
