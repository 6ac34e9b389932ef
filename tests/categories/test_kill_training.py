"""`kill -9` anywhere in the training of a transformer, then --resume: the model of an undisturbed one."""

import hashlib
import json
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.categories.inference.artifact import unseal
from apps.categories.inference.classifier import ProductionClassifier
from tests.categories.test_kill import Shop

# A shop with labels and a live model: run in a process of the shop, on its own database.
FILL = """
from apps.categories import services
from apps.categories.conf import get_settings
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.taxonomy_file import TaxonomyEntry
from apps.categories.models import Category, Product
from tests.tiny import KINDS, labelled_rows

services.taxonomy_import(TaxonomyEntry(line=1, path=path) for path in KINDS)
categories = {category.code: category for category in Category.objects.all()}
Product.objects.bulk_create(
    Product(sku=row.sku, title=row.title, category=categories[row.category_code], category_source="import")
    for row in labelled_rows(each=16)
)
path = get_settings().artifact
services.model_publish(ProductionClassifier.load(path), path.read_bytes())
"""
LOOK = """
import json
from apps.categories.models import ModelVersion
print(json.dumps(list(ModelVersion.objects.values("version", "sha256", "retired_at")), default=str))
"""
OPTIONS = (
    *("--backend", "distilbert", "--base-model", "scratch", "--fields", "title", "--resume", "--force"),
    *(
        "--epochs",
        "4",
        "--patience",
        "1",
        "--batch-size",
        "32",
        "--learning-rate",
        "0.002",
        "--int8",
        "always",
    ),
)


class Training:
    """A shop in which a transformer is trained, over and over again from the same beginning."""

    def __init__(self, folder: Path, artifact: Path) -> None:
        self.folder = folder
        self.models = folder / "models"
        self.models.mkdir()
        self.live = Path(shutil.copy(artifact, self.models / "classifier.pt"))
        self.old = digest(self.live)
        self.shop = Shop(folder, self.live, FILL)
        # What is exported on the way is written here too, and so may be killed.
        self.temporary = folder / "temporary"
        self.shop.environment["TMPDIR"] = str(self.temporary)
        shutil.copytree(self.models, folder / "kept")

    def put_back(self) -> None:
        self.shop.put_back()
        for name in ("models", "work", "temporary"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.temporary.mkdir()
        shutil.copytree(self.folder / "kept", self.models)

    def train(self, *, kill_at: int = 0) -> list[str]:
        """`train_classifier`, killed at a change or not; the changes of one that was not."""
        said = self.shop.run(
            *("-m", "tests.categories.killed_writing", str(kill_at), str(self.folder)),
            *("train_classifier", *OPTIONS, "--work-dir", str(self.folder / "work")),
            status=-signal.SIGKILL if kill_at else 0,
        )
        return [] if kill_at else json.loads(said)

    def versions(self) -> list[dict[str, Any]]:
        """What the database says of the models."""
        found: list[dict[str, Any]] = json.loads(self.shop.run("manage.py", "shell", "-v0", "-c", LOOK))
        return found


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model(path: Path) -> dict[str, Any]:
    """Everything of an artifact but the time of its making and how fast it was on the way."""
    records = {name: bytes(data) for name, data in unseal(path.read_bytes()).items()}
    header = json.loads(records.pop("header"))
    for name in ("version", "created"):
        del header[name]
    for name in ("measured", "final"):
        del header["training"][name]["int8"]["speed"]
    return {"header": header} | {name: hashlib.sha256(data).hexdigest() for name, data in records.items()}


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory, tiny_artifact: Path) -> Iterator[Training]:
    training = Training(tmp_path_factory.mktemp("training"), tiny_artifact)
    yield training
    training.shop.drop()


def parts(changes: list[str]) -> dict[str, list[int]]:
    """The numbers of the changes of each part of a training, from 1."""
    found: dict[str, list[int]] = {}
    part = "rows"
    for number, line in enumerate(changes, 1):
        for name in ("measured", "final", "whole.onnx", "versions", "models"):
            if f"/{name}" in line:
                part = name
                break
        found.setdefault(part, []).append(number)
    return found


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on_to_the_same_model(training: Training) -> None:
    training.put_back()
    changes = training.train()
    expected = model(training.live)
    assert expected["header"]["backend"] == "distilbert"
    assert list((training.folder / "work").iterdir()) == []
    places = parts(changes)
    assert list(places) == ["rows", "measured", "final", "whole.onnx", "versions", "models"], changes
    rng = random.Random(20_261_121)
    # In each of the fits, twice where they are chosen by validation; while it exports; while it publishes.
    names = ("measured", "measured", "final", "whole.onnx", "versions", "models")
    points = [rng.choice(places[name]) for name in names]
    for at in points:
        killed_before = changes[at - 1]
        training.put_back()

        training.train(kill_at=at)

        live = ProductionClassifier.load(training.live)
        assert live.sha256 == training.old or model(training.live) == expected, killed_before
        (told,) = [version for version in training.versions() if version["retired_at"] is None]
        # The row is written with the file; killed between the two, it still names the model before.
        assert told["sha256"] in {training.old, live.sha256}, killed_before
        if at < places["versions"][0]:
            assert live.sha256 == told["sha256"] == training.old, killed_before

        training.train()

        assert model(training.live) == expected, killed_before
        (told,) = [version for version in training.versions() if version["retired_at"] is None]
        assert told["sha256"] == digest(training.live)
        assert [path.name for path in training.models.iterdir() if path.is_file()] == ["classifier.pt"]
        assert list((training.folder / "work").iterdir()) == []
