"""A batch of products, from their text to their place: the only writer of what the model decides."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import router, transaction
from django.utils import timezone

from .. import runtime
from ..conf import get_settings
from ..inference.decision import ASSIGN, ASSIGN_PARENT, NONE, REVIEW, UNFAMILIAR, Policy
from ..models import LABELS, Assignment, Category, ClassificationRun, Source, Suggestion, get_product_model
from ..models.suggestion import cluster_of_title
from .asking import ASKED, REPLACED, KnownSuggestion, suggestions_known
from .bulk import insert_rows, update_rows
from .history import Line, history_write, suggestion_copies
from .rows import ClassifySummary, Row, digest_reader, row_columns, text_reader, title_reader, to_row
from .runs import run_beat

if TYPE_CHECKING:
    from ..inference.classifier import ProductionClassifier
    from ..inference.decisions import Decisions
    from ..inference.ranking import Ranked


class _Outcome(NamedTuple):
    row: Row
    number: int
    """Its place in the batch."""
    digest: str
    action: int
    """Of `decision.ACTIONS`, as this shop's tree allows it."""
    category_id: int | None
    """Where the product goes; None: to a person."""
    confidence: float


def products_classify(
    pks: Iterable[Any],
    *,
    run: ClassificationRun | None = None,
    force: bool = False,
    min_confidence: float | None = None,
    dry_run: bool = False,
    using: str | None = None,
) -> ClassifySummary:
    """File the products with these primary keys, or put them in front of a person.

    Only rows whose text has changed since it was classified (or that are marked so) are scored; `force`
    scores the others too. Labels of people and imports are never touched. `min_confidence` (0 to 1) can raise
    the model's bar, never lower it. `dry_run` scores and writes nothing. Raises ClassifierUnavailable.
    """
    alias = using or router.db_for_write(get_product_model())
    products = get_product_model()._base_manager.using(alias)
    wanted = products.filter(pk__in=list(pks)).exclude(category_source__in=LABELS).order_by("pk")
    rows = [to_row(values) for values in wanted.values_list(*row_columns())]
    digest = digest_reader()
    due = [row for row in rows if force or row.is_stale or digest(row) != row.digest]
    if not due:
        return ClassifySummary()
    return scored_write(rows_score(due, min_confidence=min_confidence), run=run, dry_run=dry_run, using=alias)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Rows and what the model says about them."""

    rows: Sequence[Row]
    digests: Sequence[str]
    """Of the texts that were scored."""
    ranked: "Ranked"
    decisions: "Decisions"
    policy: Policy
    """What was decided by."""
    classifier: "ProductionClassifier"


def rows_score(rows: Sequence[Row], *, min_confidence: float | None = None) -> Scored:
    """Ask the live model about rows already read. Touches no database; may run in any thread.

    Raises ClassifierUnavailable.
    """
    settings = get_settings()
    classifier = runtime.get_classifier()
    policy = classifier.policy.fixed(settings.threshold).at_least(min_confidence)
    texts = list(map(text_reader(), rows))
    ranked, decisions = classifier.assess(texts, policy, top_k=settings.top_k)
    return Scored(
        rows=rows,
        digests=list(map(digest_reader(), rows)),
        ranked=ranked,
        decisions=decisions,
        policy=policy,
        classifier=classifier,
    )


def scored_write(
    scored: Scored, *, run: ClassificationRun | None = None, dry_run: bool = False, using: str
) -> ClassifySummary:
    """Store what was decided: one transaction, and statements that do not grow with the number of rows.

    A row whose text is no longer the one that was scored is left for the next pass. With `dry_run`, only
    count.
    """
    outcomes, problems = _outcomes(scored, using)
    if dry_run:
        return _count(outcomes, seen=len(outcomes))
    with transaction.atomic(using=using):
        winners = _drop_rejected(_still_true(outcomes, using), scored.classifier.version, using)
        at = timezone.now()
        _file(winners, scored.classifier.version, at, using)
        _record(winners, scored, problems, run=run, at=at, using=using)
        summary = _count(winners, seen=len(outcomes))
        if run is not None:
            run_beat(run, summary.as_counts(), using=using)
    return summary


def _outcomes(scored: Scored, using: str) -> tuple[list[_Outcome], dict[int, str]]:
    """What becomes of each row as far as this shop's tree allows, and, by place in the batch, why not where
    it does not."""
    codes = scored.classifier.tree.codes
    actions, places = scored.decisions.actions.tolist(), scored.decisions.places.tolist()
    wanted = {place for place, action in zip(places, actions, strict=True) if action in _FILES}
    found = Category.objects.using(using).filter(code__in=[codes[place] for place in wanted])
    known = {code: (pk, active) for code, pk, active in found.values_list("code", "pk", "is_active")}
    here = {place: known.get(codes[place], (None, False)) for place in wanted}
    outcomes, problems = [], {}
    for number, (row, digest, action, place, confidence) in enumerate(
        zip(scored.rows, scored.digests, actions, places, scored.decisions.confidences.tolist(), strict=True)
    ):
        category_id = None
        if action in _FILES:
            pk, active = here[place]
            if active:
                category_id = pk
            else:
                action = REVIEW
                problem = (
                    "is retired" if pk is not None else "is not in this shop's tree: run import_taxonomy"
                )
                problems[number] = f"the category {codes[place]} {problem}"
        outcomes.append(_Outcome(row, number, digest, action, category_id, confidence))
    return outcomes, problems


def _count(outcomes: Sequence[_Outcome], *, seen: int) -> ClassifySummary:
    actions = [outcome.action for outcome in outcomes]
    above = actions.count(ASSIGN_PARENT)
    return ClassifySummary(
        seen=seen,
        filed=actions.count(ASSIGN) + above,
        unanswered=actions.count(NONE),
        review=actions.count(REVIEW),
        passed_over=seen - len(outcomes),
        above=above,
    )


def _still_true(outcomes: Sequence[_Outcome], using: str) -> list[_Outcome]:
    """Those whose product still has the text that was scored and no label, with its place as it is now.

    The rows stay locked until the transaction ends: on PostgreSQL one by one, on SQLite with the whole file.
    """
    columns = row_columns()
    products = get_product_model()._base_manager.using(using)
    # PostgreSQL cannot lock through an outer join, which a lookup across a relation makes.
    of = ("self",) if any("__" in column for column in columns) else ()
    locked = products.filter(pk__in=[outcome.row.pk for outcome in outcomes]).order_by("pk")
    now = {values[0]: values for values in locked.select_for_update(of=of).values_list(*columns)}
    winners = []
    for outcome in outcomes:
        values = now.get(outcome.row.pk)
        if values == outcome.row.stored:
            winners.append(outcome)
        elif values is not None:
            row = to_row(values)
            # Another text, or another pass that was faster: either way this answer is not wanted any more.
            same = (row.texts, row.classified_at) == (outcome.row.texts, outcome.row.classified_at)
            if same and row.source not in LABELS:
                winners.append(outcome._replace(row=row))
    return winners


def _drop_rejected(outcomes: Sequence[_Outcome], version: str, using: str) -> list[_Outcome]:
    """Those that a person has not sent away with this very text and model; the others are marked as looked
    at."""
    again = [outcome.row.pk for outcome in outcomes if outcome.digest == outcome.row.digest]
    if not again:
        return list(outcomes)
    refused = set(
        Suggestion.objects.using(using)
        .filter(
            product_id__in=again,
            status=Suggestion.Status.REJECTED,
            model_version=version,
        )
        # There, what was sent away is a doubt about a label that has gone since.
        .exclude(queue=Suggestion.Queue.LABEL)
        .values_list("product_id", "text_digest")
    )
    if not refused:
        return list(outcomes)
    away = [outcome.row.pk for outcome in outcomes if (outcome.row.pk, outcome.digest) in refused]
    get_product_model()._base_manager.using(using).filter(pk__in=away).update(
        is_stale=False, classified_at=timezone.now()
    )
    return [outcome for outcome in outcomes if (outcome.row.pk, outcome.digest) not in refused]


_FILES = (ASSIGN, ASSIGN_PARENT)
_FILE, _ASK = Assignment.Act.FILE.value, Assignment.Act.ASK.value
_FILED = (
    "category",
    "category_source",
    "category_confidence",
    "model_version",
    "needs_review",
    "is_stale",
    "text_digest",
    "classified_at",
)
# A product that the model filed earlier keeps its place, and the name of that model, until a person has
# decided.
_ASKED = ("needs_review", "is_stale", "text_digest", "classified_at")


def _file(outcomes: Iterable[_Outcome], version: str, at: datetime, using: str) -> None:
    """Write the products' own columns."""
    filed: list[tuple[Any, ...]] = []
    asked: list[tuple[Any, ...]] = []
    source = Source.MODEL.value
    for row, _, digest, _, category_id, confidence in outcomes:
        if category_id is None:
            asked.append((row.pk, True, False, digest, at))
        else:
            filed.append((row.pk, category_id, source, confidence, version, False, False, digest, at))
    update_rows(get_product_model(), _FILED, filed, using=using)
    update_rows(get_product_model(), _ASKED, asked, using=using)


