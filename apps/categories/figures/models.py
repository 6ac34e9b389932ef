"""The models that were live here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ..models import ModelVersion

VERSIONS = 50


@dataclass(frozen=True, kw_only=True)
class ModelFigures:
    """One model that was live here, with what was measured before it went live; shares, None if not known."""

    version: str
    backend: str
    published_at: datetime
    retired_at: datetime | None
    threshold: float | None
    rows: int | None
    """Frozen test rows that it was measured on."""
    top1: float | None
    precision: float | None
    coverage: float | None


def model_history(*, limit: int = VERSIONS) -> list[ModelFigures]:
    """The models that were live here, the latest first. One statement."""
    return [_figures(version) for version in ModelVersion.objects.order_by("-published_at")[:limit]]


def _figures(version: ModelVersion) -> ModelFigures:
    test = version.metrics.get("test") if isinstance(version.metrics, Mapping) else None
    test = test if isinstance(test, Mapping) else {}
    rows = _number(test.get("rows"))
    return ModelFigures(
        version=version.version,
        backend=version.backend,
        published_at=version.published_at,
        retired_at=version.retired_at,
        threshold=version.threshold,
        rows=None if rows is None else int(rows),
        top1=_number(test.get("top1")),
        precision=_number(test.get("precision")),
        coverage=_number(test.get("coverage")),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
