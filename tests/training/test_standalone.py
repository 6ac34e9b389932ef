"""Every standalone form answers as its artifact, without the project, or is not written."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.decision import ASSIGN, Policy
from apps.categories.inference.errors import ExportRefused
from apps.categories.inference.ranking import Calibration, rank
from tests.conftest import TINY_ENCODER
from tests.rewriting import rewritten
from tests.tiny import labelled_rows
from training import export as artifact_export
from training import parity, pipeline, rebuild
from training.backends import bases
from training.backends.fitted import Fitted
from training.data import LabelledRow
from training.pipeline import TrainingResult
from training.probe import MOST, TEXTS, probe
from training.standalone import export, forms, predict

TITLES = [
    "cordless drill",
    "x",
    "premium silk shawl red with a very long tail of words",
    "\U0001f600",
    "ＳＩＬＫ\u200b  shawl",
]
NOT_NEEDED = {
    "onnx": ("torch", "transformers", "safetensors", "onnx"),
    "torchscript": ("transformers", "safetensors", "onnx", "onnxruntime"),
    "torch": ("onnx", "onnxruntime"),
}
FORMS = [(form, precision) for form in export.FORMATS for precision in export.PRECISIONS]


@pytest.fixture(scope="module")
def published(tiny_encoder: TrainingResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "classifier.pt"
    artifact.publish(tiny_encoder.artifact, path)
    return path


@pytest.fixture(scope="module")
def classifier(published: Path) -> ProductionClassifier:
    return ProductionClassifier.load(published)


@pytest.fixture(scope="module")
def whole(published: Path, tmp_path_factory: pytest.TempPathFactory) -> ProductionClassifier:
    """The same without its 8-bit form."""

    def only_fp32(records: dict[str, bytes]) -> None:
        del records["onnx_int8"]
        header = json.loads(records["header"])
        header["encoder"]["forms"] = ["fp32"]
        records["header"] = json.dumps(header).encode()

    path = tmp_path_factory.mktemp("whole") / "classifier.pt"
    return ProductionClassifier.load(rewritten(published, path, only_fp32))


@pytest.fixture(scope="module")
def folders(classifier: ProductionClassifier, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Every form, exported."""
    where = tmp_path_factory.mktemp("forms")
    for form, precision in FORMS:
        export.export(classifier, where / f"{form}-{precision}", form=form, precision=precision)
    return {path.name: path for path in where.iterdir()}


def ask(folder: Path, form: str) -> list[list[dict[str, Any]]]:
    """What its predict.py says in a process that has neither the project nor what it should not need."""
    banned = (*NOT_NEEDED[form], "apps", "training", "django")
    code = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({banned!r})); "
        f"sys.argv = ['predict.py', *{TITLES!r}]; runpy.run_path('predict.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["title"] for line in lines] == TITLES
    return [line["predictions"] for line in lines]


@pytest.mark.parametrize(("form", "precision"), FORMS)
def test_the_example_answers_as_the_artifact_and_needs_nothing_of_it(
    folders: Mapping[str, Path], whole: ProductionClassifier, form: str, precision: str
) -> None:
    answers = ask(folders[f"{form}-{precision}"], form)

    expected = whole.predict(TITLES)
    tolerance = 1e-4 if precision == "fp32" else 0.03
    for answer, wanted in zip(answers, expected, strict=True):
        assert len(answer) == len(wanted)
        for found, told in zip(answer[:1], wanted[:1], strict=True):
            assert found["category_code"] == told["category_code"]
            assert found["category_path"] == whole.path(told["category_code"])
            assert found["confidence"] == pytest.approx(told["confidence"], abs=tolerance)
    assert answers[3] == [], "a text without a known token gets no answer"


