"""Two engines as one: the linear one answers what it is sure of, both together answer the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .explain import leave_one_out
from .softmax import log_softmax

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


class Scorer(Protocol):
    """What gives class scores, see `engines.Engine`."""

    classes: int

    def scores(self, texts: Sequence[str]) -> tuple[Floats, Flags]:
        """Scores (texts, classes) and which texts could be read (texts,)."""
        ...

    def embed(self, texts: Sequence[str]) -> Floats | None:
        """Vectors (texts, width), or None."""
        ...

    def word_weights(self, text: str, classes: Sequence[int]) -> list[tuple[str, Floats]]:
        """Word and weights (classes,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class BlendOptions:
    """How two engines become one. Raises ValueError for a number out of range."""

    linear_scale: float
    """Turns the linear engine's scores into log-odds: its temperature, inverted."""
    encoder_scale: float
    """The same of the encoder."""
    linear_weight: float
    """Of the linear engine's log-probabilities where both answer; both weights need not sum to 1: together
    they also say how sure two agreeing engines are."""
    encoder_weight: float
    """The same of the encoder."""
    bar: float | None
    """Probability from which on the linear engine answers alone; None: it never does."""
    prior_share: float = 0.0
    """How much of the log-frequency of a class is taken off the encoder's log-probabilities before they are
    pooled: both engines have learned it, and the encoder hardly names a class that it saw little of."""

    def __post_init__(self) -> None:
        scales = (self.linear_scale, self.encoder_scale)
        if not all(np.isfinite(scale) and scale > 0 for scale in scales):
            raise ValueError(f"the scales {scales} are not above 0")
        weights = (self.linear_weight, self.encoder_weight)
        if not all(np.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
            raise ValueError(f"the weights {weights} are not 0 or more, one of them above 0")
        if not 0 <= self.prior_share <= 1:
            raise ValueError(f"the share {self.prior_share} of the prior is not a share, 0 to 1")
        if self.bar is not None and not 0 <= self.bar <= 1:
            raise ValueError(f"the bar {self.bar} is not a share, 0 to 1")


class BlendModel:
    """Scores are log-probabilities, each row moved as `likened` says. May be used by several threads at once,
    as both engines may."""

    def __init__(
        self, linear: Scorer, encoder: Scorer, options: BlendOptions, log_prior: Floats | None = None
    ) -> None:
        """`log_prior`: of the classes among the training rows, (classes,); needed for a `prior_share`.

        Raises ValueError when the engines, or these, do not know the same number of classes.
        """
        if linear.classes != encoder.classes:
            raise ValueError(f"{linear.classes} and {encoder.classes} classes do not make one model")
        self.classes = linear.classes
        self._log_prior = np.zeros(self.classes, np.float32) if log_prior is None else log_prior
        if self._log_prior.shape != (self.classes,) or (options.prior_share and log_prior is None):
            raise ValueError(f"there is no prior of its {self.classes} classes")
        self._linear, self._encoder, self._options = linear, encoder, options

    def scores(self, texts: Sequence[str]) -> tuple[Floats, Flags]:
        """Scores (texts, classes), and which texts either engine could read (texts,)."""
        scores, read = self._linear.scores(texts)
        likeness = scores.max(axis=1)
        scores = log_softmax(scores, self._options.linear_scale)
        unsure = np.flatnonzero(~sure(scores, self._options.bar) | ~read).tolist()
        if len(unsure):
            second, understood = self._encoder.scores([texts[place] for place in unsure])
            scores[unsure] = mixed(
                scores[unsure],
                second,
                options=self._options,
                known=(read[unsure], understood),
                log_prior=self._log_prior,
            )
            read[unsure] |= understood
        return likened(scores, likeness), read

    def embed(self, texts: Sequence[str]) -> Floats | None:
        """The encoder's vectors (texts, width); None when its artifact has none."""
        return self._encoder.embed(texts)

    def word_weights(self, text: str, classes: Sequence[int]) -> list[tuple[str, Floats]]:
        """The linear engine's exact sums where it answers alone, else what is lost without each word."""
        scores, read = self._linear.scores([text])
        if read[0] and sure(log_softmax(scores, self._options.linear_scale), self._options.bar)[0]:
            return self._linear.word_weights(text, classes)
        return leave_one_out(self.scores, text, classes)


def sure(log_probabilities: Floats, bar: float | None) -> Flags:
    """Rows whose best class reaches the bar."""
    if bar is None:
        return np.zeros(len(log_probabilities), np.bool_)
    return np.asarray(log_probabilities.max(axis=1) >= np.log(max(bar, 1e-12)), np.bool_)


def likened(log_probabilities: Floats, likeness: Floats) -> Floats:
    """Each row (classes,) moved by a number, so that its best is `likeness`: the linear engine's best score.

    That changes no probability; but what is low there is unlike everything trained on, which probabilities
    that sum to 1 have forgotten, see `ranking.Ranked.best`.
    """
    return np.asarray(log_probabilities + (likeness - log_probabilities.max(axis=1))[:, None], np.float32)


def mixed(
    first: Floats,
    second: Floats,
    *,
    options: BlendOptions,
    known: tuple[Flags, Flags],
    log_prior: Floats,
) -> Floats:
    """Log of the weighted geometric mean of both engines' probabilities, made to sum to 1.

    `first`: log-probabilities of the linear engine, `second`: the encoder's own scores, both (rows, classes);
    `known`: which rows each could read, (rows,); `log_prior`: (classes,). A row that one could not read is
    the other's alone. This is the logarithmic opinion pool (Genest and Zidek, 1986), the encoder's part of it
    adjusted for the frequency of the classes (Menon et al., 2021, "Long-tail learning via logit adjustment").
    """
    other = log_softmax(second, options.encoder_scale)
    leveled = without_prior(other, log_prior, options.prior_share)
    pooled = log_softmax(options.linear_weight * first + options.encoder_weight * leveled, 1.0)
    pooled[~known[0]] = other[~known[0]]
    pooled[~known[1]] = first[~known[1]]
    return pooled


def without_prior(log_probabilities: Floats, log_prior: Floats, share: float) -> Floats:
    """Log-probabilities (rows, classes) with that share of the prior (classes,) taken off, summing to 1."""
    return log_softmax(log_probabilities - np.float32(share) * log_prior, 1.0) if share else log_probabilities
