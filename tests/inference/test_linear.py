"""The served linear model: words, n-grams, memory bounds, and answers that do not depend on company."""

from dataclasses import replace

import numpy as np
import pytest

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.engines import linear_weights
from apps.categories.inference.errors import ArtifactInvalid
from apps.categories.inference.linear import (
    MAX_WORD_LENGTH,
    MAX_WORDS,
    LinearModel,
    LinearWeights,
    grams,
    words,
)
from training.data import LabelledRow


@pytest.fixture(scope="module")
def weights(tiny_classifier: ProductionClassifier) -> LinearWeights:
    return linear_weights(tiny_classifier.header, tiny_classifier.artifact.records)


@pytest.fixture(scope="module")
def texts(tiny_rows: tuple[LabelledRow, ...]) -> list[str]:
    return [row.title for row in tiny_rows]


def test_words_are_lower_case_and_bounded() -> None:
    assert words("Bomba 2x5 AH, Ñu_3!") == ["bomba", "2x5", "ah", "ñu_3"]
    assert words("x" * 100) == ["x" * MAX_WORD_LENGTH]
    assert len(words("a " * 2000)) == MAX_WORDS


def test_grams_are_those_of_the_padded_word() -> None:
    assert grams("ab") == [" a", "ab", "b ", " ab", "ab ", " ab "]
    assert grams("a") == [" a", "a ", " a "]


def test_a_text_scores_the_same_in_any_company(weights: LinearWeights, texts: list[str]) -> None:
    together, _ = LinearModel(weights).scores(texts)
    model = LinearModel(weights)
    alone = np.vstack([model.scores([text])[0] for text in texts[:100]])
    backwards, _ = LinearModel(weights).scores(texts[::-1])

    np.testing.assert_array_equal(alone, together[:100])
    np.testing.assert_array_equal(backwards[::-1], together)


def test_memory_of_word_rows_is_bounded_and_forgetting_changes_nothing(
    weights: LinearWeights, texts: list[str]
) -> None:
    model = LinearModel(weights, cache_bytes=1)
    bound = model._capacity
    strange = [f"{text} w{number}a w{number}b w{number}c" for number, text in enumerate(texts * 4)]

    small, _ = model.scores(strange)

    assert len(model._slots) <= bound
    assert len(model._rows) <= bound
    np.testing.assert_array_equal(small, LinearModel(weights).scores(strange)[0])


def test_a_text_of_which_nothing_is_known_is_not_read(weights: LinearWeights) -> None:
    scores, read = LinearModel(weights).scores(["", "漢字", "cordless drill", "\n"])

    assert read.tolist() == [False, False, True, False]
    np.testing.assert_array_equal(scores[0], weights.intercept)


def test_segments_beyond_the_recipe_are_ignored(weights: LinearWeights) -> None:
    model = LinearModel(weights)

    np.testing.assert_array_equal(
        model.scores(["cordless drill\nsilk shawl"])[0], model.scores(["cordless drill"])[0]
    )


def test_a_segment_is_weighed_by_its_place(weights: LinearWeights) -> None:
    model = LinearModel(replace(weights, segment_weights=(1.0, 0.5)))
    base = weights.intercept
    title, _ = model.scores(["cordless drill"])
    both, _ = model.scores(["cordless drill\ncordless drill"])

    np.testing.assert_allclose(both[0] - base, 1.5 * (title[0] - base), rtol=1e-4, atol=1e-5)


def test_no_texts_give_no_scores(weights: LinearWeights) -> None:
    scores, read = LinearModel(weights).scores([])

    assert scores.shape == (0, len(weights.intercept))
    assert read.shape == (0,)


@pytest.mark.parametrize(
    "change",
    [
        {"idf": np.ones(3, np.float32)},
        {"indptr": np.zeros(4, np.uint32)},
        {"segment_weights": ()},
        {"gram_share": 0.0},
        {"intercept": np.array([np.nan], np.float32)},
        {"words": ["same", "same"]},
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(
    weights: LinearWeights, change: dict[str, object]
) -> None:
    with pytest.raises(ArtifactInvalid, match="do not fit"):
        replace(weights, **change)  # type: ignore[arg-type]


def test_a_class_beyond_the_last_is_refused(weights: LinearWeights) -> None:
    indices = weights.indices.astype(np.uint32)
    indices[0] = len(weights.intercept)

    with pytest.raises(ArtifactInvalid, match="do not fit"):
        replace(weights, indices=indices)
