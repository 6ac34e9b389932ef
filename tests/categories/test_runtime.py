"""One model a process: loaded once, replaced by rename, kept when the new file is bad."""

import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from apps.categories import runtime, services
from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.errors import ClassifierUnavailable
from training.pipeline import TrainingResult


@pytest.fixture
def live(settings: Settings, tmp_path: Path, tiny_artifact: Path) -> Path:
    """A published artifact that the test may damage."""
    path = tmp_path / "live.pt"
    shutil.copy(tiny_artifact, path)
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": str(path), "RELOAD_SECONDS": 0}
    runtime.reset()
    return path


def replace(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(data)
    beside.replace(path)


def test_loaded_once(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = runtime.get_classifier()
    monkeypatch.setattr(ProductionClassifier, "load", lambda *_, **__: pytest.fail("loaded again"))
    assert runtime.get_classifier() is first


def test_a_new_file_is_taken_up(live: Path) -> None:
    first = runtime.get_classifier()
    replace(live, live.read_bytes())
    second = runtime.get_classifier()
    assert second is not first
    assert second.sha256 == first.sha256


def test_a_bad_file_leaves_the_old_model_and_is_reported_once(
    live: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, data = runtime.get_classifier(), live.read_bytes()
    caplog.clear()
    replace(live, data[:-100])
    for _ in range(3):
        assert runtime.get_classifier() is good
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(live) in str(runtime.status().last_error)
    assert services.model_info().problem == runtime.status().last_error
    live.unlink()
    assert runtime.get_classifier() is good
    assert len(caplog.records) == 2
    replace(live, data)
    assert runtime.get_classifier() is not good
    assert runtime.status().last_error is None


def test_no_model_says_what_to_type_and_recovers(live: Path) -> None:
    data = live.read_bytes()
    live.unlink()
    with pytest.raises(ClassifierUnavailable, match="train_classifier"):
        runtime.get_classifier()
    info = services.model_info()
    assert (info.version, info.classes, str(live) in str(info.problem)) == (None, 0, True)
    live.write_bytes(b"")
    with pytest.raises(ClassifierUnavailable):
        services.classify(["drill"])
    replace(live, data)
    assert services.classify(["cordless drill"], top_k=1)[0][0]["category_code"] == "CAT_TOOLS_DRILLS"


def test_between_two_looks_the_file_is_not_asked(
    live: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "RELOAD_SECONDS": 3600}
    first = runtime.get_classifier()
    monkeypatch.setattr(artifact, "identity", lambda *_: pytest.fail("asked"))
    assert runtime.get_classifier() is first


def test_preload_never_raises(settings: Settings, tmp_path: Path) -> None:
    for name, data in (("none", None), ("empty", b""), ("pickle", b"\x80\x04N."), ("folder", "")):
        path = tmp_path / name
        if isinstance(data, bytes):
            path.write_bytes(data)
        elif data == "":
            path.mkdir()
        settings.CATEGORY_CLASSIFIER = {"ARTIFACT": str(path)}
        runtime.reset()
        runtime.preload()
        assert runtime.status().version is None


def test_others_go_on_with_the_old_model_while_one_loads(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, load = runtime.get_classifier(), ProductionClassifier.load
    loading, go_on = threading.Event(), threading.Event()

    def slow(*args: Any, **more: Any) -> ProductionClassifier:
        loading.set()
        assert go_on.wait(30)
        return load(*args, **more)

    monkeypatch.setattr(ProductionClassifier, "load", slow)
    replace(live, live.read_bytes())
    loader = threading.Thread(target=runtime.get_classifier)
    loader.start()
    assert loading.wait(30)
    assert runtime.get_classifier() is first
    go_on.set()
    loader.join()
    assert runtime.get_classifier() is not first


def test_a_forked_child_loads_its_own(live: Path) -> None:
    runtime.get_classifier()
    taken = runtime._slot.lock
    # As another thread of the parent would hold it at the moment of the fork.
    taken.acquire()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        empty = runtime.status().version is None
        os.write(write, b"%d%d" % (empty, runtime.get_classifier().version is not None))
        os._exit(0)
    taken.release()
    os.waitpid(child, 0)
    assert os.read(read, 2) == b"11"
    os.close(read)
    os.close(write)


def test_status_loads_nothing(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProductionClassifier, "load", lambda *_, **__: pytest.fail("loaded"))
    assert runtime.status().version is None


@pytest.mark.parametrize("command", ["check", "migrate", "makemigrations"])
def test_commands_without_a_model_import_nothing_heavy(command: str, tmp_path: Path) -> None:
    options = {"makemigrations": ("--check", "--dry-run")}.get(command, ())
    code = (
        "import sys; from django.core.management import execute_from_command_line as run\n"
        f"run(['manage.py', {command!r}, '-v0', *{options!r}])\n"
        "heavy = {'numpy', 'scipy', 'sklearn', 'torch', 'transformers', 'pyarrow', 'pandas'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "bunoraa.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_server_starts_and_classifies_without_the_training_packages(live: Path, tmp_path: Path) -> None:
    """With torch, transformers, sklearn and scipy unimportable: preload, migrate, save, admin, health."""
    code = """
import sys
for name in ("torch", "transformers", "sklearn", "scipy", "pandas", "pyarrow"):
    sys.modules[name] = None
from bunoraa.wsgi import application
from apps.categories import runtime, services
assert runtime.status().version, "preloaded"
from django.core.management import call_command
call_command("migrate", verbosity=0)
from apps.categories.models import Category, Product
tools = Category.objects.create(name="Tools")
Category.objects.create(name="Drills", parent=tools)
Product.objects.create(sku="A", title="cordless drill")
assert Product.objects.get().category.path == "Tools > Drills", Product.objects.values()
from django.test import Client
assert Client().get("/admin/", follow=True).status_code == 200
assert Client().get("/categories/health/").json()["status"] == "ok"
"""
    environment = {
        **os.environ,
        "BUNORAA_ARTIFACT": str(live),
        "BUNORAA_ALLOWED_HOSTS": "testserver",
        "BUNORAA_SECRET_KEY": "only for this test",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_transformer_answers_without_the_training_packages(
    tiny_encoder: TrainingResult, tmp_path: Path
) -> None:
    path = tmp_path / "classifier.pt"
    path.write_bytes(tiny_encoder.artifact)
    code = f"""
import sys
for name in ("torch", "transformers", "sklearn", "scipy", "pandas", "onnx"):
    sys.modules[name] = None
from apps.categories.inference.classifier import ProductionClassifier
answer = ProductionClassifier.load({str(path)!r}).predict(["cordless drill"])[0][0]
assert answer["category_code"] == "CAT_TOOLS_DRILLS", answer
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("entrance", ["wsgi", "asgi"])
def test_serving_refuses_a_temporary_key(entrance: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BUNORAA_")}
    done = subprocess.run(
        [sys.executable, "-c", f"import bunoraa.{entrance}"],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "BUNORAA_SECRET_KEY is not set" in done.stderr
