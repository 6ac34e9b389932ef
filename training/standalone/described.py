"""What stands beside the model: labels.json, for programs, and README.md, for people."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.text import MAX_CHARACTERS, NOT_TEXT, SEGMENT_SEPARATOR

LEFT_OUT = (
    "The linear tier of this {kind} is not in it: this is the transformer alone, its confidence differs from "
    "the artifact's, and the artifact's certified thresholds do not hold for it."
)
_README = """# {version}, as {format} in {precision}

The transformer of a product classifier with {classes} categories, exported by `manage.py export_classifier`.
{left_out}
To see it answer:

```
pip install {packages}
python predict.py "cordless drill 18v"
```

- `labels.json`: the categories in the order of the logits, how a product becomes a text (`text`) and a
  text tokens (`tokens`), how logits become confidences (`calibration`), where the target precision is
  certified for filing under the best category (`threshold`: its confidence is at least `value`, or its own
  bar in `raised`, 1 for never; its logit at least `familiar`; no second one half as likely; null: nowhere),
  and what the export was checked on (`checked`). `predict.py` says it of each answer as "certified".
- `tokenizer.json`: for the library `tokenizers`.
{files}
- `predict.py`: all of that in Python, to take as it is or as a recipe.

In: `input_ids` and `attention_mask`, int64, (texts, tokens), at most {max_length} tokens, padded with
{pad_id} under a mask of 0. Out: `logits`, float32, (texts, {classes}).
"""
_FILES = {
    ("onnx", "fp32"): "- `model.onnx` and, beside it, its `weights`: for ONNX Runtime, Triton and others.",
    ("onnx", "int8"): "- `model.onnx`: in 8 bits, weights inside, for ONNX Runtime on a processor.",
    ("torchscript", "fp32"): "- `model.pt`: TorchScript, for libtorch on a processor.",
    (
        "torchscript",
        "int8",
    ): "- `model.pt`: TorchScript, linear layers in 8 bits, for libtorch on a processor.",
    ("torch", "fp32"): (
        "- `config.json`, `model.safetensors`, `tokenizer_config.json`: the encoder, for AutoModel and "
        "AutoTokenizer\n  of transformers, and for `train_classifier --base-model` with this folder.\n"
        "- `head.safetensors`: `weight` and `bias` of the layer from the mean token vector to the logits."
    ),
    ("torch", "int8"): (
        "- `model.int8.safetensors`: encoder and head, linear layers as whole numbers with a `weight_scale` "
        "a row;\n  `predict.py` builds it, on a processor. AutoModel does not read it: it has no such form "
        "of its own.\n- `config.json`, `tokenizer_config.json`: for AutoConfig and AutoTokenizer."
    ),
}
_PACKAGES = {
    "onnx": ("numpy", "tokenizers", "onnxruntime"),
    "torchscript": ("numpy", "tokenizers", "torch"),
    "torch": ("numpy", "tokenizers", "torch", "transformers"),
}


def labels(classifier: ProductionClassifier, *, form: str, precision: str) -> dict[str, Any]:
    """Everything that a server needs to know beside the model."""
    header, told = classifier.header, classifier.header["encoder"]
    alone = header["engine"] == "encoder"
    # Certified without back-off, which predict.py does not have; artifacts from before have no such bars.
    bars = header.get("alone") or {"value": None}
    certified = alone and bars["value"] is not None
    return {
        "format": form,
        "precision": precision,
        "version": classifier.version,
        "artifact_sha256": classifier.sha256,
        "base_model": header["base_model"],
        "left_out": left_out(header),
        "classes": [
            {"category_code": code, "category_path": classifier.path(code)} for code in classifier.codes
        ],
        "text": {
            "segments": classifier.segments,
            "between_fields": " ",
            "between_segments": SEGMENT_SEPARATOR,
            "max_characters": MAX_CHARACTERS,
            "normal_form": "NFKC",
            "blanked": NOT_TEXT.pattern,
        },
        "tokens": {name: told[name] for name in ("max_length", "pad_id", "special_ids")},
        # The artifact's own maps and bars were fitted to the answers of both tiers.
        "calibration": header["calibration"]
        if alone
        else {"scale": header["blend"]["encoder_scale"], "leaf": None},
        "threshold": {name: bars[name] for name in ("target", "value", "familiar", "raised")}
        if certified
        else None,
    }


def left_out(header: Mapping[str, Any]) -> str | None:
    """What the export lacks of the artifact, in a sentence; None: nothing."""
    if header["engine"] == "encoder":
        return None
    return LEFT_OUT.format(kind="mean" if header["blend"]["bar"] is None else "cascade")


def readme(told: Mapping[str, Any]) -> str:
    """README.md of a folder with these labels."""
    form, precision = told["format"], told["precision"]
    return _README.format(
        version=told["version"],
        format=form,
        precision=precision,
        classes=len(told["classes"]),
        left_out=f"\n{told['left_out']}\n" if told["left_out"] else "",
        # Those that it was checked with; a local version (2.13.0+cpu) is on no index.
        packages=" ".join(f"{name}=={version(name).partition('+')[0]}" for name in _PACKAGES[form]),
        files=_FILES[form, precision],
        **told["tokens"],
    )
