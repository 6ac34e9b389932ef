"""How precise the model is, by a random sample of what it has filed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from .. import selectors
from ..models import Suggestion
from .precision import Judged, judged, sampled


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What became of the products that were drawn from what one model had filed, or all models had."""

    judged: Judged
    waiting: int
    """Wait for a person in the audit queue."""

    @property
    def drawn(self) -> int:
        """All that were drawn, but for those that left the audit because the model filed them anew."""
        return self.judged.rows + self.waiting


@dataclass(frozen=True, kw_only=True)
class AuditFigures:
    """The audit as it stands."""

    whole: Sampled
    """All models together."""
    versions: Sequence[Sampled]
    """By the model that had filed them, the most judged first."""


def audit_figures(*, limit: int) -> AuditFigures:
    """The audit, with at most `limit` models apart. Two statements."""
    whole, versions = judged(sampled(), limit=limit, by="from_model_version")
    queue: Any = selectors.waiting_in(Suggestion.Queue.AUDIT).select_related(None)
    counted = queue.values_list("product__model_version").annotate(count=Count("pk"))
    waiting: dict[str, int] = dict(counted)
    unjudged = [
        Judged(version=version, rows=0, right=0)
        for version in sorted(set(waiting) - {one.version for one in versions})
    ]
    return AuditFigures(
        whole=Sampled(judged=whole, waiting=sum(waiting.values())),
        versions=[
            Sampled(judged=one, waiting=waiting.get(one.version, 0)) for one in [*versions, *unjudged][:limit]
        ],
    )
