"""Shared fixtures: a tiny real model, the real catalogues where they are at hand."""

import os
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from tests.tiny import labelled_rows
from training import pipeline
from training.config import TrainingConfig
from training.data import LabelledRow
from training.pipeline import TrainingResult

# No test may wait for a model hub; before anything imports the library that reads it.
os.environ["HF_HUB_OFFLINE"] = "1"

TINY = TrainingConfig(backend="linear", fields=("title", "brand"), class_weight="none", folds=3, jobs=1)
TINY_ENCODER = TrainingConfig(
    backend="distilbert",
    base_model="scratch",
    fields=("title", "brand"),
    epochs=3,
    batch_size=32,
    learning_rate=2e-3,
    # One model on every processor: what a test asks of it shall not depend on bf16.
    precision="fp32",
    int8="always",
    refit=False,
)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file, as a site has it.

    A database in memory has one connection, which Django's live server lends to all its threads: two requests
    of a browser at once then run in one transaction and release each other's savepoints.
    """
    from django.db import connections

    connection = connections["default"]
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session")
def tiny_rows() -> tuple[LabelledRow, ...]:
    """The labelled rows behind the tiny model."""
    return labelled_rows()


@pytest.fixture(scope="session")
def tiny_result(tiny_rows: tuple[LabelledRow, ...]) -> TrainingResult:
    """One real training run."""
    return pipeline.run(tiny_rows, TINY, now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.fixture(scope="session")
def tiny_artifact(tiny_result: TrainingResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published `classifier.pt`; tests that change it copy it first."""
    path = tmp_path_factory.mktemp("tiny") / "classifier.pt"
    artifact.publish(tiny_result.artifact, path)
    return path


@pytest.fixture(scope="session")
def tiny_classifier(tiny_artifact: Path) -> ProductionClassifier:
    """The tiny model, loaded."""
    return ProductionClassifier.load(tiny_artifact)


@pytest.fixture(scope="session")
def tiny_encoder(
    tiny_rows: tuple[LabelledRow, ...], tmp_path_factory: pytest.TempPathFactory
) -> TrainingResult:
    """One real training run of a small transformer."""
    config = replace(TINY_ENCODER, work_dir=tmp_path_factory.mktemp("checkpoints"))
    return pipeline.run(tiny_rows, config, now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real catalogues; where they are absent the test is skipped and says so."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("BUNORAA_DATA", default))
    if not (folder / "flipkart" / "train.csv.gz").is_file():
        message = f"REAL DATA ABSENT: no catalogues at {folder}; set BUNORAA_DATA to the folder that has them"
        warnings.warn(pytest.PytestWarning(message), stacklevel=1)
        pytest.skip(message)
    return folder
