"""A fitted model into the bytes of a `classifier.pt`, proven against the model it came from."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference import artifact
from apps.categories.inference.engines import Engine
from apps.categories.inference.errors import TrainingRefused
from apps.categories.inference.linear import LinearModel, LinearWeights
from apps.categories.inference.ranking import Calibration, rank
from apps.categories.inference.taxonomy import Taxonomy
from apps.categories.inference.text import clean, product_text
from training.backends.fitted import Fitted

GOLDEN_ROWS = 24
LEAST_AGREEMENT = 0.995
POISON = (
    "",
    " \t\n",
    "\x00\x01",
    "\U0001f600\U0001f680",
    "zzqx wvvk",
    "a" * 5000,
    "1234567890 42 3.14",
    "ÀÉÎÕÜ ñandú ß ﬁ ①",
    "\u0301" * 300,
    "<script>alert(1)</script>",
)
"""Texts that break careless recipes: empty, invisible, endless, outside the vocabulary, not Latin."""


def torch_archive(records: Mapping[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """The records as a flat dict of uint8 tensors in torch's own format, and the zip entry of each."""
    import torch

    tensors = {
        name: torch.frombuffer(bytearray(data), dtype=torch.uint8)
        if data
        else torch.empty(0, dtype=torch.uint8)
        for name, data in records.items()
    }
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    return buffer.getvalue(), {name: f"archive/data/{place}" for place, name in enumerate(records)}


def linear_records(weights: LinearWeights) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What the linear engine needs: its part of the header, and its records."""
    arrays = {
        "pairs": weights.pairs,
        "idf": weights.idf,
        "indptr": weights.indptr,
        "indices": _narrow(weights.indices),
        "weights": weights.weights,
        "intercept": weights.intercept,
    }
    header = {
        "engine": "linear",
        "arrays": {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()},
        "segment_weights": list(weights.segment_weights),
        "gram_share": weights.gram_share,
    }
    records = {
        "words": "\n".join(weights.words).encode(),
        "grams": "\n".join(weights.grams).encode(),
        **{name: np.ascontiguousarray(array).tobytes() for name, array in arrays.items()},
    }
    return header, records


def build(
    fitted: Fitted,
    header: Mapping[str, Any],
    *,
    paths: Mapping[str, str],
    golden_products: Sequence[Mapping[str, str]],
) -> bytes:
    """The sealed artifact. `header` needs `classes`, `segments` and `calibration`; `paths`: code to path."""
    taxonomy = Taxonomy.covering({code: paths[code] for code in header["classes"]})
    records = {
        "header": json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode(),
        "taxonomy": taxonomy.to_json(),
        "golden": _golden(fitted.engine(), header, golden_products),
        **fitted.records,
    }
    return artifact.seal(*torch_archive(records))


def poison_texts() -> list[str]:
    """POISON as a model reads it."""
    return [clean(text) for text in POISON]


def check_parity(
    weights: LinearWeights, texts: Sequence[str], scores: NDArray[np.float32], *, classes: Sequence[str]
) -> float:
    """Share of texts to which the exported model gives the class that the trained one gave.

    Raises TrainingRefused, naming the worst texts, when it is under `LEAST_AGREEMENT`.
    """
    exported, _ = LinearModel(weights).scores(texts)
    differ = np.flatnonzero(exported.argmax(axis=1) != scores.argmax(axis=1))
    agreement = 1 - len(differ) / max(1, len(texts))
    if agreement < LEAST_AGREEMENT:
        worst = sorted(differ, key=lambda i: -float(np.abs(exported[i] - scores[i]).max()))[:3]
        shown = "; ".join(
            f"{texts[int(i)]!r}: {classes[int(scores[i].argmax())]} became "
            + classes[int(exported[i].argmax())]
            for i in worst
        )
        raise TrainingRefused(
            f"the exported model answers {len(differ)} of {len(texts)} texts otherwise than the trained one "
            f"({shown}); this is a fault of the export, please report it"
        )
    return agreement


def _golden(engine: Engine, header: Mapping[str, Any], products: Sequence[Mapping[str, str]]) -> bytes:
    """Products and poison texts with the answers of the exported model."""
    classes, calibration = header["classes"], Calibration.of_header(header["calibration"])
    items: list[str | Mapping[str, str]] = [*products[:GOLDEN_ROWS], *POISON]
    answers: list[list[list[object]]] = []
    for item in items:
        text = clean(item) if isinstance(item, str) else product_text(item, header["segments"])
        scores, read = engine.scores([text])
        top = rank(scores, read, calibration, k=min(3, len(classes)))
        pairs = zip(top.classes[0].tolist(), top.confidences[0].tolist(), strict=True)
        answers.append([[classes[place], confidence] for place, confidence in pairs] if read[0] else [])
    return json.dumps({"texts": items, "predictions": answers}, separators=(",", ":")).encode()


def _narrow(indices: NDArray[np.uint32]) -> NDArray[Any]:
    fits = not len(indices) or int(indices.max()) < 2**16
    return indices.astype(np.uint16) if fits else indices
