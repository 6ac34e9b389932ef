"""The benchmark of the queue's orders: what it counts."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import reviewing
from benchmarks.review_order import Kept, figures, labels_needed
from benchmarks.reviewing import (
    Answers,
    Places,
    Shop,
    Waiting,
    at_random,
    by_value,
    least_sure,
    newest,
    review,
)

TITLES = ["start", "red mug", "drill 5 mm", "drill 6 mm", "drill 7 mm", "shawl", "test"]
GROUPS = ["s", "m", "d", "d", "d", "h", "t"]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A model that answers 0 for everything, surest of what came first."""

    def answers(shop: Shop, labelled: Places, asked: Places, *, seed: int) -> Answers:
        return Answers(tops=np.zeros(len(asked), np.int64), confidences=1 - asked / 10)

    monkeypatch.setattr(reviewing, "answers", answers)
    return Shop(
        titles=TITLES,
        tokens=[],
        labels=np.array([0, 0, 1, 0, 1, 1, 0]),
        codes=["A", "B"],
        paths=["A", "B"],
        groups=GROUPS,
        weights=np.array([1.0, 1, 10, 20, 40, 80, 1]),
        start=np.array([0]),
        pool=np.arange(1, 6),
        test=np.array([6]),
    )


def test_a_decision_settles_near_duplicates_of_the_same_category_and_counts_what_was_wrong(
    shop: Shop,
) -> None:
    course = review(shop, lambda waiting: np.arange(len(waiting.places)), step=2, rounds=2, seed=0)
    # The mug, right all along, and a drill with one of its two copies; then the copy filed elsewhere, right
    # too, and the shawl.
    assert course.decisions == [0, 2, 4]
    assert course.removed == [0, 50, 130]
    assert course.accuracies == [1, 1, 1]


def test_alone_it_settles_nothing_else(shop: Shop) -> None:
    order: Callable[[Waiting], Places] = lambda waiting: np.arange(len(waiting.places))  # noqa: E731
    course = review(shop, order, step=2, rounds=2, seed=0, settle=False)
    assert (course.decisions, course.removed) == ([0, 2, 4], [0, 10, 50])


def test_the_orders(shop: Shop) -> None:
    found = reviewing.answers(shop, shop.start, shop.pool, seed=0)
    waiting = Waiting(shop=shop, labelled=shop.start, places=shop.pool, answers=found, number=0)
    assert newest(waiting).tolist() == [4, 3, 2, 1, 0]
    assert least_sure(waiting).tolist() == [4, 3, 2, 1, 0]
    assert sorted(at_random(waiting).tolist()) == [0, 1, 2, 3, 4]
    # The first drill stands for the three: 0.9 of doubt at a third of the mean weight, before the mug's 0.1
    # at a thirtieth and behind the shawl's 0.5 at more than twice; its copies by weight.
    assert by_value(waiting).tolist() == [4, 1, 0, 3, 2]


def test_labels_needed_lie_on_straight_lines_between_rounds() -> None:
    decisions, accuracies = [0.0, 10, 20, 30], [0.5, 0.6, 0.55, 0.8]
    assert labels_needed(decisions, accuracies, 0.5) == 0
    assert labels_needed(decisions, accuracies, 0.55) == pytest.approx(5)
    assert labels_needed(decisions, accuracies, 0.7) == pytest.approx(26)
    assert labels_needed(decisions, accuracies, 0.81) == float("inf")


def test_the_figures_are_of_all_seeds() -> None:
    def kept(*accuracies: float, removed: float) -> Kept:
        return {
            "decisions": [0, 10, 20, 30, 40],
            "accuracies": list(accuracies),
            "removed": [0, 0, 0, 0, removed],
            "mean_weight": 2.0,
            "whole": 0.8,
        }

    courses = {
        "value": [kept(0.4, 0.6, 0.7, 0.8, 0.8, removed=40), kept(0.4, 0.6, 0.7, 0.8, 0.8, removed=80)],
        "newest": [kept(0.4, 0.5, 0.5, 0.5, 0.7, removed=8), kept(0.4, 0.5, 0.5, 0.6, 0.8, removed=8)],
    }
    found = figures(courses)
    assert found["value"] == pytest.approx((10, 75))
    assert found["newest"] == pytest.approx((32.5, 10))
