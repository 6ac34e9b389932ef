"""Which words of a text spoke for a class."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .softmax import log_softmax

Floats = NDArray[np.float32]
Score = Callable[[Sequence[str]], tuple[Floats, NDArray[np.bool_]]]

MOST_WORDS = 48
"""Words that are left out one by one, each for one run of the model; a text's later ones are not."""

_WORD = re.compile(r"\w+")


def leave_one_out(score: Score, text: str, classes: Sequence[int]) -> list[tuple[str, Floats]]:
    """What the log-probabilities of `classes` lose without each word of the text, (classes,) each.

    `score`: as `Engine.scores`. In the order of the text, each word once, in lower case, wherever it stands.
    A text in which nothing is left to read counts as knowing nothing: all classes alike. This is occlusion
    (Zeiler and Fergus, 2014), for words.
    """
    found = list(dict.fromkeys(word.casefold() for word in _WORD.findall(text)))[:MOST_WORDS]
    without = [_without(word, text) for word in found]
    scores, read = score([text, *without])
    known = log_softmax(scores, 1.0)
    known[~read] = -np.log(scores.shape[1])
    known = known[:, list(classes)]
    return [(word, known[0] - row) for word, row in zip(found, known[1:], strict=True)]


def _without(word: str, text: str) -> str:
    return _WORD.sub(lambda match: "" if match.group().casefold() == word else match.group(), text)
