"""A table of figures as the dashboard shows it, and the same as a CSV file that a spreadsheet cannot run."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, Literal

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from .display import path_markup, when_markup, whole

MAX_CSV_ROWS = 50_000
"""Rows that one file may have."""
SHOWN_ROWS = 100
"""Rows of a table that the page shows; the file has all of them."""
RUNNABLE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula."""

Kind = Literal["text", "path", "number", "share", "day"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    kind: Kind = "text"
    """`share`: 0 to 1, shown in percent; `path`: of a category; `day`: a date, which never breaks."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Figures in rows; None is what is not known."""

    columns: Sequence[Column]
    rows: Iterable[Sequence[Any]]
    """Read once, by the page or by the file."""
    newest_last: bool = False
    """Whether the rows go on in time: the page then begins with the last, the file keeps their order."""

    def shown(self) -> "list[list[tuple[str | SafeString, bool]]]":
        """The rows as text, with whether a cell is a number; no more than fit the page."""
        rows = reversed(list(self.rows)) if self.newest_last else self.rows
        return [
            [
                (shown(value, column.kind), column.kind in ("number", "share"))
                for value, column in zip(row, self.columns, strict=True)
            ]
            for row in islice(rows, SHOWN_ROWS)
        ]


def shown(value: Any, kind: Kind) -> str | SafeString:
    """A value as the page shows it; text stays text."""
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return when_markup(value)
    if kind == "day":
        return whole(str(value))
    if kind == "share":
        return percent_of(value)
    if kind == "number":
        return f"{value:,}"
    return path_markup(value) if kind == "path" and value else str(value)


def percent_of(share: float) -> str:
    """A share in percent with one decimal, rounded down: what misses a bar never reads as high as it."""
    if 0 < share < 0.001:
        return "under 0.1%"
    return f"{round(share * 1000, 6) // 1 / 10:.1f}%"


def safe_cell(value: Any) -> Any:
    """A value as a CSV cell: numbers stay numbers; text that a spreadsheet would run is marked as text."""
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return round(value, 6) if isinstance(value, float) else value
    if isinstance(value, datetime):
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    text = str(value).replace("\x00", "")
    return f"'{text}" if text.lstrip(" \u00a0\ufeff").startswith(RUNNABLE) else text


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(table: Table) -> Iterator[str]:
    """The file piece by piece: a byte order mark, by which spreadsheets know UTF-8, the header, the rows."""
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_NONNUMERIC)
    yield "\ufeff"
    yield writer.writerow([safe_cell(column.name) for column in table.columns])
    for row in islice(table.rows, MAX_CSV_ROWS):
        yield writer.writerow([safe_cell(value) for value in row])


def csv_response(table: Table, name: str) -> StreamingHttpResponse:
    """The file as a download; `name` is a fixed word, without the suffix."""
    response = StreamingHttpResponse(csv_lines(table), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response