def _record(
    outcomes: Sequence[_Outcome],
    scored: Scored,
    problems: dict[int, str],
    *,
    run: ClassificationRun | None,
    at: datetime,
    using: str,
) -> None:
    """Write the history of what changed, and the suggestions for what people shall look at.

    A line for each product that was moved, newly put before a person, or whose question was answered or taken
    over by another; none where the same question is asked again with other candidates, or the same place is
    found again: passes over a long queue would fill the history.
    """
    filed = [outcome for outcome in outcomes if outcome.category_id is not None]
    # Filed above its category, a product keeps its place and its candidates: a person may refine it.
    asked = [outcome for outcome in outcomes if outcome.action != ASSIGN]
    # Only a product that was looked at before can have a suggestion.
    seen = [outcome.row.pk for outcome in outcomes if outcome.row.digest]
    known = suggestions_known(seen, using=using)
    changed = [outcome for outcome in outcomes if _changes(outcome, known.get(outcome.row.pk))]
    replaced = [outcome.row.pk for outcome in changed if outcome.row.pk in known]
    before = suggestion_copies(replaced, using=using) if replaced else {}
    version, run_id = scored.classifier.version, run.pk if run else None
    history_write(
        (_line(outcome, version, run_id, before.get(outcome.row.pk), at) for outcome in changed), using=using
    )
    settled = [outcome.row.pk for outcome in filed if outcome.row.pk in known and outcome.action == ASSIGN]
    if settled:
        Suggestion.objects.using(using).filter(product_id__in=settled).delete()
    since = {
        outcome.row.pk: known[outcome.row.pk].created_at
        for outcome in asked
        if _goes_on(outcome, known.get(outcome.row.pk))
    }
    _ask(asked, scored, problems, since, at=at, using=using)


