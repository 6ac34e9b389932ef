"""Speed of a served transformer beside raw ONNX Runtime and the transformers pipeline; ratios of one run.

    OMP_NUM_THREADS=1 python -m benchmarks.encoder [CATALOGUE] [--base-model minilm]

`predict` of the loaded artifact, from raw titles to the three best categories with their confidences. It is
trained for a moment only: how well it learned changes nothing about its speed. Raw ONNX Runtime is given the
same texts as token ids, sorted by length and padded into the same batches beforehand.
"""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.encoder import EncoderModel, batches
from benchmarks import catalogues
from benchmarks.throughput import seconds
from training import parity
from training import pipeline as training
from training.backends import bases
from training.config import TrainingConfig
from training.data import LabelledRow

ROUNDS = 5
TEXTS = 512
LEARNED = 1200
"""Rows that the model is trained for a moment on."""


def main() -> None:
    """Print texts a second and ratios, one thread."""
    parser = catalogues.arguments("Speed of a transformer.")
    parser.add_argument("--base-model", default="minilm")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.names or ("ferreteria_es",):
        _run(name, options.base_model)


def _run(name: str, base_model: str) -> None:
    rows = catalogues.load(name)
    served = {form: _served(rows[:LEARNED], base_model, form) for form in ("fp32", "int8")}
    titles = [row.title for row in rows][:TEXTS]
    contenders: dict[str, Callable[[], object]] = {}
    for form, classifier in served.items():
        contenders[f"predict, {form}"] = partial(classifier.predict, titles)
        contenders[f"raw {form}"] = _raw(classifier._engine, [classifier.text(title) for title in titles])
    contenders["pipeline"] = _pipeline(bases.load_base(base_model, ()), len(classifier.codes), titles)
    times: dict[str, list[float]] = {contender: [] for contender in contenders}
    for number in range(ROUNDS + 1):
        for contender, work in contenders.items():
            taken = seconds(work)
            if number:
                times[contender].append(taken)
    medians = {contender: statistics.median(taken) for contender, taken in times.items()}
    for contender, median in medians.items():
        print(f"{name} {base_model} {contender}: {len(titles) / median:,.0f} texts/s")
    for form, classifier in served.items():
        mine = medians[f"predict, {form}"]
        alone = sorted(seconds(partial(classifier.predict, [title])) for title in titles[:200])
        print(
            f"{form}: {100 * medians[f'raw {form}'] / mine:.0f}% of raw ONNX Runtime, "
            f"{medians['pipeline'] / mine:.2f}x the pipeline; one title p50 "
            f"{1000 * alone[len(alone) // 2]:.1f} ms, p99 {1000 * alone[len(alone) * 99 // 100]:.1f} ms"
        )


def _served(rows: list[LabelledRow], base_model: str, form: str) -> ProductionClassifier:
    """A model of all the categories as a server loads it, in this form."""
    with TemporaryDirectory() as folder:
        config = TrainingConfig(
            backend="distilbert",
            base_model=base_model,
            fields=("title",),
            max_length=64,
            epochs=0.1,
            refit=False,
            int8="always" if form == "int8" else "never",
            work_dir=Path(folder),
        )
        # What has learned next to nothing answers otherwise in 8 bits, and just as fast.
        with patch.multiple(parity, INT8_AGREEMENT=0.0, INT8_CONFIDENCE=1.0):
            trained = training.run(rows, config)
        path = Path(folder) / "classifier.pt"
        artifact.publish(trained.artifact, path)
        classifier = ProductionClassifier.load(path)
    assert classifier.form == form, classifier.refused_forms
    return classifier


def _raw(engine: EncoderModel, texts: list[str]) -> Callable[[], object]:
    ids = engine._tokenise(texts)
    fed = []
    for places in batches([len(tokens) for tokens in ids]):
        longest = max(len(ids[place]) for place in places)
        padded = np.full((len(places), longest), engine._pad, np.int64)
        mask = np.zeros_like(padded)
        for row, place in enumerate(places):
            padded[row, : len(ids[place])] = ids[place]
            mask[row, : len(ids[place])] = 1
        fed.append({"input_ids": padded, "attention_mask": mask})
    return lambda: [engine._session.run(["logits"], batch) for batch in fed]


def _pipeline(base: bases.Base, classes: int, texts: list[str]) -> Callable[[], object]:
    """The same encoder under transformers' own head, as its users run it on a CPU, in batches of 32."""
    config = AutoConfig.from_pretrained(base.encoder.config._name_or_path)
    config.num_labels = classes
    model = AutoModelForSequenceClassification.from_config(config).eval()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=base.tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )
    answer = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    return lambda: answer(texts, top_k=3, batch_size=32, truncation=True)


if __name__ == "__main__":
    main()
