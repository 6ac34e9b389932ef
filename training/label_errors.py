"""Labels that are probably wrong: confident learning (Northcutt, Jiang and Chuang, JAIR 70, 2021)."""

from dataclasses import dataclass

import numpy as np

from training.outcomes import NO_ANSWER, Outcomes


@dataclass(frozen=True, kw_only=True)
class SuspectedLabel:
    """One row whose label the model contradicts with more certainty than it has where it agrees."""

    row: int
    """Place in the outcomes."""
    rank: int
    """Which of its candidates it believes in, 0 for the best."""
    margin: float
    """How far the confidence in that one exceeds that in the label."""


def suspected_labels(outcomes: Outcomes) -> list[SuspectedLabel]:
    """The suspected labels, the clearest first (by how far the belief exceeds that in the label).

    A category is believed of a row when its confidence reaches the average confidence that the model has in
    that category over the rows labelled so; of several, the most confident. A row that is believed to belong
    elsewhere, and more so than where its label says, is suspected: the off-diagonal of the confident joint.
    Only the kept candidates are looked at. A model finds least among the rows that it has learned from.
    """
    usable = outcomes.read & (outcomes.truth < outcomes.known)
    labels = outcomes.truth[usable]
    own = outcomes.own[usable].astype(np.float64)
    rows = np.bincount(labels, minlength=outcomes.known)
    total = np.bincount(labels, weights=own, minlength=outcomes.known)
    # A category that no row is labelled with has no average to reach.
    average = np.divide(total, rows, out=np.full(outcomes.known, np.inf), where=rows > 0)
    candidates = np.where(outcomes.classes == NO_ANSWER, 0, outcomes.classes)
    reached = outcomes.confidences >= average[candidates]
    rank = reached.argmax(axis=1)
    every = np.arange(len(rank))
    margin = outcomes.confidences[every, rank] - outcomes.own
    suspected = usable & reached.any(axis=1) & (candidates[every, rank] != outcomes.truth) & (margin > 0)
    found = [
        SuspectedLabel(row=row, rank=int(rank[row]), margin=float(margin[row]))
        for row in np.flatnonzero(suspected).tolist()
    ]
    return sorted(found, key=lambda label: (-label.margin, label.row))