@pytest.mark.parametrize(("form", "precision"), FORMS)
def test_a_folder_says_what_it_is(
    folders: Mapping[str, Path], classifier: ProductionClassifier, form: str, precision: str
) -> None:
    folder = folders[f"{form}-{precision}"]

    told, readme = json.loads((folder / "labels.json").read_text()), (folder / "README.md").read_text()

    assert [item["category_code"] for item in told["classes"]] == list(classifier.codes)
    assert told["artifact_sha256"] == classifier.sha256
    assert told["calibration"] == classifier.header["calibration"]
    assert told["threshold"]["value"] == classifier.header["alone"]["value"]
    assert told["left_out"] is None
    assert told["checked"]["texts"] > 900
    assert (folder / "tokenizer.json").read_bytes() == classifier.artifact.records["tokenizer"]
    for path in folder.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in readme, f"{path.name} is not explained"


def test_onnx_is_what_the_artifact_holds(
    folders: Mapping[str, Path], classifier: ProductionClassifier
) -> None:
    records = classifier.artifact.records

    assert (folders["onnx-fp32"] / "model.onnx").read_bytes() == records["onnx_fp32"]
    assert (folders["onnx-fp32"] / "weights").read_bytes() == records["weights_fp32"]
    assert (folders["onnx-int8"] / "model.onnx").read_bytes() == records["onnx_int8"]


def test_8_bits_that_the_artifact_does_not_hold_are_made(
    whole: ProductionClassifier, folders: Mapping[str, Path], tmp_path: Path
) -> None:
    done = export.export(whole, tmp_path / "small", form="onnx", precision="int8")

    assert done.size < 0.5 * sum(path.stat().st_size for path in folders["onnx-fp32"].iterdir())
    assert not (tmp_path / "small" / "weights").exists()
    assert done.checked["agreement"] >= parity.INT8_AGREEMENT


