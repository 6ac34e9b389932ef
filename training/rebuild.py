"""The torch module of an encoder, told of at export and built again from an artifact's ONNX weights.

The weights are in the artifact once, in the form that ONNX Runtime maps. The header says under which name
each parameter of the torch module lies there and whether it lies transposed; what the graph does not hold as
it is (a pooler that it does not use) is a record of its own.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.errors import ExportRefused

if TYPE_CHECKING:
    from training.backends.encoder import EncoderClassifier

RECORD = "parameters"
"""The record of parameters that the graph does not hold as they are, in the form of safetensors."""
_OF_A_MACHINE = ("_name_or_path", "id2label", "label2id")
"""Keys of a config that say where it lay, or number classes that are not ours."""

Bytes = bytes | memoryview


def describe(
    model: "EncoderClassifier", graph: bytes, weights: bytes
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What `rebuilt` needs beside the ONNX model of `model`: a part of the header, and records.

    The header's part has `config`, the encoder's own, and `parameters`: name to [initializer, whether it lies
    transposed], found by comparing the values bit for bit.
    """
    from safetensors.torch import save

    held = {_key(array): name for name, array in initializers(graph, weights).items()}
    parameters: dict[str, list[Any]] = {}
    rest = {}
    for name, tensor in model.state_dict().items():
        tensor = tensor.detach().cpu()
        array = tensor.numpy()
        if (found := held.get(_key(array))) is not None:
            parameters[name] = [found, False]
        elif (found := held.get(_key(array.T))) is not None:
            parameters[name] = [found, True]
        else:
            # A copy: safetensors takes no two names for one memory.
            rest[name] = tensor.clone().contiguous()
    config = json.loads(model.encoder.config.to_json_string(use_diff=False))
    told = {key: value for key, value in config.items() if key not in _OF_A_MACHINE}
    return {"config": told, "parameters": parameters}, {RECORD: save(rest)} if rest else {}


def rebuilt(header: Mapping[str, Any], records: Mapping[str, Bytes]) -> "EncoderClassifier":
    """The torch module of an artifact, on the CPU, ready to answer. Memory: three times its weights.

    Raises ExportRefused when the artifact does not say how, or when it says what this version of transformers
    does not build. It answers as the artifact only if its caller has checked that.
    """
    told = header["encoder"].get("torch")
    if told is None:
        raise ExportRefused(
            "the artifact was made before artifacts told how their torch model is built: train it again with "
            "`manage.py train_classifier`, or export it with --format onnx, which needs no torch model"
        )
    held = initializers(records["onnx_fp32"], records["weights_fp32"])
    import torch
    from safetensors.torch import load
    from transformers import AutoConfig, AutoModel, __version__

    from training.backends.encoder import EncoderClassifier

    try:
        config = AutoConfig.for_model(**told["config"])
        encoder = AutoModel.from_config(config, dtype=torch.float32)
        model = EncoderClassifier(encoder, int(header["encoder"]["classes"]))
        state = load(bytes(records[RECORD])) if RECORD in records else {}
        for name, (initializer, transposed) in told["parameters"].items():
            array = held[initializer].T if transposed else held[initializer]
            state[name] = torch.from_numpy(np.array(array, order="C"))
        model.load_state_dict(state)
    # A config or parameters that are another version's: torch and transformers raise these over them.
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        made = told["config"].get("transformers_version")
        raise ExportRefused(
            f"the artifact's torch model, made by transformers {made}, cannot be built by transformers "
            f"{__version__} ({error}): pip install transformers=={made}, or export it with --format onnx"
        ) from error
    return model.eval()


def initializers(graph: Bytes, weights: Bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an ONNX graph by name; `weights`: the file beside it."""
    import onnx
    from onnx.external_data_helper import uses_external_data

    found = {}
    for tensor in onnx.load_model_from_string(bytes(graph)).graph.initializer:
        if uses_external_data(tensor):
            place = {entry.key: entry.value for entry in tensor.external_data}
            start = int(place["offset"])
            tensor.raw_data = bytes(weights[start : start + int(place["length"])])
            tensor.data_location = onnx.TensorProto.DEFAULT
        found[tensor.name] = onnx.numpy_helper.to_array(tensor)
        # The array is a copy or keeps what it reads; the graph must not hold all weights a second time.
        tensor.ClearField("raw_data")
    return found


def _key(array: NDArray[Any]) -> tuple[str, tuple[int, ...], bytes]:
    """What two arrays share when they are the same bit for bit."""
    return array.dtype.name, array.shape, hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()
