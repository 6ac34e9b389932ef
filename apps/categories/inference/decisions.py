"""From ranked candidates to what is done with products. The only place that decides."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .decision import (
    ACTIONS,
    ASSIGN,
    ASSIGN_PARENT,
    NONE,
    REVIEW,
    UNFAMILIAR,
    Decision,
    Policy,
    percent,
)
from .ranking import Ranked, Tree

_UNDER, _TORN, _UNFAMILIAR, _UNUSABLE = range(4)


def bars(policy: Policy, tree: Tree) -> NDArray[np.float64]:
    """The bar of each class; infinite where it is never filed."""
    found = np.full(tree.classes, np.inf if policy.threshold is None else policy.threshold)
    for code in policy.raised:
        if (place := tree.place.get(code, tree.classes)) < tree.classes:
            found[place] = policy.bar(code)
    return found


def asked_above(policy: Policy, tree: Tree) -> NDArray[np.float64]:
    """The confidence of each class under which what lies above it may decide, for `rank`."""
    if policy.threshold is None or policy.parent is None:
        return np.zeros(tree.classes)
    return bars(policy, tree)


class Decisions:
    """What is done with some products: arrays for whole batches, a `Decision` where one is looked at."""

    def __init__(self, ranked: Ranked, policy: Policy, tree: Tree) -> None:
        """Made by `decide`."""
        self._policy, self._tree = policy, tree
        self._bars = bars(policy, tree)
        first, sure = ranked.classes[:, 0], ranked.confidences[:, 0]
        usable = (sure >= 0) & (sure <= 1)
        familiar = np.ones(len(ranked), bool) if policy.familiar is None else ranked.best >= policy.familiar
        torn = ranked.torn
        clears = sure.astype(np.float64) >= self._bars[first]
        self.actions = np.full(len(ranked), REVIEW, np.int8)
        """Numbers of `ACTIONS`."""
        self.places = first.copy()
        """Places in `Tree.codes`: what is assigned, or the first candidate."""
        self.confidences = sure.copy()
        """Of those places."""
        self._doubts = np.select([~usable, ~familiar, clears & torn], [_UNUSABLE, _UNFAMILIAR, _TORN], _UNDER)
        self.actions[usable & familiar & clears & ~torn] = ASSIGN
        if policy.parent is not None and policy.threshold is not None and ranked.above.shape[1]:
            self._back_off(
                ranked, np.flatnonzero(usable & familiar & (self.actions == REVIEW)), policy.parent
            )
        self.actions[~ranked.read] = NONE

    def _back_off(self, ranked: Ranked, rows: NDArray[np.int64], bar: float) -> None:
        """The deepest node above that clears the bar."""
        chances = ranked.above[rows]
        clears = (chances.astype(np.float64) >= bar) & (chances > 0)
        found = clears.any(axis=1)
        rows, clears, chances = rows[found], clears[found], chances[found]
        level = clears.shape[1] - 1 - clears[:, ::-1].argmax(axis=1)
        self.places[rows] = self._tree.above[level, ranked.classes[rows, 0]]
        self.confidences[rows] = chances[np.arange(len(rows)), level]
        self.actions[rows] = ASSIGN_PARENT

    def __len__(self) -> int:
        return len(self.actions)

    def __iter__(self) -> Iterator[Decision]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, row: int) -> Decision:
        action = ACTIONS[self.actions[row]]
        if action == "none":
            return Decision(
                action=action, category_code=None, confidence=None, reason="the text has nothing to go by"
            )
        return Decision(
            action=action,
            category_code=self._tree.codes[self.places[row]],
            confidence=float(self.confidences[row]),
            reason=self.reason(row),
        )

    def reason(self, row: int) -> str:
        """One short sentence for a merchandiser."""
        action, sure = self.actions[row], float(self.confidences[row])
        if action == NONE:
            return "the text has nothing to go by"
        if action == ASSIGN_PARENT:
            return f"unsure of the exact category; {percent(sure)} sure of this one above it"
        bar = float(self._bars[self.places[row]])
        if action == ASSIGN:
            return f"reaches the {percent(bar)} that is needed"
        if self._policy.threshold is None:
            return "this model is not certified to file anything on its own"
        doubt = self._doubts[row]
        if doubt == _UNUSABLE:
            return "the model gave no usable confidence"
        if doubt == _UNFAMILIAR:
            return UNFAMILIAR
        if doubt == _TORN:
            return "two categories stay likely"
        if bar == np.inf:
            return "not certifiable: this model is wrong too often about this category"
        return f"{percent(sure)} is under the {percent(bar, up=True)} that is needed"


def decide(ranked: Ranked, policy: Policy, tree: Tree) -> Decisions:
    """What to do with ranked texts. At a bar is enough; a row without confidences is never acted on."""
    return Decisions(ranked, policy, tree)
