"""Sides are a function of the title's group alone, and the test part of a smaller fraction is nested."""

from apps.categories.inference.text import group_key
from training.splits import fold, in_test, position

GROUPS = [f"group {number}" for number in range(5000)]


def test_near_duplicates_share_a_side() -> None:
    first, second = group_key("Cordless drill 18V red, 2 pcs"), group_key("red cordless DRILL 12 v")

    assert first == second
    assert in_test(first, 0.1) == in_test(second, 0.1)


def test_the_share_is_what_was_asked_for() -> None:
    assert 0.085 < sum(in_test(group, 0.1) for group in GROUPS) / len(GROUPS) < 0.115


def test_a_smaller_test_part_lies_within_a_larger_one() -> None:
    assert all(in_test(group, 0.2) for group in GROUPS if in_test(group, 0.1))
    assert not any(in_test(group, 0.0) for group in GROUPS)


def test_folds_are_even_and_follow_the_seed() -> None:
    sizes = [sum(fold(group, 4) == number for group in GROUPS) for number in range(4)]

    assert sum(sizes) == len(GROUPS)
    assert min(sizes) > 1100
    assert [fold(group, 4, seed=0) for group in GROUPS] != [fold(group, 4, seed=1) for group in GROUPS]


def test_the_test_part_says_nothing_about_the_fold() -> None:
    held = [group for group in GROUPS if in_test(group, 0.1)]

    assert {fold(group, 4) for group in held} == {0, 1, 2, 3}
    assert 0 <= position("x") < 1
