"""Scores to calibrated candidates, and the mass of what lies above them."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from apps.categories.inference.ranking import Calibration, Logistic, Ranked, Tree, mapped, rank, terms
from apps.categories.inference.taxonomy import Taxonomy

PATHS = {
    "CAT_A": "A",  # an inner node that is a class itself
    "CAT_A_X": "A > X",
    "CAT_A_Y_1": "A > Y > 1",
    "CAT_A_Y_2": "A > Y > 2",
    "CAT_B": "B",
    # Sorts between "A" and "A > X" as text, and belongs to neither.
    "CAT_A_1": "A 1 > Z",
}
CODES = tuple(sorted(PATHS))
TREE = Tree(Taxonomy.covering(PATHS), CODES)
FLAT = Calibration(scale=1.0)
# Only the share counts, and nothing is cut off.
HALVED = Logistic(
    intercept=float(np.log(0.5)), weights=(1, 0, 0, 0), low=(-20, 0, -99, 0), high=(0, 20, 99, 99)
)


def ranked(*shares: dict[str, float], calibration: Calibration = FLAT, k: int = 3) -> Ranked:
    """Rows whose softmax is these shares, by the last part of their code."""
    rows = [[max(row.get(code.removeprefix("CAT_"), 0), 1e-9) for code in CODES] for row in shares]
    scores = np.log(np.array(rows, np.float32))
    return rank(scores, np.ones(len(shares), bool), calibration, k=k, tree=TREE)


def above(row: Ranked) -> dict[str, float]:
    """The first row's chances by code."""
    nodes = TREE.above[:, row.classes[0, 0]]
    return {
        TREE.codes[node]: pytest.approx(float(chance), abs=1e-5)
        for node, chance in zip(nodes, row.above[0], strict=True)
        if node >= 0
    }


def test_confidences_are_a_softmax_over_all_classes() -> None:
    scores = np.log(np.array([[0.5, 0.2, 0.2, 0.1], [0.1, 0.1, 0.1, 0.7]], np.float32))

    top = rank(scores, np.ones(2, bool), FLAT, k=2)

    assert top.classes.tolist() == [[0, 1], [3, 0]]
    np.testing.assert_allclose(top.confidences, [[0.5, 0.2], [0.7, 0.1]], rtol=1e-5)
    np.testing.assert_allclose(top.best, np.log([0.5, 0.7]), rtol=1e-5)
    np.testing.assert_allclose(top.runner, np.log([0.2, 0.1]), rtol=1e-5)


def test_the_scale_sharpens_and_leaves_the_raw_scores() -> None:
    scores = np.log(np.array([[0.5, 0.25, 0.25]], np.float32))

    top = rank(scores, np.ones(1, bool), Calibration(scale=2.0), k=1)

    assert top.confidences[0, 0] == pytest.approx(0.25 / (0.25 + 2 * 0.0625))
    assert top.best[0] == pytest.approx(np.log(0.5))


def test_the_mass_above_is_that_of_the_node_and_all_below_it() -> None:
    top = ranked({"A_Y_1": 0.4, "A_Y_2": 0.2, "A_X": 0.1, "A": 0.05, "A_1": 0.15, "B": 0.1})

    assert above(top) == {"CAT_A": 0.75, "CAT_A_Y": 0.6}


def test_what_has_nothing_above_it_has_no_mass_there() -> None:
    top = ranked({"B": 0.6, "A_X": 0.4}, {"A": 0.7, "B": 0.3}, {"A_X": 0.7, "B": 0.3})

    assert top.above.shape == (3, 2)
    assert top.above[:2].tolist() == [[0, 0], [0, 0]]
    assert top.above[2].tolist() == [pytest.approx(0.7), 0]


def test_the_map_moves_the_first_and_the_others_divide_what_is_left() -> None:
    calibration = replace(FLAT, leaf=HALVED)
    # The map: odds of half the share, x / 2 to 1.
    chance = (0.8 / 2) / (1 + 0.8 / 2)
    top = ranked({"A_X": 0.8, "B": 0.15, "A": 0.05}, calibration=calibration)

    assert top.confidences[0].tolist() == [
        pytest.approx(chance, abs=1e-5),
        # 0.15 × (1 − chance) / 0.2 is more than the first has: no candidate passes it.
        pytest.approx(chance, abs=1e-5),
        pytest.approx(0.05 * (1 - chance) / 0.2, abs=1e-5),
    ]
    assert top.confidences.sum() <= 1


