"""How near a wrong category is to the right one in the tree."""

from collections.abc import Iterable
from dataclasses import dataclass

from apps.categories.inference.taxonomy import split_path


@dataclass(frozen=True, kw_only=True)
class Hierarchical:
    """Hierarchical precision, recall and F1, 0 to 1: a mistake within the right branch costs less.

    Kiritchenko, Matwin and Famili, 2005: a category stands for itself and everything above it, and what the
    two sets share is summed over all rows.
    """

    precision: float
    """Of all levels that were predicted, the share that is right."""
    recall: float
    """Of all levels of the labels, the share that was found."""
    f1: float


def hierarchical(pairs: Iterable[tuple[str, str | None]]) -> Hierarchical:
    """Of pairs of paths: the label and the prediction, None where there was none."""
    shared = predicted = true = 0
    for label, answer in pairs:
        levels = split_path(label)
        found = split_path(answer) if answer is not None else []
        true += len(levels)
        predicted += len(found)
        for name, other in zip(levels, found, strict=False):
            if name != other:
                break
            shared += 1
    precision = shared / predicted if predicted else 0.0
    recall = shared / true if true else 0.0
    f1 = 2 * precision * recall / (precision + recall) if shared else 0.0
    return Hierarchical(precision=precision, recall=recall, f1=f1)
