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
        )
    raise ValueError(f"the engine {kind!r} is unknown")


def linear_weights(header: Mapping[str, Any], records: Mapping[str, memoryview]) -> LinearWeights:
    """The linear model's arrays. Raises KeyError, TypeError or ValueError."""

    def array(name: str, kind: str) -> NDArray[Any]:
        dtype, shape = header["arrays"][name]
        found = np.dtype(str(dtype))
        if (found.kind in "ui") != (kind == _INTEGER) or found.kind not in "uif":
            raise ValueError(f"the array {name} is of type {dtype}, expected {kind} numbers")
        return np.frombuffer(records[name], found).reshape([int(length) for length in shape])

    def lines(name: str) -> list[str]:
        return bytes(records[name]).decode().split("\n") if len(records[name]) else []

    return LinearWeights(
        words=lines("words"),
        pairs=array("pairs", _INTEGER),
        grams=lines("grams"),
        idf=array("idf", _FLOAT),
        indptr=array("indptr", _INTEGER),
        indices=array("indices", _INTEGER),
        weights=array("weights", _FLOAT),
        intercept=array("intercept", _FLOAT),
        segment_weights=tuple(float(weight) for weight in header["segment_weights"]),
        gram_share=float(header["gram_share"]),
    )
