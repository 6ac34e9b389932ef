"""Taking acts back: one decision, or a whole run. History only grows; nothing later is overwritten."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import router, transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from ..models import LABELS, Assignment, ClassificationRun, Source, Suggestion, get_product_model
from ..selectors import acts_in_force
from .bulk import update_rows
from .deciding import ReviewError
from .history import Line, filed_source, history_write, suggestions_restore
from .rows import Row, digest_reader, row_columns, to_row
from .runs import closed_on_error, run_beat, run_finish, run_start

ASK = Assignment.Act.ASK
CHUNK = 500
AT_WORK = timedelta(minutes=1)
"""A running run with a sign of life as young as this is still at work."""

_RESTORED = (
    "category",
    "category_source",
    "category_confidence",
    "model_version",
    "needs_review",
    "is_stale",
)


@dataclass(frozen=True, kw_only=True)
class UndoSummary:
    """What became of what a run did."""

    of: ClassificationRun
    run: ClassificationRun | None = None
    """The ledger's row of this undo; None: nothing was left to undo, and nothing was written."""
    undone: int = 0
    """Acts taken back: one a product. With those of an earlier call that was killed."""
    unfiled: int = 0
    """Those of them after which the product is without a category."""
    later: int = 0
    """Acts left as they are: a person, an import or a later run has touched the product since."""
    earlier: ClassificationRun | None = None
    """The undo that had already taken the run back; None: there was none."""

    def sentence(self) -> str:
        """The same, for people."""
        left = f" {self.later:,} with later changes stay as they are." if self.later else ""
        if self.run is not None:
            return f"Run {self.of.pk} is undone: {self.undone:,} taken back.{left}"
        if self.earlier is None:
            return f"Nothing of run {self.of.pk} is left to undo.{left}"
        who = f" by {self.earlier.actor}" if self.earlier.actor else ""
        when = f"{timezone.localtime(self.earlier.started_at):%Y-%m-%d %H:%M}"
        return f"Run {self.of.pk} was already undone{who} at {when}: nothing was changed.{left}"


def decision_undo(decision: Assignment, *, actor: User, note: str = "") -> None:
    """Take back one decision of a person: the product is what it was before, its suggestion waits again.

    Raises ReviewError, and changes nothing, when the line is no person's decision, was taken back already, or
    when anything happened to the product since: what came later has to be taken back first.
    """
    if decision.act == Assignment.Act.UNDO:
        raise ReviewError("This line takes another one back and cannot be taken back itself: decide anew.")
    if decision.source != Source.HUMAN:
        raise ReviewError(
            "This was not a person's decision: undo its whole run, or give the product another category."
        )
    using = router.db_for_write(Assignment)
    with transaction.atomic(using=using):
        if not _take_back([decision], actor=actor, note=note, run=None, using=using):
            raise ReviewError(_why_not(decision))


def run_undo(run: ClassificationRun, *, actor: User | None, note: str = "") -> UndoSummary:
    """Take back everything that a bulk review or a `classify_products` run did, except where something
    happened later.

    A product is back at its place, and what it was asked before is asked again; one that the run put before a
    person is not asked any more, unless a later run has asked again. What a run only asked anew, with other
    candidates, keeps the newer ones.

    In batches, each one transaction with its line in the ledger; killed at any point, the next call goes on.
    A second call finds nothing left and writes nothing. Products stay marked as looked at, so that no sweep
    repeats what was undone; `classify_products --all` looks again. Raises ReviewError for a run of another
    kind, for one still at work, and while somebody else is undoing it.
    """
    _require_undoable(run)
    using = router.db_for_write(Assignment)
    ledger: ClassificationRun | None = None
    later = 0
    # The ledger as it is by then: there is none before something was taken back.
    with closed_on_error(lambda status: _close(ledger, status)):
        for lines in _acts_of(run, using):
            with transaction.atomic(using=using):
                ledger = ledger or _ledger(run, actor)
                back = _take_back(lines, actor=actor, note=note, run=ledger, using=using)
                unfiled = sum(line.from_category_id is None for line in back)
                if back:
                    run_beat(ledger, {"undone": len(back), "unfiled": unfiled}, using=using)
                elif not ledger.counts:
                    # Nothing done yet: a call that changes nothing leaves no row.
                    transaction.set_rollback(True, using=using)
                    ledger = None
            later += len(lines) - len(back)
    ledger = ledger or _unfinished(run)
    if ledger is None:
        return UndoSummary(of=run, later=later, earlier=_undos(run).select_related("actor").last())
    _close(ledger, ClassificationRun.Status.FINISHED)
    return UndoSummary(of=run, run=ledger, later=later, **ledger.counts)


