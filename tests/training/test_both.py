"""Cascade, mean and auto: what is built, what is kept, and what is said about it."""

from dataclasses import replace
from importlib import util
from pathlib import Path

import numpy as np
import pytest

from apps.categories.inference import artifact
from apps.categories.inference.blend import BlendOptions
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.encoder import EncoderModel
from apps.categories.inference.errors import ParityRefused, TrainingRefused
from apps.categories.inference.softmax import log_softmax
from tests.conftest import TINY_ENCODER
from training import pipeline
from training.backends import both
from training.backends.candidates import Candidate, bars, choose, fastest
from training.backends.fitted import Fitted
from training.config import TrainingConfig
from training.data import LabelledRow, validate

OPTIONS = BlendOptions(linear_scale=1.0, encoder_scale=1.0, linear_weight=0.5, encoder_weight=0.5, bar=None)


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
    assert cascade["linear_tier_top1"] > 0.9
    share, first, rest = cascade["linear_tier"], cascade["linear_tier_top1"], cascade["rest_top1"] or 0
    assert cascade["top1"] == pytest.approx(share * first + (1 - share) * rest, abs=0.05)
    assert any(line.startswith("cascade: log loss") and "the linear tier answers" in line for line in said)
    speeds = result.header["training"]["texts_a_second"]
    assert list(speeds) == ["linear", "transformer", "cascade"]
    assert min(speeds.values()) > 0
    assert any(line.startswith("texts a second on this machine: linear ") for line in said)


def test_auto_without_a_base_is_linear_and_says_why(
    tiny_rows: tuple[LabelledRow, ...], tmp_path: Path
) -> None:
    said: list[str] = []

    result = pipeline.run(
        tiny_rows, config(tmp_path, backend="auto", base_model="no-such/base"), progress=said.append
    )

    assert result.header["engine"] == "linear"
    (line,) = [line for line in said if line.startswith("linear alone")]
    assert line.startswith("linear alone: the base model 'no-such/base' cannot be had")
    assert result.header["training"]["choice"] == line
    with pytest.raises(TrainingRefused, match="cannot be had"):
        pipeline.run(tiny_rows, config(tmp_path, backend="mean", base_model="no-such/base"))


