"""Suspected label errors: labels that a model of the other labels contradicts, for people to judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import router, transaction
from django.utils import timezone

from ..inference.decision import percent
from ..inference.taxonomy import split_path
from ..models import LABELS, Category, Source, Suggestion, get_product_model
from ..models.suggestion import cluster_of_title
from ..selectors import acts_in_force
from .asking import ASKED, REPLACED
from .bulk import insert_rows
from .rows import Row, digest_reader, row_columns, title_reader, to_row

PAGE = 1000
"""Suspects that are looked at in one transaction."""
NAME_SHOWN = 60
"""Characters of a category's name in a reason."""


@dataclass(frozen=True, kw_only=True)
class LabelSuspect:
    """One product whose label is doubted, as it was when it was looked at."""

    product: Any
    """Its primary key."""
    category_code: str
    """The label that is doubted."""
    text_digest: str
    """Of the text that contradicts it."""
    candidates: Sequence[tuple[str, float]]
    """(category code, confidence 0 to 1): the better one first, the label among the others."""
    margin: float
    """How far the confidence in the better one exceeds that in the label: how clear the error is, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class LabelErrors:
    """What became of suspects; counts of products."""

    new: int = 0
    """Wait in the queue now."""
    waiting: int = 0
    """Waited there already, and are brought up to date."""
    answered: int = 0
    """Left alone: a person has decided that this label is right for this text."""
    changed: int = 0
    """Left alone: relabelled, reworded or deleted since they were looked at, or better placed only in a
    category that is retired; or waiting in another queue."""

    def __add__(self, other: "LabelErrors") -> "LabelErrors":
        return LabelErrors(
            new=self.new + other.new,
            waiting=self.waiting + other.waiting,
            answered=self.answered + other.answered,
            changed=self.changed + other.changed,
        )


def label_errors_fill(
    suspects: Sequence[LabelSuspect], *, model_version: str, limit: int | None = None
) -> LabelErrors:
    """Let the first `limit` suspects that nobody has judged wait in the queue "label"; all without a limit.

    The same suspects again change nothing but what the model says of them. No label is touched: approving or
    correcting such a suggestion moves the product, rejecting it says that the label is right, and it is then
    not asked about again until text or label change. A page of suspects is one transaction, and takes as many
    statements as one suspect.
    """
    using = router.db_for_write(Suggestion)
    found, start = LabelErrors(), 0
    while start < len(suspects) and (limit is None or found.new + found.waiting < limit):
        room = PAGE if limit is None else min(PAGE, limit - found.new - found.waiting)
        page = {suspect.product: suspect for suspect in suspects[start : start + room]}
        with transaction.atomic(using=using):
            found += _put(page, model_version, using)
        start += room
    return found


def _put(page: Mapping[Any, LabelSuspect], version: str, using: str) -> LabelErrors:
    rows = _labelled(page, using)
    wanted = {code for suspect in page.values() for code, _ in suspect.candidates}
    found = Category.objects.using(using).filter(code__in=wanted)
    places = {place.code: place for place in found.only("code", "path", "is_active")}
    digest = digest_reader()
    same = {
        pk: row
        for pk, row in rows.items()
        if page[pk].text_digest == digest(row)
        and (label := places.get(page[pk].category_code)) is not None
        and label.pk == row.category_id
        and (better := places.get(page[pk].candidates[0][0])) is not None
        and better.is_active
    }
    answered = _answered(same, digest, using)
    waiting = Suggestion.objects.using(using).filter(
        product_id__in=list(same), status=Suggestion.Status.PENDING
    )
    since: dict[Any, datetime] = {}
    elsewhere: set[Any] = set()
    for pk, queue, created_at in waiting.values_list("product_id", "queue", "created_at"):
        if queue == Suggestion.Queue.LABEL:
            since[pk] = created_at
        else:
            elsewhere.add(pk)
    asked = {pk: row for pk, row in same.items() if pk not in answered and pk not in elsewhere}
    _write([(row, page[pk]) for pk, row in asked.items()], places, since, version, using)
    known = sum(pk in since for pk in asked)
    return LabelErrors(
        new=len(asked) - known,
        waiting=known,
        answered=len(answered),
        changed=len(page) - len(asked) - len(answered),
    )


def _labelled(page: Mapping[Any, LabelSuspect], using: str) -> dict[Any, Row]:
    """Those of these products that have a label, locked in the order that every writer keeps."""
    products = get_product_model()._base_manager.using(using)
    wanted = products.filter(pk__in=list(page), category_source__in=LABELS).order_by("pk")
    locked = wanted.select_for_update(of=("self",)).values_list(*row_columns())
    return {values[0]: to_row(values) for values in locked}


def _answered(rows: Mapping[Any, Row], digest: Any, using: str) -> set[Any]:
    """Those whose present label a person has decided on in this queue, for the present text."""
    acts = acts_in_force(rows).using(using).filter(source=Source.HUMAN, queue=Suggestion.Queue.LABEL)
    told = acts.order_by().values_list("product_id", "to_category_id", "suggestion_before__text_digest")
    return {pk for pk, category, text in told if (category, text) == (rows[pk].category_id, digest(rows[pk]))}


def _write(
    asked: Sequence[tuple[Row, LabelSuspect]],
    places: Mapping[str, Category],
    since: Mapping[Any, datetime],
    version: str,
    using: str,
) -> None:
    title, at = title_reader(), timezone.now()
    insert_rows(
        Suggestion,
        ASKED,
        (
            (
                row.pk,
                [
                    {"category_code": code, "category_path": places[code].path, "confidence": sure}
                    for code, sure in suspect.candidates
                    if code in places
                ],
                Suggestion.Status.PENDING.value,
                _reason(suspect, places),
                version,
                suspect.text_digest,
                "",
                since.get(row.pk, at),
                at,
                Suggestion.Queue.LABEL.value,
                cluster_of_title(title(row)),
                suspect.candidates[0][0],
                suspect.candidates[0][1],
                suspect.margin,
            )
            for row, suspect in asked
        ),
        using=using,
        on_conflict="product",
        replace=REPLACED,
    )


def _reason(suspect: LabelSuspect, places: Mapping[str, Category]) -> str:
    """For the person who is asked."""
    sure = dict(suspect.candidates)
    better, label = (
        f"“{_name(places[code].path)}” ({percent(sure.get(code, 0.0))})"
        for code in (suspect.candidates[0][0], suspect.category_code)
    )
    return f"the label {label} may be wrong: a model of the other labels says {better}"


def _name(path: str) -> str:
    """The last name of a path, short enough for a reason."""
    name = split_path(path)[-1]
    return name if len(name) <= NAME_SHOWN else f"{name[: NAME_SHOWN - 1]}…"