@pytest.mark.parametrize("precision", export.PRECISIONS)
def test_a_trace_takes_any_batch_and_length(
    folders: Mapping[str, Path], classifier: ProductionClassifier, precision: str
) -> None:
    model = rebuild.rebuilt(classifier.header, classifier.artifact.records)
    with forms.quiet(), torch.no_grad():
        whole = forms._eight_bits(model) if precision == "int8" else model
        traced = torch.jit.load(folders[f"torchscript-{precision}"] / "model.pt")
        for texts, tokens in ((1, 1), (1, 12), (2, 8), (7, 3), (40, 11)):
            ids = torch.randint(4, 200, (texts, tokens))
            mask = torch.ones_like(ids)
            mask[texts // 2, (tokens + 1) // 2 :] = 0
            torch.testing.assert_close(traced(ids, mask), whole(ids, mask)["logits"], atol=1e-4, rtol=1e-4)


def test_the_torch_folder_is_what_transformers_opens_and_a_base_again(
    folders: Mapping[str, Path],
    classifier: ProductionClassifier,
    tiny_rows: tuple[LabelledRow, ...],
    tmp_path: Path,
) -> None:
    folder = folders["torch-fp32"]
    model = rebuild.rebuilt(classifier.header, classifier.artifact.records)

    base = bases.load_base(str(folder), [])
    tokenizer = AutoTokenizer.from_pretrained(folder)

    assert all(
        torch.equal(tensor, base.encoder.state_dict()[name])
        for name, tensor in model.encoder.state_dict().items()
    )
    assert base.pad_id == classifier.header["encoder"]["pad_id"]
    assert list(base.special_ids) == classifier.header["encoder"]["special_ids"]
    assert (tokenizer.cls_token, tokenizer.sep_token, tokenizer.unk_token) == ("[CLS]", "[SEP]", "[UNK]")
    config = replace(TINY_ENCODER, base_model=str(folder), epochs=1, int8="never", work_dir=tmp_path / "work")
    again = pipeline.run(tiny_rows[:300], config)
    assert again.header["base_model"] == "torch-fp32"
    assert again.header["encoder"]["torch"]["config"]["model_type"] == "distilbert"


def test_transformers_does_not_take_whole_numbers_for_weights(folders: Mapping[str, Path]) -> None:
    with pytest.raises(OSError, match=r"model\.safetensors"):
        AutoModel.from_pretrained(folders["torch-int8"])


def test_the_example_reads_a_product_as_the_artifact_does(
    folders: Mapping[str, Path], classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    model = predict.Model(folders["onnx-fp32"])
    items: list[Any] = [
        *artifact_export.POISON,
        *TITLES,
        *(row.fields() for row in tiny_rows[:50]),
        {"title": "a\nb \u200b c\ud800", "brand": None, "price": "3"},
        {"title": "ﬁ" * 5000, "brand": "ﷺ" * 4000},
        {"title": 12, "brand": "  "},
    ]

    assert [model.text(item) for item in items] == [classifier.text(item) for item in items]
    assert classifier.segments == (("title", "brand"),)
    model.told["text"]["segments"] = [["title"], ["brand"], ["seller"]]
    assert model.text({"title": "drill", "seller": "Halden"}) == "drill\n\nHalden"
    assert model.text({"title": "drill"}) == "drill"


def test_the_example_certifies_what_the_artifact_would_file_without_back_off(
    folders: Mapping[str, Path], whole: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    titles = [
        *(row.title for row in tiny_rows),
        *(f"{row.title} gizmo" for row in tiny_rows[::5]),
        "drill shawl",
    ]
    policy = Policy.of_header(
        {**whole.header["alone"], "raised": {whole.codes[0]: 1.0, whole.codes[1]: 0.999}}
    )
    model = predict.Model(folders["onnx-fp32"])
    model.told["threshold"]["raised"] = dict(policy.raised)

    found = [certified for _, certified in model.answers(titles)]

    _, decisions = whole.assess(titles, policy)
    assert found == (decisions.actions == ASSIGN).tolist()
    assert 0.2 < np.mean(found) < 1
    model.told["threshold"] = None
    assert not any(certified for _, certified in model.answers(titles))


def test_the_example_is_as_sure_as_the_artifact() -> None:
    rng = np.random.default_rng(0)
    scores = (4 * rng.standard_normal((500, 7))).astype(np.float32)
    scores[:50, 0] = scores[:50, 1]
    told = {"intercept": 0.1, "weights": [0.6, 0.3, 0.1, 0.2], "low": [-3, 0, -2, 0], "high": [0, 4, 9, 8]}
    for leaf in (None, told):
        stored = {"scale": 0.7, "leaf": leaf, "above": None}

        found = predict.confidences(scores, stored)

        ranked = rank(scores.copy(), np.ones(500, bool), Calibration.of_header(stored), k=7)
        np.testing.assert_allclose(
            np.take_along_axis(found, ranked.classes, axis=1), ranked.confidences, atol=2e-6
        )


def test_a_cascade_gives_its_transformer_and_says_what_is_missing(
    classifier: ProductionClassifier,
    tiny_result: TrainingResult,
    tmp_path: Path,
) -> None:
    linear = artifact.unseal(tiny_result.artifact)
    blend = {
        "linear_scale": 1.0,
        "encoder_scale": 1.7,
        "linear_weight": 0.5,
        "encoder_weight": 0.5,
        "bar": 0.9,
    }
    header = {**tiny_result.header, **classifier.header, "engine": "blend", "blend": blend}
    records = {**linear, **classifier.artifact.records}
    named = {name: bytes(data) for name, data in records.items()}
    for name in ("header", "golden", "taxonomy"):
        del named[name]
    fitted = Fitted(
        segments=classifier.segments,
        header=header,
        records=named,
        scores=np.zeros((0, 20), np.float32),
        held=np.zeros(0, np.bool_),
        notes={},
    )
    paths = {code: classifier.path(code) for code in classifier.codes}
    sealed = artifact_export.build(
        fitted, header, paths=paths, golden_products=[dict(row.fields()) for row in labelled_rows()[:24]]
    )
    artifact.publish(sealed, tmp_path / "cascade.pt")
    cascade = ProductionClassifier.load(tmp_path / "cascade.pt")

    done = export.export(cascade, tmp_path / "out", form="onnx", precision="fp32")

    told = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert done.left_out is not None
    assert done.left_out.startswith("The linear tier of this cascade is not in it")
    assert told["left_out"] == done.left_out
    assert done.left_out in (tmp_path / "out" / "README.md").read_text()
    assert told["calibration"] == {"scale": 1.7, "leaf": None}
    assert told["threshold"] is None
    assert ask(tmp_path / "out", "onnx")[0][0]["category_code"] == "CAT_TOOLS_DRILLS"


def test_a_linear_model_has_nothing_to_export(tiny_classifier: ProductionClassifier, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match=r"is a linear model.*classify_file.*--backend distilbert"):
        export.export(tiny_classifier, tmp_path / "out", form="onnx", precision="fp32")

    assert list(tmp_path.iterdir()) == []


def old(published: Path, path: Path) -> ProductionClassifier:
    """As artifacts were before they told how their torch model is built."""

    def forget(records: dict[str, bytes]) -> None:
        header = json.loads(records["header"])
        del header["encoder"]["torch"]
        records["header"] = json.dumps(header).encode()

    return ProductionClassifier.load(rewritten(published, path, forget))


def test_an_older_artifact_has_onnx_only(published: Path, tmp_path: Path) -> None:
    before = old(published, tmp_path / "old.pt")

    export.export(before, tmp_path / "onnx", form="onnx", precision="fp32")
    for form in ("torch", "torchscript"):
        with pytest.raises(ExportRefused, match="train it again"):
            export.export(before, tmp_path / form, form=form, precision="fp32")

    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "onnx",
        "versions",
    ] or sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["onnx"]


def spoil(monkeypatch: pytest.MonkeyPatch, form: str, change: Any) -> None:
    """Let `change` at what the writer of this form wrote."""
    write = forms.WRITERS[form]

    def spoilt(classifier: ProductionClassifier, precision: str, folder: Path) -> None:
        write(classifier, precision, folder)
        change(folder)

    monkeypatch.setitem(forms.WRITERS, form, spoilt)


def flip_weights(folder: Path) -> None:
    weights = np.fromfile(folder / "weights", np.float32)
    weights[-20_000:] *= -1
    weights.tofile(folder / "weights")


def swap_head(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    head = load_file(folder / "head.safetensors")
    save_file(
        {name: tensor.flip(0).contiguous() for name, tensor in head.items()}, folder / "head.safetensors"
    )


def shorten(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 3}))


@pytest.mark.parametrize(
    ("form", "change", "words"),
    [
        ("onnx", flip_weights, "texts otherwise than the model it was made of"),
        ("torch", swap_head, "texts otherwise than the model it was made of"),
        ("torch", shorten, "AutoTokenizer makes other tokens of"),
    ],
)
def test_an_export_that_answers_otherwise_is_refused_and_leaves_nothing(
    classifier: ProductionClassifier,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
    change: Any,
    words: str,
) -> None:
    spoil(monkeypatch, form, change)

    with pytest.raises(ExportRefused, match=words):
        export.export(classifier, tmp_path / "out", form=form, precision="fp32")

    assert list(tmp_path.iterdir()) == []


def test_an_export_that_reads_otherwise_is_refused(
    classifier: ProductionClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = export.labels(classifier, form="onnx", precision="fp32")
    told["tokens"]["special_ids"] = []
    monkeypatch.setattr(export, "labels", lambda *_, **__: told)

    with pytest.raises(ExportRefused, match=r"reads [1-9] of 1000 texts otherwise than the artifact, ''"):
        export.export(classifier, tmp_path / "out", form="onnx", precision="fp32")


def test_8_bits_that_answer_otherwise_are_refused(
    classifier: ProductionClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "INT8_AGREEMENT", 1.01)

    with pytest.raises(
        ExportRefused, match=r"texts as it does in full, expected at least 101\.00%.*--precision fp32"
    ):
        export.export(classifier, tmp_path / "out", form="onnx", precision="int8")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, -9.0])