def test_under_any_map_the_order_stays_and_the_sum_is_at_most_one() -> None:
    draw = np.random.default_rng(0)
    for number in range(50):
        columns = draw.normal(size=(4,))
        leaf = Logistic(
            intercept=float(draw.normal()), weights=tuple(columns), low=(-9, 0, -9, 0), high=(0, 9, 9, 9)
        )
        scores = draw.normal(size=(40, len(CODES)), scale=3).astype(np.float32)
        top = rank(scores, np.ones(40, bool), Calibration(scale=1.3, leaf=leaf, above=leaf), k=6, tree=TREE)

        assert (np.diff(top.confidences, axis=1) <= 0).all(), number
        assert (top.confidences >= 0).all()
        assert (top.confidences.sum(axis=1) <= 1 + 1e-5).all()
        there = top.above > 0
        # Towards the top the chances rise, from the confidence of the class itself on.
        assert (top.above[there] >= np.broadcast_to(top.confidences[:, :1], there.shape)[there] - 1e-6).all()
        both = there.all(axis=1)
        assert (top.above[both, 0] >= top.above[both, 1]).all()


def test_where_two_stay_likely_the_first_gets_no_more_than_its_part_of_them() -> None:
    sure = Logistic(intercept=9.0, weights=(0, 0, 0, 0), low=(0,) * 4, high=(0,) * 4)
    calibration = replace(FLAT, leaf=sure)

    top = ranked({"A_X": 0.5, "B": 0.4, "A": 0.1}, {"A_X": 0.7, "B": 0.2, "A": 0.1}, calibration=calibration)

    assert top.torn.tolist() == [True, False]
    assert top.confidences[0, 0] == pytest.approx(0.5 / 0.9)
    assert top.confidences[1, 0] > 0.99


def test_the_chance_above_is_that_of_the_class_or_of_another_there() -> None:
    even = Logistic(intercept=0.0, weights=(0, 0, 0, 0), low=(0,) * 4, high=(0,) * 4)
    top = ranked({"A_Y_1": 0.6, "B": 0.2, "A_X": 0.2}, calibration=replace(FLAT, above=even))

    # Right at 0.6, and in half of the other cases under the same node.
    assert above(top) == {"CAT_A": 0.8, "CAT_A_Y": 0.8}


def test_nothing_is_read_off_beyond_the_rows_of_the_fit() -> None:
    rising = Logistic(intercept=0.0, weights=(0, 0, 1, 0), low=(-9, 0, -1, 0), high=(0, 9, 1, 9))

    chances = rising(np.array([[0, 0, value, 0] for value in (-5, -1, 0, 1, 5)], float))

    assert chances[0] == chances[1] < chances[2] < chances[3] == chances[4]


def test_a_map_on_top_is_the_map_in_one_go() -> None:
    draw = np.random.default_rng(1)
    scores = draw.normal(size=(60, len(CODES)), scale=2).astype(np.float32)
    calibration = Calibration(scale=1.5, leaf=HALVED, above=HALVED)
    read = np.ones(60, bool)
    plain = rank(scores.copy(), read, Calibration(scale=1.5), k=4, tree=TREE)

    once = rank(scores.copy(), read, calibration, k=4, tree=TREE)

    for name, values in vars(mapped(plain, calibration)).items():
        np.testing.assert_allclose(values, vars(once)[name], atol=1e-5, err_msg=name)


def test_what_lies_above_is_asked_for_only_where_it_may_decide() -> None:
    # Sure; unsure; sure enough for a low bar, but torn.
    rows = {"A_X": 0.9, "B": 0.1}, {"A_X": 0.45, "B": 0.2, "A_Y_1": 0.2, "A": 0.15}, {"A_X": 0.6, "A": 0.4}
    scores = np.log(
        np.array(
            [[max(row.get(code.removeprefix("CAT_"), 0), 1e-9) for code in CODES] for row in rows], np.float32
        )
    )

    top = rank(scores, np.ones(3, bool), FLAT, k=1, tree=TREE, bars=np.full(len(CODES), 0.5))

    assert (top.above > 0).any(axis=1).tolist() == [False, True, True]


def test_terms_of_certainty_are_finite() -> None:
    held = terms(np.array([0, 1, 0.5], np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32))

    assert np.isfinite(held).all()


def test_a_calibration_comes_back_from_a_header() -> None:
    calibration = Calibration(scale=2.0, leaf=HALVED)

    assert Calibration.of_header(asdict(calibration)) == calibration


@pytest.mark.parametrize(
    "stored",
    [
        {"scale": 0.0, "leaf": None, "above": None},
        {"scale": float("nan"), "leaf": None, "above": None},
        {"scale": 1.0, "leaf": {**asdict(HALVED), "weights": (1,)}, "above": None},
        {"scale": 1.0, "leaf": {**asdict(HALVED), "intercept": float("inf")}, "above": None},
    ],
)
def test_what_is_no_calibration_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"scale|logistic"):
        Calibration.of_header(stored)


def test_a_class_outside_the_tree_is_refused() -> None:
    with pytest.raises(KeyError):
        Tree(Taxonomy.covering(PATHS), ["CAT_ELSEWHERE"])
