"""Both families: the cascade, the mean, and the choice of whichever validates best."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from apps.categories.inference.blend import BlendOptions, likened, mixed, sure, without_prior
from apps.categories.inference.errors import ParityRefused, TrainingRefused
from apps.categories.inference.softmax import log_softmax
from training.backends import encoder_family, linear_family, ranks
from training.backends.candidates import ALONE_GAIN, LEAST_GAIN, LESS_FILED, Candidate, bars, choose, fastest
from training.backends.fitted import Fitted
from training.calibration import fit_scale
from training.certification import certify_held
from training.config import TrainingConfig
from training.data import TrainingData
from training.evaluation import macro_f1

TOLERATED = 0.003
"""What the cascade may lose to the mean of both, or to its transformer; one row where that is less."""
TIMED_ROWS = 500
LEAST_WEIGHT = 0.01
PRIOR_SHARE = 0.25
"""Of a class's log-frequency, taken off the encoder's log-probabilities in the pool; see ADR 8."""
USUAL_WEIGHTS = (0.6, 0.5)
PSEUDO_ROWS = 25
"""The pool's weights begin at the usual ones, and held-out rows move them: these are worth so many rows."""
NOTHING = -1e9
"""Score of a class where a row was not held out."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Both families, trained on the same rows and fields, and the ways to answer with them."""

    linear: Fitted
    encoder: Fitted
    held: NDArray[np.bool_]
    """Shape (rows,): rows that neither measured model learned from."""
    candidates: Mapping[str, Candidate]
    log_prior: NDArray[np.float32]
    """Of the classes among the rows, shape (classes,)."""

    def scored(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Raw scores of one of the candidates, (rows, classes), and the rows that it was held out of."""
        chosen = self.candidates[name]
        if chosen.options is None:
            return self._alone(name).scores, self._alone(name).held
        scores = np.full(self.linear.scores.shape, NOTHING, np.float32)
        scores[self.held] = likened(chosen.scores, self.linear.scores[self.held].max(axis=1))
        return scores, self.held

    def _alone(self, name: str) -> Fitted:
        return {"linear": self.linear, "distilbert": self.encoder}[name]

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
            return replace(self._alone(name), notes=notes, checkpoints=encoder.checkpoints)
        scores, held = self.scored(name)
        prior = self.log_prior
        blend = {
            "engine": "blend",
            "blend": asdict(chosen.options),
            "arrays": {**linear.header["arrays"], "log_prior": [prior.dtype.str, list(prior.shape)]},
        }
        return Fitted(
            segments=linear.segments,
            header={**linear.header, **encoder.header, **blend},
            records={**linear.records, **encoder.records, "log_prior": prior.tobytes()},
            scores=scores,
            held=held,
            notes=notes,
            checkpoints=encoder.checkpoints,
        )


def train(data: TrainingData, config: TrainingConfig, progress: Callable[[str], None]) -> Fitted:
    """Train both families and answer with them as `config.backend` says: cascade, mean, or auto.

    `auto` keeps what validates best, the faster one when the slower gains too little, see `choose`; where
    the transformer cannot be had (no base, a faulty export) it is the linear family alone. Raises
    TrainingRefused.
    """
    if config.backend != "auto":
        ranks.shared(lambda: encoder_family.require_base(config))
    # Of several processes the first one does it, with every processor; the others need but the recipe.
    linear = ranks.shared(
        lambda: linear_family.train(data, config, progress),
        tell=lambda fitted: replace(fitted, records={}, scores=fitted.scores[:0], held=fitted.held[:0]),
    )
    try:
        encoder = encoder_family.train_with(data, linear.segments, config, progress)
    except TrainingRefused as refusal:
        if config.backend != "auto":
            raise
        fault = isinstance(refusal, ParityRefused)
        reason = "the transformer was trained, but cannot be served: " if fault else ""
        told = f"linear alone: {reason}{refusal}"
        progress(told)
        ranks.leave()
        return replace(linear, notes={**linear.notes, "choice": told})
    both = pair(linear, encoder, data, config)
    for candidate in both.candidates.values():
        progress(candidate.say(config.target_precision))
    kept = config.backend
    if kept == "auto":
        chosen = choose(both.candidates)
        progress(_why(chosen, both.candidates))
        kept = chosen.name
    fitted = both.fitted(kept)
    if kept != "cascade":
        return fitted
    speeds = _speeds(both, fitted, data)
    progress(
        "texts a second on this machine: "
        + ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
    )
    return replace(fitted, notes={**fitted.notes, "texts_a_second": speeds})


def pair(linear: Fitted, encoder: Fitted, data: TrainingData, config: TrainingConfig) -> Pair:
    """Both families as candidates. Raises TrainingRefused when no row was held out of both."""
    held = linear.held & encoder.held
    if not held.any():
        raise TrainingRefused("no row was held out of both models; label more different products")
    log_prior = _log_prior(data)
    candidates = _candidates(linear, encoder, held, data, config, log_prior)
    both = Pair(linear=linear, encoder=encoder, held=held, candidates=candidates, log_prior=log_prior)
    filed = {
        name: certify_held(*both.scored(name), data, target=config.target_precision).threshold.coverage
        for name in candidates
    }
    told = {name: replace(found, coverage=filed[name]) for name, found in candidates.items()}
    return replace(both, candidates=told)


def _log_prior(data: TrainingData) -> NDArray[np.float32]:
    """Log of each class's share of the rows."""
    counts = np.bincount(np.asarray(data.labels), minlength=len(data.classes))
    return np.asarray(np.log(np.maximum(counts, 1) / max(counts.sum(), 1)), np.float32)


def _candidates(
    linear: Fitted,
    encoder: Fitted,
    held: NDArray[np.bool_],
    data: TrainingData,
    config: TrainingConfig,
    log_prior: NDArray[np.float32],
) -> dict[str, Candidate]:
    labels, weights = np.asarray(data.labels, np.int64), np.asarray(data.weights)
    # A title filed in two ways has no right answer: no way of answering is fitted or judged by it.
    unclear = np.asarray(data.contradictory, np.bool_)
    if unclear[held].all() or unclear[linear.held].all():
        unclear = np.zeros_like(unclear)
    # The linear family has an answer for nearly every row: more to go by than the encoder's held-out part.
    answered, judged = linear.held & ~unclear, ~unclear[held]
    linear_scale = fit_scale(linear.scores[answered], labels[answered], weights[answered])
    truth = labels[held]
    encoder_scale = fit_scale(encoder.scores[held][judged], truth[judged], weights[held][judged])
    all_linear = log_softmax(linear.scores, linear_scale)
    first, second = all_linear[held], encoder.scores[held]
    everything = np.ones(len(truth), np.bool_)

    def candidate(
        name: str,
        scores: NDArray[np.float32],
        options: BlendOptions | None,
        certain: NDArray[np.bool_] | None = None,
    ) -> Candidate:
        found = scores[judged].argmax(axis=1)
        right = found == truth[judged]
        tiers = (
            (None, None)
            if certain is None
            else (_share(right[certain[judged]]), _share(right[~certain[judged]]))
        )
        return Candidate(
            name=name,
            options=options,
            scores=scores,
            log_loss=-float(scores[judged, truth[judged]].mean()),
            top1=float(right.mean()),
            macro_f1=macro_f1(truth[judged], found),
            alone=None if certain is None else float(certain.mean()),
            tiers=tiers,
        )

    other = log_softmax(second, encoder_scale)
    leveled = without_prior(other, log_prior, PRIOR_SHARE)
    together = fit_weights(first[judged], leveled[judged], truth[judged], weights[held][judged])

    def blended(bar: float | None) -> Candidate:
        options = BlendOptions(
            linear_scale=linear_scale,
            encoder_scale=encoder_scale,
            linear_weight=together[0],
            encoder_weight=together[1],
            bar=bar,
            prior_share=PRIOR_SHARE,
        )
        known = (everything, everything)
        scores = mixed(first, second, options=options, known=known, log_prior=log_prior)
        certain = sure(first, bar)
        scores[certain] = first[certain]
        name = "mean" if bar is None else "cascade"
        return candidate(name, scores, options, None if bar is None else certain)

    mean = blended(None)
    # Certified on every row that it has an answer for, those of titles filed in two ways among them.
    scored = all_linear[linear.held]
    right = scored.argmax(axis=1) == labels[linear.held]
    groups = np.unique(np.asarray(data.groups), return_inverse=True)[1][linear.held]
    found = bars(np.exp(scored.max(axis=1)), right, groups, config.target_precision)
    cascades = [blended(bar) for bar in found]
    transformer = candidate("distilbert", other, None)
    tolerated = max(TOLERATED, 1 / judged.sum())
    cascade = fastest(cascades, mean=mean, transformer=transformer, tolerated=tolerated) or blended(1.0)
    return {
        "linear": candidate("linear", first, None),
        "distilbert": transformer,
        "cascade": cascade,
        "mean": mean,
    }


def fit_weights(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> tuple[float, float]:
    """The two weights of `blend.mixed` with the least log loss on held-out rows, each at most 3.

    Held back towards USUAL_WEIGHTS as if PSEUDO_ROWS rows spoke for them: two numbers fitted to a hundred
    rows are else the luck of these rows. The first is at least LEAST_WEIGHT, as two useless families would
    else be given none, and answer nothing. `first`, `second`: log-probabilities, shape (rows, classes). The
    loss is convex in them.
    """
    rows, usual = np.arange(len(labels)), np.array(USUAL_WEIGHTS)
    pull = PSEUDO_ROWS / max(1.0, float(weights.sum()))

    def loss(pair: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logs = log_softmax(np.float32(pair[0]) * first + np.float32(pair[1]) * second, 1.0)
        expected = np.exp(logs)
        slopes = [
            np.average((expected * part).sum(axis=1) - part[rows, labels], weights=weights)
            for part in (first, second)
        ]
        away = pair - usual
        fit = -float(np.average(logs[rows, labels], weights=weights))
        return fit + pull * float(away @ away), np.array(slopes, np.float64) + 2 * pull * away

    found = minimize(loss, usual, jac=True, bounds=[(LEAST_WEIGHT, 3.0), (0.0, 3.0)], method="L-BFGS-B")
    return float(found.x[0]), float(found.x[1])


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _speeds(both: Pair, cascade: Fitted, data: TrainingData) -> dict[str, float]:
    """Texts a second of each tier and of the cascade, on held-out rows, as a server runs them."""
    rows = [data.rows[place] for place in np.flatnonzero(both.held)[:TIMED_ROWS]]
    asked = linear_family.texts(rows, cascade.segments)
    found = {}
    for name, fitted in (("linear", both.linear), ("transformer", both.encoder), ("cascade", cascade)):
        engine = fitted.engine()
        engine.scores(asked[:20])
        started = time.perf_counter()
        engine.scores(asked)
        found[name] = round(len(asked) / (time.perf_counter() - started), 1)
    return found


def _why(chosen: Candidate, candidates: Mapping[str, Candidate]) -> str:
    others = ", ".join(
        f"{found.name} {found.log_loss:.3f}" for found in candidates.values() if found is not chosen
    )
    return (
        f"auto keeps {chosen.name}: its log loss on the held-out rows is {chosen.log_loss:.3f}; the others "
        f"have {others}; one whose transformer reads every text must have {LEAST_GAIN:.0%} less than one "
        f"that reads none, and the transformer alone {ALONE_GAIN:.0%} less than the best before it; it may "
        f"file {chosen.coverage:.0%} by itself, linear {candidates['linear'].coverage:.0%}, and none is kept "
        f"that may file {LESS_FILED:.0%} less"
    )
