"""A file of categories to entries: Shopify's and Google's text files, a CSV of paths, nested JSON; plain or
gzip."""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputFileError
from .taxonomy import MAX_CODE, join_path, split_path

MAX_BYTES = 256 * 1024**2
"""Largest file, unpacked."""
MAX_ID = 200
_SHOPIFY = re.compile(r"(gid://\S+)\s+:\s+(.+)")
_GOOGLE = re.compile(r"(\d+) - (.+)")
_CHILDREN = ("children", "categories", "subcategories", "nodes")
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class TaxonomyEntry:
    """One category of a file."""

    line: int
    """Where it stands: a line of a text file, the number of the category in a JSON file."""
    path: str
    """The names from the top down, joined by " > "."""
    external_id: str = ""
    code: str = ""
    """The code it must have; empty: made from the path."""


@dataclass(frozen=True, kw_only=True)
class TaxonomyFile:
    """What a file of categories holds."""

    entries: tuple[TaxonomyEntry, ...]
    """In the order of the file, each path once."""
    repeated: int
    """Lines whose path had come before; the first counts, with its id."""


def read_taxonomy(path: Path) -> TaxonomyFile:
    """The categories of a file.

    Known forms: lines `gid://… : A > B` (Shopify) or `12 - A > B` (Google) or `A > B`, with # comments; CSV
    with a column `path` or `category_path` and perhaps `external_id` or `id`, `code` or `category_code`; JSON
    of objects with `name`, perhaps `id` and `code`, and their `children`, or with a `path` of names or of
    objects with a name. Raises InputFileError for a file that is none of these, that is not UTF-8, with a
    path that cannot be stored, or with one id for two paths: the first few places are named, nothing is left
    out silently.
    """
    text = _text(path)
    start = text.lstrip()[:1]
    if start in ("[", "{"):
        found = _json(text, path)
    elif _is_csv(text, path):
        found = _csv(text, path)
    else:
        found = _lines(text)
    entries: dict[str, TaxonomyEntry] = {}
    repeated = 0
    path_of_id: dict[str, str] = {}
    faults: list[str] = []
    for line, raw, external_id, code in found:
        try:
            entry = _entry(line, raw, external_id, code)
            first = path_of_id.setdefault(entry.external_id, entry.path) if entry.external_id else entry.path
            if first != entry.path:
                raise ValueError(f"the id {entry.external_id!r} belongs to {first!r} already")
        except ValueError as error:
            faults.append(f"line {line}: {error}")
            continue
        repeated += entries.setdefault(entry.path, entry) is not entry
    if faults:
        more = f" … and {len(faults) - _SHOWN:,} more" if len(faults) > _SHOWN else ""
        raise InputFileError(f"{path} has {len(faults):,} faults: {'; '.join(faults[:_SHOWN])}{more}")
    if not entries:
        raise InputFileError(f"{path} has no category: expected lines such as '12 - Tools > Drills'")
    return TaxonomyFile(entries=tuple(entries.values()), repeated=repeated)


def _entry(line: int, raw: str, external_id: str, code: str) -> TaxonomyEntry:
    if len(external_id) > MAX_ID:
        raise ValueError(f"the id has {len(external_id)} characters; at most {MAX_ID}")
    if len(code) > MAX_CODE:
        raise ValueError(f"the code has {len(code)} characters; at most {MAX_CODE}")
    return TaxonomyEntry(line=line, path=join_path(split_path(raw)), external_id=external_id, code=code)


_Found = Iterator[tuple[int, str, str, str]]


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            with gzip.open(path) as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise InputFileError(f"{path}: the gzip data is cut or damaged ({error})") from error
    if len(data) > MAX_BYTES:
        raise InputFileError(f"{path} has more than {MAX_BYTES:,} bytes: no taxonomy is that large")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputFileError(f"{path} is not UTF-8 (line {line}): save it as UTF-8") from error


def _lines(text: str) -> _Found:
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _SHOPIFY.fullmatch(line) or _GOOGLE.fullmatch(line)
        yield (number, match[2], match[1], "") if match else (number, line, "", "")


def _is_csv(text: str, path: Path) -> bool:
    names = {suffix.lower() for suffix in path.suffixes}
    return bool(names & {".csv", ".tsv"}) or bool(_columns(text.split("\n", 1)[0].rstrip("\r")))


def _columns(header: str, delimiter: str = ",") -> Sequence[str]:
    """The header's columns if one of them is a path, else nothing."""
    names = [name.strip().strip('"').lower() for name in header.split(delimiter)]
    return names if {"path", "category_path"} & set(names) else ()


def _csv(text: str, path: Path) -> _Found:
    first = text.split("\n", 1)[0].rstrip("\r")
    delimiter = next((mark for mark in ",;\t|" if _columns(first, mark)), None)
    if delimiter is None:
        raise InputFileError(
            f"{path}: expected a column 'path' or 'category_path', but found {first[:200]!r}: rename one"
        )
    names = _columns(first, delimiter)
    # Lines are split here, so that a line break inside quotes is the csv module's business.
    rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    next(rows)

    def cell(row: list[str], *wanted: str) -> str:
        places = [names.index(name) for name in wanted if name in names]
        return next((row[place].strip() for place in places if place < len(row)), "")

    try:
        for row in rows:
            raw = cell(row, "path", "category_path")
            if raw:
                yield rows.line_num, raw, cell(row, "external_id", "id"), cell(row, "code", "category_code")
    except csv.Error as error:
        raise InputFileError(f"{path}, line {rows.line_num}: {error}") from error


def _json(text: str, path: Path) -> _Found:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputFileError(f"{path} is not JSON: {error}") from error
    if isinstance(tree, dict):
        tree = next((tree[name] for name in _CHILDREN if isinstance(tree.get(name), list)), [tree])
    number = 0
    # A stack of its own: a file may be nested deeper than Python calls.
    waiting: list[tuple[Any, tuple[str, ...]]] = [(node, ()) for node in reversed(tree)]
    while waiting:
        node, above = waiting.pop()
        number += 1
        if not isinstance(node, dict) or not ({"name", "path"} & node.keys()):
            raise InputFileError(
                f"{path}: category {number} is {str(node)[:80]!r}; expected an object with a name or a path"
            )
        names = _names(node, above)
        yield number, join_path(names), _scalar(node, "external_id", "id"), _scalar(node, "code")
        below: list[Any] = next((node[name] for name in _CHILDREN if isinstance(node.get(name), list)), [])
        waiting += [(child, names) for child in reversed(below)]


def _names(node: dict[str, Any], above: tuple[str, ...]) -> tuple[str, ...]:
    path = node.get("path")
    if isinstance(path, list) and path:
        return tuple(str(step.get("name", "")) if isinstance(step, dict) else str(step) for step in path)
    if isinstance(path, str) and path.strip() and "name" not in node:
        return (path,)
    return (*above, str(node.get("name", "")))


def _scalar(node: dict[str, Any], *names: str) -> str:
    found = (node[name] for name in names if isinstance(node.get(name), (str, int)))
    return str(next(found, "")).strip()
