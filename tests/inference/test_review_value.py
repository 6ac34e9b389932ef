"""What a decision of the review queue is worth."""

import pytest

from apps.categories.inference.review_value import LEARNING, ReviewValue, behind


def rule(*waiting: tuple[str, float]) -> ReviewValue:
    made = ReviewValue()
    for title, doubt in waiting:
        made.add_waiting(title, doubt)
    return made


def test_alone_a_product_is_worth_what_is_set_right() -> None:
    one = rule(("red drill", 0.4), ("silk shawl", 0.5))
    assert one.worth("red drill", 0.4, wrong=1.2, weight=2.5) == pytest.approx(3.0)
    assert one.worth("", 0.4, wrong=0.4, weight=1) == pytest.approx(0.4)


def test_a_label_teaches_of_the_others_with_its_words() -> None:
    made = rule(("red drill", 0.4), ("drill case black", 0.6), ("red shawl", 0.2))
    # 0.6 / 3 of the doubt is left in drill, 0.2 / 2 in red.
    assert made.worth("red drill", 0.4, wrong=0.4, weight=1) == pytest.approx(
        0.4 + LEARNING * 0.4 * (0.2 + 0.1)
    )


def test_a_word_counts_once_and_numbers_and_units_not_at_all() -> None:
    made = rule(("drill", 0.4), ("18 mm", 0.9))
    assert made.worth("Drill DRILL 18 mm", 0.3, wrong=0.3, weight=1) == pytest.approx(
        0.3 + LEARNING * 0.3 * 0.1
    )


def test_the_more_labels_a_word_has_the_less_is_taught() -> None:
    made = rule(("drill", 0.4), ("drill", 0.4))
    for title in ("a drill", "drill drill", "shawl"):
        made.add_label(title)
    assert made.worth("drill", 0.4, wrong=0, weight=1) == pytest.approx(LEARNING * 0.4 * 0.4 / 3)


def test_those_asked_for_before_count_as_labels() -> None:
    made = rule(("drill", 0.4), ("drill", 0.4))
    worth = [made.worth("drill", 0.4, wrong=0, weight=1) for _ in range(3)]
    assert worth == pytest.approx([LEARNING * 0.16 / labels for labels in (1, 2, 3)])


def test_labels_of_words_that_do_not_wait_are_not_remembered() -> None:
    made = rule(("shawl", 0.4))
    made.add_label("drill")
    for _ in range(2):
        made.add_waiting("drill", 0.4)
    assert made.worth("drill", 0.4, wrong=0, weight=1) == pytest.approx(LEARNING * 0.16)


def test_one_that_nobody_told_of_is_never_worth_less_than_it_sets_right() -> None:
    assert rule(("drill", 0.1)).worth("drill", 0.9, wrong=0.9, weight=1) == pytest.approx(0.9)


def test_what_another_stands_for_comes_behind_everything_in_the_same_order() -> None:
    assert [behind(worth) for worth in (0, 1, 3)] == [-1, -0.5, -0.25]
