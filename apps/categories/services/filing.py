"""A batch of products, from their text to their place: the only writer of what the model decides."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import router, transaction
from django.utils import timezone

from .. import runtime
from ..conf import get_settings
from ..inference.decision import Decision, Prediction, bar_in_force, decide
from ..inference.text import text_digest
from ..models import Assignment, Category, ClassificationRun, Source, Suggestion, get_product_model
from ..models.product import LABELS
from .bulk import insert_rows, update_rows
from .runs import run_beat

if TYPE_CHECKING:
    from ..inference.classifier import ProductionClassifier


@dataclass(frozen=True, kw_only=True)
class ClassifySummary:
    """How many products a batch, or a whole pass, looked at and what became of them. All counts of
    products."""

    seen: int = 0
    """Taken up for classification: the sum of the others."""
    filed: int = 0
    """Filed by the model."""
    review: int = 0
    """Waiting for a person, with candidates."""
    unanswered: int = 0
    """Waiting for a person, without candidates: nothing in their text that the model can read."""
    passed_over: int = 0
    """Left alone: labelled by a person or an import, changed or deleted meanwhile, or rejected with this
    model."""

    def __add__(self, other: "ClassifySummary") -> "ClassifySummary":
        return ClassifySummary(
            **{
                item.name: getattr(self, item.name) + getattr(other, item.name)
                for item in dataclasses.fields(ClassifySummary)
            }
        )

    def as_counts(self) -> dict[str, int]:
        """The same, as a run stores it."""
        return dataclasses.asdict(self)


class Row(NamedTuple):
    """One product as it was read for classification."""

    pk: Any
    source: str
    category_id: int | None
    is_stale: bool
    digest: str
    """Of the text that was classified last."""
    classified_at: datetime | None
    texts: tuple[Any, ...]
    """As stored, in the order of text_lookups()."""
    stored: tuple[Any, ...]
    """All of it, as values_list(*row_columns()) gave it."""


class _Outcome(NamedTuple):
    row: Row
    digest: str
    decision: Decision
    category_id: int | None
    """Where the product goes; None: to a person."""
    answer: Sequence[Prediction]


def row_columns() -> tuple[str, ...]:
    """The values_list() columns that make a Row."""
    lookups = get_product_model().text_lookups().values()
    return ("pk", "category_source", "category_id", "is_stale", "text_digest", "classified_at", *lookups)


def to_row(values: tuple[Any, ...]) -> Row:
    """A Row of what values_list(*row_columns()) gave."""
    pk, source, category_id, is_stale, digest, classified_at = values[:6]
    return Row(pk, source, category_id, is_stale, digest, classified_at, values[6:], values)


def text_reader() -> Callable[[Row], dict[str, Any]]:
    """What gives the texts of a row by our names."""
    names = tuple(get_product_model().text_lookups())
    return lambda row: dict(zip(names, row.texts, strict=True))


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
    text = text_reader()
    due = [row for row in rows if force or row.is_stale or text_digest(text(row)) != row.digest]
    if not due:
        return ClassifySummary()
    return scored_write(rows_score(due, min_confidence=min_confidence), run=run, dry_run=dry_run, using=alias)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Rows and what the model says about them."""

    rows: Sequence[Row]
    digests: Sequence[str]
    """Of the texts that were scored."""
    answers: Sequence[Sequence[Prediction]]
    decisions: Sequence[Decision]
    classifier: "ProductionClassifier"
    bar: float | None
    """The confidence that was needed; None: nothing is certified."""


def rows_score(rows: Sequence[Row], *, min_confidence: float | None = None) -> Scored:
    """Ask the live model about rows already read. Touches no database; may run in any thread.

    Raises ClassifierUnavailable.
    """
    settings = get_settings()
    classifier = runtime.get_classifier()
    threshold = bar_in_force(classifier.threshold, settings.threshold)
    texts = list(map(text_reader(), rows))
    # Two at least: that a second category stays likely is a reason to ask.
    answers = classifier.predict(texts, top_k=max(2, settings.top_k))
    return Scored(
        rows=rows,
        digests=[text_digest(text) for text in texts],
        answers=answers,
        decisions=[decide(answer, threshold=threshold, min_confidence=min_confidence) for answer in answers],
        classifier=classifier,
        bar=_bar(threshold, min_confidence),
    )


def scored_write(
    scored: Scored, *, run: ClassificationRun | None = None, dry_run: bool = False, using: str
) -> ClassifySummary:
    """Store what was decided: one transaction, and statements that do not grow with the number of rows.

    A row whose text is no longer the one that was scored is left for the next pass. With `dry_run`, only
    count.
    """
    places = _places(scored.decisions, using)
    outcomes = [
        _Outcome(row, digest, *_settle(decision, places), answer)
        for row, digest, decision, answer in zip(
            scored.rows, scored.digests, scored.decisions, scored.answers, strict=True
        )
    ]
    if dry_run:
        return _count(outcomes, seen=len(outcomes))
    with transaction.atomic(using=using):
        winners = _drop_rejected(_still_true(outcomes, using), scored.classifier.version, using)
        at = timezone.now()
        _file(winners, scored.classifier.version, at, using)
        _record(winners, scored, run=run, at=at, using=using)
        summary = _count(winners, seen=len(outcomes))
        if run is not None:
            run_beat(run, summary.as_counts(), using=using)
    return summary


