"""From held-out predictions to the bars at which products are filed without a person, with a promise.

The promise: with 95% certainty, at least the target share of what is filed is filed rightly. Bars are tried
in an order that is fixed before any label is looked at, from where passing is likeliest towards more
products, each by an exact test, until the first that fails: fixed-sequence testing, which needs no correction
for how many are tried (Learn then Test, Angelopoulos et al., 2021).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from apps.categories.inference.decision import ASSIGN, ASSIGN_PARENT, Policy
from apps.categories.inference.decisions import Decisions, bars, decide
from apps.categories.inference.ranking import Ranked, Tree
from training.calibration import within

DOUBT = 0.05
"""Chance that the promise is broken: of all tests together."""
RAISE_DOUBT = 0.005
"""Its share that is spent on taking categories for bad, all of them together."""
GRID = 100
"""Bars that may be tried: each takes in another hundredth of the rows."""
STEPS = 4
"""Bars that a category may be raised to, each halving the way to 1; after them it is never filed."""
LEAST_CONFIDENCE = 0.5
"""What is likelier wrong than right is never filed, even where the precision of the rest would pay for it."""
UNFAMILIAR_SHARE = 0.03
"""Of the held-out rows that reach `LEAST_CONFIDENCE`, the share with the lowest best scores that is taken to
be unlike the training data: the most that the gate can cost."""

Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Held-out rows that were filed, and how sure they make."""

    rows: int
    errors: int
    bound: float
    """One-sided Clopper–Pearson lower bound of the precision; 0.0 without rows."""


@dataclass(frozen=True, kw_only=True)
class CategoryEvidence:
    """What speaks for filing under one category."""

    code: str
    bar: float | None
    """The confidence that it needs; None: never filed by the model."""
    basis: str | None
    """Whose rows certify it: the category itself, one above it, or None: the whole tree."""
    evidence: Evidence
    """Of that basis."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The bars with their evidence."""

    value: float | None
    """Lowest confidence that is filed without a person; None: nothing is certified, all goes to review."""
    target: float
    """The precision asked for."""
    parent: float | None = None
    """Lowest chance of a node above that is filed in the category's stead."""
    familiar: float | None = None
    """Lowest raw score of a text that is like the training data."""
    raised: dict[str, float] = field(default_factory=dict)
    """Category code to a bar of its own; 1: never filed."""
    rows: int = 0
    """Held-out predictions that these bars file, at a category or above it."""
    errors: int = 0
    """Those of them that are wrong."""
    bound: float = 0.0
    """Lower bound of their precision, at the certainty of the sequence; 0.0 when nothing is certified."""
    coverage: float = 0.0
    """Share of all held-out predictions that are filed."""
    parents: int = 0
    """Those of the filed rows that are filed above their category."""

    def policy(self) -> Policy:
        """What the server decides by."""
        return Policy(threshold=self.value, parent=self.parent, familiar=self.familiar, raised=self.raised)

    def as_dict(self) -> dict[str, object]:
        """For the header."""
        return asdict(self)


def precision_bound(rows: float, errors: float, *, doubt: float = DOUBT) -> float:
    """One-sided lower bound of a precision after `errors` wrong of `rows` (Clopper and Pearson, 1934)."""
    return float(beta.ppf(doubt, rows - errors, errors + 1)) if rows > errors else 0.0


def precision_ceiling(rows: float, errors: float, *, doubt: float = DOUBT) -> float:
    """One-sided upper bound of a precision."""
    return float(beta.ppf(1 - doubt, rows - errors + 1, errors)) if errors > 0 else 1.0


def precision_interval(rows: int, errors: int, *, confidence: float = 1 - DOUBT) -> tuple[float, float]:
    """Two-sided interval of a precision after `errors` wrong of `rows` (Clopper and Pearson, 1934)."""
    doubt = (1 - confidence) / 2
    return precision_bound(rows, errors, doubt=doubt), precision_ceiling(rows, errors, doubt=doubt)


