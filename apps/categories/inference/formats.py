"""Bytes to records: CSV, JSONL and Parquet, plain or gzip, told apart by name and then by content.

A record is a line number and column to text; what is wrong with one row is said in the row, what is wrong
with the file raises. `files` makes product rows of them.
"""

import csv
import gzip
import json
import math
import tempfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from .errors import InputFileError

MAX_LINE_BYTES = 1024**2
MAX_UNPACKED_PARQUET_BYTES = 4 * 1024**3
DELIMITERS = (",", ";", "\t", "|")
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
REST = "rest"

_PARQUET_BATCH_ROWS = 1000
_BLOCK_BYTES = 1024**2
_DAMAGED_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)
_UNSTORABLE: dict[int, str | None] = {0: None} | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row of a file, as found."""

    line: int
    """Where it begins, 1 being the first line of the file; for Parquet the number of the row."""
    cells: dict[str, str]
    """Column (lower case) to value, without outer whitespace; what belongs to no column is under `REST`."""
    fault: str = ""
    """Why the row cannot be read, empty when it can."""


class Records:
    """The records of one file, once, in its order. Raises InputFileError, on opening or while iterating."""

    def __init__(self, path: Path, wanted: Collection[str]) -> None:
        """Open the file; columns in `wanted` must be text or numbers, others are of no interest."""
        self._path, self._wanted = path, wanted
        try:
            self._plain: IO[bytes] = path.open("rb")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputFileError(
                f"{path} cannot be opened: {reason}; expected CSV, JSONL or Parquet"
            ) from error
        self._file: IO[bytes] = self._plain
        try:
            self.format = self._recognise()
            self.columns: Sequence[str] = ()
            """The columns of the file; for JSONL those of the first line."""
            self._records = {"csv": self._csv, "jsonl": self._jsonl, "parquet": self._parquet}[self.format]()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._file.close()
        self._plain.close()

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def _recognise(self) -> str:
        if self._plain.read(2) == b"\x1f\x8b":
            self._file = cast("IO[bytes]", gzip.GzipFile(fileobj=self._plain, mode="rb"))
        self._plain.seek(0)
        try:
            head = self._file.read(4096)
            self._file.seek(0)
        except _DAMAGED_GZIP as error:
            raise InputFileError(f"{self._path}: the gzip data is cut or damaged ({error})") from error
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputFileError(f"{self._path} is UTF-16, expected UTF-8: save it as 'CSV UTF-8'")
        if head.startswith(b"PK\x03\x04"):
            raise InputFileError(f"{self._path} is a zip archive or a workbook: save it as CSV")
        content = "parquet" if head.startswith(b"PAR1") else ""
        named = next(
            (FORMATS[suffix.lower()] for suffix in self._path.suffixes[::-1] if suffix.lower() in FORMATS), ""
        )
        if (named == "parquet") != (content == "parquet") and named:
            raise InputFileError(
                f"{self._path} is named as {named} but is not: rename it after what it holds"
            )
        return (
            named
            or content
            or ("jsonl" if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "csv")
        )

    def _unpacked(self) -> IO[bytes]:
        unpacked = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115 - closed by close()
        left = MAX_UNPACKED_PARQUET_BYTES
        try:
            while block := self._file.read(_BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    raise InputFileError(
                        f"{self._path} unpacks to more than {MAX_UNPACKED_PARQUET_BYTES:,} bytes: split it"
                    )
                unpacked.write(block)
        except _DAMAGED_GZIP as error:
            unpacked.close()
            raise InputFileError(f"{self._path}: the gzip data is cut or damaged ({error})") from error
        except InputFileError:
            unpacked.close()
            raise
        return unpacked

    def _csv(self) -> Iterator[Record]:
        lines = _Lines(self._file, self._path)
        first = next((line for line in lines if line.strip()), "")
        # The header's own delimiter: the one that finds the title among the most columns.
        try:
            headers = [(_header(first, delimiter), delimiter) for delimiter in DELIMITERS]
        except csv.Error as error:
            raise InputFileError(
                f"{self._path}: the first line is not readable as CSV: {error}; expected column names"
            ) from error
        self.columns, delimiter = max(headers, key=lambda found: ("title" in found[0], len(found[0])))
        return _csv_records(lines, self.columns, delimiter)

    def _jsonl(self) -> Iterator[Record]:
        lines = _Lines(self._file, self._path)
        first = next((line for line in lines if line.strip()), "")
        if first.lstrip().startswith("["):
            raise InputFileError(
                f"{self._path} is a JSON array, expected one object a line: convert it with `jq -c '.[]'`"
            )
        record = _json_record(first, lines.number, self._wanted)
        self.columns = () if record.fault else tuple(record.cells)
        return _json_records(lines, record, self._wanted)

    def _parquet(self) -> Iterator[Record]:
        try:
            import pyarrow as arrow
            from pyarrow import parquet
        except ImportError as error:
            raise InputFileError(
                f"{self._path} is Parquet, which needs pyarrow: `pip install -r requirements-ml.txt`, "
                "or save the file as CSV"
            ) from error
        if self._file is not self._plain:
            # Parquet is read from its end, gzip from its beginning.
            self._file = self._unpacked()
        try:
            table = parquet.ParquetFile(self._file)
        except (arrow.ArrowException, OSError) as error:
            raise InputFileError(f"{self._path} is damaged or not Parquet: {error}") from error
        names: list[str] = list(table.schema_arrow.names)
        self.columns = tuple(name.strip().lower() for name in names)
        read = [name for name in names if name.strip().lower() in self._wanted]

        def records() -> Iterator[Record]:
            line = 0
            try:
                for batch in table.iter_batches(batch_size=_PARQUET_BATCH_ROWS, columns=read):
                    for values in batch.to_pylist():
                        line += 1
                        yield _typed_record(values, line, self._wanted)
            except (arrow.ArrowException, OSError) as error:
                raise InputFileError(
                    f"{self._path}, after row {line}: the Parquet data is damaged: {error}"
                ) from error

        return records()


class _Lines:
    """The lines of a UTF-8 file; one over the limit comes as an empty line and sets `too_long`."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path
        self.number = 0
        self.too_long = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            data = self._file.readline(MAX_LINE_BYTES + 1)
            if len(data) > MAX_LINE_BYTES:
                self.too_long = True
                while not data.endswith(b"\n") and (data := self._file.readline(MAX_LINE_BYTES)):
                    pass
                data = b"\n"
        except _DAMAGED_GZIP as error:
            raise InputFileError(
                f"{self._path}, after line {self.number}: the gzip data is cut or damaged ({error})"
            ) from error
        if not data:
            raise StopIteration
        self.number += 1
        try:
            return data.decode("utf-8-sig" if self.number == 1 else "utf-8").replace("\0", "")
        except UnicodeDecodeError as error:
            raise InputFileError(
                f"{self._path}, line {self.number}: byte {data[error.start]:#04x} is not UTF-8, is the "
                "file Windows-1252 or Latin-1? Save it as UTF-8, or `iconv -f WINDOWS-1252 -t UTF-8`"
            ) from error