def _require_undoable(run: ClassificationRun) -> None:
    kinds = ClassificationRun.Kind
    now = timezone.now()
    if run.kind == kinds.UNDO:
        raise ReviewError(f"Run {run.pk} is an undo itself and cannot be undone: file the products anew.")
    if run.kind not in (kinds.CLASSIFY, kinds.REVIEW):
        raise ReviewError(
            f"Run {run.pk} is no classification and no bulk review ({run.get_kind_display()}): it cannot be "
            "undone. Import the right labels instead."
        )
    running = ClassificationRun.Status.RUNNING
    if ClassificationRun.objects.filter(pk=run.pk, status=running, heartbeat_at__gte=now - AT_WORK).exists():
        raise ReviewError(
            f"Run {run.pk} is still at work: stop it, or wait until it has ended, then undo it. "
            "If it was killed, try again in a minute."
        )
    other = _undos(run).filter(status=running, heartbeat_at__gte=now - AT_WORK).first()
    if other is not None:
        raise ReviewError(
            f"Run {run.pk} is being undone already, by run {other.pk}: wait until it has ended. "
            "If that one was killed, try again in a minute, and it goes on."
        )


def _undos(run: ClassificationRun) -> QuerySet[ClassificationRun]:
    return ClassificationRun.objects.filter(undoes=run).order_by("pk")


def _unfinished(run: ClassificationRun) -> ClassificationRun | None:
    return _undos(run).exclude(status=ClassificationRun.Status.FINISHED).last()


def _ledger(run: ClassificationRun, actor: User | None) -> ClassificationRun:
    """The row of this undo: that of a call that was killed, or a new one."""
    ledger = _unfinished(run)
    if ledger is None:
        kind, options = ClassificationRun.Kind.UNDO, {"run": run.pk, "kind": run.kind}
        return run_start(kind, options=options, actor=actor, undoes=run)
    ledger.status, ledger.finished_at = ClassificationRun.Status.RUNNING, None
    ledger.heartbeat_at = timezone.now()
    ledger.save(update_fields=["status", "finished_at", "heartbeat_at"])
    return ledger


def _close(ledger: ClassificationRun | None, status: str) -> None:
    if ledger is not None:
        run_finish(ledger, status)


def _acts_of(run: ClassificationRun, using: str) -> Iterator[list[Assignment]]:
    """The run's acts that are in force, the newest first, CHUNK at a time and no product twice in one."""
    acts = acts_in_force().using(using).filter(run=run).order_by("-pk")
    rest = acts
    while lines := list(rest[:CHUNK]):
        rest = acts.filter(pk__lt=lines[-1].pk)
        # A product that the run filed twice goes back step by step.
        while lines:
            newest: dict[Any, Assignment] = {}
            older = [line for line in lines if newest.setdefault(line.product_id, line) is not line]
            yield list(newest.values())
            lines = older


def _take_back(
    lines: Sequence[Assignment],
    *,
    actor: User | None,
    note: str,
    run: ClassificationRun | None,
    using: str,
) -> list[Assignment]:
    """Take back those of these acts, no two on one product, that are the last on theirs; returns them.

    Called in a transaction; the number of statements does not grow with that of the lines.
    """
    rows = _locked([line.product_id for line in lines], using)
    acts: Any = acts_in_force(rows).using(using).order_by().values_list("product_id")
    newest = acts.annotate(last=Max("pk"), moved=Max("pk", filter=~Q(act=ASK)))
    last = {pk: ends for pk, *ends in newest}
    now = {found.product_id: found for found in Suggestion.objects.using(using).filter(product_id__in=rows)}
    back = [
        line
        for line in lines
        if line.product_id in last
        # A later question does not keep a product where it was put: it is still asked afterwards.
        and last[line.product_id][line.from_category_id != line.to_category_id] == line.pk
        and _stands(line, rows[line.product_id], now.get(line.product_id))
    ]
    if not back:
        return back
    at, digest = timezone.now(), digest_reader()
    filings, history = [], []
    copies: dict[Any, Mapping[str, Any]] = {}
    without: list[Any] = []
    for line in back:
        row = rows[line.product_id]
        # The model has looked again and asks, though it moved nothing: that question stays.
        asked_since = line.source == Source.MODEL and line.act != ASK and row.needs_review
        stale = line.from_source not in LABELS and (digest(row) != row.digest or _was_due(line))
        before = (line.from_category_id, line.from_source, line.from_confidence, line.from_model_version)
        filings.append((row.pk, *before, line.from_review or asked_since, stale))
        history.append(_line(line, row, actor=actor, note=note, run=run, at=at))
        if not asked_since and line.suggestion_before:
            copies[row.pk] = line.suggestion_before
        elif not asked_since:
            without.append(row.pk)
    update_rows(get_product_model(), _RESTORED, filings, using=using)
    history_write(history, using=using)
    suggestions_restore(copies, using=using)
    if without:
        pending = Suggestion.objects.using(using).filter(status=Suggestion.Status.PENDING)
        pending.filter(product_id__in=without).delete()
    return back


