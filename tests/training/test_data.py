"""What the data report says, and what it refuses."""

from dataclasses import replace

import pytest

from apps.categories.inference.errors import TrainingRefused
from tests.tiny import labelled_rows
from training.data import LabelledRow, TrainingData, validate

ROWS = labelled_rows()


def rules(data: TrainingData) -> dict[str, str]:
    return {finding.rule: finding.text for finding in data.findings}


def test_clean_rows_give_no_finding() -> None:
    data = validate(ROWS)

    assert not data.findings
    assert len(data.rows) == len(ROWS)
    assert set(data.weights) == {1.0}


def test_rows_without_a_word_are_left_out_and_named() -> None:
    data = validate([*ROWS, replace(ROWS[0], title=" -- ", line=7001)])

    assert len(data.rows) == len(ROWS)
    assert "line 7001" in rules(data)["empty text"]


def test_one_row_categories_are_kept_and_named() -> None:
    lonely = replace(
        ROWS[0], title="sundial", category_code="CAT_SUNDIALS", category_path="Sundials", line=7002
    )

    data = validate([*ROWS, lonely])

    assert "line 7002" in rules(data)["one-row categories"]
    assert "CAT_SUNDIALS" in data.classes


def test_contradictory_titles_are_trained_by_share_and_named() -> None:
    code = next(row.category_code for row in ROWS if row.category_code != ROWS[0].category_code)
    other = replace(ROWS[0], title=ROWS[0].title.upper() + "!", category_code=code)

    data = validate([*ROWS, ROWS[0], other])

    first = ROWS[0].title.lower()
    shares: dict[str, float] = {}
    for row, weight in zip(data.rows, data.weights, strict=True):
        if row.title.lower().rstrip("!") == first:
            shares[row.category_code] = shares.get(row.category_code, 0) + weight
    assert shares == {ROWS[0].category_code: pytest.approx(2 / 3), code: pytest.approx(1 / 3)}
    assert sum(data.contradictory) == 3
    assert code in rules(data)["contradictory labels"]


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(TrainingRefused, match="19 usable labelled rows are too few"):
        validate(ROWS[:19])


def test_a_single_category_is_refused() -> None:
    rows = [replace(row, category_code="CAT_A", category_path="A") for row in ROWS[:50]]

    with pytest.raises(TrainingRefused, match="at least two categories"):
        validate(rows)


def test_copies_of_a_few_titles_are_refused() -> None:
    rows = [replace(ROWS[number % 4], title=f"{ROWS[number % 4].title} {number}") for number in range(40)]

    with pytest.raises(TrainingRefused, match="near-duplicates of fewer than 10 titles"):
        validate(rows)


def test_a_label_without_a_code_is_refused_by_line() -> None:
    with pytest.raises(TrainingRefused, match="line 9"):
        validate([*ROWS, replace(ROWS[0], category_code="", line=9)])


def test_a_row_of_the_database_is_named_by_its_sku() -> None:
    assert LabelledRow(title="x", category_code="C", category_path="C", sku="A-1").name() == "sku A-1"