def _text(value: object) -> str:
    """A cell as text without outer whitespace and without what no database stores (NUL, lone surrogates)."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).translate(_UNSTORABLE).strip()


def _header(line: str, delimiter: str) -> tuple[str, ...]:
    cells = next(csv.reader([line], delimiter=delimiter), [])
    return tuple(cell.strip().lower() for cell in cells)


def _csv_records(lines: _Lines, header: Sequence[str], delimiter: str) -> Iterator[Record]:
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        begin, cells, fault = lines.number + 1, [], ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fault = f"not readable as CSV: {error}"
        if lines.too_long:
            fault, lines.too_long = f"a line is longer than {MAX_LINE_BYTES:,} bytes", False
        if not fault and len(cells) <= 1 and not "".join(cells).strip():
            continue
        if not fault and len(cells) != len(header):
            fault = f"{len(cells)} cells, but the header has {len(header)} columns"
        if fault and lines.number > begin:
            fault += f" (lines {begin} to {lines.number}: a quotation mark that is not closed?)"
        named = {name: _text(cell) for name, cell in zip(header, cells, strict=False) if name}
        if rest := delimiter.join(cells[len(header) :]).strip():
            named[REST] = rest
        yield Record(line=begin, cells=named, fault=fault)


def _json_records(lines: _Lines, first: Record, wanted: Collection[str]) -> Iterator[Record]:
    yield first
    for line in lines:
        if lines.too_long:
            lines.too_long = False
            yield Record(
                line=lines.number, cells={}, fault=f"the line is longer than {MAX_LINE_BYTES:,} bytes"
            )
        elif line.strip():
            yield _json_record(line, lines.number, wanted)


def _json_record(line: str, number: int, wanted: Collection[str]) -> Record:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Record(line=number, cells={REST: line.strip()}, fault=f"not readable as JSON: {error}")
    if not isinstance(values, dict):
        return Record(line=number, cells={REST: line.strip()}, fault="expected a JSON object")
    return _typed_record(values, number, wanted)


def _typed_record(values: dict[str, object], line: int, wanted: Collection[str]) -> Record:
    cells: dict[str, str] = {}
    fault = ""
    for column, value in values.items():
        name = column.strip().lower()
        cells[name] = _text(value)
        if name in wanted and isinstance(value, (list, dict, bytes)):
            fault = f"{name} is a {type(value).__name__}, expected text or a number"
    return Record(line=line, cells=cells, fault=fault)
