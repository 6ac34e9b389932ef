"""A pass over the whole shop: finds by digest what no signal saw, and survives being killed."""

import dataclasses
import gc
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any, NoReturn

from django.db import DatabaseError, close_old_connections, models, router
from django.utils import timezone

from .. import runtime
from ..conf import get_settings
from ..inference.errors import ClassifierUnavailable
from ..models import ClassifiableProduct, ClassificationRun, get_product_model
from ..selectors import stale_products, unlabelled_products
from .alert import queue_alert
from .filing import rows_score, scored_write
from .priorities import priorities_refresh
from .rows import ClassifySummary, Row, digest_reader, row_columns, to_row
from .runs import closed_on_error, run_beat, run_finish, run_start, runs_alive

PAGE = 2000
"""Rows that are read at a time while looking for those to classify."""

FULL_PASS_EVERY = 600.0
"""Seconds between two passes of a watching worker that compare digests."""

ALERT_EVERY = 60.0
"""Seconds between two looks of a watching worker at the length of the review queue."""


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """What a pass is to do."""

    everything: bool = False
    """Score every product without a label, not only those whose text changed since it was classified."""
    marked_only: bool = False
    """Trust the stale mark instead of comparing digests: cheap enough to ask every few seconds."""
    limit: int | None = None
    """Stop after so many products were scored."""
    min_confidence: float | None = None
    """Raises the model's bar for this pass; 0 to 1."""
    batch_size: int | None = None
    """Products a transaction; None: BATCH_SIZE."""
    dry_run: bool = False
    """Score, and write nothing: no product, no suggestion, no run."""


@dataclass(frozen=True, kw_only=True)
class SweepProgress:
    """Where a pass is."""

    read: int
    """Products looked at."""
    total: int
    """Products without a label when the pass began."""
    summary: ClassifySummary


def products_sweep(
    options: SweepOptions, *, on_progress: Callable[[SweepProgress], None] = lambda _: None
) -> ClassifySummary:
    """Classify what is due, batch by batch, each in a transaction of its own.

    Killed at any point, the next pass goes on: at most the batch that was under way is scored again, and
    nothing is written twice. With `everything`, a pass that finds the one before unfinished (same model, same
    options) goes on from there, or beside it when it is alive. Several passes may run at once: each starts
    somewhere else, and a product goes to whoever writes it first. Raises ClassifierUnavailable before
    anything is written.
    """
    version = runtime.get_classifier().version
    ledger = _Ledger(options, version)
    with closed_on_error(ledger.close):
        summary = _pass(options, ledger, on_progress)
        # Not when it only takes up what is marked: that happens every few seconds.
        if not (options.dry_run or options.marked_only):
            priorities_refresh()
    ledger.close(ClassificationRun.Status.FINISHED)
    return summary


