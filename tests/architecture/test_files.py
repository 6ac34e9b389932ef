"""What a file of this project may look like."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 400

MACHINE_PATH = re.compile(r"""(?<![\w.$}])/(?:home|root|work|Users|mnt|opt)/[\w.-]+""")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|raise NotImplementedError)\b")
BARE_IGNORE = re.compile(r"#\s*(?:type:\s*ignore|noqa)\s*(?:$|[^\[:\s])")


def tracked(*suffixes: str) -> list[Path]:
    """The files of the checkout; what git ignores is no file of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    paths = [ROOT / name for name in listed.split("\0") if name.endswith(suffixes)]
    return [path for path in paths if path.is_file()]


def found(pattern: re.Pattern[str], *suffixes: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked(*suffixes)
        if path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_module_is_too_long_to_hold_in_the_head() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in tracked(".py")
        if "tests" not in path.relative_to(ROOT).parts
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_the_package_doors_of_the_pure_part_are_empty() -> None:
    for name in ("apps/__init__.py", "apps/categories/__init__.py"):
        assert (ROOT / name).read_text("utf-8") == "", (
            f"{name} must stay empty: inference imports without Django"
        )


def test_no_path_of_a_machine() -> None:
    assert (
        found(
            MACHINE_PATH,
            ".py",
            ".md",
            ".toml",
            ".txt",
            ".yaml",
            ".yml",
            ".html",
            ".js",
            ".css",
            "Makefile",
            "run",
        )
        == []
    )


def test_nothing_is_left_unfinished() -> None:
    assert found(UNFINISHED, ".py", ".html", ".js", ".css", "Makefile", "run") == []


def test_every_ignore_says_what_it_ignores() -> None:
    assert found(BARE_IGNORE, ".py") == []


def test_no_data_and_no_model_is_part_of_the_project() -> None:
    names = [
        str(path.relative_to(ROOT))
        for path in tracked(".pt", ".csv", ".gz", ".parquet", ".sqlite3", ".jsonl", ".npz")
    ]
    assert names == []


@pytest.mark.parametrize(
    "path", [path for path in tracked(".py") if "tests" not in path.relative_to(ROOT).parts], ids=str
)
def test_every_module_and_every_public_name_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    if not tree.body:
        return
    without = [] if ast.get_docstring(tree) or "migrations" in path.parts else ["the module"]
    for node in tree.body:
        public = isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")
        # A command's help and a migration's operations say it already.
        said = {"commands", "migrations"} & {*path.parts} or path.name in ("apps.py", "manage.py")
        if public and not said and not ast.get_docstring(node):  # type: ignore[arg-type]
            without.append(node.name)  # type: ignore[attr-defined]
    assert without == []
