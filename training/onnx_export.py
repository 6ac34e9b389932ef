"""A fine-tuned encoder into ONNX, whole and in int8, each proven against what it came from."""

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.encoder import WEIGHTS_FILE, EncoderModel
from apps.categories.inference.errors import TrainingRefused
from training.backends.encoder import EncoderFit

FP32_TOLERANCE = 1e-4
"""Largest difference of a probability between the trained model and its fp32 export."""
INT8_AGREEMENT = 0.985
"""Least share of texts that int8 files as fp32 does."""
INT8_CONFIDENCE = 0.02
"""Largest mean difference of the best class's probability between int8 and fp32."""
INT8_SPEED = 1.1
"""int8 is shipped when it is at least so many times as fast."""
OPSET = 18


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The parts of an encoder in an artifact."""

    header: dict[str, Any]
    records: dict[str, bytes]
    notes: dict[str, Any]
    """The parity figures, and why a form was chosen."""

    def engine(self, form: str) -> EncoderModel:
        """One form of it, as a server runs it."""
        return EncoderModel(
            self.header, {name: memoryview(data) for name, data in self.records.items()}, form=form
        )


def export(
    fit: EncoderFit, *, classes: Sequence[str], probe: Sequence[str], int8: bool | None = None
) -> Exported:
    """The model's records, fp32 and, where it pays, int8.

    `probe`: the texts that the exports are compared on. `int8`: None ships it when it is faster and faithful
    (INT8_SPEED, INT8_AGREEMENT, INT8_CONFIDENCE). Raises TrainingRefused, naming the worst texts, when the
    fp32 export does not answer as the trained model.
    """
    tokenizer = fit.base.tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encoder: dict[str, Any] = {
        "classes": len(classes),
        "max_length": fit.max_length,
        "pad_id": fit.base.pad_id,
        "special_ids": list(fit.base.special_ids),
        "forms": ["fp32"],
    }
    header = {"engine": "encoder", "encoder": encoder}
    with tempfile.TemporaryDirectory() as folder:
        graph, weights = _fp32(fit, Path(folder))
        records = {"tokenizer": tokenizer.to_str().encode(), "onnx_fp32": graph, "weights_fp32": weights}
        whole = Exported(header=header, records=records, notes={})
        engine = whole.engine("fp32")
        trained, (exported, _) = fit.scores(probe), engine.scores(probe)
        notes: dict[str, Any] = {"fp32": check_fp32(probe, trained, exported, classes=classes)}
        if int8 is not False:
            small = Exported(
                header=header,
                records={
                    **records,
                    "onnx_int8": _int8(Path(folder)),
                },
                notes={},
            )
            candidate = small.engine("int8")
            figures = compare_int8(exported, candidate.scores(probe)[0])
            figures["speed"] = round(_seconds(engine, probe) / _seconds(candidate, probe), 2)
            pays = (
                figures["agreement"] >= INT8_AGREEMENT
                and figures["confidence_difference"] <= INT8_CONFIDENCE
                and figures["speed"] >= INT8_SPEED
            )
            notes["int8"] = {**figures, "shipped": bool(int8 or pays)}
            if int8 or pays:
                encoder["forms"] = ["int8", "fp32"]
                records = small.records
    return Exported(header=header, records=records, notes=notes)


def check_fp32(
    texts: Sequence[str],
    trained: NDArray[np.float32],
    exported: NDArray[np.float32],
    *,
    classes: Sequence[str],
) -> dict[str, float]:
    """Refuse an export that differs from the trained model in a class or by FP32_TOLERANCE of probability.

    Two classes within the tolerance of each other may change places. Raises TrainingRefused.
    """
    before, after = softmax(trained), softmax(exported)
    rows = np.arange(len(texts))
    difference = np.abs(before - after).max(axis=1)
    lead = before.max(axis=1) - before[rows, after.argmax(axis=1)]
    wrong = (difference > FP32_TOLERANCE) | (lead > FP32_TOLERANCE) | ~np.isfinite(difference)
    bad = np.flatnonzero(wrong).tolist()
    if len(bad):
        worst = sorted(bad, key=lambda place: -float(np.nan_to_num(difference[place], nan=np.inf)))[:3]
        shown = "; ".join(
            f"{texts[place]!r}: {classes[int(before[place].argmax())]} {before[place].max():.4f} became "
            f"{classes[int(after[place].argmax())]} {after[place].max():.4f}"
            for place in worst
        )
        raise TrainingRefused(
            f"the exported model answers {len(bad)} of {len(texts)} texts otherwise than the trained one "
            f"({shown}); this is a fault of the export, please report it"
        )
    return {"texts": len(texts), "largest_difference": float(difference.max(initial=0.0))}


def compare_int8(whole: NDArray[np.float32], small: NDArray[np.float32]) -> dict[str, float]:
    """Share of texts with the same best class, and the mean difference of its probability."""
    before, after = softmax(whole), softmax(small)
    return {
        "agreement": round(float((before.argmax(axis=1) == after.argmax(axis=1)).mean()), 4),
        "confidence_difference": round(float(np.abs(before.max(axis=1) - after.max(axis=1)).mean()), 4),
    }


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities of logits, row by row."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _fp32(fit: EncoderFit, folder: Path) -> tuple[bytes, bytes]:
    """The graph, and its weights as one file beside it."""
    import onnx
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = fit.model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(input_ids, attention_mask)["logits"]
            return logits

    wrapper = Logits().eval()
    example = (torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long))
    batch, length = torch.export.Dim("batch", min=1), torch.export.Dim("length", min=1)
    target = folder / "whole.onnx"
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            wrapper,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}),
            verbose=False,
        )
    assert program is not None  # noqa: S101  # dynamo=True always gives a program
    model = program.model_proto
    # Shapes inferred for the example stand in the way of quantising.
    del model.graph.value_info[:]
    onnx.save_model(
        model,
        str(target),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=WEIGHTS_FILE,
        size_threshold=1024,
        convert_attribute=False,
    )
    return target.read_bytes(), (folder / WEIGHTS_FILE).read_bytes()


def _int8(folder: Path) -> bytes:
    """Matrices in signed 8 bits, a scale a channel; activations are quantised as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target = folder / "small.onnx"
    with _quiet():
        quantize_dynamic(folder / "whole.onnx", target, per_channel=True, weight_type=QuantType.QInt8)
    return target.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters tell each step of theirs at the level of news, by the hundred."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _seconds(engine: EncoderModel, texts: Sequence[str]) -> float:
    """The better of two runs over some of the texts."""
    some = list(texts[:256])
    taken = []
    for _ in range(2):
        started = time.perf_counter()
        engine.scores(some)
        taken.append(time.perf_counter() - started)
    return min(taken)
