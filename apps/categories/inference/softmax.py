"""Scores to log-probabilities."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def log_softmax(scores: Floats, scale: float) -> Floats:
    """log softmax(scale × score), row by row."""
    scaled = np.asarray(scores * np.float32(scale), np.float32)
    scaled -= scaled.max(axis=1, keepdims=True)
    scaled -= np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return np.asarray(scaled, np.float32)