def grouped(wrong: Bools, groups: Integers) -> tuple[float, float]:
    """Rows and errors as if rows were independent, for an exact bound: (rows, errors), both real numbers.

    Rows of one title group tend to be right or wrong together, so that they say less than their number: both
    are divided by the design effect, at least 1 (Korn and Graubard, 1998). Without an error, or with nothing
    else, every group is taken to be of one mind (Kish, 1965).
    """
    rows, errors = len(wrong), int(wrong.sum())
    if not rows:
        return 0.0, 0.0
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if 0 < errors < rows:
        share = errors / rows
        gaps = np.bincount(place, wrong) - share * sizes
        effect = float((gaps**2).sum()) / (rows * share * (1 - share))
    else:
        effect = float((sizes.astype(float) ** 2).sum()) / rows
    effect = max(1.0, effect)
    return rows / effect, errors / effect


def choose(
    ranked: Ranked, labels: Integers, groups: Integers, tree: Tree, *, target: float, back_off: bool = True
) -> tuple[Threshold, list[CategoryEvidence]]:
    """The most lenient bars that keep the promise, and the evidence of each category.

    `back_off`: file above a category, too, where it falls short itself.

    `ranked`: held-out rows with what lies above them; `labels`: places in `tree.codes`, −1 for none of them;
    `groups`: a number a row, the same for rows of one title group. Fails closed: no bar, nothing filed.
    """
    found: Threshold | None = None
    for policy in _sequence(ranked, tree, target, back_off=back_off):
        threshold = _tested(policy, ranked, labels, groups, tree, target)
        if threshold.bound < target:
            break
        found = threshold
    if found is None:
        return Threshold(value=None, target=target), []
    raised = _raised(found, ranked, labels, groups, tree)
    if raised:
        found = _tested(replace(found, raised=raised).policy(), ranked, labels, groups, tree, target)
    return found, _by_category(found, ranked, labels, groups, tree)


def right_ones(decisions: Decisions, ranked: Ranked, labels: Integers, tree: Tree) -> Bools:
    """Which decisions name the truth, or a node that the truth lies below."""
    first = ranked.classes[:, 0]
    nodes = decisions.places[:, None] == tree.above[:, first].T
    beneath = (within(tree, first, labels) & nodes).any(axis=1)
    return np.asarray(np.where(decisions.actions == ASSIGN_PARENT, beneath, first == labels))


def filed(decisions: Decisions) -> Bools:
    """Which products need no person."""
    return np.asarray((decisions.actions == ASSIGN) | (decisions.actions == ASSIGN_PARENT))


def _sequence(ranked: Ranked, tree: Tree, target: float, *, back_off: bool = True) -> Iterator[Policy]:
    """The policies in the order of their tests; no label is looked at.

    It begins where the confidences themselves say that the test is passed most easily: the strict end, where
    a single error among few rows would end it, is no place to begin.
    """
    if not len(ranked):
        return
    sure = ranked.confidences[:, 0] >= LEAST_CONFIDENCE
    if not sure.any():
        return
    familiar = float(np.quantile(ranked.best[sure], UNFAMILIAR_SHARE, method="lower"))
    falling = np.sort(ranked.confidences[:, 0].astype(np.float64))[::-1]
    places = np.unique(np.linspace(0, len(falling), GRID + 1).astype(int)[1:] - 1)
    levels = np.unique(np.maximum(falling[places], LEAST_CONFIDENCE))[::-1]
    policies = [
        # A node above is filed only where it reaches the target by itself, so that it never costs a bar.
        Policy(threshold=float(bar), parent=max(float(bar), target) if back_off else None, familiar=familiar)
        for bar in levels
    ]
    ease = []
    for policy in policies:
        decisions = decide(ranked, policy, tree)
        gains = decisions.confidences[filed(decisions)].astype(np.float64) - target
        ease.append(gains.sum() / np.sqrt(max(1, len(gains))))
    yield from policies[int(np.argmax(ease)) :]


