"""The demo as `make demo` runs it: its own process, database and artifact, under the test's folder."""

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from apps.categories.inference.text import group_key
from bunoraa import demo
from tests.tiny import labelled_rows
from training.data import LabelledRow

ROOT = Path(__file__).parents[1]


def write(path: Path, rows: Iterable[LabelledRow], *, labels: bool = True) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "title", "brand", "description", "category_path"])
        for row in rows:
            writer.writerow(
                [row.sku, row.title, row.brand, row.description, row.category_path if labels else ""]
            )
    return path


def run(place: Path, *arguments: object, folder: str = "demo") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BUNORAA_")}
    environment |= {
        "DATABASE_URL": f"sqlite:///{place / 'db.sqlite3'}",
        "BUNORAA_ARTIFACT": str(place / "classifier.pt"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "bunoraa.demo", "--folder", str(place / folder), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def shop(place: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(place / "db.sqlite3") as connection:
        found = connection.execute(
            "SELECT sku, category_id, category_source, needs_review, model_version FROM categories_product "
            "ORDER BY sku"
        ).fetchall()
        found += connection.execute(
            "SELECT product_id, candidates, status FROM categories_suggestion"
        ).fetchall()
        found += connection.execute("SELECT count(*) FROM categories_assignment").fetchall()
    connection.close()
    return found


def test_the_demo_from_nothing_again_and_with_another_catalogue(tmp_path: Path) -> None:
    rows = labelled_rows()
    held = {row.sku: row.category_path for row in rows if int(group_key(row.title), 16) % 5 == 0}
    data = write(tmp_path / "shop.csv", rows)

    first = run(tmp_path, "--data", data)
    assert first.returncode == 0, first.stdout + first.stderr
    assert json.loads((tmp_path / "demo" / "truth.json").read_text("utf-8")) == held
    password = re.search(r"Admin user: admin   password: (\S{16})", first.stdout)
    assert password
    counts = re.search(
        r"filed (\d+) by itself \(\d+%\),\n  (\d+) of them rightly: a measured precision of ([\d.]+)%,"
        r"\n  and left (\d+) to you",
        first.stdout,
    )
    assert counts
    filed, right, waiting = int(counts[1]), int(counts[2]), int(counts[4])
    assert filed + waiting == len(held)
    assert right / filed > 0.9
    assert counts[3] == f"{right / filed:.1%}".rstrip("%")
    assert "http://127.0.0.1:8000/admin/ as admin" in first.stdout
    before = shop(tmp_path)

    again = run(tmp_path, "--data", data)
    assert again.returncode == 0, again.stdout + again.stderr
    assert shop(tmp_path) == before
    assert "The user admin exists" in again.stdout
    assert "(shown only now)" not in again.stdout
    assert counts[0] in again.stdout

    other = write(tmp_path / "other.csv", labelled_rows(each=30, seed=8))
    third = run(tmp_path, "--data", other)
    assert third.returncode == 0, third.stdout + third.stderr
    (aside,) = (tmp_path / "demo").glob("earlier-*")
    assert {"db.sqlite3", "classifier.pt"} <= {path.name for path in aside.iterdir()}
    assert f"is kept in {aside}" in third.stdout
    assert "600 products are in the shop" in third.stdout

    # Seen from another folder, these products are not the demo's: it may not touch them.
    before = shop(tmp_path)
    foreign = run(tmp_path, "--data", data, folder="elsewhere")
    assert foreign.returncode == 1
    assert "holds products that are not of a demo" in foreign.stderr
    assert "DATABASE_URL=sqlite:///demo.sqlite3" in foreign.stderr
    assert shop(tmp_path) == before


def test_what_is_held_out_is_a_fifth_of_the_title_groups_and_never_part_of_one(tmp_path: Path) -> None:
    rows = labelled_rows()
    prepared = demo.prepare(write(tmp_path / "shop.csv", rows), tmp_path / "demo")
    assert prepared.rows == len(rows)
    assert (prepared.unlabelled, prepared.rejected) == (0, 0)
    sides = {group_key(row.title): row.sku in prepared.truth for row in rows}
    assert all((row.sku in prepared.truth) == sides[group_key(row.title)] for row in rows)
    assert 0.15 < sum(sides.values()) / len(sides) < 0.25
    with prepared.products.open(encoding="utf-8", newline="") as file:
        imported = {row["sku"]: row["category_path"] for row in csv.DictReader(file)}
    assert imported == {row.sku: "" if row.sku in prepared.truth else row.category_path for row in rows}
    with prepared.taxonomy.open(encoding="utf-8", newline="") as file:
        assert [line["path"] for line in csv.DictReader(file)] == sorted({row.category_path for row in rows})


def test_with_unlabelled_rows_nothing_is_held_out(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("title,category_path\ndrill,Tools\n,Tools\nmystery,\n")
    prepared = demo.prepare(path, tmp_path / "demo")
    assert (prepared.truth, prepared.unlabelled, prepared.rejected) == ({}, 1, 1)
    with prepared.products.open(encoding="utf-8", newline="") as file:
        assert [(row["sku"], row["category_path"]) for row in csv.DictReader(file)] == [
            ("line-2", "Tools"),
            ("line-4", ""),
        ]
    outcome = demo.Outcome(filed=1, right=None, waiting=0, labelled=1)
    told = demo.summary(outcome, prepared, seconds=1, url="http://x/")
    assert "cannot be said" in told
    # Without the family it would begin a transformer, for hours on a small machine.
    assert "`manage.py train_classifier --backend linear` learns from them" in told


def test_a_catalogue_without_labels_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "shop.csv", labelled_rows()[:3], labels=False)
    with pytest.raises(demo.DemoRefused, match="no row with a category_path"):
        demo.prepare(path, tmp_path / "demo")


def test_a_file_that_is_not_there_stops_the_demo_with_the_reason(tmp_path: Path) -> None:
    stopped = run(tmp_path, "--data", tmp_path / "none.csv")
    assert stopped.returncode == 1
    assert "The demo stopped: " in stopped.stderr
    assert "cannot be opened" in stopped.stderr