def products_watch(
    options: SweepOptions,
    *,
    interval: float,
    on_pass: Callable[[ClassifySummary], None],
    on_trouble: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> NoReturn:
    """Sweep for ever: every `interval` seconds what is marked, every FULL_PASS_EVERY seconds by digest.

    Every ALERT_EVERY seconds it looks whether the review queue has passed a limit of the settings.
    A missing model or an unreachable database is reported to `on_trouble`, once until it changes, and waited
    out. Ends by an exception only: KeyboardInterrupt, or whatever `sleep` or the callbacks raise.
    """
    full_at, looked_at, trouble = float("-inf"), float("-inf"), ""
    while True:
        full = time.monotonic() - full_at >= FULL_PASS_EVERY
        try:
            if full or stale_products().exists():
                summary = products_sweep(dataclasses.replace(options, marked_only=not full))
                full_at = time.monotonic() if full else full_at
                trouble = ""
                on_pass(summary)
        except (ClassifierUnavailable, DatabaseError) as error:
            if str(error) != trouble:
                trouble = str(error)
                on_trouble(trouble)
            if isinstance(error, DatabaseError):
                close_old_connections()
        if time.monotonic() - looked_at >= ALERT_EVERY:
            looked_at = time.monotonic()
            queue_alert()
        sleep(interval)


class _Ledger:
    """The run of one pass; its row is written with the first batch, so that an idle pass leaves none."""

    def __init__(self, options: SweepOptions, version: str) -> None:
        self._version, self._dry_run = version, options.dry_run
        self._options: dict[str, Any] = {
            "scope": "all" if options.everything else "stale",
            "limit": options.limit,
            "min_confidence": options.min_confidence,
            "threshold": get_settings().threshold,
        }
        self.since = timezone.now()
        """With `everything`, an answer from before this time is due again."""
        self._run: ClassificationRun | None = None
        last = self._last_full_pass() if options.everything else None
        if last is not None and last.status != ClassificationRun.Status.FINISHED:
            self.since = datetime.fromisoformat(last.options["since"])

    def run(self) -> ClassificationRun | None:
        """The row of this pass, None for a dry run."""
        if self._run is None and not self._dry_run:
            options = {**self._options, "since": self.since.isoformat()}
            kind = ClassificationRun.Kind.CLASSIFY
            self._run = run_start(kind, options=options, model_version=self._version)
        return self._run

    def beat(self) -> None:
        if self._run is not None:
            run_beat(self._run)

    def close(self, status: str) -> None:
        if self._run is not None:
            run_finish(self._run, status)

    def _last_full_pass(self) -> ClassificationRun | None:
        runs = ClassificationRun.objects.filter(kind=ClassificationRun.Kind.CLASSIFY, options__scope="all")
        last = runs.order_by("-pk").first()
        if last is None or last.model_version != self._version:
            return None
        same = {name: value for name, value in last.options.items() if name != "since"} == self._options
        return last if same else None


def _pass(
    options: SweepOptions, ledger: _Ledger, on_progress: Callable[[SweepProgress], None]
) -> ClassifySummary:
    using = router.db_for_write(get_product_model())
    products = unlabelled_products().using(using).order_by("pk")
    if options.marked_only:
        products = products.filter(is_stale=True)
    total, read, summary = products.count(), 0, ClassifySummary()

    def pages() -> Iterator[list[Row]]:
        nonlocal read
        for page in _pages(products, total):
            read += len(page)
            ledger.beat()
            on_progress(SweepProgress(read=read, total=total, summary=summary))
            yield list(_due(page, options, ledger.since))

    with _rare_collections():
        for batch in _batches(pages(), options.batch_size or get_settings().batch_size, options.limit):
            scored = rows_score(batch, min_confidence=options.min_confidence)
            summary += scored_write(scored, run=ledger.run(), dry_run=options.dry_run, using=using)
            on_progress(SweepProgress(read=read, total=total, summary=summary))
    return summary


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Python looks for cycles after a few hundred new objects, and a batch makes thousands that have none:
    looking less often saves a tenth of the time of a pass.
    """
    usual = gc.get_threshold()
    gc.set_threshold(100_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _batches(pages: Iterable[list[Row]], size: int, limit: int | None) -> Iterator[list[Row]]:
    """The rows of the pages, `size` at a time, `limit` in all."""
    rows = islice(chain.from_iterable(pages), limit)
    while batch := list(islice(rows, size)):
        yield batch


def _due(page: Sequence[Row], options: SweepOptions, since: datetime) -> Iterator[Row]:
    digest = digest_reader()
    for row in page:
        again = options.everything and (row.classified_at is None or row.classified_at < since)
        if row.is_stale or again or (not options.marked_only and digest(row) != row.digest):
            yield row


def _pages(products: "models.QuerySet[ClassifiableProduct]", total: int) -> Iterator[list[Row]]:
    """Every product once, by primary key, PAGE at a time; from a random place when other passes are at
    work."""
    stretches = [products]
    if total and runs_alive(ClassificationRun.Kind.CLASSIFY):
        start = products.values_list("pk", flat=True)[secrets.randbelow(total) :].first()
        stretches = [products.filter(pk__gte=start), products.filter(pk__lt=start)] if start else stretches
    for stretch in stretches:
        after = stretch
        while rows := [to_row(values) for values in after.values_list(*row_columns())[:PAGE]]:
            yield rows
            after = stretch.filter(pk__gt=rows[-1].pk)
