"""Titles by the words that they share: what a new product is most like."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from .linear import words


class TitleIndex:
    """Finds the titles nearest to one, by the cosine of their words weighed by rarity. Nothing changes in it.

    About 100 bytes a title, and 20 microseconds to build; a search costs about a millisecond in 100,000.
    """

    def __init__(self, rows: Iterable[tuple[object, str]]) -> None:
        """`rows`: (key, title)."""
        self.keys: list[object] = []
        self._number: dict[str, int] = {}
        of_word: list[int] = []
        of_row: list[int] = []
        for key, title in rows:
            found = {self._number.setdefault(word, len(self._number)) for word in words(title)}
            of_word.extend(found)
            of_row.extend([len(self.keys)] * len(found))
            self.keys.append(key)
        words_, rows_ = np.array(of_word, np.int64), np.array(of_row, np.int64)
        order = np.argsort(words_, kind="stable")
        self._rows: NDArray[np.int64] = rows_[order]
        counts = np.bincount(words_, minlength=len(self._number))
        self._starts: NDArray[np.int64] = np.r_[0, np.cumsum(counts)]
        # Smoothed as in scikit-learn: a word of every title still counts a little.
        self._idf: NDArray[np.float64] = np.log((1 + len(self.keys)) / (1 + counts)) + 1
        squares = np.bincount(rows_, self._idf[words_] ** 2, minlength=len(self.keys))
        self._lengths: NDArray[np.float64] = np.sqrt(np.maximum(squares, 1e-12))
        self._unknown = float(np.log(1 + len(self.keys)) + 1)

    def find(self, title: str, *, limit: int, least: float = 0.0) -> list[tuple[object, float]]:
        """(key, likeness above `least`, at most 1) of the `limit` nearest titles, the nearest first; among
        equals those that came first."""
        asked = Counter(words(title)).keys()
        known = [number for word in asked if (number := self._number.get(word)) is not None]
        if not known or not self.keys:
            return []
        likeness = np.zeros(len(self.keys))
        for number in known:
            rows = self._rows[self._starts[number] : self._starts[number + 1]]
            likeness[rows] += self._idf[number] ** 2
        missing = (len(asked) - len(known)) * self._unknown**2
        length = float(np.sqrt((self._idf[known] ** 2).sum() + missing))
        likeness /= self._lengths * length
        return self._best(likeness, limit, least)

    def _best(self, likeness: NDArray[np.float64], limit: int, least: float) -> list[tuple[object, float]]:
        places: Sequence[int] = np.flatnonzero(likeness > least).tolist()
        best = sorted(places, key=lambda place: (-likeness[place], place))[:limit]
        return [(self.keys[place], min(1.0, float(likeness[place]))) for place in best]
