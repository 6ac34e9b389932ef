"""The linear family: words, word pairs and character n-grams under one-against-the-rest linear SVMs.

Features are those of `apps.categories.inference.linear`, which serves them: each belongs to one word or one
pair of neighbours, weighed by idf, and each segment of the product text has length one.
"""

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.svm import LinearSVC

from apps.categories.inference.linear import LinearWeights, grams, words
from apps.categories.inference.text import SEGMENT_SEPARATOR

PRUNE_BELOW = 0.004
"""Smaller weights are left out of the artifact: 97% of them, for 0 to 1 changed answers in 2,000."""
ABSENT_INTERCEPT = -1.0
"""Score of a class without a row in this fit: that of a row far from it."""
_TOLERANCE = 0.3
"""Of the solver: two thirds of the time of 0.05 at the same accuracy (flipkart, mercadona_es)."""

Tokens = list[list[str]]
"""The words of each segment of one text."""


@dataclass(frozen=True, kw_only=True)
class LinearOptions:
    """What the selection chooses among."""

    segments: tuple[tuple[str, ...], ...] = (("title",),)
    """The recipe, see `product_text`."""
    segment_weights: tuple[float, ...] = (1.0,)
    cost: float = 1.5
    """C of the SVM: larger fits the training rows closer."""
    gram_share: float = 2.0
    """Squared weight of a word's n-grams beside the word's own."""
    class_weight: str = "none"
    """`none`, or `balanced`: rows of rare categories count more."""


def tokenise(texts: Sequence[str]) -> list[Tokens]:
    """The words of product texts, segment by segment."""
    return [[words(line) for line in text.split(SEGMENT_SEPARATOR)] for text in texts]


class Vectoriser:
    """Texts to sparse rows; columns are words, pairs and n-grams of the texts it was fitted on."""

    def __init__(self, texts: Sequence[Tokens], *, min_df: int = 1) -> None:
        word_df: Counter[str] = Counter()
        pair_df: Counter[tuple[str, str]] = Counter()
        gram_df: Counter[str] = Counter()
        grams_of: dict[str, list[str]] = {}
        for segments in texts:
            present = {word for segment in segments for word in segment}
            word_df.update(present)
            pair_df.update({pair for segment in segments for pair in pairwise(segment)})
            found: set[str] = set()
            for word in present:
                if word not in grams_of:
                    grams_of[word] = grams(word)
                found.update(grams_of[word])
            gram_df.update(found)

        # The commonest words first: a server remembers as many from the front as its memory allows.
        self.words = {word: i for i, (word, df) in enumerate(word_df.most_common()) if df >= min_df}
        kept = [
            pair
            for pair, df in pair_df.items()
            if df >= min_df and pair[0] in self.words and pair[1] in self.words
        ]
        self.pairs = {pair: len(self.words) + i for i, pair in enumerate(sorted(kept))}
        first = len(self.words) + len(self.pairs)
        self.grams = {
            gram: first + i for i, gram in enumerate(sorted(g for g, df in gram_df.items() if df >= min_df))
        }
        frequency = np.array(
            [word_df[word] for word in self.words]
            + [pair_df[pair] for pair in self.pairs]
            + [gram_df[gram] for gram in self.grams],
            np.float64,
        )
        self.idf = (np.log((1 + len(texts)) / (1 + frequency)) + 1).astype(np.float32)

    @property
    def features(self) -> int:
        """How many columns."""
        return len(self.idf)

    def transform(self, texts: Sequence[Tokens], options: LinearOptions) -> sparse.csr_matrix:
        """Shape (texts, features), float32."""
        weights = options.segment_weights
        rows: list[int] = []
        columns: list[int] = []
        amounts: list[float] = []
        known: dict[str, int] = {}
        word_rows: list[int] = []
        word_columns: list[int] = []
        word_amounts: list[float] = []
        text_of: list[int] = []
        weight_of: list[float] = []
        for text, segments in enumerate(texts):
            for segment, weight in zip(segments, weights, strict=False):
                row = len(text_of)
                text_of.append(text)
                weight_of.append(weight)
                for word, count in Counter(segment).items():
                    amount = 1 + math.log(count)
                    word_rows.append(row)
                    word_columns.append(known.setdefault(word, len(known)))
                    word_amounts.append(amount)
                    column = self.words.get(word)
                    if column is not None:
                        rows.append(row)
                        columns.append(column)
                        amounts.append(amount)
                for pair, count in Counter(pairwise(segment)).items():
                    column = self.pairs.get(pair)
                    if column is not None:
                        rows.append(row)
                        columns.append(column)
                        amounts.append(1 + math.log(count))
        shape = (len(text_of), self.features)
        own = _matrix(amounts, rows, columns, shape).multiply(self.idf).tocsr()
        contained = _matrix(word_amounts, word_rows, word_columns, (len(text_of), len(known)))
        gram_rows, lengths = self._gram_rows(list(known), options.gram_share)
        squares = _row_sums(own.multiply(own)) + contained.multiply(contained) @ lengths
        # Each of the two halves has about length one, as two TF-IDF blocks side by side have.
        scale = np.asarray(weight_of) / np.sqrt(np.maximum(squares / 2, 1e-12))
        merge = sparse.csr_matrix(
            (scale, (text_of, np.arange(len(text_of)))), shape=(len(texts), len(text_of))
        )
        return (merge @ (own + contained @ gram_rows)).astype(np.float32).tocsr()

    def _gram_rows(self, known: list[str], share: float) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
        """The n-grams of each word as a row of squared length `share` × its idf length, and those squares."""
        rows: list[int] = []
        columns: list[int] = []
        amounts: list[float] = []
        for row, word in enumerate(known):
            for gram, count in Counter(grams(word)).items():
                column = self.grams.get(gram)
                if column is not None:
                    rows.append(row)
                    columns.append(column)
                    amounts.append(1 + math.log(count))
        matrix = _matrix(amounts, rows, columns, (len(known), self.features)).multiply(self.idf).tocsr()
        lengths = np.sqrt(_row_sums(matrix.multiply(matrix)))
        factor = np.sqrt(share / np.maximum(lengths, 1e-12))
        return (sparse.diags(factor) @ matrix).tocsr(), lengths * share


