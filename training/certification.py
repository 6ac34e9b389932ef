"""From the raw scores of held-out rows, of any model family, to what the server may do by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.decisions import asked_above, decide
from apps.categories.inference.ranking import Tree, rank
from apps.categories.inference.taxonomy import Taxonomy
from training.calibration import PARTS, Calibrated, calibrate
from training.data import TrainingData
from training.evaluation import Metrics, measure
from training.splits import position
from training.thresholds import CategoryEvidence, Threshold, choose, filed, right_ones

KEPT_RANKS = 5


@dataclass(frozen=True, kw_only=True)
class Certification:
    """How confidences are read from scores, and which of them are acted on."""

    calibrated: Calibrated
    threshold: Threshold
    alone: Threshold | None
    """The bars of a server that knows no back-off, such as one of an export: certified without it. None:
    nobody asked for them."""
    categories: Sequence[CategoryEvidence]
    """What speaks for each class; empty when nothing is certified."""
    out_of_fold: Metrics
    """Of the held-out rows."""
    tree: Tree

    def header(self) -> dict[str, Any]:
        """What the artifact's header says about it: `calibration`, `threshold`, `categories`, and `alone`
        where it was asked for."""
        return {
            "calibration": self.calibrated.describe(),
            "threshold": self.threshold.as_dict(),
            "categories": [asdict(category) for category in self.categories],
            **({"alone": self.alone.as_dict()} if self.alone else {}),
        }

    def test(self, scores: NDArray[np.float32], read: NDArray[np.bool_], labels: Sequence[int]) -> Metrics:
        """Of rows scored as the server scores them; what it does not answer is wrong, and not filed.

        `scores` is overwritten. `labels` as for `certify`.
        """
        policy = self.threshold.policy()
        ranked = rank(
            scores,
            read,
            self.calibrated.calibration,
            k=_kept(self.tree),
            tree=self.tree,
            bars=asked_above(policy, self.tree),
        )
        ranked.classes[~read] = 0
        truth = np.asarray(labels, np.int64)
        decisions = decide(ranked, policy, self.tree)
        right = right_ones(decisions, ranked, truth, self.tree)
        ranked.classes[~read] = -2
        ranked.confidences[~read] = 0
        return measure(ranked.classes, ranked.confidences, truth, filed=filed(decisions), rightly=right)

    def say(self) -> list[str]:
        """Lines for the person who trains."""
        return [_say_calibration(self.calibrated), *_say_threshold(self.threshold, self.categories)]


def certify_held(
    scores: NDArray[np.float32],
    held: NDArray[np.bool_],
    data: TrainingData,
    *,
    target: float,
    alone: bool = False,
) -> Certification:
    """`certify` on the rows of `data` that the scoring models were held out of. `scores`: of all rows."""
    places = np.flatnonzero(held).tolist()
    return certify(
        scores[places],
        [data.labels[place] for place in places],
        [data.groups[place] for place in places],
        [data.weights[place] for place in places],
        classes=data.classes,
        paths=data.paths,
        target=target,
        alone=alone,
    )


def certify(
    scores: NDArray[np.float32],
    labels: Sequence[int],
    groups: Sequence[str],
    weights: Sequence[float],
    *,
    classes: Sequence[str],
    paths: Mapping[str, str],
    target: float,
    alone: bool = False,
) -> Certification:
    """Calibrate and certify on rows whose scores come from models that had not seen them.

    `scores`: shape (rows, classes), raw; `labels`: places in `classes`, −1 for none of them; `groups`: the
    title group of each row; `weights`: see `TrainingData`; `paths`: code to path; `alone`: certify bars for a
    server without back-off too. At least one row.
    """
    tree = Tree(Taxonomy.covering({code: paths[code] for code in classes}), classes)
    truth = np.asarray(labels, np.int64)
    parts = np.array([int(PARTS * position(group, salt="calibration")) for group in groups])
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    calibrated = calibrate(scores, truth, parts, np.asarray(weights, np.float64), tree, k=_kept(tree))
    ranked = calibrated.honest
    threshold, categories = choose(ranked, truth, numbers, tree, target=target)
    bars = choose(ranked, truth, numbers, tree, target=target, back_off=False)[0] if alone else None
    decisions = decide(ranked, threshold.policy(), tree)
    right = right_ones(decisions, ranked, truth, tree)
    metrics = measure(ranked.classes, ranked.confidences, truth, filed=filed(decisions), rightly=right)
    return Certification(
        calibrated=calibrated,
        threshold=threshold,
        alone=bars,
        categories=categories,
        out_of_fold=metrics,
        tree=tree,
    )


def _kept(tree: Tree) -> int:
    return min(KEPT_RANKS, tree.classes)


def _say_calibration(calibrated: Calibrated) -> str:
    return (
        f"calibrated by {calibrated.method}: confidences are {calibrated.error_after:.1%} off in the mean "
        f"({calibrated.error_temperature:.1%} by the temperature alone; {calibrated.expected_error:.1%} is "
        "chance)"
    )


def _say_threshold(threshold: Threshold, categories: Sequence[CategoryEvidence]) -> list[str]:
    if threshold.value is None:
        return [
            f"no confidence reaches {threshold.target:.0%} precision with 95% certainty on these rows: "
            "every product will go to review until there are more labels"
        ]
    lines = [
        f"from a confidence of {threshold.value:.3f} on, {threshold.rows - threshold.errors:,} of "
        f"{threshold.rows:,} held-out answers were right: at least {threshold.bound:.1%} with 95% certainty, "
        f"and {threshold.coverage:.0%} of the products are that sure "
        f"({threshold.parents:,} of them of a category above only)"
    ]
    own = sum(category.basis == category.code for category in categories)
    whole = sum(category.basis is None for category in categories)
    lines.append(
        f"{own:,} categories are certified by rows of their own, {len(categories) - own - whole:,} by those "
        f"of what lies above them, {whole:,} by the whole tree only"
    )
    never = [category.code for category in categories if category.bar is None]
    if never:
        shown = ", ".join(never[:5]) + (", …" if len(never) > 5 else "")
        lines.append(
            f"not certifiable, always for people: {len(never):,} categories that the model is wrong about "
            f"too often ({shown}): look at their labels"
        )
    higher = len(threshold.raised) - len(never)
    if higher:
        lines.append(f"{higher:,} categories need a higher confidence than the others")
    return lines
