"""Both families: the cascade, the mean, and the choice of whichever validates best."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.blend import BlendOptions, log_softmax, mixed, sure
from apps.categories.inference.errors import TrainingRefused
from training.backends import encoder_family, linear_family
from training.backends.fitted import Fitted
from training.calibration import fit_scale
from training.config import TrainingConfig
from training.data import TrainingData
from training.evaluation import macro_f1
from training.thresholds import precision_bound

WEIGHTS = (0.3, 0.5, 0.7, 1.0)
"""Of the encoder in the mean; the last is the encoder alone."""
TOLERATED = 0.003
"""Top-1 that the cascade may lose to the mean of both."""
LEAST_GAIN = 0.005
"""What a slower model must validate better by."""
BEGIN_SHARE = 0.2
"""Of the rows, the surest: where the linear tier's bars begin, as fewer would fail over a single error."""
NOTHING = -1e9
"""Score of a class where a row was not held out."""


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
    coverage: float
    """Share of the rows above the confidence from which on the target precision holds on these rows."""
    alone: float | None = None
    """Share that the linear tier of a cascade answers."""

    @property
    def score(self) -> float:
        """What `auto` goes by."""
        return (self.top1 + self.macro_f1 + self.coverage) / 3

    def say(self, target: float) -> str:
        """One line for the person who waits."""
        tier = "" if self.alone is None else f"; the linear tier answers {self.alone:.0%}"
        return (
            f"{self.name}: top-1 {self.top1:.3f}, macro-F1 {self.macro_f1:.3f}, files {self.coverage:.0%} at "
            f"{target:.0%} precision{tier}"
        )

    def describe(self) -> dict[str, object]:
        """For the header."""
        figures = {name: round(getattr(self, name), 4) for name in ("top1", "macro_f1", "coverage")}
        alone = None if self.alone is None else round(self.alone, 4)
        return {"name": self.name, **figures, "linear_tier": alone}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Both families, trained on the same rows and fields, and the ways to answer with them."""

    linear: Fitted
    encoder: Fitted
    held: NDArray[np.bool_]
    """Shape (rows,): rows that neither measured model learned from."""
    candidates: Mapping[str, Candidate]

    def fitted(self, name: str) -> Fitted:
        """One of the candidates as a model of its own."""
        chosen, linear, encoder = self.candidates[name], self.linear, self.encoder
        notes = {
            "linear": linear.notes,
            "encoder": encoder.notes,
            "candidates": [candidate.describe() for candidate in self.candidates.values()],
            "chosen": name,
        }
        if chosen.options is None:
            return replace({"linear": linear, "distilbert": encoder}[name], notes=notes)
        scores = np.full(linear.scores.shape, NOTHING, np.float32)
        scores[self.held] = chosen.scores
        blend = {"engine": "blend", "blend": asdict(chosen.options)}
        return Fitted(
            segments=linear.segments,
            header={**linear.header, **encoder.header, **blend},
            records={**linear.records, **encoder.records},
            scores=scores,
            held=self.held,
            notes=notes,
        )


def train(data: TrainingData, config: TrainingConfig, progress: Callable[[str], None]) -> Fitted:
    """Train both families and answer with them as `config.backend` says: cascade, mean, or auto.

    `auto` keeps what validates best, the simpler one when the slower gains less than LEAST_GAIN; without a
    base for the transformer it is the linear family alone. Raises TrainingRefused.
    """
    linear = linear_family.train(data, config, progress)
    try:
        encoder = encoder_family.train_with(data, linear.segments, config, progress)
    except TrainingRefused as refusal:
        if config.backend != "auto":
            raise
        progress(f"linear alone: {refusal}")
        return linear
    both = pair(linear, encoder, data, config)
    for candidate in both.candidates.values():
        progress(candidate.say(config.target_precision))
    if config.backend != "auto":
        return both.fitted(config.backend)
    chosen = choose(both.candidates)
    progress(_why(chosen, both.candidates))
    return both.fitted(chosen.name)


def pair(linear: Fitted, encoder: Fitted, data: TrainingData, config: TrainingConfig) -> Pair:
    """Both families as candidates. Raises TrainingRefused when no row was held out of both."""
    held = linear.held & encoder.held
    if not held.any():
        raise TrainingRefused("no row was held out of both models; label more different products")
    candidates = _candidates(linear, encoder, held, data, config)
    return Pair(linear=linear, encoder=encoder, held=held, candidates=candidates)


def choose(candidates: Mapping[str, Candidate]) -> Candidate:
    """The best by score; going from the fastest to the slowest, each must gain LEAST_GAIN."""
    best = candidates["linear"]
    for name in ("cascade", "distilbert", "mean"):
        if candidates[name].score > best.score + LEAST_GAIN:
            best = candidates[name]
    return best


def _candidates(
    linear: Fitted,
    encoder: Fitted,
    held: NDArray[np.bool_],
    data: TrainingData,
    config: TrainingConfig,
) -> dict[str, Candidate]:
    labels, weights = np.asarray(data.labels, np.int64), np.asarray(data.weights)
    # The linear family has an answer for nearly every row: more to go by than the encoder's held-out part.
    linear_scale = fit_scale(linear.scores[linear.held], labels[linear.held], weights[linear.held])
    encoder_scale = fit_scale(encoder.scores[held], labels[held], weights[held])
    truth = labels[held]
    all_linear = log_softmax(linear.scores, linear_scale)
    first, second = all_linear[held], encoder.scores[held]
    everything = np.ones(len(truth), np.bool_)

    def candidate(
        name: str, scores: NDArray[np.float32], options: BlendOptions | None, alone: float | None = None
    ) -> Candidate:
        found = scores.argmax(axis=1)
        return Candidate(
            name=name,
            options=options,
            scores=scores,
            top1=float((found == truth).mean()),
            macro_f1=macro_f1(truth, found),
            coverage=coverage(scores, truth, config.target_precision),
            alone=alone,
        )

    def blended(weight: float, bar: float | None) -> Candidate:
        options = BlendOptions(linear_scale=linear_scale, encoder_scale=encoder_scale, weight=weight, bar=bar)
        scores = mixed(first, second, options=options, known=(everything, everything))
        certain = sure(first, bar)
        scores[certain] = first[certain]
        name = "mean" if bar is None else "cascade"
        return candidate(name, scores, options, None if bar is None else float(certain.mean()))

    mean = max((blended(weight, None) for weight in WEIGHTS[:-1]), key=lambda found: found.score)
    tail = max((blended(weight, None) for weight in WEIGHTS), key=lambda found: found.score)
    assert tail.options is not None  # noqa: S101  # blended() always gives some
    right = all_linear[linear.held].argmax(axis=1) == labels[linear.held]
    sureness = np.exp(all_linear[linear.held].max(axis=1))
    cascades = [blended(tail.options.weight, bar) for bar in _bars(sureness, right, config.target_precision)]
    faithful = [found for found in cascades if found.top1 >= tail.top1 - TOLERATED]
    cascade = max(faithful or [blended(tail.options.weight, 1.0)], key=lambda found: found.alone or 0)
    return {
        "linear": candidate("linear", first, None),
        "distilbert": candidate("distilbert", log_softmax(second, encoder_scale), None),
        "cascade": cascade,
        "mean": mean,
    }


def _bars(sureness: NDArray[np.float32], right: NDArray[np.bool_], target: float) -> list[float]:
    """Confidences from which on the linear tier is certified at the target, and at stricter ones.

    A fixed sequence as in `thresholds.choose`: from the surest BEGIN_SHARE of the rows, a hundredth more at a
    time, while the exact bound holds.
    """
    order = np.argsort(-sureness, kind="stable")
    wrong = np.cumsum(~right[order])
    found = []
    for wanted in (target, (1 + target) / 2, 1 - (1 - target) / 5):
        passed = None
        for share in np.linspace(BEGIN_SHARE, 1, round(100 * (1 - BEGIN_SHARE)) + 1):
            rows = max(1, round(share * len(order)))
            if precision_bound(rows, int(wrong[rows - 1])) < wanted:
                break
            passed = float(sureness[order[rows - 1]])
        if passed is not None:
            found.append(passed)
    return found


def coverage(scores: NDArray[np.float32], truth: NDArray[np.int64], target: float) -> float:
    """Largest share of the rows, the surest first, of which at least `target` are right."""
    logs = log_softmax(scores, 1.0).max(axis=1)
    order = np.argsort(-logs, kind="stable")
    right = np.cumsum((scores.argmax(axis=1) == truth)[order])
    enough = np.flatnonzero(right >= target * np.arange(1, len(truth) + 1))
    return 0.0 if not len(enough) else float(enough[-1] + 1) / len(truth)


def _why(chosen: Candidate, candidates: Mapping[str, Candidate]) -> str:
    others = ", ".join(
        f"{found.name} {found.score:.3f}" for found in candidates.values() if found is not chosen
    )
    return (
        f"auto keeps {chosen.name}: the mean of its top-1, macro-F1 and coverage on the held-out rows is "
        f"{chosen.score:.3f}; the others have {others}, and a slower model must gain {LEAST_GAIN:g} to be "
        "worth its time"
    )
