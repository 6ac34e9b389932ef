"""`kill -9` anywhere in `classify_products`, then finish: as if nothing had happened."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

ROOT = Path(__file__).parents[2]
BATCH = 8

# What the shop looks like before: run in a process of the shop, on its own database.
FILL = """
from django.contrib.auth.models import User
from apps.categories import services
from apps.categories.inference.taxonomy_file import TaxonomyEntry
from apps.categories.models import Category, Product
from tests.tiny import KINDS, labelled_rows

services.taxonomy_import(TaxonomyEntry(line=1, path=path) for path in KINDS)
titles = [row.title for row in labelled_rows()[:36]] + ["drill shawl"] * 6 + ["—"] * 3
Product.objects.bulk_create(Product(sku=f"P{n:03d}", title=title) for n, title in enumerate(titles))
mugs = Category.objects.get(code="CAT_KITCHEN_MUGS")
actor = User.objects.create(username="merchandiser")
for product in Product.objects.filter(sku__in=["P000", "P020"]):
    services.product_set_category(product, mugs, actor=actor)
"""


class Shop:
    """A site of its own, in processes of its own, on a database that can be put back as it was."""

    def __init__(self, folder: Path, artifact: Path, fill: str = FILL) -> None:
        self.folder = folder
        self.server = os.environ.get("DATABASE_URL", "")
        self.name = f"test_kill_{os.getpid()}"
        self.environment = {**os.environ, "BUNORAA_ARTIFACT": str(artifact), "OMP_NUM_THREADS": "1"}
        if self.on_postgres:
            self.environment["DATABASE_URL"] = urlsplit(self.server)._replace(path=f"/{self.name}").geturl()
            self._sql(f"DROP DATABASE IF EXISTS {self.name}", f"CREATE DATABASE {self.name}")
        else:
            self.environment["DATABASE_URL"] = f"sqlite:///{folder / 'shop.sqlite3'}"
        self.run("manage.py", "migrate", "-v0")
        self.run("manage.py", "shell", "-v0", "-c", fill)
        self.keep()

    @property
    def on_postgres(self) -> bool:
        return self.server.startswith("postgres")

    def keep(self) -> None:
        """Remember the shop as it is now."""
        if self.on_postgres:
            kept = f"{self.name}_kept"
            self._sql(f"DROP DATABASE IF EXISTS {kept}", f"CREATE DATABASE {kept} TEMPLATE {self.name}")
        else:
            shutil.copy(self.folder / "shop.sqlite3", self.folder / "kept.sqlite3")

    def put_back(self) -> None:
        if self.on_postgres:
            self._sql(f"DROP DATABASE {self.name}", f"CREATE DATABASE {self.name} TEMPLATE {self.name}_kept")
        else:
            for leftover in self.folder.glob("shop.sqlite3-*"):
                leftover.unlink()
            shutil.copy(self.folder / "kept.sqlite3", self.folder / "shop.sqlite3")

    def drop(self) -> None:
        if self.on_postgres:
            self._sql(f"DROP DATABASE IF EXISTS {self.name}", f"DROP DATABASE IF EXISTS {self.name}_kept")

    def run(self, *command: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    def sweep(self, *options: str, kill_at: int = 0, side: str = "before") -> str:
        """`classify_products`, killed at a statement or not."""
        return self.run(
            *("-m", "tests.categories.killed", str(kill_at), side, "classify_products"),
            *("--batch-size", str(BATCH), *options),
            status=-signal.SIGKILL if kill_at else 0,
        )

    def finish(self, *options: str) -> dict[str, Any]:
        """An undisturbed `classify_products`: its number of statements, and the shop afterwards."""
        found: dict[str, Any] = json.loads(self.sweep(*options))
        return found

    def _sql(self, *statements: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, tiny_artifact: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path_factory.mktemp("shop"), tiny_artifact)
    yield shop
    shop.drop()


def check_kills(shop: Shop, points: int, *options: str) -> None:
    shop.put_back()
    undisturbed = shop.finish(*options)
    expected = undisturbed["shop"]
    assert expected["seen"] == 43, "the two labels are no work"
    assert len({entry[0] for entry in expected["history"]}) == len(expected["history"])
    rng = random.Random(20_261_121)
    for _ in range(points):
        at, side = rng.randint(1, undisturbed["statements"]), rng.choice(["before", "after"])
        shop.put_back()
        shop.sweep(*options, kill_at=at, side=side)
        # Equal in `seen` too: what was stored before the kill was not scored again.
        assert shop.finish(*options)["shop"] == expected, f"killed {side} statement {at}"


def test_killed_and_finished(shop: Shop) -> None:
    check_kills(shop, 4)


def test_killed_and_finished_over_everything(shop: Shop) -> None:
    check_kills(shop, 1, "--all")


def test_several_at_once(shop: Shop) -> None:
    """Three processes on the same rows: the outcome of one."""
    shop.put_back()
    expected = shop.finish()["shop"]
    shop.put_back()
    command = ["-m", "tests.categories.killed", "0", "before", "classify_products", "--batch-size", "4"]
    workers = [
        subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=shop.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
    found = shop.finish()["shop"]
    for part in ("products", "suggestions", "history"):
        assert found[part] == expected[part], part


@pytest.mark.parametrize("polite", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_is_asked_to_stop_stops(shop: Shop, polite: signal.Signals) -> None:
    shop.put_back()
    with subprocess.Popen(
        [sys.executable, "-u", "manage.py", "classify_products", "--watch", "--interval", "0.1"],
        cwd=ROOT,
        env=shop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What runs the tests may ignore interrupts (a job in the background does), and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline().startswith("Watching")
        assert worker.stdout.readline().startswith("43 classified: ")
        worker.send_signal(polite)
        _, errors = worker.communicate(timeout=60)
    assert worker.returncode == 130
    assert "Stopped. What was done is stored" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--all"]])
def test_killed_at_twenty_points_and_finished(shop: Shop, options: list[str]) -> None:
    check_kills(shop, 20, *options)
