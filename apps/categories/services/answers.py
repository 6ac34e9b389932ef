"""What the live model says, to whoever asks in code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import runtime
from ..conf import get_settings
from ..inference.decision import Prediction
from ..inference.errors import ClassifierUnavailable


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What answers on this site now."""

    version: str | None
    """None: no model; nothing is classified, and nothing stands in for it."""
    sha256: str | None
    path: Path
    threshold: float | None
    """The confidence from which a product is filed without a person; None: every product goes to a person."""
    classes: int
    """Number of categories that the model can name."""
    fields: tuple[str, ...]
    """The text fields that it reads."""
    form: str
    """How it answers: "int8" or "fp32" of a transformer, "whole" of any other; empty without a model."""
    refused_forms: tuple[str, ...]
    """Faster forms that do not prove themselves on this machine."""
    header: Mapping[str, Any]
    """What the artifact says about itself: how it was trained, and its measured figures."""
    loaded_at: datetime | None
    problem: str | None
    """Why there is no model, or why the file as it is now is not the one that answers."""


def classify(texts: Sequence[str | Mapping[str, object]], *, top_k: int = 3) -> list[list[Prediction]]:
    """The live model's candidates: one list per text, by falling confidence, each {"category_code",
    "confidence"}.

    A string is read as it is; a mapping by the fields the model was trained on. At most `top_k` candidates,
    at most as many as the model has classes; an empty list for a text with nothing that the model can read.
    Raises ClassifierUnavailable when there is no model, ValueError for a `top_k` below 1.
    """
    if isinstance(texts, (str, Mapping)):
        raise TypeError("classify() takes a list of texts: write classify([text]) for one.")
    if top_k < 1:
        raise ValueError(f"top_k is {top_k}; expected 1 or more.")
    return runtime.get_classifier().predict(texts, top_k=top_k)


def model_info() -> ModelInfo:
    """What answers now; loads the model if this process has not yet. Never raises for a missing or bad
    model."""
    try:
        classifier = runtime.get_classifier()
    except ClassifierUnavailable as error:
        status = runtime.status()
        return ModelInfo(
            version=None,
            sha256=None,
            path=status.path,
            threshold=None,
            classes=0,
            fields=(),
            form="",
            refused_forms=(),
            header={},
            loaded_at=None,
            problem=str(error),
        )
    settings, status = get_settings(), runtime.status()
    return ModelInfo(
        version=classifier.version,
        sha256=classifier.sha256,
        path=status.path,
        threshold=classifier.policy.fixed(settings.threshold).threshold,
        classes=len(classifier.codes),
        fields=classifier.fields,
        form=classifier.form,
        refused_forms=classifier.refused_forms,
        header=classifier.header,
        loaded_at=status.loaded_at,
        problem=status.last_error,
    )