@dataclass(frozen=True, kw_only=True)
class LinearFit:
    """A fitted model: features and dense weights."""

    options: LinearOptions
    vectoriser: Vectoriser
    coefficients: NDArray[np.float32]
    """Shape (classes, features)."""
    intercept: NDArray[np.float32]
    """Shape (classes,)."""

    def scores(self, texts: Sequence[Tokens]) -> NDArray[np.float32]:
        """Shape (texts, classes)."""
        matrix = self.vectoriser.transform(texts, self.options)
        return np.asarray(matrix @ self.coefficients.T + self.intercept, np.float32)

    def export(self) -> LinearWeights:
        """The weights as the server reads them: pruned, sparse, half precision."""
        by_feature = self.coefficients.T.copy()
        by_feature[np.abs(by_feature) < PRUNE_BELOW] = 0
        matrix = sparse.csr_matrix(by_feature)
        word_of = self.vectoriser.words
        pairs = [(word_of[left], word_of[right]) for left, right in self.vectoriser.pairs]
        return LinearWeights(
            words=list(word_of),
            pairs=np.array(pairs, np.uint32).reshape(-1, 2),
            grams=list(self.vectoriser.grams),
            idf=self.vectoriser.idf,
            indptr=matrix.indptr.astype(np.uint32),
            indices=matrix.indices.astype(np.uint32),
            weights=matrix.data.astype(np.float16),
            intercept=self.intercept,
            segment_weights=self.options.segment_weights,
            gram_share=self.options.gram_share,
        )


def fit(
    texts: Sequence[Tokens],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    options: LinearOptions,
    *,
    classes: int,
    seed: int,
) -> LinearFit:
    """Fit on these rows; `labels` are 0 to classes − 1, and a class without a row scores as one far away.

    `weights`: one a row, the share of its label. Deterministic for a seed. Needs rows of at least two
    classes.
    """
    vectoriser = Vectoriser(texts)
    matrix = vectoriser.transform(texts, options)
    solver = LinearSVC(
        C=options.cost,
        tol=_TOLERANCE,
        class_weight="balanced" if options.class_weight == "balanced" else None,
        random_state=seed,
        max_iter=400,
    )
    with warnings.catch_warnings():
        # Of a shop that has labelled one or two products of each category; the findings tell it already.
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
        solver.fit(matrix, labels, sample_weight=weights)
    found = solver.classes_.astype(np.int64)
    # With two classes scikit-learn gives the one row of the second.
    own = solver.coef_ if len(found) > 2 else np.vstack([-solver.coef_, solver.coef_])
    base = solver.intercept_ if len(found) > 2 else np.r_[-solver.intercept_, solver.intercept_]
    coefficients = np.zeros((classes, vectoriser.features), np.float32)
    coefficients[found] = own
    intercept = np.full(classes, ABSENT_INTERCEPT, np.float32)
    intercept[found] = base
    return LinearFit(options=options, vectoriser=vectoriser, coefficients=coefficients, intercept=intercept)


def _matrix(
    amounts: list[float], rows: list[int], columns: list[int], shape: tuple[int, int]
) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.array(amounts, np.float32), (rows, columns)), shape=shape, dtype=np.float32)


def _row_sums(matrix: sparse.csr_matrix) -> NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=1), np.float64).ravel()
