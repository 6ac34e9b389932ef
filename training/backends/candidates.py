"""The ways to answer with both families, compared on the held-out rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.blend import BlendOptions
from training.thresholds import GRID, grouped, precision_bound

LEAST_GAIN = 0.01
"""Share of the log loss that a model must validate better by if its transformer reads every text that the
faster one answers without; of one that reads fewer, as much less is asked."""
ALONE_GAIN = 0.05
"""The same for the transformer alone, beside a pool that could do without the linear tier by its weights."""
LESS_FILED = 0.02
"""Share of the products that a model may be certified to file less than the linear family and be kept."""
FAST_SHARE = 0.7
"""Of the texts: a cascade whose linear tier answers so many is three times as fast as its transformer."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to answer, and how it did on the held-out rows."""

    name: str
    options: BlendOptions | None
    """None: one family alone."""
    scores: NDArray[np.float32]
    """Shape (held-out rows, classes)."""
    top1: float
    macro_f1: float
    log_loss: float
    """Mean of −log of the probability of the right class."""
    coverage: float = 0.0
    """Share of the rows that it was not trained on which its certified bars file."""
    alone: float | None = None
    """Share that the linear tier of a cascade answers."""
    tiers: tuple[float | None, float | None] = (None, None)
    """Top-1 on the rows that the linear tier of a cascade answers, and on the others; None: on none."""

    def say(self, target: float) -> str:
        """One line for the person who waits."""
        first, second = ("–" if top1 is None else f"{top1:.3f}" for top1 in self.tiers)
        tier = (
            ""
            if self.alone is None
            else f"; the linear tier answers {self.alone:.0%} (top-1 {first}), both the rest (top-1 {second})"
        )
        return (
            f"{self.name}: log loss {self.log_loss:.3f}, top-1 {self.top1:.3f}, macro-F1 "
            f"{self.macro_f1:.3f}, certified to file {self.coverage:.0%} at {target:.0%} precision{tier}"
        )

    def describe(self) -> dict[str, object]:
        """For the header."""
        figures = {
            name: round(getattr(self, name), 4) for name in ("log_loss", "top1", "macro_f1", "coverage")
        }
        alone, first, second = (
            None if share is None else round(share, 4) for share in (self.alone, *self.tiers)
        )
        told = {"linear_tier": alone, "linear_tier_top1": first, "rest_top1": second}
        return {"name": self.name, **figures, **told}


def choose(candidates: Mapping[str, Candidate]) -> Candidate:
    """The one with the least log loss of those that may file as much; going from the fastest to the slowest,
    each must gain LEAST_GAIN for the share of the texts that its transformer reads more, and the transformer
    alone ALONE_GAIN.

    On the few hundred rows that a small catalogue can hold out, top-1 and macro-F1 move by whole points with
    a row or two; the log loss of the same rows tells a better model from a worse one. What may be filed is
    certified on all rows that a model was held out of, which are fewer for a transformer: a slightly better
    model that leaves more to people is no gain to a shop.
    """
    best, alone = candidates["linear"], 1.0
    for name in ("cascade", "mean", "distilbert"):
        other = candidates[name]
        slower = alone - (other.alone or 0.0)
        gain = ALONE_GAIN if name == "distilbert" else LEAST_GAIN * slower
        files = other.coverage >= candidates["linear"].coverage - LESS_FILED
        if files and other.log_loss < (1 - gain) * best.log_loss:
            best, alone = other, other.alone or 0.0
    return best


def fastest(
    cascades: Sequence[Candidate], *, mean: Candidate, transformer: Candidate, tolerated: float
) -> Candidate | None:
    """The cascade whose linear tier answers most of those that are as often right as the mean of both.

    Where that is less than FAST_SHARE, the most careful one beyond it that is no worse than its transformer
    in top-1 and macro-F1: this is what a cascade is for. None when there is neither.
    """
    faithful = [found for found in cascades if found.top1 >= mean.top1 - tolerated]
    best = max(faithful, key=lambda found: found.alone or 0, default=None)
    if best is not None and (best.alone or 0) >= FAST_SHARE:
        return best
    fast = [
        found
        for found in cascades
        if (found.alone or 0) >= FAST_SHARE
        and found.top1 >= transformer.top1 - tolerated
        and found.macro_f1 >= transformer.macro_f1 - tolerated
    ]
    return min(fast, key=lambda found: found.alone or 0, default=best)


def bars(
    sureness: NDArray[np.float32], right: NDArray[np.bool_], groups: NDArray[np.int64], target: float
) -> list[float]:
    """Confidences from which on the linear tier is certified at the target, and at stricter ones.

    A fixed sequence as in `thresholds.choose`: from where the confidences themselves say that the test is
    passed most easily, a hundredth of the rows more at a time, while the exact bound holds, title groups
    accounted for. `groups`: a number a row.
    """
    order = np.argsort(-sureness, kind="stable")
    wrong, alike = ~right[order], groups[order]
    # Of fewer than GRID rows some hundredths hold none.
    counts = np.unique(np.ceil(np.linspace(0, len(order), GRID + 1)).astype(int)[1:])
    found = []
    for wanted in (target, (1 + target) / 2, 1 - (1 - target) / 5):
        passed = None
        gains = np.cumsum(sureness[order].astype(np.float64) - wanted)[counts - 1]
        for rows in counts[int(np.argmax(gains / np.sqrt(counts))) :].tolist():
            if precision_bound(*grouped(wrong[:rows], alike[:rows])) < wanted:
                break
            passed = float(sureness[order[rows - 1]])
        if passed is not None:
            found.append(passed)
    return found
