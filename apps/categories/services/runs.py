"""The ledger of bulk work, and of the models that were live."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import router, transaction
from django.utils import timezone

from ..models import ClassificationRun, ModelVersion

SILENCE = timedelta(minutes=10)
"""A running row without a sign of life for so long was killed."""


def run_start(
    kind: str,
    *,
    options: Mapping[str, Any],
    model_version: str = "",
    actor: Any = None,
    undoes: ClassificationRun | None = None,
) -> ClassificationRun:
    """Open a run; runs of the same kind that were killed are closed as interrupted."""
    now = timezone.now()
    ClassificationRun.objects.filter(
        kind=kind, status=ClassificationRun.Status.RUNNING, heartbeat_at__lt=now - SILENCE
    ).update(status=ClassificationRun.Status.INTERRUPTED)
    return ClassificationRun.objects.create(
        kind=kind,
        options=dict(options),
        model_version=model_version,
        actor=actor,
        undoes=undoes,
        started_at=now,
        heartbeat_at=now,
    )


def run_record(
    kind: str, *, options: Mapping[str, Any], counts: Mapping[str, int], actor: Any = None
) -> ClassificationRun:
    """Note a run that is done in the very transaction that this is called in. One statement."""
    now = timezone.now()
    return ClassificationRun.objects.create(
        kind=kind,
        status=ClassificationRun.Status.FINISHED,
        options=dict(options),
        counts=dict(counts),
        actor=actor,
        started_at=now,
        heartbeat_at=now,
        finished_at=now,
    )


def run_beat(
    run: ClassificationRun, counts: Mapping[str, int] | None = None, *, using: str | None = None
) -> None:
    """A sign of life; `counts` are added to the run's own. Call it in the transaction of what was counted.

    The caller must stop using `run` when that transaction fails: its counts would be ahead of the stored
    ones.
    """
    for name, count in (counts or {}).items():
        run.counts[name] = run.counts.get(name, 0) + count
    run.heartbeat_at = timezone.now()
    rows = ClassificationRun.objects.using(using or router.db_for_write(ClassificationRun))
    rows.filter(pk=run.pk).update(heartbeat_at=run.heartbeat_at, counts=run.counts)


def run_finish(run: ClassificationRun, status: str = ClassificationRun.Status.FINISHED) -> None:
    """Close a run."""
    run.status, run.finished_at = status, timezone.now()
    ClassificationRun.objects.filter(pk=run.pk).update(status=status, finished_at=run.finished_at)


@contextmanager
def closed_on_error(close: Callable[[str], object]) -> Iterator[None]:
    """Close a run that does not come to its end: as failed, or as interrupted by what is no error (Ctrl-C).
    Whatever it was goes on to the caller."""
    try:
        yield
    except BaseException as reason:
        failed = isinstance(reason, Exception)
        close(ClassificationRun.Status.FAILED if failed else ClassificationRun.Status.INTERRUPTED)
        raise


def runs_alive(kind: str) -> bool:
    """Whether some process is at work on a run of this kind."""
    since = timezone.now() - timedelta(minutes=1)
    running = ClassificationRun.objects.filter(
        kind=kind, status=ClassificationRun.Status.RUNNING, heartbeat_at__gte=since
    )
    return running.exists()


def model_version_record(
    *,
    version: str,
    sha256: str,
    backend: str,
    metrics: Mapping[str, Any],
    threshold: float | None,
    source: str,
    published_at: datetime | None = None,
) -> ModelVersion:
    """Note that `version` is live from now on, and that no other is any more.

    A version that was live before (a rollback) keeps its row, with the new date.
    """
    at = published_at or timezone.now()
    with transaction.atomic():
        live = ModelVersion.objects.filter(retired_at__isnull=True).exclude(version=version)
        live.update(retired_at=at)
        record, _ = ModelVersion.objects.update_or_create(
            version=version,
            defaults={
                "sha256": sha256,
                "backend": backend,
                "metrics": dict(metrics),
                "threshold": threshold,
                "source": source,
                "published_at": at,
                "retired_at": None,
            },
        )
    return record
