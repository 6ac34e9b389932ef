"""Nothing personal is learned: not in the rows' texts, not in their other columns."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import pytest

from apps.categories.inference.files import COLUMNS, LABEL_COLUMNS, ProductRow, read_rows
from apps.categories.inference.text import TEXT_FIELDS
from tests.conftest import TINY
from training import pipeline
from training.data import LabelledRow
from training.redact import redact_rows

ROW = LabelledRow(
    title="claw hammer", category_code="CAT_TOOLS", category_path="Tools", sku="4111111111111111"
)


def test_a_row_has_room_for_the_allowed_columns_only() -> None:
    """Another column of the input has nowhere to go."""
    names = {field.name for field in fields(LabelledRow)} - {"line"}

    assert names <= {*TEXT_FIELDS, "sku", "price", "rating", "reviews_count", "image", *LABEL_COLUMNS}
    assert names <= {*COLUMNS}


def test_every_text_field_is_cleared_and_the_finds_are_counted() -> None:
    rows = [
        ROW,
        replace(
            ROW, title="hammer a@b.es new", brand="c@d.es", description="+34 600 123 456", seller="e@f.es"
        ),
    ]

    done = redact_rows(rows)

    assert done.rows[0] is ROW
    assert done.rows[1] == replace(ROW, title="hammer new", brand="", description="", seller="")
    assert done.counts() == {"rows": 1, "email": 3, "iban": 0, "card": 0, "phone": 1}
    (finding,) = done.findings()
    assert (finding.rule, finding.rows) == ("personal data", 1)
    assert finding.text == "taken out of 1 rows before training: 3 e-mail addresses, 1 phone numbers"


def test_rows_without_personal_data_are_left_as_they_are(tiny_rows: tuple[LabelledRow, ...]) -> None:
    done = redact_rows(tiny_rows)

    assert all(a is b for a, b in zip(done.rows, tiny_rows, strict=True))
    assert (done.counts()["rows"], done.findings()) == (0, [])


@pytest.mark.parametrize(
    "hidden", ["a＠b.es", "a@b．es", "a@b.es\u200b", "＋34 600 123 456", "４１１１１１１１１１１１１１１１"]
)
def test_what_is_personal_once_the_model_reads_it_goes(hidden: str) -> None:
    (row,) = redact_rows([replace(ROW, title=f"hammer {hidden}")]).rows

    assert row.title == "hammer"


def test_the_artifact_and_its_header_hold_no_find(tiny_rows: Sequence[LabelledRow]) -> None:
    said: list[str] = []
    # Every row, so that no choice of golden rows or vocabulary passes by what is looked for.
    rows = [
        replace(row, title=f"{row.title} zoe@quux.example", seller="+34 600 123 456") for row in tiny_rows
    ]

    result = pipeline.run(rows, replace(TINY, fields=("title", "seller")), progress=said.append)

    for secret in (b"zoe", b"quux", b"600 123", b"+34"):
        assert secret not in result.artifact
    assert result.header["data"]["redacted"] == {
        "rows": len(rows),
        "email": len(rows),
        "iban": 0,
        "card": 0,
        "phone": len(rows),
    }
    n = len(rows)
    note = f"taken out of {n} rows before training: {n} e-mail addresses, {n} phone numbers"
    assert result.header["data"]["findings"][0] == note
    assert said[0] == f"note: {note}"
    assert [row.seller for row in result.rows] == [""] * len(rows)


def test_of_real_catalogues_the_personal_data_goes_and_nothing_else(shared_data: Path) -> None:
    """Every find was looked at: two e-mail addresses, three numbers of customer service."""
    found = {}
    for name in ("flipkart", "bigbasket", "ferreteria_es", "pricerunner", "amazon_reviews", "mercadona_es"):
        rows = read_rows(shared_data / name / "train.csv.gz")
        labelled = [
            replace(ROW, **{field: getattr(row, field) for field in TEXT_FIELDS})
            for row in rows
            if isinstance(row, ProductRow)
        ]
        if (counts := redact_rows(labelled).counts())["rows"]:
            found[name] = {kind: count for kind, count in counts.items() if count}

    assert found == {
        "flipkart": {"rows": 3, "email": 1, "phone": 3},
        "amazon_reviews": {"rows": 1, "email": 1},
    }
