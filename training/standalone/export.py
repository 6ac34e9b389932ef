"""One transformer as a folder: written aside, checked against the artifact, put in place by a rename."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.encoder import EncoderModel
from apps.categories.inference.errors import ExportRefused
from apps.categories.inference.redact import redact
from training.parity import check_fp32, check_int8
from training.probe import Item, probe
from training.standalone import predict
from training.standalone.described import labels, readme
from training.standalone.forms import TOKENIZER, WRITERS, quiet

FORMATS = tuple(WRITERS)
PRECISIONS = ("fp32", "int8")
_ELSEWHERE = "name another folder with --output"
_INSTEAD = "export it with --precision fp32, or compare it on more products of your own with --data FILE"


@dataclass(frozen=True, kw_only=True)
class Standalone:
    """An export that is in its place."""

    folder: Path
    size: int
    """Bytes of all files."""
    checked: Mapping[str, float]
    """What `check_fp32` or `check_int8` found."""
    left_out: str | None
    """What it lacks of the artifact, in a sentence; None: nothing."""


def export(
    classifier: ProductionClassifier,
    folder: Path,
    *,
    form: str,
    precision: str,
    products: Sequence[Mapping[str, str]] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Standalone:
    """Write the transformer of an artifact to `folder`, in one of FORMATS and PRECISIONS.

    It is compared with the artifact's own fp32 form on `products`, filled up by `probe`. Raises ExportRefused
    when the artifact has no transformer, when the folder has something in it or cannot be
    written, or when the export answers otherwise; then nothing is written. Raises ModuleNotFoundError where
    the format needs a package that is not there.
    """
    if classifier.header["engine"] == "linear":
        raise ExportRefused(
            f"{classifier.artifact.path} is a linear model, which has no transformer to export: use the "
            "artifact itself (`manage.py classify_file`, or ProductionClassifier in Python; it needs numpy "
            "alone), or train a transformer with `manage.py train_classifier --backend distilbert`"
        )
    with _replacing(folder) as draft:
        told = labels(classifier, form=form, precision=precision)
        progress(f"writing {form} in {precision}")
        WRITERS[form](classifier, precision, draft)
        (draft / TOKENIZER).write_bytes(classifier.artifact.records["tokenizer"])
        shutil.copyfile(Path(predict.__file__), draft / "predict.py")
        (draft / "README.md").write_text(readme(told), "utf-8")
        _write_labels(told, draft)
        items = probe(classifier, products)
        progress(f"comparing its answers with the artifact's on {len(items):,} texts")
        told["checked"] = _check(classifier, draft, items, precision)
        if form == "torch":
            _check_tokenizer(classifier, draft, items)
        _write_labels(told, draft)
        size = sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
    return Standalone(folder=folder, size=size, checked=told["checked"], left_out=told["left_out"])


def _check(
    classifier: ProductionClassifier, folder: Path, items: Sequence[Item], precision: str
) -> dict[str, float]:
    """Compare what the folder answers, read by its own predict.py, with the artifact's fp32 form."""
    whole = EncoderModel(classifier.header, classifier.artifact.records, form="fp32")
    texts = [classifier.text(item) for item in items]
    expected, known = whole.scores(texts)
    with quiet():
        found, read = predict.Model(folder).scores(items)
    if (known != read).any():
        place = int((known != read).argmax())
        raise ExportRefused(
            f"the export reads {int((known != read).sum())} of {len(texts)} texts otherwise than the "
            f"artifact, {texts[place]!r} for one; this is a fault of the export, please report it"
        )
    # A text without a known token gets no answer from either.
    shown = [redact(text)[0] for text, said in zip(texts, known, strict=True) if said]
    if precision == "fp32":
        return check_fp32(shown, expected[known], found[known], classes=classifier.codes)
    return check_int8(shown, expected[known], found[known], classes=classifier.codes, instead=_INSTEAD)


def _check_tokenizer(classifier: ProductionClassifier, folder: Path, items: Sequence[Item]) -> None:
    """Refuse a folder whose tokens, as transformers makes them, are not those of its tokenizer.json."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    texts = [classifier.text(item) for item in items]
    own = Tokenizer.from_file(str(folder / TOKENIZER))
    own.enable_truncation(classifier.header["encoder"]["max_length"])
    wanted = [encoding.ids for encoding in own.encode_batch(texts)]
    found = AutoTokenizer.from_pretrained(folder)(texts, truncation=True)["input_ids"]
    for text, ours, theirs in zip(texts, wanted, found, strict=True):
        if ours != theirs:
            raise ExportRefused(
                f"AutoTokenizer makes other tokens of {redact(text)[0]!r} than the artifact ({theirs[:8]}, "
                f"expected {ours[:8]}); this is a fault of the export, report it and use --format onnx"
            )


def _write_labels(told: Mapping[str, Any], folder: Path) -> None:
    text = json.dumps(told, ensure_ascii=False, indent=1)
    (folder / "labels.json").write_text(text + "\n", "utf-8")


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, put in its place when the block is done. Raises ExportRefused."""
    folder = folder.absolute()
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ExportRefused(f"{folder} is there already, expected an empty folder or none: {_ELSEWHERE}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as aside:
            # In it, as the temporary folder itself is for this user alone.
            draft = Path(aside) / folder.name
            draft.mkdir()
            yield draft
            draft.rename(folder)
    except OSError as error:
        raise ExportRefused(f"{folder} cannot be written: {error.strerror or error}; {_ELSEWHERE}") from error
