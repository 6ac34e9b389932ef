"""Outcomes made by hand, for figures that can be worked out on paper."""

from collections.abc import Sequence

import numpy as np

from apps.categories.inference.decision import Decision
from training.data import LabelledRow
from training.outcomes import NO_ANSWER, Outcomes

PATHS = ("Tools > Drills", "Tools > Saws", "Kitchen")
ASIDE = Decision(action="review", category_code="C", confidence=0.5, reason="unsure")
FILE = Decision(action="assign", category_code="C", confidence=0.9, reason="sure")
PARENT = Decision(action="assign_parent", category_code="P", confidence=0.9, reason="sure of the parent")
NOTHING = Decision(action="none", category_code=None, confidence=None, reason="nothing to go by")

Answer = tuple[str, Sequence[tuple[str, float]], Decision, bool]
"""Label, candidates by falling confidence, decision, whether what is filed is in its place."""


def outcomes(*answers: Answer, unknown: Sequence[str] = ()) -> Outcomes:
    """Rows of a model of three classes, `PATHS`; `unknown` are labels that it does not know."""
    paths = (*PATHS, *unknown)
    width = len(PATHS)
    classes = np.full((len(answers), width), NO_ANSWER, np.int64)
    confidences = np.zeros((len(answers), width), np.float32)
    own = np.zeros(len(answers), np.float32)
    for row, (label, candidates, _, _) in enumerate(answers):
        left = [path for path in PATHS if path not in dict(candidates)]
        filled = [*candidates, *((path, 0.0) for path in left)] if candidates else []
        for rank, (path, confidence) in enumerate(filled):
            classes[row, rank], confidences[row, rank] = paths.index(path), confidence
            if path == label:
                own[row] = confidence
    return Outcomes(
        rows=[
            LabelledRow(title=f"product {row}", category_code="C", category_path=answer[0], line=row + 2)
            for row, answer in enumerate(answers)
        ],
        paths=paths,
        known=width,
        truth=np.array([paths.index(answer[0]) for answer in answers], np.int64),
        classes=classes,
        confidences=confidences,
        own=own,
        decisions=[answer[2] for answer in answers],
        filed_right=np.array([answer[3] for answer in answers], bool),
    )
