"""A model judged on the labelled rows of a file, with what a reader must know before the figures."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.errors import EvaluationRefused
from training.data import LabelledRow
from training.evaluation import Evaluation, evaluate, share
from training.frozen import beats_its_own_test, frozen_part, same_rows, seems_familiar
from training.labels import Labels
from training.outcomes import Outcomes, score
from training.timing import Timing, measure_time


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What `judge` found."""

    outcomes: Outcomes
    evaluation: Evaluation
    frozen: Evaluation | None
    """Of the rows of the model's frozen test part alone; None where the file has none."""
    familiar: bool
    """Whether the model has learned from rows that are judged here, as far as can be told."""
    timing: Timing
    notes: tuple[str, ...]
    """What a reader must know before the figures, a sentence or two each."""
    skipped: dict[str, int]
    """Rows of the file that are not judged: why, and how many."""

    def as_dict(self) -> dict[str, Any]:
        """Everything but the rows, as plain values."""
        return {
            "metrics": asdict(self.evaluation) | {"verdict": self.evaluation.verdict},
            "frozen_test_part": asdict(self.frozen) if self.frozen else None,
            "trained_on_these_rows": self.familiar,
            "timing": asdict(self.timing),
            "notes": list(self.notes),
            "not_judged": self.skipped,
        }


def judge(
    labels: Labels,
    classifier: ProductionClassifier,
    *,
    test_part: bool = False,
    threshold: float | None = None,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Judgement:
    """Judge on rows that `read_labels` has read.

    `test_part`: only on those of the model's frozen test part. `threshold`: the shop's own in place of the
    model's. Raises EvaluationRefused when no row is left.
    """
    rows, frozen, skipped = _rows(labels, classifier, test_part=test_part)
    target = float(classifier.header["threshold"]["target"])
    outcomes = score(classifier, rows, threshold=threshold, on_progress=on_progress)
    evaluation = evaluate(outcomes, target=target)
    part = evaluate(outcomes.part(frozen), target=target) if frozen.any() else None
    same = not test_part and same_rows(classifier, rows)
    familiar = not frozen.all() and (same or seems_familiar(outcomes.right, frozen))
    if test_part:
        notes = [
            "Only rows of the model's frozen test part are judged. It has learned from none of them, so the "
            "figures are honest."
        ]
    elif familiar:
        notes = [_flattered(part, same=same)]
    elif beats_its_own_test(classifier, outcomes.right):
        notes = [
            f"The model is right far more often here than on its own frozen test part "
            f"({share(classifier.header['metrics']['test']['top1'])}): either these products are easier, or "
            "it has learned from them."
        ]
    else:
        notes = [
            "Nothing suggests that the model was trained on these rows. If it was, evaluate_classifier "
            "--test-part gives the honest figures."
        ]
    if evaluation.unknown:
        strange = sum(not category.known for category in evaluation.categories)
        notes.append(
            f"{evaluation.unknown:,} rows have a label that the model does not know ({strange:,} "
            "categories); they count as wrong."
        )
    if threshold is not None:
        notes.append(
            f"Products are filed from the shop's own threshold, {threshold:g}, not from the model's."
        )
    return Judgement(
        outcomes=outcomes,
        evaluation=evaluation,
        frozen=part,
        familiar=familiar,
        timing=measure_time(classifier, rows),
        notes=tuple(notes),
        skipped={words: count for words, count in skipped.items() if count},
    )


def _rows(
    labels: Labels, classifier: ProductionClassifier, *, test_part: bool
) -> tuple[list[LabelledRow], NDArray[np.bool_], dict[str, int]]:
    """The rows to judge on, which of them are frozen, and what is left out."""
    rows, frozen = labels.rows, frozen_part(classifier, labels.rows)
    skipped = {"rows that cannot be used": len(labels.rejected), "rows without a label": labels.unlabelled}
    if not rows:
        raise EvaluationRefused(
            "there is no row with a label to judge by: expected a category_path or a category_code, "
            f"but {_listed(skipped) or 'the file is empty'}"
        )
    if not test_part:
        return rows, frozen, skipped
    if not frozen.any():
        raise EvaluationRefused(
            f"none of the {len(rows):,} rows lies in the frozen test part of {classifier.version}: "
            "leave --test-part out, and judge on rows that it was not trained on"
        )
    skipped["rows outside the frozen test part"] = int((~frozen).sum())
    return [row for row, inside in zip(rows, frozen, strict=True) if inside], frozen[frozen], skipped


def _flattered(part: Evaluation | None, *, same: bool) -> str:
    source = "was trained on these very rows" if same else "seems to have been trained on many of these rows"
    if part is None:
        return (
            f"The model {source} and kept no test part of them: the figures flatter it, and none is honest."
        )
    return (
        f"The model {source}, so the figures below flatter it. Honest are those of the {part.rows:,} rows of "
        f"its frozen test part: {share(part.top1)} right at once; {share(part.coverage)} filed without a "
        f"person, {share(part.precision, down=True)} of those rightly. "
        "evaluate_classifier --test-part judges on them alone."
    )


def _listed(skipped: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {words}" for words, count in skipped.items() if count)