def test_what_8_bits_change_is_shown(value: float) -> None:
    before = np.array([[2.0, 0.0], [0.0, 3.0], [0.0, 4.0]], np.float32)
    after = before.copy()
    after[1, 1] = value

    with pytest.raises(ExportRefused, match=r"\('silk shawl': CAT_B 0\.9526 became .*train --int8 never"):
        parity.check_int8(
            ["drill", "silk shawl", "pan"],
            before,
            after,
            classes=["CAT_A", "CAT_B"],
            instead="train --int8 never",
        )

    figures = parity.check_int8(
        ["drill", "shawl", "pan"], before, before, classes=["CAT_A", "CAT_B"], instead="train --int8 never"
    )
    assert figures == {"texts": 3, "agreement": 1.0, "confidence_difference": 0.0}


def test_confidence_alone_is_reason_to_refuse() -> None:
    before = np.array([[3.0, 0.0]], np.float32)

    with pytest.raises(ExportRefused, match=r"differs by 0\.0771 in the mean, expected at most 0\.02"):
        parity.check_int8(
            ["drill"],
            before,
            before * np.float32(0.65),
            classes=["CAT_A", "CAT_B"],
            instead="train --int8 never",
        )


def test_a_refusal_shows_no_personal_data(
    classifier: ProductionClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, "onnx", flip_weights)
    products = [{"title": "cordless drill ask jane.doe@example.com"}] * 3

    with pytest.raises(ExportRefused, match="cordless drill ask") as refused:
        monkeypatch.setattr(export, "probe", lambda *_: products)
        export.export(classifier, tmp_path / "out", form="onnx", precision="fp32")

    assert "jane" not in str(refused.value)