def _tested(
    policy: Policy, ranked: Ranked, labels: Integers, groups: Integers, tree: Tree, target: float
) -> Threshold:
    decisions = decide(ranked, policy, tree)
    done = filed(decisions)
    wrong = ~right_ones(decisions, ranked, labels, tree)[done]
    bound = precision_bound(*grouped(wrong, groups[done]), doubt=DOUBT - RAISE_DOUBT)
    return Threshold(
        value=policy.threshold,
        target=target,
        parent=policy.parent,
        familiar=policy.familiar,
        raised=dict(policy.raised),
        rows=int(done.sum()),
        errors=int(wrong.sum()),
        bound=bound,
        coverage=float(done.mean()),
        parents=int((decisions.actions == ASSIGN_PARENT).sum()),
    )


def _raised(
    found: Threshold, ranked: Ranked, labels: Integers, groups: Integers, tree: Tree
) -> dict[str, float]:
    """Bars of categories whose own rows speak against them: what is cut off is worse than the target.

    A cut can break the promise only where it takes away rows that are better than the target, so each is made
    only on proof of the contrary, at `RAISE_DOUBT` for all of them; rows that are then filed above their
    category are right wherever they were before.
    """
    decisions = decide(ranked, found.policy(), tree)
    assigned = decisions.actions == ASSIGN
    wrong = ~right_ones(decisions, ranked, labels, tree)
    suspects = [
        place
        for place in np.unique(decisions.places[assigned]).tolist()
        if wrong[assigned & (decisions.places == place)].mean() > 1 - found.target
    ]
    levels = [1 - (1 - (found.value or 0)) / 2**step for step in range(1, STEPS + 1)] + [np.inf]
    doubt = RAISE_DOUBT / max(1, len(np.unique(decisions.places[assigned])) * len(levels))
    raised = {}
    for place in suspects:
        mine = assigned & (decisions.places == place)
        for bar in levels:
            cut = mine & (decisions.confidences < bar)
            if precision_ceiling(*grouped(wrong[cut], groups[cut]), doubt=doubt) < found.target:
                raised[tree.codes[place]] = min(1.0, bar)
                rest = wrong[mine & ~cut]
                if len(rest) and rest.mean() <= 1 - found.target:
                    break
    return raised


def _by_category(
    found: Threshold, ranked: Ranked, labels: Integers, groups: Integers, tree: Tree
) -> list[CategoryEvidence]:
    """The evidence of each class: its own rows where they certify it, else those of what lies above it."""
    decisions = decide(ranked, found.policy(), tree)
    done = filed(decisions)
    wrong = ~right_ones(decisions, ranked, labels, tree)
    whole = Evidence(rows=found.rows, errors=found.errors, bound=found.bound)
    rows_of: dict[int, list[int]] = {}
    for row in np.flatnonzero(done).tolist():
        place = int(decisions.places[row])
        for node in (*tree.above[:, ranked.classes[row, 0]].tolist(), int(ranked.classes[row, 0])):
            if node >= 0:
                rows_of.setdefault(node, []).append(row)
            if node == place:
                break

    def evidence(place: int) -> Evidence:
        rows = rows_of.get(place, [])
        bound = precision_bound(*grouped(wrong[rows], groups[rows])) if rows else 0.0
        return Evidence(rows=len(rows), errors=int(wrong[rows].sum()), bound=bound)

    known = {place: evidence(place) for place in rows_of}
    needed = bars(found.policy(), tree)
    answer = []
    for place, code in enumerate(tree.codes[: tree.classes]):
        line = [place, *(int(node) for node in tree.above[::-1, place] if node >= 0)]
        basis = next((node for node in line if node in known and known[node].bound >= found.target), None)
        answer.append(
            CategoryEvidence(
                code=code,
                bar=None if np.isinf(needed[place]) else float(needed[place]),
                basis=None if basis is None else tree.codes[basis],
                evidence=whole if basis is None else known[basis],
            )
        )
    return answer
