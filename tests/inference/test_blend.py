"""The cascade and the mean: who answers, and with which probabilities."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.categories.inference.blend import BlendModel, BlendOptions, log_softmax

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


def options(*, weight: float = 0.5, bar: float | None = 0.9) -> BlendOptions:
    return BlendOptions(linear_scale=2.0, encoder_scale=0.5, weight=weight, bar=bar)


def test_the_encoder_is_asked_only_where_the_linear_engine_is_not_sure() -> None:
    linear = Told({"drill": SURE, "shawl": TORN, "?": UNREAD})
    encoder = Told({"shawl": [0.0, 6.0, 0.0], "?": UNREAD})

    scores, read = BlendModel(linear, encoder, options()).scores(["drill", "shawl", "?"])

    assert encoder.asked == [["shawl", "?"]]
    assert scores.argmax(axis=1)[:2].tolist() == [0, 1]
    assert read.tolist() == [True, True, False]
    np.testing.assert_allclose(scores[0], log_softmax(np.array([SURE], np.float32), 2.0)[0], rtol=1e-6)


def test_the_rest_is_the_weighted_mean_of_both_probabilities() -> None:
    linear, encoder = Told({"shawl": TORN}), Told({"shawl": [0.0, 6.0, 0.0]})

    scores, _ = BlendModel(linear, encoder, options(weight=0.25)).scores(["shawl"])

    def softmax(values: Sequence[float], scale: float) -> NDArray[np.float64]:
        powers = np.exp(scale * np.array(values))
        return np.asarray(powers / powers.sum())

    wanted = 0.75 * softmax(TORN, 2.0) + 0.25 * softmax([0.0, 6.0, 0.0], 0.5)
    np.testing.assert_allclose(np.exp(scores[0]), wanted, rtol=1e-5)
    assert np.exp(scores[0]).sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("weight", "best"), [(0.0, 0), (1.0, 1)])
def test_at_the_ends_one_engine_decides(weight: float, best: int) -> None:
    linear, encoder = Told({"shawl": TORN}), Told({"shawl": [0.0, 6.0, 0.0]})

    scores, _ = BlendModel(linear, encoder, options(weight=weight, bar=None)).scores(["shawl"])

    assert scores.argmax() == best
    assert np.isfinite(scores).all()


def test_a_text_that_one_engine_cannot_read_is_the_others_alone() -> None:
    linear = Told({"only encoder": UNREAD, "only linear": TORN})
    encoder = Told({"only encoder": [0.0, 0.0, 6.0], "only linear": UNREAD})

    scores, read = BlendModel(linear, encoder, options()).scores(["only encoder", "only linear"])

    assert read.all()
    np.testing.assert_allclose(
        scores[0], log_softmax(np.array([[0.0, 0.0, 6.0]], np.float32), 0.5)[0], rtol=1e-5
    )
    np.testing.assert_allclose(scores[1], log_softmax(np.array([TORN], np.float32), 2.0)[0], rtol=1e-5)


def test_no_text_asks_nobody() -> None:
    encoder = Told({})

    scores, read = BlendModel(Told({}), encoder, options()).scores([])

    assert (scores.shape, read.shape, encoder.asked) == ((0, 3), (0,), [])


@pytest.mark.parametrize(
    ("name", "value"),
    [("linear_scale", 0.0), ("encoder_scale", float("nan")), ("weight", 1.1), ("bar", -0.1)],
)
def test_numbers_out_of_range_are_refused(name: str, value: float) -> None:
    good: dict[str, float] = {"linear_scale": 1.0, "encoder_scale": 1.0, "weight": 0.5, "bar": 0.9}

    with pytest.raises(ValueError, match=r"above 0|are shares"):
        BlendOptions(**{**good, name: value})


def test_engines_of_other_classes_do_not_blend() -> None:
    other = Told({})
    other.classes = 4

    with pytest.raises(ValueError, match="3 and 4 classes"):
        BlendModel(Told({}), other, options())
