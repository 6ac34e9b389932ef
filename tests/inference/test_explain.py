"""Which words spoke for a class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.engines import linear_weights
from apps.categories.inference.explain import MOST_WORDS, leave_one_out
from apps.categories.inference.linear import LinearModel
from apps.categories.inference.softmax import log_softmax
from training.data import LabelledRow
from training.pipeline import TrainingResult


@pytest.fixture(scope="module")
def linear(tiny_classifier: ProductionClassifier) -> LinearModel:
    return LinearModel(linear_weights(tiny_classifier.header, tiny_classifier.artifact.records))


def test_the_weights_of_a_linear_models_words_add_up_to_its_scores(
    tiny_classifier: ProductionClassifier, linear: LinearModel, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    intercept = linear.scores([""])[0][0]
    asked = [tiny_classifier.text(row.fields()) for row in tiny_rows[:200:7]]
    asked += ["drill drill hammer drill pro\ndrill", "", "zzzqqq", "red red\nred wool wool socks"]

    for text in asked:
        found = linear.word_weights(text, range(linear.classes))

        total = intercept + np.sum([weights for _, weights in found], axis=0)
        np.testing.assert_allclose(total, linear.scores([text])[0][0], rtol=0, atol=2e-5)
        assert len({word for word, _ in found}) == len(found)


def test_words_that_name_the_category_spoke_for_it(tiny_classifier: ProductionClassifier) -> None:
    (top, second), *_ = tiny_classifier.predict(["premium silk shawl 4711"], top_k=2)

    for_top, for_second, for_nothing = tiny_classifier.explain(
        "premium silk shawl 4711", [top["category_code"], second["category_code"], "CAT_GONE"], limit=2
    )

    assert {word for word, _ in for_top} == {"silk", "shawl"}
    assert for_top[0][1] >= for_top[1][1] > 0
    assert all(weight > 0 for _, weight in for_second)
    assert for_nothing == []


def scored(answers: dict[str, list[float]], asked: list[str]) -> object:
    def score(texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        asked.extend(texts)
        rows = [answers.get(text, [0.0, 0.0]) for text in texts]
        return np.array(rows, np.float32), np.array([bool(text.strip()) for text in texts])

    return score


def test_a_word_is_left_out_wherever_it_stands() -> None:
    asked: list[str] = []
    answers = {"Silk shawl, silk": [4.0, 0.0], " shawl, ": [1.0, 0.0], "Silk , silk": [0.0, 2.0]}

    found = leave_one_out(scored(answers, asked), "Silk shawl, silk", [0])  # type: ignore[arg-type]

    assert asked == ["Silk shawl, silk", " shawl, ", "Silk , silk"]
    log = lambda row: row[0] - np.log(np.exp(row).sum())  # noqa: E731
    expected = [log([4.0, 0.0]) - log([1.0, 0.0]), log([4.0, 0.0]) - log([0.0, 2.0])]
    assert [word for word, _ in found] == ["silk", "shawl"]
    np.testing.assert_allclose([float(weights[0]) for _, weights in found], expected, rtol=1e-5)


def test_a_text_of_one_word_is_compared_with_knowing_nothing() -> None:
    found = leave_one_out(scored({"shawl": [3.0, 0.0]}, []), "shawl", [0, 1])  # type: ignore[arg-type]

    ((word, weights),) = found
    assert word == "shawl"
    np.testing.assert_allclose(weights, [-np.log1p(np.exp(-3)) + np.log(2), -3.0486 + np.log(2)], atol=1e-4)


def test_a_long_text_is_bounded() -> None:
    asked: list[str] = []
    text = " ".join(f"word{number}" for number in range(MOST_WORDS + 20))

    assert len(leave_one_out(scored({}, asked), text, [0])) == MOST_WORDS  # type: ignore[arg-type]
    assert len(asked) == MOST_WORDS + 1


def test_a_transformer_is_asked_again_without_each_word(tiny_encoder: TrainingResult, tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    artifact.publish(tiny_encoder.artifact, path)
    classifier = ProductionClassifier.load(path)
    text = "premium silk shawl"
    ((top, *_),) = classifier.predict([text], top_k=1)

    (spoke,) = classifier.explain(text, [top["category_code"]])

    place = classifier.codes.index(top["category_code"])
    known = log_softmax(classifier.class_scores([text, "premium silk "]), 1.0)[:, place]
    assert dict(spoke)["shawl"] == pytest.approx(float(known[0] - known[1]), abs=0.02)
