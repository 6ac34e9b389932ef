"""What people decide. A decision is a label: no model overwrites it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from ..models import (
    Assignment,
    Category,
    ClassifiableProduct,
    ClassificationRun,
    Source,
    Suggestion,
    get_product_model,
)
from .runs import run_beat, run_finish, run_start

CHUNK = 200


class ReviewError(Exception):
    """A decision that cannot be taken; the message is for the reviewer."""


class AlreadyDecided(ReviewError):
    """Somebody was faster; the message says who, what and when."""


@dataclass(frozen=True, kw_only=True)
class BulkOutcome:
    """What became of a bulk approval. Primary keys of suggestions, each in exactly one of the four."""

    approved: tuple[int, ...] = ()
    refused_low: tuple[int, ...] = ()
    """Under their threshold, and not confirmed."""
    already_decided: tuple[int, ...] = ()
    """Decided by somebody else meanwhile, or gone."""
    impossible: tuple[int, ...] = ()
    """Without a candidate, or with one that is not in this shop's tree, or retired."""


def suggestion_approve(
    suggestion: Suggestion,
    *,
    actor: User,
    category_code: str | None = None,
    note: str = "",
    run: ClassificationRun | None = None,
) -> Suggestion:
    """File the product under one of the candidates: `category_code`, or the first. Returns the stored
    suggestion.

    The category the reviewer saw counts even if the candidates have changed since: it is then a correction.
    Raises AlreadyDecided, or ReviewError for a category that is not there, or is retired.
    """
    top = suggestion.top
    code = category_code or (top["category_code"] if top else "")
    if not code:
        raise ReviewError("There is no candidate to approve: pick a category, or reject.")
    category = Category.objects.filter(code=code).first()
    if category is None:
        raise ReviewError(f"The category {code} is not in this shop's tree: pick another one.")
    return _decide(suggestion.pk, actor=actor, category=category, note=note, run=run)


def suggestion_correct(
    suggestion: Suggestion, *, actor: User, category: Category, note: str = ""
) -> Suggestion:
    """File the product under a category of the reviewer's own choice. Raises AlreadyDecided, or ReviewError
    for a retired category. Choosing one of the candidates counts as approving it.
    """
    return _decide(suggestion.pk, actor=actor, category=category, note=note)


def suggestion_reject(suggestion: Suggestion, *, actor: User, note: str = "") -> Suggestion:
    """None of these: the product stays where it is and leaves the queue. Raises AlreadyDecided.

    It comes back when its text changes, or when another model has looked at it.
    """
    return _decide(suggestion.pk, actor=actor, category=None, note=note)


def suggestions_approve_top(ids: Iterable[int], *, actor: User, confirm_low: bool = False) -> BulkOutcome:
    """Approve the first candidate of each suggestion; those under their threshold only with `confirm_low`.

    One run of the ledger, so that the whole action can be found again.
    """
    wanted = list(dict.fromkeys(ids))
    run = run_start(
        ClassificationRun.Kind.REVIEW,
        options={"action": "approve_top", "confirm_low": confirm_low},
        actor=actor,
    )
    sorted_out: dict[str, list[int]] = {
        name: [] for name in ("approved", "refused_low", "already_decided", "impossible")
    }
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        with transaction.atomic():
            found = Suggestion.objects.in_bulk(chunk)
            counts: dict[str, int] = {}
            for pk in chunk:
                name = _approve_one(found.get(pk), actor=actor, confirm_low=confirm_low, run=run)
                sorted_out[name].append(pk)
                counts[name] = counts.get(name, 0) + 1
            run_beat(run, counts)
    run_finish(run)
    return BulkOutcome(**{name: tuple(pks) for name, pks in sorted_out.items()})


def product_set_category(
    product: ClassifiableProduct, category: Category | None, *, actor: User | None, note: str = ""
) -> None:
    """A person's label, from outside the queue; None takes the label away, and the model may look again.

    A waiting suggestion of the product is decided with it. `product` itself is brought up to date. Raises
    ReviewError for a retired category, or a product that has gone.
    """
    with transaction.atomic():
        locked = _lock(product.pk)
        waiting = Suggestion.objects.filter(product_id=product.pk, status=Suggestion.Status.PENDING).first()
        if waiting is not None and category is not None:
            _close(waiting, actor=actor, category=category, note=note)
        _file(locked, category, actor=actor, note=note)
    product.refresh_from_db()


