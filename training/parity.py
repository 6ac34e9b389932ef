"""How far another form of an encoder is from what it came from, and what is too far. numpy alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.errors import ParityRefused

FP32_TOLERANCE = 1e-4
"""Largest difference of a probability between the trained model and its fp32 export."""
INT8_AGREEMENT = 0.985
"""Least share of texts that int8 files as fp32 does."""
INT8_CONFIDENCE = 0.02
"""Largest mean difference of the best class's probability between int8 and fp32."""
SHOWN = 3
"""Texts that a refusal names."""


def check_fp32(
    texts: Sequence[str],
    trained: NDArray[np.float32],
    exported: NDArray[np.float32],
    *,
    classes: Sequence[str],
) -> dict[str, float]:
    """Refuse an export that differs from the trained model in a class or by FP32_TOLERANCE of probability.

    Two classes within the tolerance of each other may change places. Raises ParityRefused.
    """
    before, after = softmax(trained), softmax(exported)
    rows = np.arange(len(texts))
    difference = np.abs(before - after).max(axis=1)
    lead = before.max(axis=1) - before[rows, after.argmax(axis=1)]
    wrong = (difference > FP32_TOLERANCE) | (lead > FP32_TOLERANCE) | ~np.isfinite(difference)
    bad = np.flatnonzero(wrong).tolist()
    if len(bad):
        worst = sorted(bad, key=lambda place: -float(np.nan_to_num(difference[place], nan=np.inf)))
        raise ParityRefused(
            f"the exported model answers {len(bad)} of {len(texts)} texts otherwise than the model it "
            f"was made of ({_shown(texts, before, after, worst, classes)}); this is a fault of the export, "
            "please report it"
        )
    return {"texts": len(texts), "largest_difference": float(difference.max(initial=0.0))}


def compare_int8(whole: NDArray[np.float32], small: NDArray[np.float32]) -> dict[str, float]:
    """Share of texts with the same best class, and the mean difference of its probability."""
    before, after = softmax(whole), softmax(small)
    return {
        "agreement": round(float((before.argmax(axis=1) == after.argmax(axis=1)).mean()), 4),
        "confidence_difference": round(float(np.abs(before.max(axis=1) - after.max(axis=1)).mean()), 4),
    }


def faithful(figures: dict[str, float]) -> bool:
    """Whether the figures of `compare_int8` are within INT8_AGREEMENT and INT8_CONFIDENCE."""
    return figures["agreement"] >= INT8_AGREEMENT and figures["confidence_difference"] <= INT8_CONFIDENCE


def check_int8(
    texts: Sequence[str],
    whole: NDArray[np.float32],
    small: NDArray[np.float32],
    *,
    classes: Sequence[str],
    instead: str,
) -> dict[str, float]:
    """`compare_int8`; where 8 bits are not `faithful` it raises ParityRefused with the worst texts and with
    what to do `instead`."""
    figures = compare_int8(whole, small)
    if not faithful(figures):
        before, after = softmax(whole), softmax(small)
        rows, best = np.arange(len(texts)), before.argmax(axis=1)
        loss = np.nan_to_num(before[rows, best] - after[rows, best], nan=np.inf)
        worst = np.argsort(-loss, kind="stable").tolist()
        raise ParityRefused(
            f"in 8 bits the model answers {figures['agreement']:.2%} of {len(texts)} texts as it does in "
            f"full, expected at least {INT8_AGREEMENT:.2%}, and the confidence differs by "
            f"{figures['confidence_difference']:.4f} in the mean, expected at most {INT8_CONFIDENCE:g} "
            f"({_shown(texts, before, after, worst, classes)}); {instead}"
        )
    return {"texts": len(texts), **figures}


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities of logits, row by row."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _shown(
    texts: Sequence[str],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    places: Sequence[int],
    classes: Sequence[str],
) -> str:
    """What became of the first SHOWN of these places."""
    return "; ".join(
        f"{texts[place]!r}: {classes[int(before[place].argmax())]} {before[place].max():.4f} became "
        f"{classes[int(after[place].argmax())]} {after[place].max():.4f}"
        for place in places[:SHOWN]
    )
