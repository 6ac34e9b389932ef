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

from apps.categories.inference.encoder import EMBEDDING, WEIGHTS_FILE, EncoderModel
from apps.categories.inference.errors import ParityRefused
from training import rebuild
from training.backends.encoder import EncoderFit
from training.parity import check_fp32, check_int8, compare_int8, faithful

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
    fit: EncoderFit,
    *,
    classes: Sequence[str],
    probe: Sequence[str],
    int8: bool | None = None,
    least_speed: float = INT8_SPEED,
) -> Exported:
    """The model's records, fp32 and, where it pays, int8.

    `probe`: the texts that the exports are compared on. `int8`: None ships it when it is `faithful` and at
    least `least_speed` times as fast; True whatever its speed. Raises ParityRefused, naming the worst texts,
    when the fp32 export does not answer as the trained model, or when int8 is wanted and not faithful.
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
    graph, weights = _fp32(fit)
    encoder["torch"], beside = rebuild.describe(fit.model, graph, weights)
    records = {
        "tokenizer": tokenizer.to_str().encode(),
        "onnx_fp32": graph,
        "weights_fp32": weights,
        **beside,
    }
    engine = Exported(header=header, records=records, notes={}).engine("fp32")
    trained, (exported, _) = fit.scores(probe), engine.scores(probe)
    notes: dict[str, Any] = {"fp32": check_fp32(probe, trained, exported, classes=classes)}
    if int8 is not False:
        both = {**records, "onnx_int8": quantised(graph, weights)}
        candidate = Exported(header=header, records=both, notes={}).engine("int8")
        answers, _ = candidate.scores(probe)
        figures = compare_int8(exported, answers)
        figures["speed"] = round(_seconds(engine, probe) / _seconds(candidate, probe), 2)
        if int8:
            check_int8(probe, exported, answers, classes=classes, instead="train with --int8 auto or never")
        pays = faithful(figures) and figures["speed"] >= least_speed
        notes["int8"] = {**figures, "shipped": bool(int8 or pays)}
        if int8 or pays:
            encoder["forms"] = ["int8", "fp32"]
            records = both
    return Exported(header=header, records=records, notes=notes)


def _fp32(fit: EncoderFit) -> tuple[bytes, bytes]:
    """The graph, and its weights as one file beside it."""
    import onnx
    import torch

    class Served(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = fit.model

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            embedding = self.model.embed(input_ids, attention_mask)
            # Dropout does nothing here.
            return self.model.head(embedding), embedding

    wrapper = Served().eval()
    example = (torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long))
    batch, length = torch.export.Dim("batch", min=1), torch.export.Dim("length", min=1)
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                wrapper,
                example,
                dynamo=True,
                opset_version=OPSET,
                input_names=["input_ids", "attention_mask"],
                output_names=["logits", EMBEDDING],
                dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}),
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ParityRefused(
                f"this encoder cannot be exported to ONNX ({reason}): take another --base-model"
            ) from error
    assert program is not None  # noqa: S101  # dynamo=True always gives a program
    model = program.model_proto
    # Shapes inferred for the example stand in the way of quantising.
    del model.graph.value_info[:]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "whole.onnx"
        onnx.save_model(
            model,
            str(target),
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location=WEIGHTS_FILE,
            size_threshold=1024,
            convert_attribute=False,
        )
        return target.read_bytes(), (Path(folder) / WEIGHTS_FILE).read_bytes()


def quantised(graph: bytes | memoryview, weights: bytes | memoryview) -> bytes:
    """The graph with its matrices in signed 8 bits, a scale a channel, and its weights inside.

    Activations are quantised as they come. Of the 8 bits the matrices use 7: a processor without VNNI adds
    products in pairs in 16 bits, which larger weights overflow. `weights`: the file beside the graph.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _quiet():
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        whole.write_bytes(graph)
        whole.with_name(WEIGHTS_FILE).write_bytes(weights)
        quantize_dynamic(whole, small, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
        return small.read_bytes()


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
