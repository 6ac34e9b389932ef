"""The comparison on frozen rows: not worse is accepted, worse and incomparable are not."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from tests.conftest import TINY
from tests.tiny import labelled_rows
from training import pipeline
from training.data import LabelledRow
from training.gate import compare

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> ProductionClassifier:
    """A model of rows of which seven in eight are mislabelled."""
    rows = labelled_rows()
    turned = [
        replace(row, category_code=other.category_code, category_path=other.category_path)
        if int(hashlib.sha256(row.sku.encode()).hexdigest(), 16) % 8
        else row
        for row, other in zip(rows, reversed(rows), strict=True)
    ]
    return _load(turned, tmp_path_factory.mktemp("worse"), TINY)


def _load(rows: list[LabelledRow], folder: Path, config: pipeline.TrainingConfig) -> ProductionClassifier:
    path = folder / "classifier.pt"
    artifact.publish(pipeline.run(rows, config, now=NOW).artifact, path)
    return ProductionClassifier.load(path)


def test_the_same_model_is_not_worse(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    verdict = compare(tiny_classifier, tiny_classifier, tiny_rows)

    assert verdict.accepted
    assert verdict.champion_right == verdict.challenger_right
    assert verdict.p_value == 1.0
    assert verdict.rows == tiny_classifier.header["metrics"]["test"]["rows"]


def test_a_worse_model_is_not_accepted_and_a_better_one_is(
    tiny_classifier: ProductionClassifier, worse: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    down = compare(tiny_classifier, worse, tiny_rows)
    up = compare(worse, tiny_classifier, tiny_rows)

    assert not down.accepted
    assert down.challenger_right < down.champion_right
    assert up.accepted
    assert down.p_value == up.p_value < 0.05


def test_only_rows_that_both_held_back_are_compared(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...], tmp_path: Path
) -> None:
    narrow = _load(list(tiny_rows), tmp_path, replace(TINY, test_fraction=0.05))

    verdict = compare(tiny_classifier, narrow, tiny_rows)

    assert verdict.rows == narrow.header["metrics"]["test"]["rows"]
    assert verdict.rows < tiny_classifier.header["metrics"]["test"]["rows"]


def test_without_common_rows_nothing_is_accepted(tiny_classifier: ProductionClassifier) -> None:
    assert not compare(tiny_classifier, tiny_classifier, []).accepted
