import csv
import gzip
import json
import sys
from pathlib import Path

import pytest

from apps.categories.inference import formats
from apps.categories.inference.errors import InputFileError
from apps.categories.inference.files import (
    COLUMNS,
    ProductRow,
    RejectedRow,
    RejectWriter,
    open_reader,
    read_rows,
    rejected_path,
)


def rows(path: Path, content: str | bytes, *, labels: bool = True) -> list[ProductRow | RejectedRow]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_rows(path, labels=labels))


def reasons(found: list[ProductRow | RejectedRow]) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in found if isinstance(row, RejectedRow)]


def refusal(path: Path, content: str | bytes) -> str:
    with pytest.raises(InputFileError) as caught:
        rows(path, content)
    return str(caught.value)


FULL = ProductRow(
    line=2,
    title="Taladro 18V, sin cable",
    sku="A1",
    description="Con «maletín»",
    brand="Ñandú",
    seller="shop",
    price="12.50",
    rating="4.5",
    reviews_count="7",
    image="a.jpg",
    category_code="CAT_A",
    category_path="A > B",
)
HEADER = "title,sku,description,brand,seller,price,rating,reviews_count,image,category_code,category_path"
LINE = '"Taladro 18V, sin cable",A1,Con «maletín»,Ñandú,shop,12.50,4.5,7,a.jpg,CAT_A,A > B'


def test_the_columns_are_those_of_the_file_contract() -> None:
    assert ",".join(COLUMNS) == HEADER
    assert FULL.as_mapping() == {name: getattr(FULL, name) for name in COLUMNS}


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.csv.gz", "a.txt", "a"])
def test_csv_by_name_and_by_content(tmp_path: Path, name: str) -> None:
    content = f"{HEADER}\n{LINE}\n".encode()
    assert rows(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content) == [FULL]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "a.txt", "a"])
def test_jsonl_by_name_and_by_content(tmp_path: Path, name: str) -> None:
    values = FULL.as_mapping() | {"price": 12.5, "reviews_count": 7, "rating": None, "sku": " A1 "}
    content = ("\ufeff" + json.dumps(values) + "\n\n").encode()
    expected = FULL.as_mapping() | {"price": "12.5", "rating": ""}
    data = gzip.compress(content) if name.endswith("gz") else content
    assert rows(tmp_path / name, data) == [ProductRow(line=1, **expected)]


@pytest.mark.parametrize("name", ["a.parquet", "a.pq.gz", "a"])
def test_parquet_by_name_and_by_content(tmp_path: Path, name: str) -> None:
    arrow = pytest.importorskip("pyarrow", reason="NOT TESTED: install requirements-ml.txt to test Parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = arrow.table(
        {
            "Title": ["Taladro", None, "Broca"],
            "price": [1.5, 2.0, float("nan")],
            "reviews_count": [1, None, 3],
            "colour": ["x", "y", "z"],
        }
    )
    parquet.write_table(table, tmp_path / "made")
    data = (tmp_path / "made").read_bytes()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    with open_reader(path) as reader:
        assert list(reader) == [
            ProductRow(line=1, title="Taladro", price="1.5", reviews_count="1"),
            RejectedRow(
                line=2, reason="the title is empty", raw={"title": "", "price": "2.0", "reviews_count": ""}
            ),
            ProductRow(line=3, title="Broca", price="", reviews_count="3"),
        ]
        assert reader.unknown_columns == ("colour",)


def test_parquet_without_pyarrow_names_the_requirements_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install -r requirements-ml.txt" in refusal(tmp_path / "a.parquet", b"PAR1")


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="NOT TESTED: install requirements-ml.txt to test Parquet")
    assert "damaged or not Parquet" in refusal(tmp_path / "a.parquet", b"PAR1 and nothing else PAR1")
    assert "named as parquet" in refusal(tmp_path / "b.parquet", "title\nx\n")
    assert "named as csv" in refusal(tmp_path / "c.csv", b"PAR1")


def test_gzipped_parquet_is_unpacked_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow", reason="NOT TESTED: install requirements-ml.txt to test Parquet")
    monkeypatch.setattr(formats, "MAX_UNPACKED_PARQUET_BYTES", 100)
    assert "more than 100 bytes" in refusal(tmp_path / "a.parquet.gz", gzip.compress(b"PAR1" + bytes(97)))


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_the_one_of_the_header(tmp_path: Path, delimiter: str) -> None:
    found = rows(
        tmp_path / "a.csv", f"sku{delimiter}Title{delimiter}price\n1{delimiter}Broca, 8 mm{delimiter}1,5\n"
    )
    assert found == [ProductRow(line=2, sku="1", title="Broca, 8 mm", price="1,5")]


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    found = rows(tmp_path / "a.csv", "\ufeff\r\nTITLE ,sku\r\n\r\n x ,1\r\n\r\n")
    assert found == [ProductRow(line=4, title="x", sku="1")]


