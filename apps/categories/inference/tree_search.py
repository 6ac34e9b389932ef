"""A search over a whole category tree in memory: words in any order, half typed or mistyped.

Every distinct word of the tree is compared with every typed word, by an edit distance that numpy computes for
all of them at once. For ten thousand categories that is exact and takes a millisecond or two a word; an index
of trigrams would only guess which words to compare.
"""

import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .taxonomy import SEPARATOR

MAX_TEXT = 200
"""Typed characters that are read."""
MAX_WORDS = 10
LONGEST_MISTYPED = 24
"""Letters of a word that are compared with typing errors; longer words must be spelt right."""

_NEVER = 99
"""What no match costs. A match costs nothing at a word's beginning, 1 inside a word, 1 for each typing error,
and 1 more where the first letters differ: people rarely miss that one."""
_JOINS = "'’ʼ"
"""Marks inside a word that nobody types: "men's" is "mens"."""
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe"})

Parts = tuple[tuple[str, bool], ...]
"""A text in pieces: (piece, whether it was searched for). Joined, they are the text."""


class TreeRow(NamedTuple):
    """A category as the search reads it."""

    pk: int
    path: str
    code: str
    external_id: str
    is_active: bool


@dataclass(frozen=True, kw_only=True)
class FoundCategory:
    """One category that was found."""

    pk: int
    code: str
    path: str
    name_parts: Parts
    """Its name, with what matched."""
    above_parts: Parts
    """The path above it, likewise; empty for a root."""

    @property
    def name(self) -> str:
        """The last level of the path."""
        return _joined(self.name_parts)

    @property
    def above(self) -> str:
        """The levels above, joined as in a path; empty for a root."""
        return _joined(self.above_parts)


class _Word(NamedTuple):
    """A word of a text as it is compared, and where it stands there."""

    letters: str
    places: tuple[int, ...]
    """Of each letter, the index of the character that it was made of."""
    end: int


