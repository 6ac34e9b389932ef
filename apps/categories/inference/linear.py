"""The linear model at work: words, character n-grams and word pairs in, one score a class out. numpy alone.

Every feature belongs to one word or one pair of neighbours, so the class scores of a word (its own weight and
those of its n-grams) are summed once and kept: a title costs a handful of row additions, however many n-grams
it has.
"""

import math
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import ArtifactInvalid
from .text import SEGMENT_SEPARATOR

MAX_WORDS = 512
"""Words read of one segment; what follows is ignored."""
MAX_WORD_LENGTH = 48
"""Longer words are cut: they are codes and addresses, and each letter costs n-grams."""
GRAM_LENGTHS = (2, 3, 4, 5)
CACHE_BYTES = 128 * 2**20
"""Bound on the remembered word rows of one model, or 4,096 rows where that is more."""
_MIN_ROWS = 4096
_CHUNK_BYTES = 2**22

_WORD = re.compile(r"\w+")

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


def words(segment: str) -> list[str]:
    """The words of a clean segment, in order, in lower case; at most `MAX_WORDS` of `MAX_WORD_LENGTH`."""
    found = _WORD.findall(segment.casefold())
    if len(found) > MAX_WORDS:
        del found[MAX_WORDS:]
    if len(segment) > MAX_WORD_LENGTH:
        return [word[:MAX_WORD_LENGTH] for word in found]
    return found


def grams(word: str) -> list[str]:
    """The character n-grams of a word with a blank on either side; a word shorter than n gives itself."""
    padded = f" {word} "
    found = []
    for length in GRAM_LENGTHS:
        if len(padded) <= length:
            found.append(padded)
            break
        found += [padded[start : start + length] for start in range(len(padded) - length + 1)]
    return found


@dataclass(frozen=True, kw_only=True)
class LinearWeights:
    """What training found. Feature order: words, pairs, n-grams; rows of weights are sparse over classes."""

    words: Sequence[str]
    pairs: NDArray[np.uint32]
    """Shape (pairs, 2): indices of the two words."""
    grams: Sequence[str]
    idf: Floats
    """Shape (features,): smoothed inverse document frequency."""
    indptr: NDArray[np.uint32]
    """Shape (features + 1,): where each feature's weights begin."""
    indices: NDArray[np.uint32]
    """Shape (weights,): the class of each weight."""
    weights: NDArray[np.float16]
    """Shape (weights,)."""
    intercept: Floats
    """Shape (classes,)."""
    segment_weights: tuple[float, ...]
    """One weight a segment of the product text; a plain string is the first segment."""
    gram_share: float
    """Squared weight of a word's n-grams beside its own."""

    def __post_init__(self) -> None:
        features = len(self.words) + len(self.pairs) + len(self.grams)
        consistent = (
            self.pairs.ndim == 2
            and self.pairs.shape[1] == 2
            and self.idf.shape == (features,)
            and self.indptr.shape == (features + 1,)
            and self.indices.shape == self.weights.shape == (int(self.indptr[-1]),)
            and int(self.indptr[0]) == 0
            and bool(np.all(self.indptr[1:] >= self.indptr[:-1]))
            and (not len(self.indices) or int(self.indices.max()) < len(self.intercept))
            and (not len(self.pairs) or int(self.pairs.max()) < len(self.words))
            and len(set(self.words)) == len(self.words)
            and len(set(self.grams)) == len(self.grams)
            and len(self.segment_weights) > 0
            and self.gram_share > 0
            and bool(np.isfinite(self.idf).all() and np.isfinite(self.weights).all())
            and bool(np.isfinite(self.intercept).all())
        )
        if not consistent:
            raise ArtifactInvalid(
                "the linear model's arrays do not fit each other; train and export it again"
            )


