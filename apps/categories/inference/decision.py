"""The words of a decision, and the bars it is made by. `decisions.decide` makes it; no numpy here."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Self, TypedDict

Action = Literal["assign", "assign_parent", "review", "none"]
ACTIONS: tuple[Action, ...] = ("none", "review", "assign", "assign_parent")
"""By number, as `Decisions.actions` holds them."""
NONE, REVIEW, ASSIGN, ASSIGN_PARENT = range(4)

UNFAMILIAR = "unlike the training data"


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


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a product must reach to be filed without a person. Raises ValueError for a bar outside 0 to 1."""

    threshold: float | None
    """Confidence of the first candidate, at least; None: nothing is certified, all goes to people."""
    parent: float | None = None
    """Chance of a node above it, at least, where the candidate itself falls short; None: no back-off."""
    familiar: float | None = None
    """Raw score of the first candidate, at least: under it a text is unlike the training data. None: any."""
    raised: Mapping[str, float] = field(default_factory=dict)
    """Category code to a bar of its own above the threshold: its own evidence is worse than the rest's. 1:
    never filed by the model."""

    def __post_init__(self) -> None:
        bars = {"threshold": self.threshold, "parent": self.parent}
        bars |= {f"the bar of {code}": bar for code, bar in self.raised.items()}
        for name, bar in bars.items():
            if bar is not None and not 0 <= bar <= 1:
                raise ValueError(f"{name} is {bar}, expected a share between 0 and 1")

    @classmethod
    def of_header(cls, stored: Mapping[str, Any]) -> Self:
        """From an artifact's header. Raises KeyError, TypeError or ValueError."""
        return cls(
            threshold=_optional(stored["value"]),
            parent=_optional(stored["parent"]),
            familiar=_optional(stored["familiar"]),
            raised={str(code): float(bar) for code, bar in stored["raised"].items()},
        )

    def fixed(self, threshold: float | None) -> "Policy":
        """This policy with a shop's own fixed bar for everything; None: as it is."""
        if threshold is None:
            return self
        return dataclasses.replace(self, threshold=threshold, parent=threshold, raised={})

    def at_least(self, confidence: float | None) -> "Policy":
        """This policy with no bar under `confidence`; None: as it is. It never lowers a bar."""
        if confidence is None:
            return self
        if not 0 <= confidence <= 1:
            raise ValueError(f"min_confidence is {confidence}, expected a share between 0 and 1")
        return dataclasses.replace(
            self,
            threshold=None if self.threshold is None else max(self.threshold, confidence),
            parent=None if self.parent is None else max(self.parent, confidence),
            raised={code: max(bar, confidence) for code, bar in self.raised.items()},
        )

    def bar(self, code: str) -> float:
        """The bar of a category; infinite where it is never filed."""
        if self.threshold is None:
            return math.inf
        bar = max(self.raised.get(code, 0.0), self.threshold)
        return math.inf if bar >= 1 and code in self.raised else bar


@lru_cache(maxsize=1024)
def percent(share: float, *, up: bool = False) -> str:
    """A share in whole percents, rounded down (or `up`: what missed a bar never reads as high as it)."""
    hundredths = round(share * 100, 6)
    whole = -int(-hundredths // 1) if up else int(hundredths // 1)
    return f"{whole}%"


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
