"""The cascade and the mean: who answers, and with which probabilities."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.categories.inference.blend import BlendModel, BlendOptions
from apps.categories.inference.softmax import log_softmax

SURE, TORN, UNREAD = [4.0, 0.0, 0.0], [1.0, 0.9, 0.0], [0.0, 0.0, 0.0]


class Told:
    """An engine that gives what it was told, and remembers what it was asked."""

    classes = 3

    def __init__(self, answers: dict[str, list[float]]) -> None:
        self.answers, self.asked = answers, list[list[str]]()

    def scores(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        self.asked.append(list(texts))
        scores = np.array([self.answers[text] for text in texts], np.float32).reshape(-1, 3)
        return scores, np.array([self.answers[text] is not UNREAD for text in texts], np.bool_)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        return np.array([self.answers[text][:2] for text in texts], np.float32)

    def word_weights(self, text: str, classes: Sequence[int]) -> list[tuple[str, NDArray[np.float32]]]:
        return [(text, np.array([self.answers[text][place] for place in classes], np.float32))]


def options(*, weights: tuple[float, float] = (0.5, 0.5), bar: float | None = 0.9) -> BlendOptions:
    return BlendOptions(
        linear_scale=2.0, encoder_scale=0.5, linear_weight=weights[0], encoder_weight=weights[1], bar=bar
    )


def test_the_encoder_is_asked_only_where_the_linear_engine_is_not_sure() -> None:
    linear = Told({"drill": SURE, "shawl": TORN, "?": UNREAD})
    encoder = Told({"shawl": [0.0, 6.0, 0.0], "?": UNREAD})

    scores, read = BlendModel(linear, encoder, options()).scores(["drill", "shawl", "?"])

    assert encoder.asked == [["shawl", "?"]]
    assert scores.argmax(axis=1)[:2].tolist() == [0, 1]
    assert read.tolist() == [True, True, False]
    expected = log_softmax(np.array([SURE], np.float32), 2.0)[0]
    np.testing.assert_allclose(log_softmax(scores, 1.0)[0], expected, rtol=1e-6)


def test_the_best_score_is_the_linear_engines_so_that_the_unknown_is_told() -> None:
    linear = Told({"drill": SURE, "shawl": TORN, "?": UNREAD})
    encoder = Told({"shawl": [0.0, 60.0, 0.0], "?": [0.0, 60.0, 0.0]})

    scores, _ = BlendModel(linear, encoder, options()).scores(["drill", "shawl", "?"])

    assert scores.max(axis=1).tolist() == [SURE[0], TORN[0], UNREAD[0]]
    assert scores.argmax(axis=1).tolist() == [0, 1, 1]


def test_its_vectors_are_those_of_the_encoder() -> None:
    linear, encoder = Told({"shawl": TORN}), Told({"shawl": [0.0, 6.0, 0.0]})

    assert BlendModel(linear, encoder, options()).embed(["shawl"]).tolist() == [[0.0, 6.0]]  # type: ignore[union-attr]


def test_the_linear_engines_words_count_where_it_answers_alone() -> None:
    linear = Told({"drill": SURE, "shawl": TORN, "": UNREAD})
    encoder = Told({"shawl": [0.0, 6.0, 0.0], "": UNREAD})
    model = BlendModel(linear, encoder, options())

    ((word, weights),) = model.word_weights("drill", [0, 2])
    assert (word, weights.tolist()) == ("drill", [SURE[0], SURE[2]])
    ((word, (lost,)),) = model.word_weights("shawl", [1])
    full, _ = model.scores(["shawl"])
    assert (word, lost) == ("shawl", pytest.approx(log_softmax(full, 1.0)[0, 1] + np.log(3)))


def test_the_rest_is_the_weighted_geometric_mean_of_both_probabilities() -> None:
    linear, encoder = Told({"shawl": TORN}), Told({"shawl": [0.0, 6.0, 0.0]})

    scores, _ = BlendModel(linear, encoder, options(weights=(0.9, 0.4))).scores(["shawl"])

    def softmax(values: Sequence[float], scale: float) -> NDArray[np.float64]:
        powers = np.exp(scale * np.array(values))
        return np.asarray(powers / powers.sum())

    wanted = softmax(TORN, 2.0) ** 0.9 * softmax([0.0, 6.0, 0.0], 0.5) ** 0.4
    np.testing.assert_allclose(np.exp(log_softmax(scores, 1.0)[0]), wanted / wanted.sum(), rtol=1e-5)


@pytest.mark.parametrize(("weights", "best"), [((1.0, 0.0), 0), ((0.0, 1.0), 1)])
def test_at_the_ends_one_engine_decides(weights: tuple[float, float], best: int) -> None:
    linear, encoder = Told({"shawl": TORN}), Told({"shawl": [0.0, 6.0, 0.0]})

    scores, _ = BlendModel(linear, encoder, options(weights=weights, bar=None)).scores(["shawl"])

    assert scores.argmax() == best
    assert np.isfinite(scores).all()


def test_a_share_of_the_prior_is_taken_off_the_encoders_part_alone() -> None:
    linear, encoder = (
        Told({"shawl": TORN, "?": UNREAD}),
        Told({"shawl": [0.0, 2.0, 0.0], "?": [0.0, 2.0, 0.0]}),
    )
    prior = np.log(np.array([0.05, 0.9, 0.05], np.float32))
    model = BlendModel(linear, encoder, replace(options(bar=None), prior_share=0.5), prior)

    scores, _ = model.scores(["shawl", "?"])

    def softmax(values: Sequence[float], scale: float) -> NDArray[np.float64]:
        powers = np.exp(scale * np.array(values))
        return np.asarray(powers / powers.sum())

    leveled = softmax([0.0, 2.0, 0.0], 0.5) / np.exp(prior) ** 0.5
    wanted = softmax(TORN, 2.0) ** 0.5 * (leveled / leveled.sum()) ** 0.5
    np.testing.assert_allclose(np.exp(log_softmax(scores, 1.0)[0]), wanted / wanted.sum(), rtol=1e-5)
    np.testing.assert_allclose(np.exp(log_softmax(scores, 1.0)[1]), softmax([0.0, 2.0, 0.0], 0.5), rtol=1e-5)


@pytest.mark.parametrize("prior", [None, np.zeros(4, np.float32)])
def test_a_prior_that_is_missing_or_anothers_is_refused(prior: NDArray[np.float32] | None) -> None:
    with pytest.raises(ValueError, match="no prior of its 3 classes"):
        BlendModel(Told({}), Told({}), replace(options(), prior_share=0.5), prior)


def test_a_text_that_one_engine_cannot_read_is_the_others_alone() -> None:
    linear = Told({"only encoder": UNREAD, "only linear": TORN})
    encoder = Told({"only encoder": [0.0, 0.0, 6.0], "only linear": UNREAD})

    scores, read = BlendModel(linear, encoder, options()).scores(["only encoder", "only linear"])

    assert read.all()
    scores = log_softmax(scores, 1.0)
    np.testing.assert_allclose(
        scores[0], log_softmax(np.array([[0.0, 0.0, 6.0]], np.float32), 0.5)[0], rtol=1e-5
    )
    np.testing.assert_allclose(scores[1], log_softmax(np.array([TORN], np.float32), 2.0)[0], rtol=1e-5)


def test_no_text_asks_nobody() -> None:
    encoder = Told({})

    scores, read = BlendModel(Told({}), encoder, options()).scores([])

    assert (scores.shape, read.shape, encoder.asked) == ((0, 3), (0,), [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"linear_scale": 0.0},
        {"encoder_scale": float("nan")},
        {"linear_weight": -0.1},
        {"encoder_weight": float("inf")},
        {"linear_weight": 0.0, "encoder_weight": 0.0},
        {"bar": -0.1},
        {"prior_share": 1.5},
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"not above 0|not 0 or more|not a share"):
        replace(options(), **wrong)  # type: ignore[arg-type]


def test_engines_of_other_classes_do_not_blend() -> None:
    other = Told({})
    other.classes = 4

    with pytest.raises(ValueError, match="3 and 4 classes"):
        BlendModel(Told({}), other, options())
