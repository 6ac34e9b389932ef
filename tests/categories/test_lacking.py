"""What a command lacks is one sentence that says what to type: the tables, or the folder of training."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import DatabaseError

from apps.categories.management.commands import draw_audit_sample

ROOT = Path(__file__).parents[2]


def python(code: str, place: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "BUNORAA_ARTIFACT": str(place / "none.pt"),
        "DATABASE_URL": f"sqlite:///{place / 'empty.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "bunoraa.settings",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_before_migrate_every_command_of_the_tables_says_so(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("sku,title\nA,drill\n")
    (tmp_path / "tree.txt").write_text("Tools > Drills\n")
    code = f"""
import django
django.setup()
from django.core.management import CommandError, call_command
for command in (
    ["train_classifier", "--backend", "linear"],
    ["import_products", {str(tmp_path / "p.csv")!r}],
    ["import_taxonomy", {str(tmp_path / "tree.txt")!r}],
    ["draw_audit_sample"],
    ["find_label_errors"],
    ["classify_products", "--limit", "1"],
):
    try:
        call_command(*command)
    except CommandError as error:
        print(command[0], "|", error)
"""
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    told = dict(line.split(" | ") for line in done.stdout.splitlines() if " | " in line)
    # Without a model it looks at no table.
    assert told.pop("classify_products").startswith("No model answers on this site")
    assert len(told) == 5
    for command, sentence in told.items():
        assert sentence.endswith("run `manage.py migrate`, then this again"), command
        assert "(no such table: categories_" in sentence, command


def test_an_error_of_a_migrated_database_stays_what_it_is(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(size: int) -> int:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(draw_audit_sample.services, "audit_fill", fail)
    with pytest.raises(DatabaseError, match="the disk is full"):
        call_command("draw_audit_sample")


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("train_classifier", []),
        ("find_label_errors", []),
        ("evaluate_classifier", ["--data", "x.csv"]),
        ("export_classifier", ["--format", "onnx", "--output", "x"]),
    ],
)
def test_without_the_folder_training_it_says_what_to_copy(
    tmp_path: Path, command: str, options: list[str]
) -> None:
    words = ["manage.py", command, *options]
    code = (
        "import sys; sys.modules['training'] = None\n"
        "from django.core.management import execute_from_command_line\n"
        f"execute_from_command_line({words!r})"
    )
    done = python(code, tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().endswith(
        "needs the folder training/ of this app's repository: copy it beside manage.py, then pip install -r "
        "requirements-ml.txt"
    ), done.stderr
