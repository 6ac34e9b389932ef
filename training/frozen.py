"""Whether the rows of a file are ones that a model has learned from, and which of them it has not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.text import group_key, title_key
from training.data import LabelledRow
from training.pipeline import data_digest
from training.splits import in_test

CHANCE = 0.001
"""How improbable a difference must be before it counts as a sign."""


def frozen_part(classifier: ProductionClassifier, rows: Sequence[LabelledRow]) -> NDArray[np.bool_]:
    """Which rows lie in the model's frozen test part: it has learned from none of them, in whatever file."""
    fraction = float(classifier.header["split"]["test_fraction"])
    return np.array([in_test(group_key(row.title), fraction) for row in rows], bool)


def same_rows(classifier: ProductionClassifier, rows: Sequence[LabelledRow]) -> bool:
    """Whether these are exactly the rows that the model's header records."""
    usable = [row for row in rows if title_key(row.title)]
    return bool(data_digest(usable) == classifier.header["data"]["sha256"])


def seems_familiar(right: NDArray[np.bool_], frozen: NDArray[np.bool_]) -> bool:
    """Whether the model is right outside its frozen part too often for rows that it has not learned from.

    On rows new to the model the two parts are alike.
    """
    return _more_often(
        int(right[~frozen].sum()), int((~frozen).sum()), int(right[frozen].sum()), int(frozen.sum())
    )


def beats_its_own_test(classifier: ProductionClassifier, right: NDArray[np.bool_]) -> bool:
    """Whether the model is right more often here than when it was tested: easier rows, or known ones."""
    tested = classifier.header["metrics"]["test"]
    if not tested:
        return False
    return _more_often(
        int(right.sum()), len(right), round(tested["top1"] * tested["rows"]), int(tested["rows"])
    )


def _more_often(right: int, rows: int, other_right: int, other_rows: int) -> bool:
    """One-sided exact test of Fisher."""
    table = [[right, rows - right], [other_right, other_rows - other_right]]
    return bool(fisher_exact(table, alternative="greater").pvalue < CHANCE)
