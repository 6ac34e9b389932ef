"""A proven artifact becomes the live model of this site."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from .. import runtime
from ..conf import get_settings
from ..inference import artifact
from ..inference.errors import PublishRefused
from ..models import Category, ModelVersion
from .runs import model_version_record

if TYPE_CHECKING:
    from ..inference.classifier import ProductionClassifier

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """What went live."""

    record: ModelVersion
    published: artifact.Published


def model_publish(classifier: "ProductionClassifier", data: bytes) -> PublishedModel:
    """Put `data`, from which `classifier` was loaded, in the place of the live model, and note it.

    Every process of the site takes it up by itself. Raises PublishRefused when a class of the model is no
    category of the shop, or stands for another path there; the live model stays as it is.
    """
    if problems := _misfits({code: classifier.path(code) for code in classifier.codes}):
        shown = "; ".join(problems[:_SHOWN]) + ("; …" if len(problems) > _SHOWN else "")
        raise PublishRefused(
            f"{len(problems)} of the model's {len(classifier.codes)} categories are not the shop's: {shown}. "
            "Import the taxonomy that the labels come from (`manage.py import_taxonomy`) and train again; to "
            "train without the shop's categories add --no-promote --output PATH"
        )
    metrics = {"test": classifier.header["metrics"]["test"], "threshold": classifier.header["threshold"]}
    path = get_settings().artifact
    # The file last: when it cannot be written, the note is taken back with the transaction.
    with transaction.atomic():
        record = model_version_record(
            version=classifier.version,
            sha256=classifier.sha256,
            backend=str(classifier.header["backend"]),
            metrics=metrics,
            threshold=classifier.threshold,
            source=str(path),
        )
        published = artifact.publish(data, path)
    runtime.reset()
    return PublishedModel(record=record, published=published)


def _misfits(classes: Mapping[str, str]) -> list[str]:
    """Classes that are no category, or a category of another path; in order of their path."""
    known = dict(Category.objects.values_list("code", "path"))
    problems = []
    for code, path in sorted(classes.items(), key=lambda item: item[1]):
        if code not in known:
            problems.append(f"{code} ({path}) is not there")
        elif known[code] != path:
            problems.append(f"{code} is {known[code]!r} there and {path!r} in the model")
    return problems
