"""Labels of a file: codes from paths, paths from codes, and what is rejected."""

from apps.categories.inference.files import ProductRow, RejectedRow
from training.labels import label_rows


def row(line: int, **values: str) -> ProductRow:
    return ProductRow(line=line, title=f"title {line}", **values)


def test_a_path_gets_its_code_and_a_code_its_path() -> None:
    labels = label_rows(
        [
            row(2, category_path="Tools > Drills"),
            row(3, category_path="Tools > Saws", category_code="S1"),
            row(4, category_code="S1"),
            row(5),
            RejectedRow(line=6, reason="the title is empty", raw={}),
        ]
    )

    assert [(found.category_code, found.category_path) for found in labels.rows] == [
        ("CAT_TOOLS_DRILLS", "Tools > Drills"),
        ("S1", "Tools > Saws"),
        ("S1", "Tools > Saws"),
    ]
    assert labels.unlabelled == 1
    assert [rejected.line for rejected in labels.rejected] == [6]


def test_a_code_of_two_paths_is_rejected_where_it_contradicts() -> None:
    labels = label_rows(
        [row(2, category_path="A", category_code="X"), row(3, category_path="B", category_code="X")]
    )

    assert [found.line for found in labels.rows] == [2]
    assert labels.rejected[0].line == 3
    assert "stands for 'A'" in labels.rejected[0].reason


def test_a_path_of_two_codes_is_rejected_where_it_contradicts() -> None:
    labels = label_rows(
        [row(2, category_path="A", category_code="X"), row(3, category_path="A", category_code="Y")]
    )

    assert [found.line for found in labels.rows] == [2]
    assert "'A' has the code X" in labels.rejected[0].reason


def test_with_the_shops_categories_an_unknown_label_is_rejected() -> None:
    known = {"Tools": "CAT_TOOLS", "Tools > Drills": "CAT_OLD_NAME"}

    labels = label_rows(
        [
            row(2, category_path="Tools > Drills"),
            row(3, category_path="Toys"),
            row(4, category_code="CAT_TOOLS"),
            row(5, category_code="CAT_NOWHERE"),
            row(6, category_code="CAT_TOOLS", category_path="Tools > Drills"),
        ],
        known=known,
    )

    assert [(found.line, found.category_code) for found in labels.rows] == [
        (2, "CAT_OLD_NAME"),
        (4, "CAT_TOOLS"),
    ]
    assert [rejected.line for rejected in labels.rejected] == [3, 5, 6]
    assert all("import_taxonomy" in rejected.reason for rejected in labels.rejected)
