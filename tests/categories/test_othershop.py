"""A second product model, in processes of its own: the model is chosen when Django starts."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path, tiny_artifact: Path) -> dict[str, str]:
    # Its test database is another one: this process is at work on its own.
    server = os.environ.get("DATABASE_URL", "")
    database = {"DATABASE_URL": urlsplit(server)._replace(path="/othershop").geturl()} if server else {}
    return {
        **os.environ,
        **database,
        "DJANGO_SETTINGS_MODULE": "tests.othershop.settings",
        "BUNORAA_ARTIFACT": str(tiny_artifact),
        "OMP_NUM_THREADS": "1",
    }


def test_everything_works_with_the_shop_s_own_products(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/othershop/shop_tests.py", "--create-db"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_migrations_are_complete(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
        cwd=ROOT,
        env={**environment, "DATABASE_URL": "sqlite:///:memory:"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "No changes detected\n"), done.stderr


def test_a_circular_migration_is_explained(environment: dict[str, str], tmp_path: Path) -> None:
    """What makemigrations writes for a new product model, and what Django alone says about it is no help."""
    code = """
import django
django.setup()
from tests.othershop.migrations import __name__ as _
import importlib
importlib.import_module("tests.othershop.migrations.0001_initial").Migration.dependencies = [
    ("categories", "0002_suggestion_and_history")]
from apps.categories.checks import check_product_model
for found in check_product_model():
    print(found.id, found.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout == (
        "categories.E006 In its dependencies write ('categories', '0001_initial') in place of "
        "('categories', '0002_suggestion_and_history').\n"
    ), done.stderr
