"""Maps from scores to chances: found again where they are known, kept only where they validate better."""

import numpy as np
import pytest

from apps.categories.inference.ranking import Calibration, Ranked, Tree, mapped, rank
from apps.categories.inference.taxonomy import Taxonomy
from training import calibration
from training.calibration import (
    calibrate,
    error_by_chance,
    expected_calibration_error,
    fit_logistic,
    fit_scale,
    within,
)

PATHS = {f"CAT_{top}_{leaf}": f"{top} > {leaf}" for top in "ABC" for leaf in "XYZ"} | {"CAT_A": "A"}
CODES = tuple(sorted(PATHS))
TREE = Tree(Taxonomy.covering(PATHS), CODES)


def drawn(rows: int, *, flip: float = 0.0, seed: int = 0) -> tuple["np.ndarray", "np.ndarray"]:
    """Scores, and labels drawn from softmax(3 × score); a share of `flip` is another leaf's instead."""
    draw = np.random.default_rng(seed)
    scores = draw.normal(size=(rows, len(CODES))).astype(np.float32)
    exact = np.exp(3.0 * scores)
    exact /= exact.sum(axis=1, keepdims=True)
    labels = np.array([draw.choice(len(CODES), p=row) for row in exact])
    flipped = draw.random(rows) < flip
    labels[flipped] = (labels[flipped] + draw.integers(1, len(CODES), int(flipped.sum()))) % len(CODES)
    return scores, labels


def fitted(scores: "np.ndarray", labels: "np.ndarray") -> calibration.Calibrated:
    parts = np.arange(len(labels)) % 5
    return calibrate(scores, labels, parts, np.ones(len(labels)), TREE, k=3)


def test_the_scale_is_the_one_that_made_the_labels() -> None:
    scores, labels = drawn(4000)

    assert fit_scale(scores, labels) == pytest.approx(3.0, rel=0.1)
    # A row of a category that the model does not have says nothing about it.
    labels[:50] = -1
    assert fit_scale(scores, labels) == pytest.approx(fit_scale(scores[50:], labels[50:]), rel=1e-3)


def test_calibration_error_of_sure_and_half_right_is_a_half() -> None:
    sure = np.ones(100)
    right = np.arange(100) % 2 == 0

    assert expected_calibration_error(sure, right, bins=1) == pytest.approx(0.5)
    assert expected_calibration_error(np.full(100, 0.5), right, bins=1) == pytest.approx(0.0)
    assert expected_calibration_error(sure[:0], right[:0]) == 0.0


def test_few_rows_show_an_error_by_chance_alone() -> None:
    draw = np.random.default_rng(0)
    sure = draw.random(200)

    assert 0.05 < error_by_chance(sure) < 0.12
    assert error_by_chance(draw.random(20_000)) < 0.012


def test_a_logistic_map_is_found_again() -> None:
    draw = np.random.default_rng(0)
    columns = draw.normal(size=(20_000, 4))
    chance = 1 / (1 + np.exp(-(0.5 + columns @ np.array([1.0, -2.0, 0.5, 0.0]))))

    found = fit_logistic(columns, draw.random(20_000) < chance)

    assert found is not None
    assert found.intercept == pytest.approx(0.5, abs=0.1)
    assert found.weights == pytest.approx((1.0, -2.0, 0.5, 0.0), abs=0.1)
    assert found.low == pytest.approx(tuple(np.quantile(columns, 0.005, axis=0)))


def test_a_sample_that_can_be_parted_gives_finite_weights() -> None:
    columns = np.linspace(-1, 1, 200)[:, None] * np.ones(4)

    found = fit_logistic(columns, columns[:, 0] > 0)

    assert found is not None
    chances = found(columns)
    assert np.isfinite(chances).all()
    assert chances[0] < 0.01 < 0.99 < chances[-1]


def test_too_few_wrong_answers_fit_no_map() -> None:
    columns = np.random.default_rng(0).normal(size=(500, 4))

    assert fit_logistic(columns, np.arange(500) >= calibration.LEAST_RIGHT_AND_WRONG - 1) is None
    assert fit_logistic(columns, np.arange(500) >= calibration.LEAST_RIGHT_AND_WRONG) is not None


def test_scores_that_overstate_are_brought_down() -> None:
    scores, labels = drawn(6000, flip=0.3)

    found = fitted(scores, labels)

    assert found.calibration.leaf is not None
    assert found.error_before > 0.05
    assert found.error_after < 0.02
    assert found.brier_after < found.brier_before
    assert found.error_after - found.expected_error < 0.01
    # The same holds for rows that none of it has seen.
    fresh, truth = drawn(6000, flip=0.3, seed=1)
    top = rank(fresh, np.ones(6000, bool), found.calibration, k=1, tree=TREE)
    assert expected_calibration_error(top.confidences[:, 0], top.classes[:, 0] == truth) < 0.02
    there = tuple(np.argwhere(top.above > 0).T)
    beneath = within(TREE, top.classes[:, 0], truth)
    assert expected_calibration_error(top.above[there], beneath[there]) < 0.02


def test_a_map_that_does_not_validate_better_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels = drawn(400)

    def worse(columns: "np.ndarray", right: "np.ndarray") -> object:
        return fit_logistic(columns, ~right)

    monkeypatch.setattr(calibration, "fit_logistic", worse)
    found = fitted(scores, labels)

    assert (found.calibration.leaf, found.calibration.above) == (None, None)
    assert found.method == "temperature"


def test_the_error_is_that_of_rows_the_map_was_not_fitted_on() -> None:
    scores, labels = drawn(1000, flip=0.2)
    parts = np.arange(1000) % 5
    found = fitted(scores, labels)

    scale = Calibration(scale=found.calibration.scale)
    k = found.honest.classes.shape[1]
    plain = rank(scores.copy(), np.ones(1000, bool), scale, k=k, tree=TREE)
    for part in range(5):
        other = parts != part
        maps = calibration.fit_maps(plain[other], labels[other], TREE, scale=found.calibration.scale)
        expected = mapped(plain[~other], maps).confidences
        np.testing.assert_array_equal(found.honest.confidences[~other], expected)
    assert (mapped(plain, found.calibration).confidences != found.honest.confidences).any()


def test_what_lies_within_a_node() -> None:
    place = TREE.place
    first = np.array([place["CAT_A_X"]] * 4 + [place["CAT_A"]])
    labels = np.array([place["CAT_A_Y"], place["CAT_A"], place["CAT_B_X"], -1, place["CAT_A_X"]])

    # The truth is the node itself, or below it; of a class at the top there is none above.
    assert within(TREE, first, labels).tolist() == [[True], [True], [False], [False], [False]]


def test_joined_parts_are_in_the_order_of_the_rows() -> None:
    scores, _ = drawn(50)
    plain = rank(scores, np.ones(50, bool), Calibration(scale=1.0), k=2, tree=TREE)
    parts = np.arange(50) % 3

    joined = calibration.joined(plain, parts, [Calibration(scale=1.0)] * 3)

    assert isinstance(joined, Ranked)
    np.testing.assert_array_equal(joined.classes, plain.classes)