def test_the_line_is_where_the_row_begins(tmp_path: Path) -> None:
    found = rows(tmp_path / "a.csv", 'title,description\na,"one\ntwo"\nb,c\n"",d\n')
    assert [row.line for row in found] == [2, 4, 5]
    assert isinstance(found[0], ProductRow)
    assert found[0].description == "one\ntwo"


def test_a_row_with_too_many_or_too_few_cells_is_rejected_whole(tmp_path: Path) -> None:
    found = rows(tmp_path / "a.csv", "title,sku\na,1,x,y\nb\nc,3\n")
    assert found == [
        RejectedRow(
            line=2,
            reason="4 cells, but the header has 2 columns",
            raw={"title": "a", "sku": "1", "rest": "x,y"},
        ),
        RejectedRow(line=3, reason="1 cells, but the header has 2 columns", raw={"title": "b"}),
        ProductRow(line=4, title="c", sku="3"),
    ]


def test_a_quotation_mark_that_is_never_closed_costs_the_lines_it_swallows_and_says_which(
    tmp_path: Path,
) -> None:
    found = rows(tmp_path / "a.csv", 'title,sku\na,1\n"b,2\nc,3\n')
    assert found[0] == ProductRow(line=2, title="a", sku="1")
    assert reasons(found) == [
        (3, "1 cells, but the header has 2 columns (lines 3 to 4: a quotation mark that is not closed?)")
    ]


def test_a_cell_over_the_limit_is_rejected_and_the_next_row_is_read(tmp_path: Path) -> None:
    huge = "x" * (csv.field_size_limit() + 1)
    found = rows(tmp_path / "a.csv", f"title,sku\n{huge},1\nb,2\n")
    assert [line for line, _ in reasons(found)] == [2]
    assert "field larger than field limit" in reasons(found)[0][1]
    assert found[1] == ProductRow(line=3, title="b", sku="2")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_line_over_the_limit_is_skipped_without_being_held(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "MAX_LINE_BYTES", 50)
    template = "{}\n" if name == "a.csv" else '{{"title": "{}"}}\n'
    lines = ["title" if name == "a.csv" else "first", "x" * 200, "y"]
    found = rows(tmp_path / name, "".join(map(template.format, lines)))
    assert [line for line, _ in reasons(found)] == [2]
    assert "line is longer than 50 bytes" in reasons(found)[0][1]
    assert found[-1] == ProductRow(line=3, title="y")


