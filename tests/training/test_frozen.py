"""Which rows a model has not learned from, and whether it seems to know the others; how long it takes."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from apps.categories.inference.classifier import ProductionClassifier
from tests.tiny import labelled_rows
from training.data import LabelledRow
from training.frozen import beats_its_own_test, frozen_part, same_rows, seems_familiar
from training.outcomes import score
from training.timing import measure_time


def test_the_frozen_part_is_that_of_the_header(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    inside = frozen_part(tiny_classifier, tiny_rows)

    assert inside.sum() == tiny_classifier.header["metrics"]["test"]["rows"]
    assert frozen_part(tiny_classifier, []).tolist() == []


def test_the_same_rows_are_recognised_in_any_order(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    wordless = replace(tiny_rows[0], title="!!!")

    assert same_rows(tiny_classifier, tiny_rows[::-1])
    # Training leaves rows without a word out, and so does the digest.
    assert same_rows(tiny_classifier, [*tiny_rows, wordless])
    assert not same_rows(tiny_classifier, tiny_rows[1:])
    assert not same_rows(tiny_classifier, [replace(tiny_rows[0], brand="Other"), *tiny_rows[1:]])


def test_rows_learned_from_are_told_from_new_ones(tiny_classifier: ProductionClassifier) -> None:
    new = labelled_rows(each=45, seed=99)
    right = score(tiny_classifier, new).right

    assert not seems_familiar(right, frozen_part(tiny_classifier, new))


@pytest.mark.parametrize(
    ("outside", "inside", "familiar"),
    [(0.99, 0.80, True), (0.90, 0.90, False), (0.80, 0.99, False), (0.92, 0.89, False)],
)
def test_only_a_clear_difference_in_the_right_direction_is_a_sign(
    outside: float, inside: float, familiar: bool
) -> None:
    frozen = np.arange(1000) < 200
    right = np.r_[np.arange(200) < 200 * inside, np.arange(800) < 800 * outside]

    assert seems_familiar(right, frozen) is familiar


def test_without_a_frozen_row_nothing_seems_familiar() -> None:
    assert not seems_familiar(np.ones(50, bool), np.zeros(50, bool))


def test_doing_better_than_in_its_own_test_is_noticed(tiny_classifier: ProductionClassifier) -> None:
    tested = tiny_classifier.header["metrics"]["test"]
    alike = np.arange(1000) < 1000 * tested["top1"]

    assert tested["top1"] < 0.95
    assert beats_its_own_test(tiny_classifier, np.ones(1000, bool))
    assert not beats_its_own_test(tiny_classifier, alike)


def test_a_model_that_was_never_tested_has_nothing_to_beat(
    tiny_classifier: ProductionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_classifier, "header", {"metrics": {"test": None}})

    assert not beats_its_own_test(tiny_classifier, np.ones(1000, bool))


def test_times_are_of_single_answers_and_of_batches(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    """A clock that takes 3 ms a look, and the 100 single answers first."""
    ticks = count()

    timing = measure_time(tiny_classifier, tiny_rows[:100], clock=lambda: next(ticks) * 0.003)

    assert timing.rows == 100
    assert (timing.p50_ms, timing.p99_ms) == pytest.approx((3, 3))
    assert timing.per_second == pytest.approx(100 / 0.003)
    assert next(ticks) == 2 * 100 + 2


def test_a_slow_model_is_measured_on_fewer_rows(tiny_classifier: ProductionClassifier) -> None:
    """A clock that takes 2 s a look: three single answers, and three batches of the 5,000 rows."""
    ticks = count()

    timing = measure_time(tiny_classifier, labelled_rows() * 6, clock=lambda: next(ticks) * 2.0)

    assert timing.rows == 3
    assert timing.per_second == pytest.approx(3000 / 6)
    assert next(ticks) == 2 * 3 + 2 * 3


def test_a_large_file_is_sampled_for_the_times(tiny_classifier: ProductionClassifier) -> None:
    rows = labelled_rows() * 14

    timing = measure_time(tiny_classifier, rows)

    assert len(rows) == 12600
    assert timing.rows == 500