def _locked(products: Sequence[Any], using: str) -> dict[Any, Row]:
    """The products as they are, locked in the order that every writer keeps."""
    rows = get_product_model()._base_manager.using(using).filter(pk__in=products).order_by("pk")
    columns = rows.select_for_update(of=("self",)).values_list(*row_columns())
    return {values[0]: to_row(values) for values in columns}


def _stands(line: Assignment, row: Row, suggestion: Suggestion | None) -> bool:
    """Whether the product still is as this act left it, as far as the history cannot tell."""
    if not line.from_source or (row.category_id, row.source) != (line.to_category_id, filed_source(line)):
        return False
    if line.act == ASK:
        # Asked again since, by a run that left no line of its own: it stays asked.
        return (
            row.needs_review
            and suggestion is not None
            and suggestion.is_pending
            and suggestion.updated_at == line.created_at
        )
    if line.act != Assignment.Act.REJECT:
        return True
    # A rejected product leaves no other trace when the model has looked again.
    copy = line.suggestion_before or {}
    return (
        suggestion is not None
        and suggestion.status == Suggestion.Status.REJECTED
        and (suggestion.text_digest, suggestion.model_version)
        == (copy.get("text_digest"), copy.get("model_version"))
    )


def _was_due(line: Assignment) -> bool:
    """Whether the product waited for the model before this act, though it had read that text: its label had
    been taken away. Else nobody would look at it again, as the queue does not show its question.
    """
    asked = line.suggestion_before or {}
    waited = (asked.get("status"), asked.get("queue")) == (Suggestion.Status.PENDING, Suggestion.Queue.REVIEW)
    return waited and line.from_source == Source.NONE and not line.from_review


def _line(
    line: Assignment,
    row: Row,
    *,
    actor: User | None,
    note: str,
    run: ClassificationRun | None,
    at: datetime,
) -> Line:
    return Line(
        product=row.pk,
        from_category=row.category_id,
        from_source=row.source,
        from_confidence=row.confidence,
        from_model_version=row.version,
        from_review=row.needs_review,
        suggestion_before=None,
        to_category=line.from_category_id,
        source=line.from_source,
        created_at=at,
        confidence=line.from_confidence,
        model_version=line.from_model_version,
        actor=actor.pk if actor else None,
        run=run.pk if run else None,
        note=note,
        act=Assignment.Act.UNDO.value,
        undoes=line.pk,
    )


def _why_not(decision: Assignment) -> str:
    """Why a decision cannot be taken back, for the reviewer."""
    lines = Assignment.objects.select_related("actor", "to_category")
    undone = lines.filter(undoes=decision.pk).first()
    if undone is not None:
        return f"{undone.actor or 'Somebody'} has already undone this at {_when(undone)}."
    if not decision.from_source:
        return "This decision is from before the history kept what can be undone: decide the product anew."
    acts = acts_in_force([decision.product_id]).filter(pk__gt=decision.pk).exclude(act=ASK)
    later = lines.filter(pk__in=acts).first()
    if later is not None:
        who = later.actor or ("The model" if later.source == Source.MODEL else f"Somebody ({later.source})")
        did = later.get_act_display() if later.act == Assignment.Act.REJECT else "changed this product"
        place = f" to “{later.to_category.path}”" if later.to_category and did[0] == "c" else ""
        return f"{who} has {did}{place} at {_when(later)}, after this decision: nothing was undone."
    if not get_product_model()._base_manager.filter(pk=decision.product_id).exists():
        return "This product has been deleted."
    return (
        "This product is no longer as the decision left it (the model has looked at it again, or it was "
        "changed past the history): nothing was undone. Decide it anew."
    )


def _when(line: Assignment) -> str:
    return f"{timezone.localtime(line.created_at):%Y-%m-%d %H:%M}"
