"""Raw class scores in, calibrated candidates and the mass of what lies above them out. numpy alone.

Training calibrates and certifies with the very functions that serve, so that what was measured is what is
done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .taxonomy import Taxonomy, split_path

LEAST = 1e-5
"""Shares are held this far from 0 and 1 before their logarithms are taken."""
BOTH_LIKELY = 0.5
"""A second class with at least this share of the first one's, before any map, means that both stay likely."""
TERMS = 4

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """A chance read from `terms`: 1 / (1 + exp(−(intercept + weights · terms)))."""

    intercept: float
    weights: tuple[float, ...]
    """One a term."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Where each term lay in the rows of the fit: one outside is taken to be at the edge, as nothing is known
    about what lies beyond."""

    def __post_init__(self) -> None:
        parts = (self.weights, self.low, self.high)
        if {len(part) for part in parts} != {TERMS} or not np.isfinite(
            [self.intercept, *sum(parts, ())]
        ).all():
            raise ValueError(f"{self} is no logistic map of {TERMS} terms")

    def __call__(self, columns: NDArray[np.float64]) -> Floats:
        """The chances of rows of terms."""
        held = np.clip(columns, self.low, self.high)
        value = np.clip(self.intercept + held @ np.asarray(self.weights), -30, 30)
        return np.asarray(1 / (1 + np.exp(-value)), np.float32)

    @classmethod
    def of_header(cls, stored: Mapping[str, Any] | None) -> "Logistic | None":
        """From an artifact's header. Raises KeyError, TypeError or ValueError."""
        if stored is None:
            return None
        parts = {name: tuple(float(number) for number in stored[name]) for name in ("weights", "low", "high")}
        return cls(intercept=float(stored["intercept"]), **parts)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How scores become probabilities."""

    scale: float
    """Inverse temperature: the raw shares are softmax(scale × score)."""
    leaf: Logistic | None = None
    """From the share of the best class to the chance that it is right; None: the share itself."""
    above: Logistic | None = None
    """From the share that a node above it has of what the best class leaves to the chance that the truth is
    there where the best class is wrong; None: the share itself."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"the scale of a calibration is {self.scale}")

    @classmethod
    def of_header(cls, stored: Mapping[str, Any]) -> Self:
        """From an artifact's header. Raises KeyError, TypeError or ValueError."""
        return cls(
            scale=float(stored["scale"]),
            leaf=Logistic.of_header(stored["leaf"]),
            above=Logistic.of_header(stored["above"]),
        )


class Tree:
    """The places that a product can be filed at, as arrays: a model's classes and every node above one."""

    def __init__(self, taxonomy: Taxonomy, classes: Sequence[str]) -> None:
        """`classes` in the order of the scores. Raises KeyError for one that is not in the taxonomy."""
        lines = [(*taxonomy.ancestors(code), code) for code in classes]
        inner = {code for line in lines for code in line[:-1]} - set(classes)
        self.codes: tuple[str, ...] = (*classes, *sorted(inner))
        """The classes, then the nodes above them that are none."""
        self.paths: tuple[str, ...] = tuple(taxonomy.path(code) for code in self.codes)
        self.classes = len(classes)
        place = {code: number for number, code in enumerate(self.codes)}
        levels = max(len(line) for line in lines) - 1
        self.above: Integers = np.full((levels, self.classes), -1, np.int64)
        """Place of the node above each class at each level, the top level first; −1 where there is none."""
        for number, line in enumerate(lines):
            self.above[: len(line) - 1, number] = [place[code] for code in line[:-1]]
        # By the names of its path, a subtree is a stretch: its mass is a difference of two running sums.
        self._order = np.array(sorted(range(self.classes), key=lambda n: split_path(self.paths[n])), np.int64)
        self._first = np.full(len(self.codes), self.classes, np.int64)
        self._last = np.zeros(len(self.codes), np.int64)
        for where, number in enumerate(self._order):
            for node in (*self.above[:, number][self.above[:, number] >= 0], number):
                self._first[node] = min(self._first[node], where)
                self._last[node] = where + 1

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Code to its place in `codes`."""
        return {code: number for number, code in enumerate(self.codes)}

    def masses(self, shares: Floats, best: Integers) -> Floats:
        """Shape (rows, levels): the share of each node above the row's best class, 0 where there is none.

        `shares`: shape (rows, classes); a node's share is its own and those of all classes below it.
        """
        sums = np.zeros((len(shares), self.classes + 1))
        np.cumsum(shares[:, self._order], axis=1, out=sums[:, 1:])
        nodes = self.above[:, best].T
        rows = np.arange(len(shares))[:, None]
        found = sums[rows, self._last[nodes]] - sums[rows, self._first[nodes]]
        return np.where(nodes >= 0, found, 0).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """The best classes of some texts, as arrays, and what a decision needs to know beside them."""

    classes: Integers
    """Shape (texts, k): places in `Tree.codes`, by falling confidence."""
    confidences: Floats
    """Shape (texts, k): calibrated, 0 to 1; a row's sum is at most 1."""
    read: NDArray[np.bool_]
    """Shape (texts,): False where the text held nothing that the model knows."""
    best: Floats
    """Shape (texts,): the raw score of the best class: low for what is unlike everything trained on."""
    runner: Floats
    """Shape (texts,): the raw score of the second best class."""
    above: Floats
    """Shape (texts, levels): calibrated chance that the truth is the node above the first candidate at each
    level, the top first, or below it; 0 where there is none or where it was not asked for."""

    torn: NDArray[np.bool_]
    """Shape (texts,): whether the second class stays likely beside the first, see `BOTH_LIKELY`."""

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, rows: "Sequence[int] | NDArray[Any]") -> "Ranked":
        rows = np.asarray(rows, None if isinstance(rows, np.ndarray) else np.int64)
        return Ranked(**{name: values[rows] for name, values in vars(self).items()})

    @classmethod
    def joined(cls, parts: "Sequence[Ranked]") -> "Ranked":
        """One after the other; at least one part."""
        return cls(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})


