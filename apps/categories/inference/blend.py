"""Two engines as one: the linear one answers what it is sure of, both together answer the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


class Scorer(Protocol):
    """What gives class scores, see `engines.Engine`."""

    classes: int

    def scores(self, texts: Sequence[str]) -> tuple[Floats, Flags]:
        """Scores (texts, classes) and which texts could be read (texts,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class BlendOptions:
    """How two engines become one. Raises ValueError for a number out of range."""

    linear_scale: float
    """Turns the linear engine's scores into log-odds: its temperature, inverted."""
    encoder_scale: float
    """The same of the encoder."""
    weight: float
    """Of the encoder's probabilities in the mean of both, 0 to 1."""
    bar: float | None
    """Probability from which on the linear engine answers alone; None: it never does."""

    def __post_init__(self) -> None:
        scales = (self.linear_scale, self.encoder_scale)
        if not all(np.isfinite(scale) and scale > 0 for scale in scales):
            raise ValueError(f"the scales {scales} are not above 0")
        if not 0 <= self.weight <= 1 or (self.bar is not None and not 0 <= self.bar <= 1):
            raise ValueError(f"weight {self.weight} and bar {self.bar} are shares, 0 to 1")


class BlendModel:
    """Scores are log-probabilities. May be used by several threads at once, as both engines may."""

    def __init__(self, linear: Scorer, encoder: Scorer, options: BlendOptions) -> None:
        """Raises ValueError when the engines do not know the same number of classes."""
        if linear.classes != encoder.classes:
            raise ValueError(f"{linear.classes} and {encoder.classes} classes do not make one model")
        self.classes = linear.classes
        self._linear, self._encoder, self._options = linear, encoder, options

    def scores(self, texts: Sequence[str]) -> tuple[Floats, Flags]:
        """Log-probabilities (texts, classes), and which texts either engine could read (texts,)."""
        scores, read = self._linear.scores(texts)
        scores = log_softmax(scores, self._options.linear_scale)
        unsure = np.flatnonzero(~sure(scores, self._options.bar) | ~read).tolist()
        if len(unsure):
            second, understood = self._encoder.scores([texts[place] for place in unsure])
            scores[unsure] = mixed(
                scores[unsure], second, options=self._options, known=(read[unsure], understood)
            )
            read[unsure] |= understood
        return scores, read


def sure(log_probabilities: Floats, bar: float | None) -> Flags:
    """Rows whose best class reaches the bar."""
    if bar is None:
        return np.zeros(len(log_probabilities), np.bool_)
    return np.asarray(log_probabilities.max(axis=1) >= np.log(max(bar, 1e-12)), np.bool_)


def mixed(first: Floats, second: Floats, *, options: BlendOptions, known: tuple[Flags, Flags]) -> Floats:
    """Log of the weighted mean of both engines' probabilities.

    `first`: log-probabilities of the linear engine, `second`: the encoder's own scores, both (rows, classes);
    `known`: which rows each could read, (rows,). A row that one could not read is the other's alone.
    """
    shares = np.full(len(first), options.weight, np.float32)
    shares[~known[0]] = 1
    shares[~known[1]] = 0
    other = log_softmax(second, options.encoder_scale)
    with np.errstate(divide="ignore"):
        mine, theirs = np.log1p(-shares)[:, None], np.log(shares)[:, None]
    return np.asarray(np.logaddexp(first + mine, other + theirs), np.float32)


def log_softmax(scores: Floats, scale: float) -> Floats:
    """log softmax(scale × score), row by row."""
    scaled = np.asarray(scores * np.float32(scale), np.float32)
    scaled -= scaled.max(axis=1, keepdims=True)
    scaled -= np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return np.asarray(scaled, np.float32)
