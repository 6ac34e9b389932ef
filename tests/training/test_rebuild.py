"""The torch module is the artifact's own, bit for bit, or it is not built."""

from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import BertConfig, BertModel

from apps.categories.inference.errors import ExportRefused
from training import rebuild
from training.backends.encoder import EncoderClassifier

SMALL = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}


@pytest.fixture
def model() -> EncoderClassifier:
    torch.manual_seed(3)
    config = BertConfig(**SMALL, _name_or_path="somebody/folder")
    return EncoderClassifier(BertModel(config), 5).eval()


def graph_of(arrays: dict[str, np.ndarray]) -> tuple[bytes, bytes]:
    """An ONNX graph of these initializers and nothing else: every second one lies in the file beside it."""
    weights = b""
    tensors = []
    for place, (name, array) in enumerate(arrays.items()):
        tensor = numpy_helper.from_array(np.ascontiguousarray(array), name)
        if place % 2:
            data = tensor.raw_data
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", "weights"), ("offset", len(weights)), ("length", len(data))):
                tensor.external_data.add(key=key, value=str(value))
            weights += data
        tensors.append(tensor)
    graph = helper.make_graph([], "small", [], [], initializer=tensors)
    return helper.make_model(graph).SerializeToString(), weights


def scrambled(model: EncoderClassifier) -> dict[str, np.ndarray]:
    """As an exporter leaves them: other names, matrices transposed, what is not needed gone."""
    return {
        f"val_{place}": tensor.numpy().T if tensor.ndim == 2 and place % 3 else tensor.numpy()
        for place, (name, tensor) in enumerate(model.state_dict().items())
        if "pooler" not in name
    }


def header_of(told: dict[str, Any]) -> dict[str, Any]:
    return {"encoder": {"classes": 5, "torch": told}}


def test_every_parameter_comes_back_bit_for_bit(model: EncoderClassifier) -> None:
    graph, weights = graph_of(scrambled(model))

    told, records = rebuild.describe(model, graph, weights)
    again = rebuild.rebuilt(header_of(told), {"onnx_fp32": graph, "weights_fp32": weights, **records})

    wanted, found = model.state_dict(), again.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert not again.training
    assert any(transposed for _, transposed in told["parameters"].values())
    assert "somebody" not in str(told), "where a base lay is nobody's business"


def test_only_what_the_graph_does_not_hold_is_stored_again(model: EncoderClassifier) -> None:
    from safetensors.torch import load

    arrays = scrambled(model)
    changed = next(name for name, array in arrays.items() if array.ndim == 2)
    arrays[changed] = arrays[changed] * 2
    graph, weights = graph_of(arrays)

    told, records = rebuild.describe(model, graph, weights)

    beside = load(records[rebuild.RECORD])
    # Its bias is all noughts, as others are.
    assert beside.keys() == {"encoder.embeddings.word_embeddings.weight", "encoder.pooler.dense.weight"}
    assert not beside.keys() & told["parameters"].keys()
    assert beside.keys() | told["parameters"].keys() == model.state_dict().keys()

    whole = {f"val_{place}": tensor.numpy() for place, tensor in enumerate(model.state_dict().values())}
    assert rebuild.describe(model, *graph_of(whole))[1] == {}


def test_an_artifact_that_does_not_say_how_is_refused() -> None:
    with pytest.raises(ExportRefused, match=r"train it again with `manage.py train_classifier`, or .* onnx"):
        rebuild.rebuilt({"encoder": {"classes": 5}}, {})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda told: told["config"].update(model_type="bertha"), "bertha"),
        (lambda told: told["config"].update(hidden_size=32), "size mismatch"),
        (lambda told: told["parameters"].popitem(), "Missing key"),
        (lambda told: told["parameters"].update({"head.bias": ["val_x", False]}), "val_x"),
    ],
)
def test_a_module_that_this_version_does_not_build_is_refused(
    model: EncoderClassifier, spoil: Any, words: str
) -> None:
    graph, weights = graph_of(scrambled(model))
    told, records = rebuild.describe(model, graph, weights)
    spoil(told)

    with pytest.raises(ExportRefused, match=r"pip install transformers==\d") as refused:
        rebuild.rebuilt(header_of(told), {"onnx_fp32": graph, "weights_fp32": weights, **records})

    assert words in str(refused.value)


def test_the_graph_is_read_as_onnx_reads_it(model: EncoderClassifier) -> None:
    arrays = scrambled(model)

    found = rebuild.initializers(*map(memoryview, graph_of(arrays)))

    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