def test_auto_says_that_an_export_failed_and_is_linear(
    tiny_rows: tuple[LabelledRow, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def turned(self: EncoderModel, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        scores, read = answers(self, texts)
        return scores[:, ::-1], read

    answers = EncoderModel.scores
    monkeypatch.setattr(EncoderModel, "scores", turned)
    quick = config(tmp_path, backend="auto", epochs=1)

    result = pipeline.run(tiny_rows[:300], quick, progress=said.append)

    assert result.header["engine"] == "linear"
    (line,) = [line for line in said if line.startswith("linear alone")]
    assert line.startswith(
        "linear alone: the transformer was trained, but cannot be served: the exported model answers"
    )
    with pytest.raises(ParityRefused, match="this is a fault of the export"):
        pipeline.run(tiny_rows[:300], replace(quick, backend="mean", resume=True))


def test_rows_that_neither_model_was_held_out_of_are_needed(tiny_rows: tuple[LabelledRow, ...]) -> None:
    """The one's folds and the other's part may miss each other where the rows are few."""
    data = validate(tiny_rows[:40])
    places = np.arange(len(data.rows))

    def fitted(held: np.ndarray) -> Fitted:
        scores = np.zeros((len(data.rows), len(data.classes)), np.float32)
        return Fitted(segments=(("title",),), header={}, records={}, scores=scores, held=held, notes={})

    with pytest.raises(TrainingRefused, match="no row was held out of both models"):
        both.pair(fitted(places % 2 == 0), fitted(places % 2 == 1), data, TINY_ENCODER)


def test_a_category_whose_rows_are_all_kept_for_the_final_test_stops_nothing(
    tiny_rows: tuple[LabelledRow, ...],
) -> None:
    """It is a class all the same: its path is known though no row of it is learned from."""
    whole = validate(tiny_rows)
    gone = whole.labels[0]
    places = [place for place, label in enumerate(whole.labels) if label != gone]
    data = replace(
        whole,
        **{
            name: [getattr(whole, name)[place] for place in places]
            for name in ("rows", "labels", "groups", "weights", "contradictory")
        },
    )
    scores = np.zeros((len(places), len(data.classes)), np.float32)
    scores[np.arange(len(places)), data.labels] = 9
    held = np.ones(len(places), bool)
    fitted = Fitted(segments=(("title",),), header={}, records={}, scores=scores, held=held, notes={})

    found = both.pair(fitted, fitted, data, TINY_ENCODER)

    assert found.candidates["linear"].coverage > 0.9


def candidate(name: str, log_loss: float, alone: float | None = None) -> Candidate:
    return Candidate(
        name=name,
        options=OPTIONS,
        scores=np.zeros((0, 2), np.float32),
        log_loss=log_loss,
        top1=0.9,
        macro_f1=0.9,
        coverage=0.9,
        alone=alone,
    )


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ((0.5, 0.4998, 0.499, 0.496), "linear"),
        ((0.5, 0.48, 0.478, 0.476), "cascade"),
        ((0.5, 0.5, 0.47, 0.499), "distilbert"),
        ((0.5, 0.48, 0.46, 0.47), "mean"),
        ((0.5, 0.48, 0.49, 0.45), "mean"),
    ],
)
def test_auto_keeps_the_fastest_that_is_good_enough(
    losses: tuple[float, float, float, float], kept: str
) -> None:
    names, alone = ("linear", "cascade", "distilbert", "mean"), {"cascade": 0.9}
    found = {name: candidate(name, loss, alone.get(name)) for name, loss in zip(names, losses, strict=True)}

    assert choose(found).name == kept


@pytest.mark.parametrize(
    ("cascade", "mean", "kept"),
    [(0.4994, 0.496, "cascade"), (0.4996, 0.496, "linear"), (0.4994, 0.494, "mean"), (0.501, 0.494, "mean")],
)
def test_a_cascade_need_gain_no_more_than_its_transformer_costs(
    cascade: float, mean: float, kept: str
) -> None:
    found = {
        "linear": candidate("linear", 0.5),
        "cascade": candidate("cascade", cascade, alone=0.9),
        "mean": candidate("mean", mean),
        "distilbert": candidate("distilbert", 0.49),
    }

    assert choose(found).name == kept


def test_a_better_model_that_may_file_less_is_not_kept() -> None:
    """Its transformer was held out of fewer rows: too few to certify what the linear family may file."""
    found = {name: candidate(name, 0.5) for name in ("linear", "cascade", "mean", "distilbert")}
    better = {**found, "mean": replace(candidate("mean", 0.4), coverage=0.87)}

    assert choose(better).name == "linear"
    assert choose({**better, "mean": replace(candidate("mean", 0.4), coverage=0.89)}).name == "mean"


def test_a_cascade_is_as_right_as_the_mean_or_fast_and_no_worse_than_its_transformer() -> None:
    def one(top1: float, alone: float | None = None, macro: float = 0.8) -> Candidate:
        return replace(candidate("cascade", 0.5, alone), top1=top1, macro_f1=macro)

    slow, fast, faster = one(0.92, 0.3), one(0.915, 0.75), one(0.913, 0.9)
    every = [slow, fast, faster]

    def kept(mean: float, transformer: float, macro: float = 0.8) -> Candidate | None:
        others = {"mean": one(mean), "transformer": one(transformer, macro=macro)}
        return fastest(every, **others, tolerated=0.003)

    assert kept(0.916, 0.9) is faster
    assert kept(0.92, 0.91) is fast
    assert kept(0.92, 0.919) is slow
    assert kept(0.92, 0.91, macro=0.81) is slow
    assert kept(0.93, 0.91) is fast
    assert kept(0.93, 0.93) is None


def test_the_weights_of_the_mean_are_those_of_the_least_log_loss() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 3000)
    truth = np.eye(5)[labels]
    # Two independent views of a row: the sum of their log-likelihoods, scaled to what each is worth.
    first, second = (
        log_softmax((scale * (truth + rng.normal(0, 1, truth.shape))).astype(np.float32), 1.0)
        for scale in (1.0, 0.5)
    )
    useless = log_softmax(rng.normal(0, 1, truth.shape).astype(np.float32), 1.0)

    together = both.fit_weights(first, second, labels, np.ones(3000))

    assert together == (pytest.approx(1.0, abs=0.1), pytest.approx(1.8, abs=0.15))
    assert both.fit_weights(first, useless, labels, np.ones(3000))[1] == pytest.approx(0, abs=0.06)
    some = np.arange(3000) < 1000
    assert both.fit_weights(first, second, labels, some.astype(float)) == pytest.approx(
        both.fit_weights(first[some], second[some], labels[some], np.ones(1000)), abs=0.01
    )