def test_what_is_there_is_not_touched(classifier: ProductionClassifier, tmp_path: Path) -> None:
    full, empty, file = tmp_path / "full", tmp_path / "empty", tmp_path / "file"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    empty.mkdir()
    file.write_text("mine")

    for taken in (full, file):
        with pytest.raises(ExportRefused, match=r"is there already.*name another folder with --output"):
            export.export(classifier, taken, form="onnx", precision="int8")
    with pytest.raises(ExportRefused, match=r"cannot be written: .*name another folder with --output"):
        export.export(classifier, file / "within", form="onnx", precision="int8")
    export.export(classifier, empty, form="onnx", precision="int8")

    assert (full / "mine.txt").read_text() == file.read_text() == "mine"
    assert (empty / "model.onnx").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"full", "empty", "file"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_nothing_is_ever_half_written(
    classifier: ProductionClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    def interrupt(folder: Path) -> None:
        assert (folder / "model.onnx").is_file()
        assert not (tmp_path / "out").exists()
        raise error

    spoil(monkeypatch, "onnx", interrupt)

    with pytest.raises((KeyboardInterrupt, ExportRefused)):
        export.export(classifier, tmp_path / "out", form="onnx", precision="fp32")

    assert list(tmp_path.iterdir()) == []


def test_it_is_compared_on_a_thousand_texts(classifier: ProductionClassifier) -> None:
    few = [{"title": f"cordless drill {number}", "brand": ""} for number in range(30)]
    many = [{"title": f"silk shawl {number}"} for number in range(2 * MOST)]

    assert len(probe(classifier, [])) == len(probe(classifier, few)) == TEXTS
    assert probe(classifier, few) == probe(classifier, few)
    assert probe(classifier, few)[:30] == few
    texts = {classifier.text(item) for item in probe(classifier, [])}
    assert len(texts) == TEXTS
    assert {classifier.text(text) for text in artifact_export.POISON} <= texts
    taken = [item for item in probe(classifier, many) if item in many[:10] or item == many[-2]]
    assert MOST < len(probe(classifier, many)) < MOST + 100
    assert taken == [*many[:10:2], many[-2]]
