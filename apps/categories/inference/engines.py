"""What turns texts into class scores: the engine that an artifact's header names, built from its records."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .blend import BlendModel, BlendOptions
from .encoder import EncoderModel
from .linear import LinearModel, LinearWeights

_INTEGER, _FLOAT = "integer", "float"


class Engine(Protocol):
    """Scores texts; may be used by several threads at once."""

    classes: int

    def scores(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Scores of clean product texts, (texts, classes), and which of them could be read, (texts,)."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """What places clean product texts beside each other, (texts, width); None: it has scores alone."""
        ...

    def word_weights(self, text: str, classes: Sequence[int]) -> list[tuple[str, NDArray[np.float32]]]:
        """How much each word of a clean product text speaks for these classes, (classes,) each: what it adds
        to the scores, or what their log-probabilities lose without it."""
        ...


def forms(header: Mapping[str, Any]) -> tuple[str, ...]:
    """The forms that an artifact holds its engine in, the one to serve first. Raises KeyError or TypeError.

    The later ones answer on a machine where an earlier one does not prove itself (8 bits on a processor that
    rounds otherwise).
    """
    return ("whole",) if header["engine"] == "linear" else tuple(header["encoder"]["forms"])


def load_engine(
    header: Mapping[str, Any], records: Mapping[str, memoryview], *, form: str | None = None
) -> Engine:
    """The engine of an artifact, in its first form if none is named.

    Raises KeyError, TypeError or ValueError when the header is another's.
    """
    kind = header["engine"]
    if kind == "linear":
        return LinearModel(linear_weights(header, records))
    if kind == "encoder":
        return EncoderModel(header, records, form=form or forms(header)[0])
    if kind == "blend":
        return BlendModel(
            LinearModel(linear_weights(header, records)),
            EncoderModel(header, records, form=form or forms(header)[0]),
            BlendOptions(**header["blend"]),
            _array(header, records, "log_prior", _FLOAT) if "log_prior" in header["arrays"] else None,
        )
    raise ValueError(f"the engine {kind!r} is unknown")


def linear_weights(header: Mapping[str, Any], records: Mapping[str, memoryview]) -> LinearWeights:
    """The linear model's arrays. Raises KeyError, TypeError or ValueError."""

    def lines(name: str) -> list[str]:
        return bytes(records[name]).decode().split("\n") if len(records[name]) else []

    return LinearWeights(
        words=lines("words"),
        pairs=_array(header, records, "pairs", _INTEGER),
        grams=lines("grams"),
        idf=_array(header, records, "idf", _FLOAT),
        indptr=_array(header, records, "indptr", _INTEGER),
        indices=_array(header, records, "indices", _INTEGER),
        weights=_array(header, records, "weights", _FLOAT),
        intercept=_array(header, records, "intercept", _FLOAT),
        segment_weights=tuple(float(weight) for weight in header["segment_weights"]),
        gram_share=float(header["gram_share"]),
    )


def _array(
    header: Mapping[str, Any], records: Mapping[str, memoryview], name: str, kind: str
) -> NDArray[Any]:
    """One array of an artifact, of the type and shape that its header tells. Raises KeyError, ValueError."""
    dtype, shape = header["arrays"][name]
    found = np.dtype(str(dtype))
    if (found.kind in "ui") != (kind == _INTEGER) or found.kind not in "uif":
        raise ValueError(f"the array {name} is of type {dtype}, expected {kind} numbers")
    return np.frombuffer(records[name], found).reshape([int(length) for length in shape])