class TreeIndex:
    """What `find` needs, made once from a tree's rows. Cost: about a quarter second for 10,000. Immutable."""

    def __init__(self, rows: Sequence[TreeRow]) -> None:
        self._rows = rows
        self._pks = np.array([row.pk for row in rows], dtype=np.int64)
        self._active = np.array([row.is_active for row in rows], dtype=bool)
        order = sorted(range(len(rows)), key=lambda place: (len(rows[place].path), rows[place].path))
        self._rank = np.empty(len(rows), dtype=np.int64)
        self._rank[order] = np.arange(len(rows))
        self._by_id: defaultdict[str, list[int]] = defaultdict(list)
        names: dict[str, list[str]] = {}
        for place, row in enumerate(rows):
            for identity in {row.code.casefold(), row.external_id.casefold()} - {""}:
                self._by_id[identity].append(place)
            for name in row.path.split(SEPARATOR):
                if name not in names:
                    names[name] = [word.letters for word in spelled(name)]
        # The first word is nobody's, and stands in every category, so that none is without words.
        self._words = ["", *sorted({word for words in names.values() for word in words})]
        number = {word: at for at, word in enumerate(self._words)}
        numbers = {name: [number[word] for word in words] for name, words in names.items()}
        paths = [row.path.split(SEPARATOR) for row in rows]
        self._anywhere = _Lists([[0, *(at for name in path for at in numbers[name])] for path in paths])
        self._own = _Lists([[0, *numbers[path[-1]]] for path in paths])
        self._lengths = np.array([len(word) for word in self._words])
        self._letters = np.zeros((LONGEST_MISTYPED, len(self._words)), dtype=np.uint32)
        for at, word in enumerate(self._words):
            for place, letter in enumerate(word[:LONGEST_MISTYPED]):
                self._letters[place, at] = ord(letter)

    def find(self, text: str, *, limit: int, among: Collection[int] | None = None) -> list[FoundCategory]:
        """The categories whose path holds every word of `text`, the best first; at most `limit`.

        Active ones, or those whose primary key is `among`. A word may be the beginning or, from three letters
        on, a part of a word in the path, with one typing error from four letters on and two from eight on;
        accents and capitals do not count. A word between spaces may also be a code or an external id. First
        comes what was spelt right, then words in the category's own name before words above it, then the
        shorter path. Without a word to look for, the shortest paths; for a text of signs only, nothing.
        """
        allowed = self._active if among is None else np.isin(self._pks, np.fromiter(among, dtype=np.int64))
        cost = np.where(allowed, 0, _NEVER)
        above = np.zeros(len(self._rows), dtype=np.int64)
        sought: dict[str, NDArray[np.int64]] = {}
        text = text[:MAX_TEXT]
        for typed in text.split()[:MAX_WORDS]:
            more, higher = self._typed(typed, sought)
            cost, above = cost + more, above + higher
            if not (cost < _NEVER).any():
                return []
        if text.strip() and not sought and not any(typed.casefold() in self._by_id for typed in text.split()):
            return []
        (places,) = np.nonzero(cost < _NEVER)
        best = np.lexsort((self._rank[places], above[places], cost[places]))[:limit]
        return [self._found(self._rows[place], sought) for place in places[best]]

    def _typed(self, typed: str, sought: dict[str, NDArray[np.int64]]) -> tuple[Any, Any]:
        """Of every category: what the match of `typed` costs, and how many of its words stand only above."""
        cost = np.zeros(len(self._rows), dtype=np.int64)
        above = np.zeros(len(self._rows), dtype=np.int64)
        for word in spelled(typed):
            if word.letters not in sought:
                if len(sought) == MAX_WORDS:
                    break
                sought[word.letters] = self._costs(word.letters)
            least = self._anywhere.least(sought[word.letters])
            cost += least
            above += self._own.least(sought[word.letters]) > least
        for place in self._by_id.get(typed.casefold(), ()):
            cost[place] = above[place] = 0
        return cost, above

    def _costs(self, word: str) -> NDArray[np.int64]:
        """Of every word of the tree, what it costs to take it for the typed `word`."""
        costs = np.full(len(self._words), _NEVER, dtype=np.int64)
        if errors := _errors_allowed(word):
            distances = _distances(word, self._letters, self._lengths, errors)
            other_start = self._letters[0] != ord(word[0])
            np.copyto(costs, distances + other_start, where=distances <= errors)
        if len(word) >= 3 or not word.isascii():
            costs[[at for at, known in enumerate(self._words) if word in known]] = 1
        costs[bisect_left(self._words, word) : bisect_left(self._words, word + "\U0010ffff")] = 0
        costs[0] = _NEVER
        return costs

    def _found(self, row: TreeRow, sought: dict[str, NDArray[np.int64]]) -> FoundCategory:
        words = spelled(row.path)
        numbers = [bisect_left(self._words, word.letters) for word in words]
        marked = np.zeros(len(row.path), dtype=bool)
        for letters, costs in sought.items():
            least = min((costs[number] for number in numbers), default=_NEVER)
            for word, number in zip(words, numbers, strict=True):
                if least < _NEVER and costs[number] == least:
                    first, last = _span(word, letters)
                    marked[first:last] = True
        start = len(row.path) - len(row.path.rpartition(SEPARATOR)[2])
        return FoundCategory(
            pk=row.pk,
            code=row.code,
            path=row.path,
            name_parts=_parts(row.path, marked, start, len(row.path)),
            above_parts=_parts(row.path, marked, 0, max(start - len(SEPARATOR), 0)),
        )


class _Lists:
    """Many short lists of word numbers, one a category, end to end; none of them is empty."""

    def __init__(self, lists: Sequence[Sequence[int]]) -> None:
        self._flat = np.array([number for numbers in lists for number in numbers], dtype=np.int64)
        lengths = [len(numbers) for numbers in lists]
        self._starts = np.cumsum([0, *lengths[:-1]]) if lists else np.array([], dtype=np.int64)

    def least(self, costs: NDArray[np.int64]) -> NDArray[np.int64]:
        """The cost of the cheapest word of each list."""
        if not len(self._starts):
            return np.array([], dtype=np.int64)
        return np.minimum.reduceat(costs[self._flat], self._starts)