def _goes_on(outcome: _Outcome, known: KnownSuggestion | None) -> bool:
    """Whether the product goes on waiting for the same: to be filed, or to be refined."""
    return (
        known is not None
        and (known.status, known.queue) == (Suggestion.Status.PENDING, Suggestion.Queue.REVIEW)
        and outcome.row.needs_review == (outcome.category_id is None)
    )


def _changes(outcome: _Outcome, known: KnownSuggestion | None) -> bool:
    """Whether an undo would have anything to bring back."""
    if outcome.category_id is not None and outcome.category_id != outcome.row.category_id:
        return True
    if outcome.action == ASSIGN:
        return outcome.row.needs_review or known is not None
    return not _goes_on(outcome, known)


def _line(
    outcome: _Outcome, version: str, run: int | None, before: Mapping[str, Any] | None, at: datetime
) -> Line:
    row, asks = outcome.row, outcome.category_id is None
    return Line(
        row.pk,
        row.category_id,
        row.source,
        row.confidence,
        row.version,
        row.needs_review,
        before,
        row.category_id if asks else outcome.category_id,
        Source.MODEL.value,
        at,
        None if asks else outcome.confidence,
        version,
        None,
        run,
        act=_ASK if asks else _FILE,
    )


def _ask(
    asked: Sequence[_Outcome],
    scored: Scored,
    problems: dict[int, str],
    since: Mapping[Any, datetime],
    *,
    at: datetime,
    using: str,
) -> None:
    """Put these in front of a person; those in `since` go on waiting. Their priority is that of one product
    of the mean weight, until the queue is put in order."""
    titles = title_reader()
    pending, queue, version = (
        Suggestion.Status.PENDING.value,
        Suggestion.Queue.REVIEW.value,
        scored.classifier.version,
    )
    insert_rows(
        Suggestion,
        (*ASKED, "threshold"),
        (
            (
                outcome.row.pk,
                candidates,
                pending,
                reason[:200],
                version,
                outcome.digest,
                "",
                since.get(outcome.row.pk, at),
                at,
                queue,
                cluster_of_title(titles(outcome.row)),
                candidates[0]["category_code"] if candidates else "",
                candidates[0]["confidence"] if candidates else 0.0,
                1 - candidates[0]["confidence"] if candidates else 1.0,
                bar,
            )
            for outcome, (candidates, reason, bar) in zip(
                asked, _suggested(asked, scored, problems), strict=True
            )
        ),
        using=using,
        on_conflict="product",
        replace=REPLACED,
    )


def _suggested(
    asked: Sequence[_Outcome], scored: Scored, problems: dict[int, str]
) -> Iterator[tuple[list[dict[str, Any]], str, float | None]]:
    """The candidates, the reason and the bar of each of these."""
    classifier, ranked = scored.classifier, scored.ranked[[outcome.number for outcome in asked]]
    firsts = [classifier.codes[place] for place in ranked.classes[:, 0].tolist()]
    for outcome, answer, first in zip(asked, classifier.predictions(ranked), firsts, strict=True):
        bar = scored.policy.bar(first)
        reason = problems.get(outcome.number) or scored.decisions.reason(outcome.number)
        candidates = [{**item, "category_path": classifier.path(item["category_code"])} for item in answer]
        # Without a bar nothing is approved in bulk unconfirmed.
        yield candidates, reason, None if bar > 1 or reason == UNFAMILIAR else bar
