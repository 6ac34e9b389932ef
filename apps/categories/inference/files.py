"""Product rows in, rejects out: the only reader of product files.

Reading streams: memory is one row (a thousand for Parquet) and, to find repeated skus, the skus read so far.
A row that cannot be used comes out as a `RejectedRow` with its line and the reason; only a file that cannot
be read as a whole raises.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .errors import InputFileError
from .formats import FORMATS, REST, Record, Records
from .taxonomy import MAX_CODE, join_path, split_path


@dataclass(frozen=True, kw_only=True)
class ProductRow:
    """A row that can be used; every value is text without outer whitespace, empty where the file has none."""

    line: int
    """Where the row begins, 1 being the first line of the file; for Parquet the number of the row."""
    title: str
    sku: str = ""
    description: str = ""
    brand: str = ""
    seller: str = ""
    price: str = ""
    rating: str = ""
    reviews_count: str = ""
    image: str = ""
    category_code: str = ""
    category_path: str = ""

    def as_mapping(self) -> dict[str, str]:
        """Column to value, without the line."""
        values = asdict(self)
        del values["line"]
        return values


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A row that cannot be used."""

    line: int
    """As in `ProductRow`."""
    reason: str
    """For the person who mends the file, without a full stop."""
    raw: Mapping[str, str]
    """Column to value, as far as the row could be read; what belongs to no column is under `rest`."""


COLUMNS = tuple(field.name for field in fields(ProductRow) if field.name != "line")
LABEL_COLUMNS = ("category_code", "category_path")
REJECT_COLUMNS = ("line", "reason", *COLUMNS, REST)


def read_rows(path: Path, *, labels: bool = True) -> Iterator[ProductRow | RejectedRow]:
    """The rows of a file in its order, as `open_reader` gives them."""
    with open_reader(path, labels=labels) as reader:
        yield from reader


def open_reader(path: Path, *, labels: bool = True) -> "RowReader":
    """A reader of the file; `labels=False` ignores its labels, right or wrong. Raises as `RowReader` does."""
    return RowReader(path, labels=labels)


class RowReader:
    """The rows of one file, once, in its order.

    Raises InputFileError, on opening or while iterating: no such file, a line that is not UTF-8, damaged gzip
    or Parquet, no `title` column, a column named twice, or a format that is not one of CSV, JSONL and
    Parquet.
    """

    def __init__(self, path: Path, *, labels: bool = True) -> None:
        self.path = path
        self.unknown_columns: tuple[str, ...] = ()
        """The columns that are ignored; for JSONL, those seen so far."""
        self._wanted = COLUMNS if labels else tuple(name for name in COLUMNS if name not in LABEL_COLUMNS)
        self._label_of_sku: dict[str, str] = {}
        self._records = Records(path, self._wanted)
        try:
            self._check_columns()
        except InputFileError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._records.close()

    def __iter__(self) -> Iterator[ProductRow | RejectedRow]:
        known = {*COLUMNS, REST, *self.unknown_columns}
        for record in self._records:
            if not record.cells.keys() <= known:
                self.unknown_columns += tuple(name for name in record.cells if name and name not in known)
                known.update(self.unknown_columns)
            yield self._row(record)

    def _check_columns(self) -> None:
        found = [name for name in self._records.columns if name]
        doubled = [name for name in found if found.count(name) > 1]
        if doubled:
            raise InputFileError(f"{self.path}: the column {doubled[0]!r} is there twice: remove one of them")
        if "title" not in found:
            raise InputFileError(
                f"{self.path}: expected a column 'title', but only these were found: "
                f"{', '.join(found) or 'none'}; rename the column that holds the product's name to 'title'"
            )
        self.unknown_columns = tuple(name for name in found if name not in COLUMNS)

    def _row(self, record: Record) -> ProductRow | RejectedRow:
        used = {name: record.cells[name] for name in self._wanted if name in record.cells}
        try:
            self._check(record, used)
            if path := used.get("category_path"):
                used["category_path"] = join_path(split_path(path))
        except ValueError as error:
            return RejectedRow(line=record.line, reason=str(error), raw=record.cells)
        return ProductRow(line=record.line, **used)

    def _check(self, record: Record, used: Mapping[str, str]) -> None:
        if record.fault:
            raise ValueError(record.fault)
        if not used.get("title"):
            raise ValueError("the title is empty")
        code, path, sku = (used.get(name, "") for name in ("category_code", "category_path", "sku"))
        if len(code) > MAX_CODE:
            raise ValueError(f"the category_code has {len(code)} characters, at most {MAX_CODE} are allowed")
        label = code or path
        if sku and label and (first := self._label_of_sku.setdefault(sku, label)) != label:
            raise ValueError(
                f"sku {sku} was read before with another label: {first!r} is kept, {label!r} is not"
            )


def rejected_path(source: Path, folder: Path) -> Path:
    """Where the rejects of `source` go: `<name>.rejected.csv` in `folder` (no .csv.gz and the like)."""
    name = source.name
    while (suffix := Path(name).suffix.lower()) in (*FORMATS, ".gz"):
        name = name[: -len(suffix)]
    return folder / f"{name}.rejected.csv"


class RejectWriter:
    """Rejected rows to a CSV file that spreadsheets open; no file when there is no reject.

    An earlier file of rejects at the path is replaced. Raises InputFileError when another file is there, or
    the path cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            if self.path.exists():
                with self.path.open(encoding="utf-8", errors="replace") as file:
                    ours = file.readline().rstrip("\r\n") == ",".join(REJECT_COLUMNS)
                if not ours:
                    raise InputFileError(f"{self.path} exists and is no file of rejects: name another one")
                self.path.unlink()
        except OSError as error:
            raise self._refusal(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, row: RejectedRow) -> None:
        """Add one row; the first makes the file and its folder."""
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("w", encoding="utf-8", newline="")
                csv.writer(self._file).writerow(REJECT_COLUMNS)
            other = {name: value for name, value in row.raw.items() if name not in REJECT_COLUMNS and value}
            rest = " ".join(
                filter(None, (row.raw.get(REST, ""), json.dumps(other, ensure_ascii=False) if other else ""))
            )
            cells = (row.raw.get(name, "") for name in COLUMNS)
            csv.writer(self._file).writerow([row.line, row.reason, *cells, rest])
        except OSError as error:
            raise self._refusal(error) from error
        self.count += 1

    def _refusal(self, error: OSError) -> InputFileError:
        return InputFileError(
            f"{self.path} cannot be written: {error.strerror}; name another file with --rejected"
        )


def set_aside(rejected: Sequence[RejectedRow], path: Path) -> str:
    """Write the rows that cannot be used to `path`, and say so in one line; empty when there are none.

    Raises as `RejectWriter`.
    """
    with RejectWriter(path) as writer:
        for row in rejected:
            writer.write(row)
    if not rejected:
        return ""
    first = rejected[0]
    return (
        f"{len(rejected):,} rows cannot be used and are in {path}; "
        f"the first: line {first.line}: {first.reason}"
    )
