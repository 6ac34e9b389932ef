"""What the live model says, to whoever asks in code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from django.core.cache import cache

from .. import runtime, selectors
from ..conf import get_settings
from ..inference.decision import Prediction
from ..inference.errors import ClassifierUnavailable
from ..inference.text import MAX_CHARACTERS
from ..models import Category

REMEMBERED_SECONDS = 60
"""How long an answer to a text that is being typed is kept in the site's cache, which bounds their number."""


@dataclass(frozen=True, kw_only=True)
class SuggestedCategory:
    """A candidate for a text that is being typed."""

    category: Category
    """Active, with its path as it is in the tree now."""
    confidence: float


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


def suggest(text: Mapping[str, str], *, top_k: int = 3) -> list[SuggestedCategory]:
    """The live model's candidates for a text that somebody is typing, by falling confidence.

    `text` is by TEXT_FIELDS; at most `MAX_CHARACTERS` of each are read. A candidate that is not in the tree,
    or retired, is left out; empty for a text with nothing to go by. The same text is answered from the cache
    for a minute, until another model is live. Raises ClassifierUnavailable when there is none. One query.
    """
    classifier = runtime.get_classifier()
    read = {name: text.get(name, "")[:MAX_CHARACTERS] for name in classifier.fields}
    if not any(value.strip() for value in read.values()):
        return []
    # The text itself is never a key: it may be personal, and a cache is read by others.
    digest = blake2b(json.dumps([read, top_k], sort_keys=True).encode(), digest_size=16).hexdigest()
    key = f"categories.suggest:{classifier.sha256}:{digest}"
    answer: list[Prediction] | None = cache.get(key)
    if answer is None:
        answer = classifier.predict([read], top_k=top_k)[0]
        cache.set(key, answer, REMEMBERED_SECONDS)
    known = selectors.active_categories(item["category_code"] for item in answer)
    return [
        SuggestedCategory(category=known[item["category_code"]], confidence=item["confidence"])
        for item in answer
        if item["category_code"] in known
    ]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why the live model thinks what it thinks of one text."""

    version: str
    words: Mapping[str, tuple[tuple[str, float], ...]]
    """By category code: the words that spoke for it, (word, weight above 0), the strongest first; empty for a
    category that this model does not know."""


def explain(text: Mapping[str, str], codes: Sequence[str], *, limit: int = 6) -> Explanation:
    """The words of a product's text that spoke for each of these categories, at most `limit` each.

    See `ProductionClassifier.explain` for what the weights are and what it costs. Raises
    ClassifierUnavailable when there is no model.
    """
    classifier = runtime.get_classifier()
    found = classifier.explain(text, codes, limit=limit)
    words = {code: tuple(spoke) for code, spoke in zip(codes, found, strict=True)}
    return Explanation(version=classifier.version, words=words)


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
