"""The real catalogues, and the group-safe splits that every accuracy figure is taken on."""

import argparse
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from apps.categories.inference.text import group_key, title_key
from training.data import LabelledRow
from training.labels import label_rows
from training.splits import position

NAMES = (
    "hardware_store_es",
    "ikea",
    "ferreteria_es",
    "mercadona_es",
    "amazon_reviews",
    "pricerunner",
    "fashion",
    "flipkart",
    "bigbasket",
)
TEST_SHARE = 0.2
LEAST_TITLES = 4
"""Paths with fewer distinct titles stay in the training part and are not scored."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """One way of parting a catalogue; no title group is on both sides."""

    train: list[LabelledRow]
    test: list[LabelledRow]


def folder() -> Path:
    """Where the catalogues are: BUNORAA_DATA, or `shared/data` beside the project."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("BUNORAA_DATA", default))


def load(name: str) -> list[LabelledRow]:
    """The labelled rows of a catalogue."""
    path = folder() / name / "train.csv.gz"
    if not path.is_file():
        raise SystemExit(f"no catalogue at {path}; set BUNORAA_DATA to the folder that has it")
    # A sku under several labels is the source's doing; the benchmark keeps the rows and scores none of them.
    return label_rows(_anonymous(path)).rows


def prices(name: str) -> dict[int, float]:
    """Line → price, of the rows that have one."""
    rows = _anonymous(folder() / name / "train.csv.gz")
    return {row.line: float(row.price) for row in rows if row.price}


def _anonymous(path: Path):  # type: ignore[no-untyped-def]
    import csv
    import gzip

    from apps.categories.inference.files import COLUMNS, ProductRow

    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for line, cells in enumerate(csv.DictReader(file), start=2):
            yield ProductRow(line=line, **{name: cells.get(name) or "" for name in COLUMNS if name != "sku"})


def split(rows: list[LabelledRow], number: int) -> Split:
    """Split `number`: about a fifth of the title groups is the test part.

    Titles filed under several paths and paths with fewer than `LEAST_TITLES` distinct titles are not scored:
    they stay in the training part, unless a title of their group is scored.
    """
    labels: defaultdict[str, set[str]] = defaultdict(set)
    titles: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        key = title_key(row.title)
        labels[key].add(row.category_path)
        titles[row.category_path].add(key)
    train: list[LabelledRow] = []
    test: list[LabelledRow] = []
    for row in rows:
        held = position(group_key(row.title), salt=f"benchmark {number}") < TEST_SHARE
        clear = len(labels[title_key(row.title)]) == 1 and len(titles[row.category_path]) >= LEAST_TITLES
        (test if held and clear else train).append(row)
    groups = {group_key(row.title) for row in test}
    return Split(train=[row for row in train if group_key(row.title) not in groups], test=test)


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "names", nargs="*", default=[], metavar="CATALOGUE", help=f"out of {', '.join(NAMES)}"
    )
    return parser
