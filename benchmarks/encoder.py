"""Speed of a served transformer beside raw ONNX Runtime and the transformers pipeline; ratios of one run.

    OMP_NUM_THREADS=1 python -m benchmarks.encoder [CATALOGUE] [--base-model minilm]

The head is not trained: how long it was changes nothing about its speed. Raw ONNX Runtime is given the same
texts as token ids, sorted by length and padded into the same batches beforehand.
"""

import statistics
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

from apps.categories.inference.encoder import EncoderModel, batches
from benchmarks import catalogues
from benchmarks.throughput import seconds
from training import onnx_export
from training.backends import bases, encoder

ROUNDS = 5
TEXTS = 512


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
    classes = sorted({row.category_path for row in rows})
    texts = [row.title for row in rows][:TEXTS]
    base = bases.load_base(base_model, texts)
    model = encoder.EncoderClassifier(base.encoder, len(classes)).eval()
    fit = encoder.EncoderFit(model=model, base=base, max_length=64, epochs=0, seconds=0)
    exported = onnx_export.export(fit, classes=classes, probe=texts, int8=False)
    # A head that learned nothing answers otherwise in 8 bits, and just as fast.
    records = exported.records
    small = onnx_export.quantised(records["onnx_fp32"], records["weights_fp32"])
    exported = replace(exported, records={**records, "onnx_int8": small})
    served = {form: exported.engine(form) for form in ("fp32", "int8")}
    contenders: dict[str, Callable[[], object]] = {}
    for form, engine in served.items():
        contenders[f"served {form}"] = lambda engine=engine: engine.scores(texts)  # type: ignore[misc]
        contenders[f"raw {form}"] = _raw(engine, texts)
    contenders["pipeline"] = _pipeline(base, len(classes), texts)
    times: dict[str, list[float]] = {contender: [] for contender in contenders}
    for number in range(ROUNDS + 1):
        for contender, work in contenders.items():
            taken = seconds(work)
            if number:
                times[contender].append(taken)
    medians = {contender: statistics.median(taken) for contender, taken in times.items()}
    for contender, median in medians.items():
        print(f"{name} {base_model} {contender}: {len(texts) / median:,.0f} texts/s")
    for form, engine in served.items():
        mine = medians[f"served {form}"]
        alone = sorted(_one_by_one(engine, texts[:200]))
        print(
            f"{form}: {100 * medians[f'raw {form}'] / mine:.0f}% of raw ONNX Runtime, "
            f"{medians['pipeline'] / mine:.2f}x the pipeline; one title p50 "
            f"{1000 * alone[len(alone) // 2]:.1f} ms, p99 {1000 * alone[len(alone) * 99 // 100]:.1f} ms"
        )


def _one_by_one(engine: EncoderModel, texts: list[str]) -> list[float]:
    return [seconds(lambda text=text: engine.scores([text])) for text in texts]  # type: ignore[misc]


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