def _approve_one(
    suggestion: Suggestion | None, *, actor: User, confirm_low: bool, run: ClassificationRun
) -> str:
    if suggestion is None or not suggestion.is_pending:
        return "already_decided"
    top = suggestion.top
    if top is None:
        return "impossible"
    if not confirm_low and (suggestion.threshold is None or top["confidence"] < suggestion.threshold):
        return "refused_low"
    try:
        with transaction.atomic():
            suggestion_approve(suggestion, actor=actor, run=run)
    except AlreadyDecided:
        return "already_decided"
    except ReviewError:
        return "impossible"
    return "approved"


def _decide(
    pk: int,
    *,
    actor: User,
    category: Category | None,
    note: str,
    run: ClassificationRun | None = None,
) -> Suggestion:
    with transaction.atomic():
        product_id = Suggestion.objects.filter(pk=pk).values_list("product_id", flat=True).first()
        if product_id is None:
            raise AlreadyDecided("This suggestion has gone: the product was filed or deleted meanwhile.")
        # The product first, as the model's own writes do: two orders would be a deadlock.
        product = _lock(product_id)
        suggestion = Suggestion.objects.filter(pk=pk).first()
        if suggestion is None:
            raise AlreadyDecided("This suggestion has gone: the product was filed or deleted meanwhile.")
        _close(suggestion, actor=actor, category=category, note=note)
        if category is None:
            _set(product, needs_review=False)
        else:
            _file(product, category, actor=actor, note=note, run=run)
    return suggestion


def _lock(product_id: Any) -> ClassifiableProduct:
    product = get_product_model()._base_manager.select_for_update().filter(pk=product_id).first()
    if product is None:
        raise ReviewError("This product has been deleted.")
    return product


def _close(suggestion: Suggestion, *, actor: User | None, category: Category | None, note: str) -> None:
    if category is not None and not category.is_active:
        raise ReviewError(f"“{category.path}” is retired: pick another category.")
    offered = {item["category_code"] for item in suggestion.candidates}
    status = Suggestion.Status.REJECTED
    if category is not None:
        status = Suggestion.Status.APPROVED if category.code in offered else Suggestion.Status.CORRECTED
    now = timezone.now()
    values = {
        "status": status,
        "decided_by": actor,
        "decided_at": now,
        "decided_category": category,
        "note": note,
        "updated_at": now,
    }
    waiting = Suggestion.objects.filter(pk=suggestion.pk, status=Suggestion.Status.PENDING)
    if not waiting.update(**values):
        stored = Suggestion.objects.select_related("decided_by", "decided_category").get(pk=suggestion.pk)
        place = f" as “{stored.decided_category.path}”" if stored.decided_category else ""
        when = f" at {timezone.localtime(stored.decided_at):%Y-%m-%d %H:%M}" if stored.decided_at else ""
        raise AlreadyDecided(
            f"{stored.decided_by or 'Somebody'} has already {stored.get_status_display()} this{place}{when}."
        )
    for name, value in values.items():
        setattr(suggestion, name, value)


def _file(
    product: ClassifiableProduct,
    category: Category | None,
    *,
    actor: User | None,
    note: str,
    run: ClassificationRun | None = None,
) -> None:
    """Store a person's answer and its line of history. Called with the product locked."""
    if category is not None and not category.is_active:
        raise ReviewError(f"“{category.path}” is retired: pick another category.")
    source = Source.HUMAN if category is not None else Source.NONE
    Assignment.objects.create(
        product_id=product.pk,
        from_category_id=product.category_id,
        to_category=category,
        source=Source.HUMAN,
        actor=actor,
        run=run,
        note=note,
    )
    _set(
        product,
        category=category,
        category_source=source,
        category_confidence=None,
        model_version="",
        needs_review=False,
        is_stale=category is None,
    )


def _set(product: ClassifiableProduct, **values: Any) -> None:
    get_product_model()._base_manager.filter(pk=product.pk).update(**values)
