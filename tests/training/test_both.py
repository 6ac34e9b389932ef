"""Cascade, mean and auto: what is built, what is kept, and what is said about it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.categories.inference import artifact
from apps.categories.inference.blend import BlendOptions
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.errors import TrainingRefused
from tests.conftest import TINY_ENCODER
from training import pipeline
from training.backends import both
from training.backends.both import Candidate, choose, coverage
from training.config import TrainingConfig
from training.data import LabelledRow

OPTIONS = BlendOptions(linear_scale=1.0, encoder_scale=1.0, weight=0.5, bar=None)


def config(tmp_path: Path, **changes: object) -> TrainingConfig:
    return replace(
        TINY_ENCODER,
        work_dir=tmp_path,
        class_weight="none",
        folds=3,
        jobs=1,
        **changes,  # type: ignore[arg-type]
    )


def test_a_cascade_is_one_artifact_of_two_tiers(tiny_rows: tuple[LabelledRow, ...], tmp_path: Path) -> None:
    said: list[str] = []

    result = pipeline.run(tiny_rows, config(tmp_path, backend="cascade"), progress=said.append)

    path = tmp_path / "classifier.pt"
    artifact.publish(result.artifact, path)
    classifier = ProductionClassifier.load(path)
    assert classifier.header["engine"] == "blend"
    assert classifier.header["blend"]["bar"] is not None
    assert (
        classifier.predict(["cordless drill", "silk shawl"])[1][0]["category_code"] == "CAT_CLOTHING_SHAWLS"
    )
    assert result.test is not None
    assert result.test.top1 > 0.85
    cascade = next(item for item in result.header["training"]["candidates"] if item["name"] == "cascade")
    assert 0.3 < cascade["linear_tier"] <= 1
    assert any(line.startswith("cascade: top-1") and "the linear tier answers" in line for line in said)


def test_auto_without_a_base_is_linear_and_says_why(
    tiny_rows: tuple[LabelledRow, ...], tmp_path: Path
) -> None:
    said: list[str] = []

    result = pipeline.run(
        tiny_rows, config(tmp_path, backend="auto", base_model="no-such/base"), progress=said.append
    )

    assert result.header["engine"] == "linear"
    assert any(line.startswith("linear alone: the base model 'no-such/base' cannot be had") for line in said)
    with pytest.raises(TrainingRefused, match="cannot be had"):
        pipeline.run(tiny_rows, config(tmp_path, backend="mean", base_model="no-such/base"))


def candidate(name: str, score: float) -> Candidate:
    return Candidate(
        name=name,
        options=OPTIONS,
        scores=np.zeros((0, 2), np.float32),
        top1=score,
        macro_f1=score,
        coverage=score,
    )


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ((0.9, 0.903, 0.904, 0.904), "linear"),
        ((0.9, 0.91, 0.912, 0.914), "cascade"),
        ((0.9, 0.90, 0.910, 0.914), "distilbert"),
        ((0.9, 0.91, 0.912, 0.920), "mean"),
    ],
)
def test_auto_keeps_the_simplest_that_is_good_enough(
    scores: tuple[float, float, float, float], kept: str
) -> None:
    names = ("linear", "cascade", "distilbert", "mean")

    assert (
        choose({name: candidate(name, score) for name, score in zip(names, scores, strict=True)}).name == kept
    )


def test_coverage_is_the_largest_share_that_keeps_the_precision() -> None:
    scores = np.array([[9, 0], [8, 0], [7, 0], [6, 0], [5, 0]], np.float32)

    assert coverage(scores, np.array([0, 1, 0, 0, 0]), 0.75) == 1.0
    assert coverage(scores, np.array([0, 0, 1, 0, 0]), 0.9) == pytest.approx(0.4)
    assert coverage(scores, np.array([1, 1, 1, 1, 1]), 0.9) == 0.0


def test_without_the_package_the_transformer_names_the_requirements(
    tiny_rows: tuple[LabelledRow, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "training.onnx_export", None)
    monkeypatch.delattr("training.onnx_export", raising=False)

    with pytest.raises(TrainingRefused, match=r"pip install -r requirements-ml\.txt"):
        pipeline.run(tiny_rows, config(tmp_path, backend="distilbert"))


def test_the_linear_tier_answers_alone_only_where_it_is_certified() -> None:
    rng = np.random.default_rng(0)
    sureness = rng.uniform(0.8, 1, 4000).astype(np.float32)
    right = rng.random(4000) < sureness

    bars = both._bars(sureness, right, 0.9)

    assert bars
    assert bars == sorted(bars)
    assert all(right[sureness >= bar].mean() >= 0.9 for bar in bars)
    assert both._bars(sureness, np.zeros(4000, bool), 0.9) == []