def test_jsonl_rejects_what_is_not_an_object_and_what_is_not_text(tmp_path: Path) -> None:
    lines = [
        '{"title": "a"}',
        "[1]",
        '{"title": ',
        '{"title": ["b"]}',
        '{"title": "c", "colours": ["red"]}',
        "[" * 50_000,
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    with open_reader(path) as reader:
        found = list(reader)
        assert reader.unknown_columns == ("colours",)
    assert [row.line for row in found] == [1, 2, 3, 4, 5, 6]
    assert found[4] == ProductRow(line=5, title="c")
    assert [reason.partition(":")[0] for _, reason in reasons(found)] == [
        "expected a JSON object",
        "not readable as JSON",
        "title is a list, expected text or a number",
        "not readable as JSON",
    ]


def test_what_no_database_stores_is_removed(tmp_path: Path) -> None:
    assert rows(tmp_path / "a.jsonl", r'{"title": "a\u0000b\ud800", "price": NaN}') == [
        ProductRow(line=1, title="ab\ufffd")
    ]
    assert rows(tmp_path / "a.csv", b"title\na\x00b\n") == [ProductRow(line=2, title="ab")]


def test_a_sku_with_another_label_keeps_the_first(tmp_path: Path) -> None:
    content = (
        "sku,title,category_path\n1,a,A > B\n1,a2,A > B\n1,a3,A > C\n,a4,A > C\n,a5,A\n2,b,\n2,b2,A\n1,a6,\n"
    )
    found = rows(tmp_path / "a.csv", content)
    assert reasons(found) == [
        (4, "sku 1 was read before with another label: 'A > B' is kept, 'A > C' is not")
    ]
    assert len(found) == 8


def test_a_label_that_cannot_be_a_category_is_rejected_unless_labels_do_not_matter(tmp_path: Path) -> None:
    content = f"title,category_path,category_code\na,A >  > B,\nb,  A >  B ,\nc,,{'X' * 101}\n"
    found = rows(tmp_path / "a.csv", content)
    assert found[1] == ProductRow(line=3, title="b", category_path="A > B")
    assert reasons(found) == [
        (2, "the category path 'A >  > B' has a level without a name; expected 'A > B'"),
        (4, "the category_code has 101 characters, at most 100 are allowed"),
    ]
    unlabelled = rows(tmp_path / "a.csv", content, labels=False)
    assert unlabelled == [
        ProductRow(line=line, title=title) for line, title in ((2, "a"), (3, "b"), (4, "c"))
    ]


def test_unknown_columns_are_named_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("title,colour,category_name,\na,b,c,\n")
    with open_reader(path) as reader:
        assert reader.unknown_columns == ("colour", "category_name")
        assert list(reader) == [ProductRow(line=2, title="a")]
        assert reader.unknown_columns == ("colour", "category_name")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_no_title_column_names_what_was_found_and_what_to_do(tmp_path: Path, name: str) -> None:
    content = "name,sku\na,1\n" if name == "a.csv" else '{"name": "a", "sku": 1}\n'
    message = refusal(tmp_path / name, content)
    assert "expected a column 'title', but only these were found: name, sku; rename" in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "only these were found: none"),
        ("a.csv", b"title,Title\na,b\n", "the column 'title' is there twice"),
        ("a.csv", b"title\na\nTama\xf1o\n", "line 3: byte 0xf1 is not UTF-8"),
        ("a.csv", "title\nx\n".encode("utf-16"), "is UTF-16, expected UTF-8"),
        ("a.csv", b"title\rsku\r", "the first line is not readable as CSV"),
        ("a.csv", b"PK\x03\x04rest", "is a zip archive or a workbook"),
        ("a.json", b'[{"title": "x"}]', "is a JSON array"),
        ("a.csv.gz", gzip.compress(b"title\nabc\n", mtime=0)[:-12], "gzip data is cut or damaged"),
        ("a.csv.gz", b"\x1f\x8bnonsense", "gzip data is cut or damaged"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_is_refused(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    assert words in refusal(tmp_path / name, content)


def test_gzip_that_is_cut_far_into_the_file_names_the_last_good_line(tmp_path: Path) -> None:
    lines = "title\n" + "".join(f"{number:x} {number * 7919 % 10_007}\n" for number in range(20_000))
    data = gzip.compress(lines.encode())
    path = tmp_path / "a.csv.gz"
    path.write_bytes(data[: len(data) // 2])
    seen = 0
    damaged = pytest.raises(InputFileError, match=r"after line \d+: the gzip data is cut or damaged")
    with open_reader(path) as reader, damaged:
        for _ in reader:
            seen += 1
    assert seen > 1000


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(InputFileError, match="cannot be opened"):
            open_reader(path)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("train.csv.gz", "train.rejected.csv"),
        ("a.b.parquet", "a.b.rejected.csv"),
        ("plain", "plain.rejected.csv"),
        ("X.JSONL", "X.rejected.csv"),
    ],
)
def test_rejected_path(tmp_path: Path, source: str, expected: str) -> None:
    assert rejected_path(Path("/elsewhere") / source, tmp_path) == tmp_path / expected


def test_the_reject_writer_makes_no_file_without_rejects(tmp_path: Path) -> None:
    with RejectWriter(tmp_path / "outputs" / "a.rejected.csv") as writer:
        pass
    assert writer.count == 0
    assert not list(tmp_path.iterdir())


def test_the_reject_writer_gives_back_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "outputs" / "a.rejected.csv"
    with RejectWriter(path) as writer:
        writer.write(
            RejectedRow(line=3, reason="no, really", raw={"title": 'a "b"', "sku": "1", "colour": "red"})
        )
        writer.write(RejectedRow(line=9, reason="bad", raw={"rest": "{"}))
    assert writer.count == 2
    with path.open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["line"], first["reason"], first["title"], first["sku"]) == ("3", "no, really", 'a "b"', "1")
    assert first["rest"] == '{"colour": "red"}'
    assert (second["line"], second["rest"]) == ("9", "{")


def test_the_reject_writer_replaces_its_own_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.rejected.csv"
    with RejectWriter(path) as writer:
        writer.write(RejectedRow(line=1, reason="x", raw={}))
    with RejectWriter(path):
        pass
    assert not path.exists()
    path.write_text("title,sku\n")
    with pytest.raises(InputFileError, match="is no file of rejects"), RejectWriter(path):
        pass
    assert path.read_text() == "title,sku\n"


def test_the_reject_writer_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputFileError, match="cannot be written"),
        RejectWriter(tmp_path / "file" / "a.rejected.csv") as writer,
    ):
        writer.write(RejectedRow(line=1, reason="x", raw={}))


def test_real_catalogues_are_read_whole(shared_data: Path) -> None:
    counts = {}
    for name in ("flipkart", "ferreteria_es", "ikea"):
        found = list(read_rows(shared_data / name / "train.csv.gz"))
        counts[name] = (len(found), len(reasons(found)))
    assert counts == {"flipkart": (10_169, 0), "ferreteria_es": (4524, 0), "ikea": (2018, 419)}
