"""Telling somebody that the review queue has grown too long, or too old."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.mail import EmailMessage, get_connection
from django.db import DatabaseError
from django.utils import timezone
from django.utils.module_loading import import_string

from .. import figures
from ..conf import ClassifierSettings, get_settings
from ..models import ClassificationRun

logger = logging.getLogger(__name__)

KIND = "queue_alert"
"""The one row of the ledger that remembers, for all processes, whether an alert stands (status) and when
somebody was told last (heartbeat_at)."""
REMIND_AFTER = timedelta(days=1)
"""While the queue stays over its limit, somebody is told again so often."""
QUIET = timedelta(hours=1)
"""A queue that falls below its limit and passes it again is not told of more often than this; and what could
not be told is tried again after so long."""
MAIL_TIMEOUT = 30
"""Seconds for the mail server, where the site's settings name none."""


@dataclass(frozen=True, kw_only=True)
class QueueAlert:
    """What a hook is called with."""

    size: int
    """Products that wait for a person."""
    oldest: timedelta
    """How long the first of them has waited."""
    reasons: tuple[str, ...]
    """Which limits are passed: one sentence each."""
    is_reminder: bool
    """Whether somebody was told before, and the queue has been over its limit ever since."""
    at: datetime


def queue_alert() -> QueueAlert | None:
    """Look at the queue, and tell somebody if it has passed a limit of the settings; returns what was told.

    Once for each time that it passes one, and once a day while it stays there, however many processes ask.
    Never raises for what a hook, a mail server or the database does: it is logged. Cost: nothing without a
    limit, else one count of the queue and one row.
    """
    settings = get_settings()
    if settings.queue_alert_size is None and settings.queue_alert_hours is None:
        return None
    try:
        alert = _due(settings, timezone.now())
        if alert is not None and not _tell(alert, settings):
            _again_after_quiet(alert)
    except DatabaseError as error:
        logger.warning("The size of the review queue could not be looked at: %s", error)
        return None
    return alert


def _due(settings: ClassifierSettings, now: datetime) -> QueueAlert | None:
    """The alert, if one is due and no other process was faster to take it."""
    state = figures.queue_state(now=now)
    age = state.oldest or timedelta()
    reasons = []
    if settings.queue_alert_size is not None and state.size > settings.queue_alert_size:
        reasons.append(f"{state.size:,} wait for a person, more than {settings.queue_alert_size:,}.")
    if settings.queue_alert_hours is not None and age > timedelta(hours=settings.queue_alert_hours):
        hours = age.total_seconds() / 3600
        reasons.append(
            f"The oldest has waited {hours:,.0f} hours, longer than {settings.queue_alert_hours:,g}."
        )
    row = ClassificationRun.objects.filter(kind=KIND).order_by("pk").first()
    if row is None:
        if not reasons:
            return None
        first = {
            "status": ClassificationRun.Status.FINISHED,
            "started_at": now,
            "heartbeat_at": now - REMIND_AFTER,
        }
        # By a constraint there is one: of two processes the second is given the row of the first.
        row, _ = ClassificationRun.objects.get_or_create(kind=KIND, defaults=first)
    stands = row.status == ClassificationRun.Status.RUNNING
    # Whoever changes the row as it was read is the one who tells.
    as_read = ClassificationRun.objects.filter(pk=row.pk, status=row.status, heartbeat_at=row.heartbeat_at)
    if not reasons:
        if stands:
            as_read.update(status=ClassificationRun.Status.FINISHED, finished_at=now)
        return None
    if now - row.heartbeat_at < (REMIND_AFTER if stands else QUIET):
        return None
    taken = as_read.update(
        status=ClassificationRun.Status.RUNNING,
        started_at=row.started_at if stands else now,
        heartbeat_at=now,
        finished_at=None,
        counts={"waiting": state.size, "oldest_hours": int(age.total_seconds() // 3600)},
    )
    if not taken:
        return None
    return QueueAlert(size=state.size, oldest=age, reasons=tuple(reasons), is_reminder=stands, at=now)


def _tell(alert: QueueAlert, settings: ClassifierSettings) -> bool:
    """Log it, send it, call the hook; whether anybody was told."""
    said = " ".join(alert.reasons)
    logger.warning("The review queue is over its limit: %s", said)
    to, hook = settings.queue_alert_to, settings.queue_alert_hook
    told = not (to or hook)
    if to:
        told |= _tried(lambda: _mail(alert, to), "The e-mail about the review queue could not be sent.")
    if hook:
        told |= _tried(lambda: import_string(hook)(alert), f"The hook {hook} failed.")
    return told


def _tried(tell: Callable[[], object], mishap: str) -> bool:
    """Whether it could be done; `mishap` is logged where not."""
    try:
        tell()
    # The shop's own code: a hook, or a mail backend of its choice, may raise anything, and a pass over the
    # catalogue, which has done its work by now, must not fail for it.
    except Exception:
        logger.exception("%s", mishap)
        return False
    return True


def _mail(alert: QueueAlert, to: tuple[str, ...]) -> None:
    connection: Any = get_connection()
    if getattr(connection, "timeout", 0) is None:
        connection.timeout = MAIL_TIMEOUT
    again = "still " if alert.is_reminder else ""
    subject = f"Review queue: {alert.size:,} product{'' if alert.size == 1 else 's'} {again}waiting"
    lines = (
        *alert.reasons,
        "",
        "Decide them in the admin, under Review queue.",
        "While it stays so, you are told once a day.",
    )
    EmailMessage(subject, "\n".join(lines), to=list(to), connection=connection).send()


def _again_after_quiet(alert: QueueAlert) -> None:
    """Nobody was told: let it be due again soon, and not only with the next reminder."""
    row = ClassificationRun.objects.filter(kind=KIND, heartbeat_at=alert.at)
    row.update(heartbeat_at=alert.at - REMIND_AFTER + QUIET)