class LinearModel:
    """Scores texts. Threads may share one: what is remembered between calls is guarded by a lock."""

    def __init__(self, weights: LinearWeights, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._weights = weights
        self.classes = len(weights.intercept)
        self._word_index = {word: index for index, word in enumerate(weights.words)}
        first_gram = len(weights.words) + len(weights.pairs)
        self._gram_index = {gram: first_gram + index for index, gram in enumerate(weights.grams)}
        keys = weights.pairs[:, 0].astype(np.int64) << 32 | weights.pairs[:, 1].astype(np.int64)
        order = np.argsort(keys)
        self._pair_keys = keys[order]
        self._pair_features = order + len(weights.words)
        self._lock = threading.Lock()
        self._capacity = max(_MIN_ROWS, cache_bytes // (4 * max(1, self.classes)))
        self._slots: dict[str, int] = {}
        self._rows: Floats = np.zeros((0, self.classes), np.float32)
        self._squares: Floats = np.zeros(0, np.float32)
        self._known: Integers = np.zeros(0, np.int64)
        self._chunk_words = max(128, min(_MIN_ROWS, _CHUNK_BYTES // (4 * max(1, self.classes))))
        with self._lock:
            for start in range(0, min(len(weights.words), self._capacity // 2), _MIN_ROWS // 2):
                end = min(start + _MIN_ROWS // 2, self._capacity // 2)
                self._remember(list(weights.words[start:end]))

    def scores(self, texts: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
        """Scores of clean product texts (segments on lines of their own), and which of them could be read.

        Shapes (texts, classes) and (texts,). A text of which the model knows no part is not read; its scores
        are the intercepts.
        """
        scores = np.empty((len(texts), self.classes), np.float32)
        read = np.empty(len(texts), np.bool_)
        start = 0
        for chunk in self._chunks(texts):
            stop = start + len(chunk)
            with self._lock:
                self._score(chunk, scores[start:stop], read[start:stop])
            start = stop
        return scores, read

    def embed(self, texts: Sequence[str]) -> Floats | None:
        """None: it has scores alone."""
        return None

    def word_weights(self, text: str, classes: Sequence[int]) -> list[tuple[str, Floats]]:
        """What each word of a clean product text adds to the scores of these classes, (classes,) each.

        Exact: with the intercepts they sum to `scores`. A word's n-grams count with it, whatever it shares
        with a neighbour by halves. In the order of the text, each word once, over all segments.
        """
        weights, places = self._weights, np.asarray(classes, np.int64)
        found: dict[str, Floats] = {}
        for line, share in zip(text.split(SEGMENT_SEPARATOR), weights.segment_weights, strict=False):
            flat = words(line)
            if not flat:
                continue
            counts = Counter(flat)
            with self._lock:
                slots = self._find(flat)
                slot = dict(zip(flat, slots.tolist(), strict=True))
                pairs = self._pairs(slots, np.zeros(len(slots), np.int64))
                amounts = {word: 1 + math.log(count) for word, count in counts.items()}
                squares = sum(amounts[word] ** 2 * float(self._squares[slot[word]]) for word in counts)
                added = {word: amounts[word] * self._rows[slot[word]][places] for word in counts}
            if pairs is not None:
                _, features, times = pairs
                values = times * weights.idf[features]
                squares += float((values**2).sum())
                for feature, value in zip(features.tolist(), values.tolist(), strict=True):
                    row = np.zeros(self.classes, np.float32)
                    _, columns, scores = self._sparse(np.array([feature]), np.array([value], np.float32))
                    row[columns] = scores
                    for number in weights.pairs[feature - len(weights.words)].tolist():
                        added[weights.words[number]] = added[weights.words[number]] + row[places] / 2
            if squares > 0:
                scale = np.float32(share / math.sqrt(squares / 2))
                for word, values_ in added.items():
                    found[word] = found.get(word, np.zeros(len(places), np.float32)) + scale * values_
        return list(found.items())

    def _chunks(self, texts: Sequence[str]) -> list[list[list[list[str]]]]:
        """The texts as words of segments, in runs whose word rows stay in the processor's cache."""
        limit = len(self._weights.segment_weights)
        chunks: list[list[list[list[str]]]] = []
        current: list[list[list[str]]] = []
        size = 0
        for text in texts:
            if SEGMENT_SEPARATOR in text:
                segments = [words(line) for line in text.split(SEGMENT_SEPARATOR)[:limit]]
            else:
                segments = [words(text)]
            count = sum(map(len, segments))
            if current and size + count > self._chunk_words:
                chunks.append(current)
                current, size = [], 0
            current.append(segments)
            size += count
        if current:
            chunks.append(current)
        return chunks

    def _score(self, texts: list[list[list[str]]], scores: Floats, read: NDArray[np.bool_]) -> None:
        flat = [word for segments in texts for segment in segments for word in segment]
        scores[:] = self._weights.intercept
        read[:] = False
        if not flat:
            return
        slots = self._find(flat)
        lengths = np.array([len(segment) for segments in texts for segment in segments])
        of_segment = np.repeat(np.arange(len(lengths)), lengths)
        text_of = np.repeat(np.arange(len(texts)), [len(segments) for segments in texts])
        weight_of = np.array(
            [weight for segments in texts for weight in self._weights.segment_weights[: len(segments)]],
            np.float32,
        )

        cells, first, counts = np.unique(of_segment << 32 | slots, return_index=True, return_counts=True)
        # In the order of the text: the rows' places depend on what was asked before, and sums on the order.
        order = np.argsort(first)
        cells, counts = cells[order], counts[order]
        segment, slot = cells >> 32, cells & 0xFFFFFFFF
        amount = 1 + np.log(counts).astype(np.float32)
        squares = np.bincount(segment, amount**2 * self._squares[slot], minlength=len(lengths))
        pairs = self._pairs(slots, of_segment)
        if pairs is not None:
            pair_segment, feature, pair_amount = pairs
            idf = self._weights.idf[feature]
            squares += np.bincount(pair_segment, (pair_amount * idf) ** 2, minlength=len(lengths))

        present = np.flatnonzero(squares > 0)
        scale = np.zeros(len(lengths), np.float32)
        scale[present] = weight_of[present] / np.sqrt(squares[present] / 2)
        filled, sums = self._sums(segment, slot, amount)
        sums *= scale[filled, None]
        if len(lengths) == len(texts):
            scores[filled] += sums
        else:
            np.add.at(scores, text_of[filled], sums)
        if pairs is not None:
            owner, classes, values = self._sparse(feature, pair_amount * idf * scale[pair_segment])
            np.add.at(scores.reshape(-1), text_of[pair_segment][owner] * self.classes + classes, values)
        read[text_of[present]] = True

    def _sums(self, segment: Integers, slot: Integers, amount: Floats) -> tuple[Integers, Floats]:
        """Per segment the sum of amount × row: (segments that have a word, their sums), in the same order.

        `segment` is in rising order. One addition a word at the same place of many segments, so that a text's
        sum is the same in whichever company it is scored.
        """
        starts = np.flatnonzero(np.r_[True, segment[1:] != segment[:-1]])
        counts = np.diff(np.r_[starts, len(segment)])
        longest_first = np.argsort(-counts, kind="stable")
        starts, counts = starts[longest_first], counts[longest_first]
        sums = np.zeros((len(starts), self.classes), np.float32)
        buffer = np.empty_like(sums)
        for place in range(int(counts[0])):
            longer = int(np.searchsorted(-counts, -place, side="left"))
            cells = starts[:longer] + place
            rows = buffer[:longer]
            # "clip" spares a copy: without it numpy buffers the whole output to be safe about bad indices.
            np.take(self._rows, slot[cells], axis=0, out=rows, mode="clip")
            if (amount[cells] != 1).any():
                rows *= amount[cells, None]
            sums[:longer] += rows
        return segment[starts], sums

    def _pairs(self, slots: Integers, of_segment: Integers) -> tuple[Integers, Integers, Floats] | None:
        """The pairs of neighbouring words that the model knows: (segment, feature, amount) each, or None."""
        if not len(self._pair_keys) or len(slots) < 2:
            return None
        known = self._known[slots]
        left, right = known[:-1], known[1:]
        together = (of_segment[:-1] == of_segment[1:]) & (left >= 0) & (right >= 0)
        keys = (left << 32 | right)[together]
        place = np.searchsorted(self._pair_keys, keys)
        place[place == len(self._pair_keys)] = 0
        hit = self._pair_keys[place] == keys
        if not hit.any():
            return None
        cells, counts = np.unique(
            of_segment[:-1][together][hit] << 32 | self._pair_features[place[hit]], return_counts=True
        )
        return cells >> 32, cells & 0xFFFFFFFF, 1 + np.log(counts).astype(np.float32)

    def _sparse(self, features: Integers, amounts: Floats) -> tuple[Integers, Integers, Floats]:
        """The weights of these features, one after the other: (place in `features`, class, its score)."""
        begin = self._weights.indptr[features].astype(np.int64)
        lengths = self._weights.indptr[features + 1].astype(np.int64) - begin
        owner = np.repeat(np.arange(len(features)), lengths)
        shift = begin - np.r_[0, np.cumsum(lengths)[:-1]]
        place = np.arange(len(owner)) + shift[owner]
        return (
            owner,
            self._weights.indices[place].astype(np.int64),
            self._weights.weights[place] * amounts[owner],
        )

    def _find(self, flat: list[str]) -> Integers:
        """The row of each word; rows that are missing are made."""
        get = self._slots.get
        found = [get(word, -1) for word in flat]
        if -1 in found:
            missing = list(dict.fromkeys(word for word, slot in zip(flat, found, strict=True) if slot < 0))
            if len(self._slots) + len(missing) > self._capacity:
                self._slots.clear()
                missing = list(dict.fromkeys(flat))
            self._remember(missing)
            found = [self._slots[word] for word in flat]
        return np.array(found, np.int64)

    def _remember(self, new: list[str]) -> None:
        first, stop = len(self._slots), len(self._slots) + len(new)
        self._reserve(stop)
        rows, squares, known = self._rows[first:stop], self._squares[first:stop], self._known[first:stop]
        rows[:] = 0
        features: list[int] = []
        owners: list[int] = []
        amounts: list[float] = []
        idf, share = self._weights.idf, self._weights.gram_share
        for index, word in enumerate(new):
            counted: dict[int, int] = {}
            for gram in grams(word):
                feature = self._gram_index.get(gram)
                if feature is not None:
                    counted[feature] = counted.get(feature, 0) + 1
            values = [(1 + math.log(count)) * float(idf[feature]) for feature, count in counted.items()]
            length = math.sqrt(sum(value * value for value in values))
            squares[index] = share * length
            if length:
                factor = math.sqrt(share / length)
                features += counted
                owners += [index] * len(counted)
                amounts += [value * factor for value in values]
            own = self._word_index.get(word, -1)
            known[index] = own
            if own >= 0:
                features.append(own)
                owners.append(index)
                amounts.append(float(idf[own]))
                squares[index] += float(idf[own]) ** 2
        if features:
            owner, classes, values_ = self._sparse(np.array(features), np.array(amounts, np.float32))
            np.add.at(rows.reshape(-1), np.array(owners)[owner] * self.classes + classes, values_)
        # Only now: a word whose row could not be made must not be found.
        self._slots.update((word, first + index) for index, word in enumerate(new))

    def _reserve(self, rows: int) -> None:
        if rows > len(self._rows):
            size = min(max(rows, 2 * len(self._rows), 1024), max(rows, self._capacity))
            grown = np.zeros((size, self.classes), np.float32)
            grown[: len(self._rows)] = self._rows
            self._rows = grown
            self._squares = (
                np.resize(self._squares, size) if len(self._squares) else np.zeros(size, np.float32)
            )
            self._known = np.resize(self._known, size) if len(self._known) else np.zeros(size, np.int64)