def _bar(threshold: float | None, min_confidence: float | None) -> float | None:
    if threshold is None or min_confidence is None:
        return threshold
    return max(threshold, min_confidence)


def _places(decisions: Iterable[Decision], using: str) -> Mapping[str, tuple[int, bool]]:
    """Code → (primary key, is_active) of the categories that these decisions name."""
    codes = {
        decision.category_code for decision in decisions if decision.action in ("assign", "assign_parent")
    }
    found = Category.objects.using(using).filter(code__in=codes).values_list("code", "pk", "is_active")
    return {code: (pk, active) for code, pk, active in found}


def _settle(decision: Decision, places: Mapping[str, tuple[int, bool]]) -> tuple[Decision, int | None]:
    """The decision that this shop's tree allows, and the category it leads to."""
    if decision.action not in ("assign", "assign_parent"):
        return decision, None
    pk, active = places.get(str(decision.category_code), (None, False))
    if pk is not None and active:
        return decision, pk
    problem = "is retired" if pk is not None else "is not in this shop's tree: run import_taxonomy"
    reason = f"the category {decision.category_code} {problem}"
    return dataclasses.replace(decision, action="review", reason=reason), None


def _count(outcomes: Sequence[_Outcome], *, seen: int) -> ClassifySummary:
    filed = sum(outcome.category_id is not None for outcome in outcomes)
    unanswered = sum(outcome.decision.action == "none" for outcome in outcomes)
    return ClassifySummary(
        seen=seen,
        filed=filed,
        unanswered=unanswered,
        review=len(outcomes) - filed - unanswered,
        passed_over=seen - len(outcomes),
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
        .values_list("product_id", "text_digest")
    )
    if not refused:
        return list(outcomes)
    away = [outcome.row.pk for outcome in outcomes if (outcome.row.pk, outcome.digest) in refused]
    get_product_model()._base_manager.using(using).filter(pk__in=away).update(
        is_stale=False, classified_at=timezone.now()
    )
    return [outcome for outcome in outcomes if (outcome.row.pk, outcome.digest) not in refused]


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
    for row, digest, decision, category_id, _ in outcomes:
        if category_id is None:
            asked.append((row.pk, True, False, digest, at))
        else:
            place = (category_id, Source.MODEL.value, decision.confidence, version)
            filed.append((row.pk, *place, False, False, digest, at))
    update_rows(get_product_model(), _FILED, filed, using=using)
    update_rows(get_product_model(), _ASKED, asked, using=using)


def _record(
    outcomes: Sequence[_Outcome], scored: Scored, *, run: ClassificationRun | None, at: datetime, using: str
) -> None:
    """Write the history of what was filed, and the suggestions for what was not."""
    version, classifier, top_k = scored.classifier.version, scored.classifier, get_settings().top_k
    filed = [outcome for outcome in outcomes if outcome.category_id is not None]
    asked = [outcome for outcome in outcomes if outcome.category_id is None]
    insert_rows(
        Assignment,
        (
            "product",
            "from_category",
            "to_category",
            "source",
            "model_version",
            "run",
            "confidence",
            "note",
            "created_at",
        ),
        (
            (
                outcome.row.pk,
                outcome.row.category_id,
                outcome.category_id,
                Source.MODEL.value,
                version,
                run.pk if run else None,
                outcome.decision.confidence,
                "",
                at,
            )
            for outcome in filed
            if outcome.category_id != outcome.row.category_id
        ),
        using=using,
    )
    # Only a product that was looked at before can have a suggestion.
    if seen_before := [outcome.row.pk for outcome in filed if outcome.row.digest]:
        Suggestion.objects.using(using).filter(product_id__in=seen_before).delete()
    insert_rows(
        Suggestion,
        (
            "product",
            "candidates",
            "status",
            "reason",
            "threshold",
            "model_version",
            "text_digest",
            "note",
            "created_at",
            "updated_at",
        ),
        (
            (
                outcome.row.pk,
                [
                    {**item, "category_path": classifier.path(item["category_code"])}
                    for item in outcome.answer[:top_k]
                ],
                Suggestion.Status.PENDING.value,
                outcome.decision.reason[:200],
                scored.bar,
                version,
                outcome.digest,
                "",
                at,
                at,
            )
            for outcome in asked
        ),
        using=using,
        on_conflict="product",
        replace=(
            "candidates",
            "status",
            "reason",
            "threshold",
            "model_version",
            "text_digest",
            "note",
            "decided_by",
            "decided_at",
            "decided_category",
            "updated_at",
        ),
    )
