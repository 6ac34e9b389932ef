"""How a person's decisions are written: one or many, in the same few statements."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import router
from django.db.models import Case, Value, When
from django.utils import timezone

from ..models import (
    LABELS,
    Assignment,
    Category,
    ClassifiableProduct,
    ClassificationRun,
    Source,
    Suggestion,
    get_product_model,
)
from ..selectors import product_relations
from .history import Line, history_write, suggestion_copy

FILE, REJECT = Assignment.Act.FILE, Assignment.Act.REJECT


class ReviewError(Exception):
    """A decision that cannot be taken; the message is for the reviewer."""


class AlreadyDecided(ReviewError):
    """Somebody was faster; the message says who, what and when."""


class Verdict(NamedTuple):
    """What a person says of one product."""

    product: ClassifiableProduct
    """Locked, as it is before."""
    suggestion: Suggestion | None
    """Its suggestion before, waiting or not."""
    category: Category | None
    """With FILE, None takes the label away."""
    act: Assignment.Act


def suggestions_lock(pks: Sequence[int]) -> dict[int, tuple[ClassifiableProduct, Suggestion]]:
    """The stored suggestions with these keys and their products, which stay locked until the transaction
    ends; what has gone is missing. Categories, and what a product's text reads, are joined. Two queries.
    """
    # The products first, as the model's own writes do: two orders would be a deadlock.
    products = get_product_model()._base_manager.select_related("category", *product_relations())
    # PostgreSQL cannot lock through an outer join.
    products = products.select_for_update(of=("self",))
    wanted = Suggestion.objects.filter(pk__in=pks).values("product_id")
    locked = {row.pk: row for row in products.filter(pk__in=wanted).order_by("pk")}
    stored = Suggestion.objects.filter(pk__in=pks, product_id__in=list(locked))
    return {suggestion.pk: (locked[suggestion.product_id], suggestion) for suggestion in stored}


def require_active(category: Category) -> None:
    """Raises ReviewError for a retired category."""
    if not category.is_active:
        raise ReviewError(f"“{category.path}” is retired: pick another category.")


def require_pending(suggestion: Suggestion) -> None:
    """Raises AlreadyDecided, with who, what and when."""
    if suggestion.is_pending:
        return
    stored = Suggestion.objects.select_related("decided_by", "decided_category").get(pk=suggestion.pk)
    place = f" as “{stored.decided_category.path}”" if stored.decided_category else ""
    when = f" at {timezone.localtime(stored.decided_at):%Y-%m-%d %H:%M}" if stored.decided_at else ""
    raise AlreadyDecided(
        f"{stored.decided_by or 'Somebody'} has already {stored.get_status_display()} this{place}{when}."
    )


def overtaken(product: ClassifiableProduct, suggestion: Suggestion) -> bool:
    """Whether a label, set past the signals, has answered what the review queue asks. The other queues ask
    about what is filed already."""
    return suggestion.queue == Suggestion.Queue.REVIEW and product.category_source in LABELS


def require_unlabelled(product: ClassifiableProduct, suggestion: Suggestion) -> None:
    """Raises AlreadyDecided, with what and by whom, for one that a label has overtaken."""
    if overtaken(product, suggestion):
        who = "An import" if product.category_source == Source.IMPORT else "Somebody"
        place = f" under “{product.category.path}”" if product.category else ""
        raise AlreadyDecided(f"{who} has already filed this product{place}: nothing was changed.")


def verdicts_write(
    verdicts: Iterable[Verdict], *, actor: User | None, note: str, run: ClassificationRun | None = None
) -> None:
    """Store these decisions and their lines of history, in the transaction that locked the products.

    A waiting suggestion is decided with its product; suggestions given are brought up to date. One that asked
    whether the place was right goes when the place is taken away. Raises AlreadyDecided when one was decided
    past the lock. Three statements for each category named.
    """
    now = timezone.now()
    key = lambda verdict: (verdict.act, verdict.category.pk if verdict.category else 0)  # noqa: E731
    lines = []
    for _, same in groupby(sorted(verdicts, key=key), key=key):
        group = list(same)
        lines += [_line(verdict, actor=actor, note=note, run=run, at=now) for verdict in group]
        _close(group, {"decided_by": actor, "decided_at": now, "note": note, "updated_at": now})
        products = get_product_model()._base_manager.filter(pk__in=[verdict.product.pk for verdict in group])
        products.update(**_filing(group[0]))
    history_write(lines, using=router.db_for_write(Assignment))


def _line(verdict: Verdict, **more: Any) -> Line:
    product, suggestion, category, act = verdict
    to = product.category_id if act == REJECT else category.pk if category else None
    return Line(
        product=product.pk,
        from_category=product.category_id,
        from_source=product.category_source,
        from_confidence=product.category_confidence,
        from_model_version=product.model_version,
        from_review=product.needs_review,
        suggestion_before=suggestion_copy(suggestion) if suggestion else None,
        to_category=to,
        source=Source.HUMAN.value,
        act=act.value,
        actor=more["actor"].pk if more["actor"] else None,
        run=more["run"].pk if more["run"] else None,
        note=more["note"],
        created_at=more["at"],
        queue=suggestion.queue if suggestion and suggestion.is_pending else "",
    )


def _filing(verdict: Verdict) -> dict[str, Any]:
    if verdict.act == REJECT:
        return {"needs_review": False}
    return {
        "category": verdict.category,
        "category_source": Source.HUMAN if verdict.category else Source.NONE,
        "category_confidence": None,
        "model_version": "",
        "needs_review": False,
        "is_stale": verdict.category is None,
    }


def _close(group: Sequence[Verdict], values: Mapping[str, Any]) -> None:
    """Decide the waiting suggestions of verdicts on one category."""
    category, act = group[0].category, group[0].act
    if category is None and act == FILE:
        # Whether the place was right is answered by taking it away; where it belongs is still asked.
        asked = [item.suggestion for item in group if item.suggestion and item.suggestion.is_pending]
        moot = [item.pk for item in asked if item.queue != Suggestion.Queue.REVIEW]
        if moot:
            Suggestion.objects.filter(pk__in=moot, status=Suggestion.Status.PENDING).delete()
        return
    waiting = [item.suggestion for item in group if item.suggestion and item.suggestion.is_pending]
    if not waiting:
        return
    became = {suggestion.pk: _status(suggestion, category) for suggestion in waiting}
    # One statement also where the place was a candidate of some of them alone.
    cases = [
        When(pk__in=[pk for pk, status in became.items() if status == one], then=Value(one))
        for one in set(became.values())
    ]
    stored = Suggestion.objects.filter(pk__in=list(became), status=Suggestion.Status.PENDING)
    changes = {**values, "decided_category": category}
    if stored.update(status=Case(*cases), **changes) != len(waiting):
        raise AlreadyDecided("Somebody decided this at the same moment: look again.")
    for suggestion in waiting:
        for name, value in {**changes, "status": became[suggestion.pk]}.items():
            setattr(suggestion, name, value)


def _status(suggestion: Suggestion, category: Category | None) -> Suggestion.Status:
    if category is None:
        return Suggestion.Status.REJECTED
    offered = {item["category_code"] for item in suggestion.candidates}
    return Suggestion.Status.APPROVED if category.code in offered else Suggestion.Status.CORRECTED
