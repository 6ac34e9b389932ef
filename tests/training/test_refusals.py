"""Data that passes validation and still cannot train a meaningful model, or part of one."""

from dataclasses import replace

import numpy as np
import pytest

from apps.categories.inference.errors import TrainingRefused
from apps.categories.inference.text import group_key
from tests.conftest import TINY
from training import pipeline
from training.backends import linear
from training.data import LabelledRow, validate
from training.selection import select
from training.splits import in_test


def test_one_category_outside_the_test_part_is_refused(tiny_rows: tuple[LabelledRow, ...]) -> None:
    fraction = TINY.test_fraction
    tested = [row for row in tiny_rows if in_test(group_key(row.title), fraction)]
    others = [row for row in tiny_rows if not in_test(group_key(row.title), fraction)]
    code = others[0].category_code
    rows = [row for row in others if row.category_code == code]
    rows += [row for row in tested if row.category_code != code]

    with pytest.raises(TrainingRefused, match="outside the frozen test part the rows have a single category"):
        pipeline.run(rows, TINY)


def test_rows_that_are_one_group_outside_the_test_part_are_refused(
    tiny_rows: tuple[LabelledRow, ...],
) -> None:
    """Without folds there is no held-out answer, so nothing that a threshold could rest on."""
    fraction = TINY.test_fraction
    tested = [row for row in tiny_rows if in_test(group_key(row.title), fraction)]
    title = next(name for name in ("drill", "saw", "pan") if not in_test(group_key(name), fraction))
    rows = [replace(row, title=f"{title} {number} mm") for number, row in enumerate(tested)]

    with pytest.raises(TrainingRefused, match="cannot be parted into folds; label more different products"):
        pipeline.run([*tested, *rows], TINY)


def test_too_few_validation_rows_take_the_defaults_and_say_so(tiny_rows: tuple[LabelledRow, ...]) -> None:
    said: list[str] = []

    options, trials = select(
        validate(tiny_rows[:24]), replace(TINY, class_weight="auto"), progress=said.append
    )

    assert said == ["too few validation rows to choose fields and costs: the defaults are used"]
    assert (options.cost, options.class_weight, trials) == (linear.LinearOptions().cost, "none", [])


def test_a_class_without_a_row_in_a_fit_scores_as_far_from_it() -> None:
    """Otherwise its score of 0, the very boundary, would beat the many true classes that score under it."""
    tokens = linear.tokenise(["claw hammer", "rubber hammer", "linen shirt", "polo shirt"])
    fit = linear.fit(
        tokens,
        np.array([0, 0, 2, 2], np.int64),
        np.ones(4),
        linear.LinearOptions(),
        classes=3,
        seed=0,
    )

    scores = fit.scores(linear.tokenise(["wok", "hammer", "shirt"]))

    assert (scores[:, 1] == -1).all()
    assert (scores.argmax(axis=1) != 1).all()


def test_a_shop_with_one_or_two_products_of_each_category_is_not_warned_by_a_library() -> None:
    """scikit-learn takes so many classes for a regression and says so; warnings are errors in this suite."""
    names = [f"thing{number}" for number in range(30)]

    fit = linear.fit(
        linear.tokenise(names),
        np.arange(30),
        np.ones(30),
        linear.LinearOptions(),
        classes=30,
        seed=0,
    )

    assert (fit.scores(linear.tokenise(names)).argmax(axis=1) == np.arange(30)).all()