def rank(
    scores: Floats,
    read: NDArray[np.bool_],
    calibration: Calibration,
    *,
    k: int,
    tree: Tree | None = None,
    bars: NDArray[np.float64] | None = None,
) -> Ranked:
    """The `k` best classes of each row of `scores`, which is overwritten; shape (rows, classes ≥ 2).

    With `tree`, also the mass above the first candidate: for every row, or, with `bars` (one a class), where
    the first candidate's confidence is under its bar or a second one stays likely.
    """
    count, rows = max(k, 2), np.arange(len(scores))
    scores *= np.float32(calibration.scale)
    classes = np.empty((len(scores), count), np.int64)
    held = np.empty((len(scores), count), np.float32)
    if count <= 8:
        # Passes over contiguous rows are cheaper than a partial sort.
        for place in range(count):
            classes[:, place] = scores.argmax(axis=1)
            held[:, place] = scores[rows, classes[:, place]]
            scores[rows, classes[:, place]] = -np.inf
        scores[rows[:, None], classes] = held
    else:
        classes[:] = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        held[:] = np.take_along_axis(scores, classes, axis=1)
    highest = held[:, :1].copy()
    np.subtract(scores, highest, out=scores)
    np.exp(scores, out=scores)
    # Without the best one, which is 1: beside it the rest would be lost in rounding.
    scores[rows, classes[:, 0]] = 0
    rest = scores.sum(axis=1, keepdims=True)
    scores[rows, classes[:, 0]] = 1
    total = 1 + rest
    shares = np.exp(held - highest) / total
    best, runner = held[:, 0] / np.float32(calibration.scale), held[:, 1] / np.float32(calibration.scale)
    torn = shares[:, 1] >= BOTH_LIKELY * shares[:, 0]
    confidences = _moved(shares, rest / total, best, runner, torn, calibration)
    above = np.zeros((len(scores), 0 if tree is None else len(tree.above)), np.float32)
    if tree is not None:
        asked = rows if bars is None else np.flatnonzero(torn | (confidences[:, 0] < bars[classes[:, 0]]))
        masses = tree.masses(scores[asked] / total[asked], classes[asked, 0])
        known = (shares[asked, 0], best[asked], runner[asked])
        above[asked] = _above(masses, *known, confidences[asked, 0], calibration)
    return Ranked(
        classes=classes[:, :k],
        confidences=confidences[:, :k],
        read=read,
        best=best,
        runner=runner,
        above=above,
        torn=torn,
    )


def mapped(plain: Ranked, calibration: Calibration) -> Ranked:
    """What `rank` gives under `calibration`, from what it gives under its temperature alone; k at least 2."""
    share = plain.confidences[:, 0]
    rest = np.maximum(1 - plain.confidences[:, :1], plain.confidences[:, 1:].sum(axis=1, keepdims=True))
    confidences = _moved(plain.confidences, rest, plain.best, plain.runner, plain.torn, calibration)
    above = _above(plain.above, share, plain.best, plain.runner, confidences[:, 0], calibration)
    return replace(plain, confidences=confidences, above=above)


def terms(share: Floats, best: Floats, runner: Floats) -> NDArray[np.float64]:
    """What a chance is read from, shape (rows, `TERMS`): logarithms of a share, the best score, its lead.

    The logarithms are those of beta calibration (Kull et al., 2017); the raw scores are there because a
    softmax forgets how good its best score is by itself.
    """
    held = np.clip(share.astype(np.float64), LEAST, 1 - LEAST)
    return np.column_stack([np.log(held), -np.log1p(-held), best, best - runner])


def left_over(masses: Floats, share: Floats) -> Floats:
    """Shape (rows, levels): the share that each node above has of what the best class leaves, 0 to 1."""
    rest = np.maximum(1 - share[:, None], np.float32(LEAST))
    return np.clip((masses - share[:, None]) / rest, 0, 1)


def _above(
    masses: Floats, share: Floats, best: Floats, runner: Floats, confidence: Floats, calibration: Calibration
) -> Floats:
    """Chances that the truth is in each node above: either the best class is right, or it is another there.

    They rise towards the top, as a node is part of those above it.
    """
    chances = left_over(masses, share)
    if calibration.above is not None:
        for level in range(masses.shape[1]):
            chances[:, level] = calibration.above(terms(chances[:, level], best, runner))
    chances = confidence[:, None] + (1 - confidence[:, None]) * chances
    chances[masses <= 0] = 0
    chances = np.maximum.accumulate(chances[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.where(masses > 0, chances, 0), np.float32)


def _moved(
    shares: Floats,
    rest: Floats,
    best: Floats,
    runner: Floats,
    torn: NDArray[np.bool_],
    calibration: Calibration,
) -> Floats:
    """The shares with the map's first one: the others divide what is left as before, none above the first.

    `rest`: shape (rows, 1), what the first one leaves.

    Where a second class stays likely, the first gets no more than its part of the two: held-out rows seldom
    show two high scores, and a map that never saw them may take the height of both for certainty of one.
    """
    if calibration.leaf is None:
        return shares
    first = calibration.leaf(terms(shares[:, 0], best, runner))
    first = np.where(torn, np.minimum(first, shares[:, 0] / shares[:, :2].sum(axis=1)), first)
    part = shares / np.maximum(rest, np.finfo(np.float32).tiny)
    moved: Floats = np.minimum(part * (1 - first[:, None]), first[:, None])
    moved[:, 0] = first
    return moved
