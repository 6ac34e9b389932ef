"""The threshold rule: exact bounds, the lowest that certifies, failing closed."""

import numpy as np
import pytest

from training.thresholds import choose, precision_bound


@pytest.mark.parametrize(("rows", "target"), [(29, 0.90), (59, 0.95), (299, 0.99)])
def test_the_fewest_error_free_rows_that_certify_a_target(rows: int, target: float) -> None:
    assert precision_bound(rows, 0) >= target
    assert precision_bound(rows - 1, 0) < target


def test_nothing_right_certifies_nothing() -> None:
    assert precision_bound(10, 10) == 0.0
    assert precision_bound(0, 0) == 0.0


def test_the_lowest_threshold_whose_bound_reaches_the_target() -> None:
    confidences = np.linspace(1, 0, 400).tolist()
    right = [True] * 200 + [False] * 200

    found = choose(confidences, right, target=0.95)

    # 200 right and e wrong certify 0.95 up to e = 4: each further error is one row lower.
    assert found.rows == 204
    assert found.errors == 4
    assert found.value == pytest.approx(confidences[203])
    assert found.bound >= 0.95
    assert precision_bound(205, 5) < 0.95
    assert found.coverage == pytest.approx(204 / 400)


def test_too_few_rows_certify_nothing() -> None:
    found = choose([0.99] * 58, [True] * 58, target=0.95)

    assert found.value is None
    assert (found.rows, found.coverage, found.bound) == (0, 0.0, 0.0)


def test_no_rows_certify_nothing() -> None:
    assert choose([], [], target=0.95).value is None


def test_equal_confidences_are_never_parted() -> None:
    # Cut inside the tie, the first 100 rows would certify; the tie as a whole does not.
    found = choose([0.9] * 200, [True] * 100 + [False] * 100, target=0.95)

    assert found.value is None
