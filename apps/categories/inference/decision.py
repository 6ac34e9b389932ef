"""From predictions to what is done with a product: filed, or shown to people. The only place that decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypedDict

Action = Literal["assign", "assign_parent", "review", "none"]

BOTH_LIKELY = 0.5
"""A second candidate with at least this share of the first one's confidence means that both stay likely."""


class Prediction(TypedDict):
    """One candidate category of one text."""

    category_code: str
    confidence: float
    """Calibrated probability, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is done with one product."""

    action: Action
    """`none`: the text had nothing that the model could use."""
    category_code: str | None
    """The category that is assigned, or the first candidate for review; None for `none`."""
    confidence: float | None
    """Of that category."""
    reason: str
    """One short sentence for a merchandiser."""


@lru_cache(maxsize=1024)
def percent(share: float, *, up: bool = False) -> str:
    """A share in whole percents, rounded down (or `up`: what missed a bar never reads as high as it)."""
    hundredths = round(share * 100, 6)
    whole = -int(-hundredths // 1) if up else int(hundredths // 1)
    return f"{whole}%"


def bar_in_force(own: float | None, fixed: float | None) -> float | None:
    """The threshold for `decide`: the shop's fixed one where there is one (0 to 1), or the model's own."""
    return own if fixed is None else fixed


def decide(
    predictions: Sequence[Prediction], *, threshold: float | None, min_confidence: float | None = None
) -> Decision:
    """What to do with the predictions of one text, given by falling confidence.

    `threshold` is the lowest confidence at which the model keeps its target precision; None means that
    nothing is certified, so everything goes to review. `min_confidence` can only raise that bar. At the bar
    is enough. Raises ValueError for a bar outside 0 to 1.
    """
    for name, bar in (("threshold", threshold), ("min_confidence", min_confidence)):
        if bar is not None and not 0 <= bar <= 1:
            raise ValueError(f"{name} is {bar}, expected a share between 0 and 1")
    if not predictions:
        return Decision(
            action="none", category_code=None, confidence=None, reason="the text has nothing to go by"
        )
    first = predictions[0]
    reason = _doubt(predictions, threshold, min_confidence)
    bar = max(threshold or 0, min_confidence or 0)
    return Decision(
        action="review" if reason else "assign",
        category_code=first["category_code"],
        confidence=first["confidence"],
        reason=reason or f"reaches the {percent(bar)} that is needed",
    )


def _doubt(predictions: Sequence[Prediction], threshold: float | None, min_confidence: float | None) -> str:
    """Why people should see it, empty when they need not."""
    confidence = predictions[0]["confidence"]
    if threshold is None:
        return "this model is not certified to file anything on its own"
    if not 0 <= confidence <= 1:
        return "the model gave no usable confidence"
    if confidence < threshold:
        return f"{percent(confidence)} is under the {percent(threshold, up=True)} this model needs"
    if min_confidence is not None and confidence < min_confidence:
        return f"{percent(confidence)} is under the {percent(min_confidence, up=True)} asked for"
    if len(predictions) > 1 and predictions[1]["confidence"] >= BOTH_LIKELY * confidence:
        return "two categories stay likely"
    return ""
