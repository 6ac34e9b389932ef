"""Handing out what waits, so that two reviewers do not look at the same product. A claim never stops a
decision."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import connections, router, transaction
from django.utils import timezone

from ..conf import get_settings
from ..models import Suggestion
from ..selectors import queue_in_order, unclaimed

HANDING_OUT = 0x63617465676F7279
"""The key of the lock, any number that no other part of the shop uses."""


def claim_next(
    actor: User,
    *,
    order: str = "value",
    category_code: str = "",
    skip: Iterable[int] = (),
    count: int = 1,
) -> list[Suggestion]:
    """The next `count` suggestions of the queue for this reviewer, theirs for CLAIM_MINUTES; fewer where
    fewer are free.

    What another reviewer holds is not handed out, nor are its near-duplicates. `skip` are primary keys that
    are passed over. Products and their categories are joined. Five statements, six on PostgreSQL. Raises
    ValueError for an unknown order.
    """
    queue = queue_in_order(order, category_code=category_code)
    with transaction.atomic():
        _one_at_a_time()
        now = timezone.now()
        until = now + timedelta(minutes=get_settings().claim_minutes)
        waiting = unclaimed(queue, actor, now)
        free = waiting.exclude(pk__in=list(skip)).select_for_update(of=("self",), skip_locked=True)
        found = list(free[:count])
        Suggestion.objects.filter(pk__in=[row.pk for row in found]).update(
            claimed_by=actor, claimed_until=until
        )
    for row in found:
        row.claimed_by, row.claimed_until = actor, until
    return found


def _one_at_a_time() -> None:
    """Wait until nobody else is handing out; called in a transaction, until its end.

    Row locks do not do: two that choose at the same moment do not see each other's choice, and would hand out
    near-duplicates. SQLite has one writer at a time anyway.
    """
    using = router.db_for_write(Suggestion)
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [HANDING_OUT])


def claims_release(actor: User, *, until: datetime | None = None) -> int:
    """Give back what this reviewer holds, or of that what runs out at `until` or before; returns how many."""
    held = Suggestion.objects.filter(status=Suggestion.Status.PENDING, claimed_by=actor)
    if until is not None:
        held = held.filter(claimed_until__lte=until)
    return held.update(claimed_by=None, claimed_until=None)
