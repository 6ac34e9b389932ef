"""A fitted model into the bytes of a `classifier.pt`, proven against the model it came from."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference import artifact
from apps.categories.inference.engines import Engine, forms
from apps.categories.inference.errors import TrainingRefused
from apps.categories.inference.linear import LinearModel, LinearWeights
from apps.categories.inference.ranking import Calibration, rank
from apps.categories.inference.taxonomy import Taxonomy
from apps.categories.inference.text import clean, product_text
from training.backends.fitted import Fitted

GOLDEN_ROWS = 24
LEAD_TOLERANCE = 0.02
"""By how much of a score a class may have been behind the one before it (seen on ikea: 0.005)."""
SCORE_TOLERANCE = 0.1
"""Largest difference of a score (seen: 0.04)."""
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
        "golden": _golden(fitted, header, golden_products),
        **fitted.records,
    }
    return artifact.seal(*torch_archive(records))


def poison_texts() -> list[str]:
    """POISON as a model reads it."""
    return [clean(text) for text in POISON]


def check_parity(
    weights: LinearWeights, texts: Sequence[str], scores: NDArray[np.float32], *, classes: Sequence[str]
) -> dict[str, float]:
    """How far the exported model is from the trained one: agreement of the best class, largest difference.

    Small weights are left out of the export, so scores differ a little, and where two classes are all but
    equal (a title with two labels) the other one may come first. Raises TrainingRefused, naming the worst
    texts, when a class came first that was more than LEAD_TOLERANCE behind, or a score differs by more than
    SCORE_TOLERANCE.
    """
    exported, _ = LinearModel(weights).scores(texts)
    before, after = scores.argmax(axis=1), exported.argmax(axis=1)
    rows = np.arange(len(texts))
    behind = scores[rows, before] - scores[rows, after]
    difference = np.abs(exported - scores).max(axis=1, initial=0.0)
    bad = np.flatnonzero(~((behind <= LEAD_TOLERANCE) & (difference <= SCORE_TOLERANCE))).tolist()
    if bad:
        worst = sorted(bad, key=lambda place: -float(difference[place]))[:3]
        shown = "; ".join(
            f"{texts[place]!r}: {classes[int(before[place])]} became {classes[int(after[place])]}, scores "
            f"differ by {difference[place]:.3f}"
            for place in worst
        )
        raise TrainingRefused(
            f"the exported model answers {len(bad)} of {len(texts)} texts otherwise than the trained one "
            f"({shown}); this is a fault of the export, please report it"
        )
    return {
        "texts": len(texts),
        "agreement": round(float((before == after).mean()), 4),
        "largest_difference": round(float(difference.max(initial=0.0)), 4),
    }


def _golden(fitted: Fitted, header: Mapping[str, Any], products: Sequence[Mapping[str, str]]) -> bytes:
    """Products and poison texts with the answers of the exported model, in each of its forms."""
    items: list[str | Mapping[str, str]] = [*products[:GOLDEN_ROWS], *POISON]
    texts = [
        clean(item) if isinstance(item, str) else product_text(item, header["segments"]) for item in items
    ]
    predictions = {form: _answers(fitted.engine(form), texts, header) for form in forms(fitted.header)}
    return json.dumps({"texts": items, "predictions": predictions}, separators=(",", ":")).encode()


def _answers(engine: Engine, texts: Sequence[str], header: Mapping[str, Any]) -> list[list[list[object]]]:
    classes, calibration = header["classes"], Calibration.of_header(header["calibration"])
    answers: list[list[list[object]]] = []
    for text in texts:
        scores, read = engine.scores([text])
        top = rank(scores, read, calibration, k=min(3, len(classes)))
        pairs = zip(top.classes[0].tolist(), top.confidences[0].tolist(), strict=True)
        answers.append([[classes[place], confidence] for place, confidence in pairs] if read[0] else [])
    return answers


def _narrow(indices: NDArray[np.uint32]) -> NDArray[Any]:
    fits = not len(indices) or int(indices.max()) < 2**16
    return indices.astype(np.uint16) if fits else indices
