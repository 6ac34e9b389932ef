"""Labels that are probably wrong: confident learning (Northcutt, Jiang and Chuang, JAIR 70, 2021)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.ranking import Calibration, rank
from training.outcomes import CELLS, KEPT, NO_ANSWER, Outcomes

LEAST_BELIEF = 0.5
"""Less than this is believed of no category: one that the model hardly ever recognises has an average near 0,
which any confidence reaches."""
OFFERED = 3
"""Candidates that a suspect is shown with: the better one, the label, and the next best."""


@dataclass(frozen=True, kw_only=True)
class SuspectedLabel:
    """One row whose label the model contradicts with more certainty than it has where it agrees."""

    row: int
    """Place in the outcomes."""
    margin: float
    """How far the confidence in the best candidate exceeds that in the label."""


def suspected_labels(outcomes: Outcomes) -> list[SuspectedLabel]:
    """The suspected labels, the clearest first (by how far the belief exceeds that in the label).

    The best candidate of a row is believed when its confidence reaches the average confidence that the model
    has in that category over the rows labelled so, and LEAST_BELIEF. A row that is believed to belong
    elsewhere than its label says is suspected: the off-diagonal of the confident joint, where a belief is
    also the likeliest. A model finds least among the rows that it has learned from.
    """
    usable = outcomes.read & (outcomes.truth < outcomes.known)
    return _suspected(
        outcomes.classes, outcomes.confidences, outcomes.own, outcomes.truth, usable, known=outcomes.known
    )


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A suspected label among rows that were answered by a model of other rows."""

    row: int
    """Place in those rows."""
    candidates: tuple[tuple[str, float], ...]
    """(category code, confidence 0 to 1): the better one, then at most OFFERED - 1 others by falling
    confidence, the label among them."""
    margin: float
    """As that of a SuspectedLabel."""


def held_out_suspects(
    scores: NDArray[np.float32], labels: Sequence[int], codes: Sequence[str], calibration: Calibration
) -> list[Suspect]:
    """The suspected labels of rows whose `scores` (raw, a column for each of `codes`) are by models that had
    not seen them, the clearest first: how the rows of a training are to be asked about.

    `labels` are places in `codes`.

    Memory: KEPT candidates a row, and CELLS confidences while they are made.
    """
    truth, known = np.asarray(labels, np.int64), scores.shape[1]
    classes = np.empty((len(truth), min(KEPT, known)), np.int64)
    confidences = np.empty(classes.shape, np.float32)
    own = np.empty(len(truth), np.float32)
    step = max(1, CELLS // known)
    for start in range(0, len(truth), step):
        batch = slice(start, start + step)
        read = np.ones(len(truth[batch]), bool)
        # Every class, not only the best: the label's own confidence is wanted wherever it ranks.
        ranked = rank(scores[batch].copy(), read, calibration, k=known)
        classes[batch] = ranked.classes[:, : classes.shape[1]]
        confidences[batch] = ranked.confidences[:, : classes.shape[1]]
        own[batch] = ranked.confidences[ranked.classes == truth[batch, None]]
    found = _suspected(classes, confidences, own, truth, np.ones(len(truth), bool), known=known)
    suspects = []
    for label in found:
        names = [codes[place] for place in classes[label.row].tolist()]
        best = list(zip(names, confidences[label.row].tolist(), strict=True))
        better, mine = best[0], (codes[truth[label.row]], float(own[label.row]))
        others = [item for item in best if item[0] not in (better[0], mine[0])][: OFFERED - 2]
        rest = sorted([*others, mine], key=lambda item: -item[1])
        suspects.append(Suspect(row=label.row, candidates=(better, *rest), margin=label.margin))
    return suspects


def _suspected(
    classes: NDArray[np.int64],
    confidences: NDArray[np.float32],
    own: NDArray[np.float32],
    truth: NDArray[np.int64],
    usable: NDArray[np.bool_],
    *,
    known: int,
) -> list[SuspectedLabel]:
    """The rule itself, over rows with their best classes and the confidence in their own label."""
    labels = truth[usable]
    rows = np.bincount(labels, minlength=known)
    total = np.bincount(labels, weights=own[usable].astype(np.float64), minlength=known)
    # A category that no row is labelled with has no average to reach.
    average = np.divide(total, rows, out=np.full(known, np.inf), where=rows > 0)
    best = np.where(classes[:, 0] == NO_ANSWER, 0, classes[:, 0])
    sure = confidences[:, 0]
    believed = sure >= np.maximum(average[best], LEAST_BELIEF)
    margin = sure - own
    found = [
        SuspectedLabel(row=row, margin=float(margin[row]))
        for row in np.flatnonzero(usable & believed & (best != truth)).tolist()
    ]
    return sorted(found, key=lambda label: (-label.margin, label.row))
