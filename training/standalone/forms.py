"""The files that hold the model itself, one writer a format."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.encoder import WEIGHTS_FILE
from training.rebuild import rebuilt

if TYPE_CHECKING:
    from torch import nn

    from training.backends.encoder import EncoderClassifier

TOKENIZER = "tokenizer.json"
GRAPH = "model.onnx"
SCRIPT = "model.pt"
HEAD = "head.safetensors"
INT8 = "model.int8.safetensors"
"""Not `model.safetensors`: transformers would take its whole numbers for weights, without a word."""


def write_onnx(classifier: ProductionClassifier, precision: str, folder: Path) -> None:
    """The artifact's own graph, byte for byte; 8 bits that it does not have are made."""
    records = classifier.artifact.records
    if precision == "fp32":
        (folder / GRAPH).write_bytes(records["onnx_fp32"])
        (folder / WEIGHTS_FILE).write_bytes(records["weights_fp32"])
        return
    small = records.get("onnx_int8")
    if small is None:
        from training.onnx_export import quantised

        small = memoryview(quantised(records["onnx_fp32"], records["weights_fp32"]))
    (folder / GRAPH).write_bytes(small)


def write_torchscript(classifier: ProductionClassifier, precision: str, folder: Path) -> None:
    """A trace from (input_ids, attention_mask) to logits."""
    import torch

    model = rebuilt(classifier.header, classifier.artifact.records)
    example = torch.ones(2, 8, dtype=torch.long)
    with quiet(), torch.no_grad():
        # What it takes for a constant: the trace is checked on other shapes than this one.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        traced = torch.jit.trace(
            _logits(_eight_bits(model) if precision == "int8" else model), (example, example)
        )
        traced.save(str(folder / SCRIPT))


def write_torch(classifier: ProductionClassifier, precision: str, folder: Path) -> None:
    """The encoder as transformers saves one, the head beside it, and what AutoTokenizer reads.

    In 8 bits one file has both, under the names of `EncoderClassifier`: a linear layer's weight in whole
    numbers, with a `weight_scale` for each of its rows.
    """
    from safetensors.torch import save_file

    model = rebuilt(classifier.header, classifier.artifact.records)
    if precision == "int8":
        with quiet():
            tensors = _int8_tensors(_eight_bits(model))
        save_file(tensors, folder / INT8)
        model.encoder.config.architectures = [type(model.encoder).__name__]
        model.encoder.config.save_pretrained(folder)
    else:
        model.encoder.save_pretrained(folder)
        save_file(model.head.state_dict(), folder / HEAD)
    _write_tokenizer(classifier, folder)


WRITERS = {"onnx": write_onnx, "torchscript": write_torchscript, "torch": write_torch}
"""Format to what writes it."""


@contextmanager
def quiet() -> Iterator[None]:
    """TorchScript and torch's own quantisation without the warning that they are deprecated: what succeeds
    them has no file that torch alone opens, and needs a package more."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        for message in (
            # A trace reads every property of a model, those that are deprecated too.
            "`is_gradient_checkpointing`",
            "`torch.jit",
            "torch.ao.quantization is deprecated",
            "torch.quantize_per_tensor, torch.quantize_per_channel and other quantized",
        ):
            warnings.filterwarnings("ignore", message)
        try:
            yield
        finally:
            logging.disable(before)


def _logits(model: "EncoderClassifier") -> "nn.Module":
    """The model as servers want it: two tensors in, one out."""
    from torch import Tensor, nn

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            logits: Tensor = self.model(input_ids, attention_mask)["logits"]
            return logits

    return Logits().eval()


def _eight_bits(model: "EncoderClassifier") -> "EncoderClassifier":
    """A copy whose linear layers compute in signed 8 bits, a scale a row; activations are quantised as they
    come. The embeddings stay whole."""
    from torch import nn
    from torch.ao import quantization

    per_row = {nn.Linear: quantization.per_channel_dynamic_qconfig}
    small: EncoderClassifier = quantization.quantize_dynamic(model, per_row)
    return small


def _int8_tensors(model: "EncoderClassifier") -> dict[str, Any]:
    """The parameters of `_eight_bits` as plain tensors."""
    import torch
    from torch.ao.nn.quantized import dynamic

    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, dynamic.Linear)}
    within = tuple(f"{name}." for name in layers)
    tensors = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(within)}
    for name, layer in layers.items():
        weight, bias = layer.weight(), layer.bias()
        tensors[f"{name}.weight"] = weight.int_repr()
        tensors[f"{name}.weight_scale"] = weight.q_per_channel_scales().to(torch.float32)
        if bias is not None:
            tensors[f"{name}.bias"] = bias
    # Copies: safetensors takes no two names for one memory.
    return {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}


def _write_tokenizer(classifier: ProductionClassifier, folder: Path) -> None:
    """The tokenizer with the parts that its special tokens play, which tokenizer.json alone does not say."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    told, tokenizer = classifier.header["encoder"], bytes(classifier.artifact.records["tokenizer"]).decode()
    read = Tokenizer.from_str(tokenizer)
    around = read.encode("").tokens
    special = [read.id_to_token(number) for number in told["special_ids"]]
    roles = {
        "pad_token": read.id_to_token(told["pad_id"]),
        "unk_token": json.loads(tokenizer)["model"].get("unk_token"),
        "cls_token": around[0] if around else None,
        "sep_token": around[-1] if around else None,
        "mask_token": next((token for token in special if "mask" in str(token).lower()), None),
    }
    known = {role: token for role, token in roles.items() if token in special}
    PreTrainedTokenizerFast(
        tokenizer_object=read,
        model_max_length=told["max_length"],
        additional_special_tokens=[token for token in special if token not in known.values()],
        **known,
    ).save_pretrained(folder)
