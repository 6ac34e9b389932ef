"""Who may import whom, in every file and also inside functions; what is not allowed here is forbidden."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("apps", "bunoraa", "training", "benchmarks")
APP = "apps.categories"

ALLOWED: dict[str, set[str]] = {
    "inference": set(),
    "sample": {"inference"},
    "training": {"inference"},
    "conf": set(),
    "log": {"inference"},
    "runtime": {"inference", "conf"},
    "models": {"conf", "inference"},
    "search": {"models", "inference", "conf"},
    "alike": {"models", "inference"},
    "selectors": {"models", "inference", "search", "alike"},
    "figures": {"selectors", "models", "inference"},
    "services": {"figures", "selectors", "models", "runtime", "inference", "conf"},
    "tasks": {"services", "conf"},
    "signals": {"tasks", "models", "inference"},
    # models: a check that the shop's product model has what the app needs.
    "checks": {"conf", "runtime", "models"},
    # admin: a product model that no shop's admin.py registers is given the default one.
    "apps": {"signals", "checks", "admin"},
    # inference: its words (SEPARATOR, percent, Prediction), never a model; see the next test.
    "admin": {"models", "figures", "selectors", "services", "conf", "inference"},
    "views": {"models", "selectors", "services", "conf", "inference"},
    "urls": {"views"},
    "migrations": {"models", "conf"},
    "commands": {"services", "selectors", "inference", "runtime", "conf", "sample"},
    "bunoraa": {"runtime", "urls"},
    "demo": {"services", "models", "inference", "conf"},
    "benchmarks": {
        "training",
        "inference",
        "services",
        "selectors",
        "search",
        "models",
        "conf",
        "runtime",
        "sample",
    },
}
"""Layer to the other layers that it may import."""

TRAINERS = {
    f"{APP}.management.site_labels",
    *(
        f"{APP}.management.commands.{name}"
        for name in ("train_classifier", "evaluate_classifier", "export_classifier", "find_label_errors")
    ),
}
"""Commands, and what two of them share, that may import `training`, inside functions only."""

LOADS_A_MODEL = {f"{APP}.inference.{name}" for name in ("artifact", "classifier", "linear", "batch")}
VERY_HEAVY = {"torch", "transformers", "pandas", "pyarrow", "mlflow", "onnxruntime", "matplotlib"}
# They subclass torch's and transformers' own classes; who uses them imports them inside a function.
TRANSFORMERS = {"training.backends.encoder", "training.backends.loop", "training.onnx_export"}
HEAVY = VERY_HEAVY | {"sklearn", "scipy", "joblib", "threadpoolctl", "jinja2"}
SERVING_STANDARD = {"numpy", "django", "tree_queries"}


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module of one file."""

    module: str
    line: int
    target: str
    top_level: bool


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> str | None:
    if module == APP or module == "apps":
        return None
    if module.startswith(f"{APP}."):
        name = module.removeprefix(f"{APP}.").split(".")[0]
        return {"management": "commands", "templatetags": "admin"}.get(
            name, "sample" if name.startswith("sample_") else name
        )
    return "demo" if module == "bunoraa.demo" else module.split(".")[0]


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def walk(node: ast.AST, *, top_level: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, top_level
        inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or is_type_checking(
            child
        )
        yield from walk(child, top_level=top_level and not inside)


def imports_of(path: Path, source: str | None = None) -> list[Import]:
    module = name_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = []
    for node, top_level in walk(ast.parse(source if source is not None else path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            # `from package import module` names the module; a name inside one does no harm.
            targets = [
                f"{base}.{alias.name}" if layer_of(base) is None or not node.module else base
                for alias in node.names
            ]
        found += [
            Import(module=module, line=node.lineno, target=target, top_level=top_level) for target in targets
        ]
    return found


@cache
def all_imports() -> tuple[Import, ...]:
    return tuple(found for path in files() for found in imports_of(path))


def forbidden(imports: tuple[Import, ...]) -> list[str]:
    """The imports that the table does not allow, one line each."""
    wrong = []
    for found in imports:
        layer, target = layer_of(found.module), layer_of(found.target)
        if target not in ALLOWED or layer == target:
            continue
        allowed = ALLOWED.get(layer or "", set())
        if target == "training" and found.module in TRAINERS and not found.top_level:
            continue
        if target not in allowed:
            wrong.append(f"{found.module}:{found.line} ({layer}) imports {found.target} ({target})")
    return wrong


def test_the_walk_sees_the_project() -> None:
    modules = {found.module for found in all_imports()}
    assert {
        f"{APP}.inference.classifier",
        f"{APP}.models.category",
        "training.pipeline",
        "bunoraa.wsgi",
    } <= modules
    layers = {layer_of(name_of(path)) for path in files()} - {None}
    assert layers <= set(ALLOWED), f"a new layer has no rule: {layers - set(ALLOWED)}"


def test_imports_point_where_they_may() -> None:
    assert forbidden(all_imports()) == []


@pytest.mark.parametrize(
    ("path", "source", "words"),
    [
        ("inference/text.py", "from ..models import Category", "(inference) imports apps.categories.models"),
        (
            "inference/text.py",
            "def f():\n    from apps.categories import conf",
            "imports apps.categories.conf (conf)",
        ),
        ("models/category.py", "from apps.categories.services.filing import x", "(models) imports"),
        ("signals.py", "from . import services", "(signals) imports apps.categories.services (services)"),
        ("services/filing.py", "import training.pipeline", "(services) imports training.pipeline (training)"),
        (
            "management/commands/train_classifier.py",
            "from training import pipeline",
            "(commands) imports training",
        ),
        (
            "management/commands/classify_file.py",
            "def f():\n    from training import pipeline",
            "imports training",
        ),
    ],
)
def test_a_wrong_import_is_seen(path: str, source: str, words: str) -> None:
    (line,) = forbidden(tuple(imports_of(ROOT / "apps" / "categories" / path, source)))
    assert words in line


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("services/filing.py", "from ..models import Category\nfrom .runs import x\nfrom .. import runtime"),
        ("management/commands/train_classifier.py", "def f():\n    from training import pipeline"),
        (
            "runtime.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .inference.classifier import x",
        ),
    ],
)
def test_a_right_import_is_let_through(path: str, source: str) -> None:
    assert forbidden(tuple(imports_of(ROOT / "apps" / "categories" / path, source))) == []


def test_inference_and_training_never_import_django() -> None:
    wrong = [
        f"{found.module}:{found.line} imports {found.target}"
        for found in all_imports()
        if layer_of(found.module) in ("inference", "training", "sample")
        and found.target.split(".")[0] in ("django", "tree_queries", "bunoraa")
    ]
    assert wrong == []


def test_the_admin_and_the_views_reach_a_model_through_services_only() -> None:
    wrong = [
        f"{found.module}:{found.line} imports {found.target}"
        for found in all_imports()
        if layer_of(found.module) in ("admin", "views") and found.target in LOADS_A_MODEL
    ]
    assert wrong == []


def test_heavy_libraries_are_imported_by_training_only_and_the_heaviest_inside_functions() -> None:
    wrong = [
        f"{found.module}:{found.line} imports {found.target}"
        for found in all_imports()
        if (library := found.target.split(".")[0]) in HEAVY
        and layer_of(found.module) != "benchmarks"
        and found.module not in TRANSFORMERS
        and (found.top_level if library in VERY_HEAVY else layer_of(found.module) != "training")
    ]
    assert wrong == []


def test_training_linear_loads_neither_torch_nor_transformers() -> None:
    modules = [name for path in files() if (name := name_of(path)).startswith("training")]
    wanted = ", ".join(sorted(set(modules) - TRANSFORMERS))
    code = f"import {wanted}, sys; sys.exit(bool({{'torch', 'transformers'}} & sys.modules.keys()))"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_only_the_parquet_reader_and_the_encoder_of_the_serving_side_import_a_heavy_library() -> None:
    modules = {
        found.module
        for found in all_imports()
        if found.target.split(".")[0] in HEAVY and layer_of(found.module) not in ("training", "benchmarks")
    }
    assert modules == {f"{APP}.inference.formats", f"{APP}.inference.encoder"}


def test_serving_imports_nothing_that_the_site_does_not_install() -> None:
    own = {*PACKAGES, *SERVING_STANDARD}
    wrong = [
        f"{found.module}:{found.line} imports {found.target}"
        for found in all_imports()
        if layer_of(found.module) not in ("training", "benchmarks")
        and found.top_level
        and (found.target.split(".")[0] not in own | sys.stdlib_module_names)
    ]
    assert wrong == []