def test_a_handful_of_rows_hardly_moves_the_usual_weights() -> None:
    sure = log_softmax(np.array([[9.0, 0.0], [0.0, 9.0]], np.float32), 1.0)
    wrong = log_softmax(np.array([[0.0, 2.0], [2.0, 0.0]], np.float32), 1.0)

    few = both.fit_weights(sure, wrong, np.array([0, 1]), np.ones(2))
    many = both.fit_weights(
        np.tile(sure, (500, 1)), np.tile(wrong, (500, 1)), np.tile([0, 1], 500), np.ones(1000)
    )

    assert few == pytest.approx(both.USUAL_WEIGHTS, abs=0.02)
    assert many[1] < few[1] - 0.005


@pytest.mark.parametrize("backend", ["distilbert", "cascade"])
def test_a_base_that_cannot_be_had_is_missed_before_anything_is_tried(
    tiny_rows: tuple[LabelledRow, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    said: list[str] = []

    with pytest.raises(TrainingRefused, match="cannot be had"):
        pipeline.run(
            tiny_rows, config(tmp_path, backend=backend, base_model="no-such/base"), progress=said.append
        )

    assert not any("tried" in line or "fitted" in line for line in said)


def test_two_useless_families_still_make_an_answer() -> None:
    rng = np.random.default_rng(0)
    noise = [log_softmax(rng.normal(0, 3, (500, 4)).astype(np.float32), 1.0) for _ in range(2)]

    together = both.fit_weights(*noise, rng.integers(0, 4, 500), np.ones(500))

    BlendOptions(
        linear_scale=1.0, encoder_scale=1.0, linear_weight=together[0], encoder_weight=together[1], bar=None
    )


@pytest.mark.parametrize("package", ["accelerate", "onnx", "onnxscript", "safetensors", "transformers"])
def test_a_package_that_is_needed_after_the_training_is_missed_before_it(
    tiny_rows: tuple[LabelledRow, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == package else found(name))
    said: list[str] = []

    with pytest.raises(TrainingRefused, match=f"needs the package {package}: pip install -r requirements-ml"):
        pipeline.run(tiny_rows, config(tmp_path, backend="distilbert"), progress=said.append)

    assert not any("fine-tuning" in line for line in said)


def test_no_way_of_answering_is_judged_by_titles_filed_in_two_ways(
    tiny_rows: tuple[LabelledRow, ...],
) -> None:
    data = validate(tiny_rows)
    labels, classes = np.asarray(data.labels), len(data.classes)
    unclear = np.arange(len(labels)) % 3 == 0
    scores = 5 * np.eye(classes, dtype=np.float32)[np.where(unclear, (labels + 1) % classes, labels)]
    scores += np.random.default_rng(0).normal(0, 0.1, scores.shape).astype(np.float32)
    fitted = Fitted(
        segments=(("title",),),
        header={},
        records={},
        scores=scores,
        held=np.ones(len(labels), np.bool_),
        notes={},
    )

    judged = both.pair(fitted, fitted, replace(data, contradictory=unclear.tolist()), TINY_ENCODER)
    all_rows = both.pair(fitted, fitted, replace(data, contradictory=[False] * len(labels)), TINY_ENCODER)

    assert {found.top1 for found in judged.candidates.values()} == {1.0}
    assert all(found.top1 == pytest.approx(2 / 3, abs=0.01) for found in all_rows.candidates.values())
    nothing_clear = both.pair(fitted, fitted, replace(data, contradictory=[True] * len(labels)), TINY_ENCODER)
    assert nothing_clear.candidates["linear"].top1 == all_rows.candidates["linear"].top1


def test_the_linear_tier_answers_alone_only_where_it_is_certified() -> None:
    rng = np.random.default_rng(0)
    sureness = rng.uniform(0.8, 1, 4000).astype(np.float32)
    right = rng.random(4000) < sureness

    alone = np.arange(4000)

    found = bars(sureness, right, alone, 0.9)

    assert found
    assert found == sorted(found)
    assert all(right[sureness >= bar].mean() >= 0.9 for bar in found)
    assert bars(sureness, np.zeros(4000, bool), alone, 0.9) == []


def test_the_rows_of_a_small_shop_can_certify_the_linear_tier() -> None:
    """Fewer than the hundredths that are gone through."""
    sureness = np.full(70, 0.99, np.float32)

    assert bars(sureness, np.ones(70, bool), np.arange(70), 0.95) == [pytest.approx(0.99)]


def test_near_duplicates_do_not_certify_the_linear_tier() -> None:
    """Forty titles with fifty copies each, 97.5% right: as rows enough for 95%, as titles not."""
    groups = np.repeat(np.arange(40), 50)
    right = groups != 20
    sureness = np.linspace(1, 0.8, 2000).astype(np.float32)

    assert bars(sureness, right, np.arange(2000), 0.95)
    assert bars(sureness, right, groups, 0.95) == []