def spelled(text: str) -> list[_Word]:
    """The words of a text: letters and digits, without accents and capitals; anything else parts words."""
    found: list[_Word] = []
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(f"{text} "):
        plain = _plain(character)
        if plain is None:
            if letters:
                found.append(_Word("".join(letters), tuple(places), place))
            letters, places = [], []
        else:
            letters += plain
            places += [place] * len(plain)
    return found


@lru_cache(maxsize=4096)
def _plain(character: str) -> str | None:
    """What a character adds to a word: "" for an accent, None for what parts words."""
    if character in _JOINS:
        return ""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    plain = "".join(mark for mark in folded if not unicodedata.combining(mark)).translate(_PLAIN)
    if not plain:
        return "" if folded else None
    # A mark that is no accent belongs to its letter in the scripts of India.
    whole = all(letter.isalnum() or unicodedata.category(letter)[0] == "M" for letter in plain)
    return plain if whole else None


def _errors_allowed(word: str) -> int:
    if len(word) < 4 or len(word) > LONGEST_MISTYPED:
        return 0
    return 1 if len(word) < 8 else 2


def _distances(typed: str, letters: NDArray[np.uint32], lengths: Any, most: int) -> NDArray[np.int8]:
    """Of each word, how far its nearest beginning, or all of it, is from `typed`; over `most`: unknown.

    Optimal string alignment: a letter too many, missing, wrong, or changed with its neighbour counts one. The
    usual table, a row a typed letter, for all words at once and only where the distance can be `most`.
    """
    count = letters.shape[1]
    before: dict[int, Any] = {}
    row: dict[int, Any] = {at: np.full(count, at, dtype=np.int8) for at in range(most + 1)}
    for number, letter in enumerate(map(ord, typed), 1):
        next_row: dict[int, Any] = {}
        for at in range(max(number - most, 0), min(number + most, len(letters)) + 1):
            if at == 0:
                next_row[0] = np.full(count, number, dtype=np.int8)
                continue
            best = row[at - 1] + (letters[at - 1] != letter)
            if at in row:
                np.minimum(best, row[at] + 1, out=best)
            if at - 1 in next_row:
                np.minimum(best, next_row[at - 1] + 1, out=best)
            if at - 2 in before and number > 1:
                swapped = (letters[at - 1] == ord(typed[number - 2])) & (letters[at - 2] == letter)
                np.minimum(best, before[at - 2] + 1, out=best, where=swapped)
            next_row[at] = best
        before, row = row, next_row
    nearest = np.full(count, _NEVER, dtype=np.int8)
    for at, distance in row.items():
        np.minimum(nearest, distance, out=nearest, where=lengths >= at)
    return nearest


def _span(word: _Word, letters: str) -> tuple[int, int]:
    """Where `letters` begin and end in the text of this word; all of the word when they are mistyped."""
    at = word.letters.find(letters)
    end = at + len(letters) if at >= 0 else len(word.letters)
    at = max(at, 0)
    # Never half a character: "ß" is "ss".
    while 0 < end < len(word.places) and word.places[end] == word.places[end - 1]:
        end += 1
    return word.places[at], word.places[end] if end < len(word.places) else word.end


def _parts(text: str, marked: NDArray[np.bool_], start: int, end: int) -> Parts:
    """The pieces of `text[start:end]`."""
    cuts = [start, *(int(at) for at in range(start + 1, end) if marked[at] != marked[at - 1]), end]
    return tuple((text[first:last], bool(marked[first])) for first, last in pairwise(cuts) if last > first)


def _joined(parts: Parts) -> str:
    return "".join(piece for piece, _ in parts)
