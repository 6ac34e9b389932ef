"""What people decide. A decision is a label: no model overwrites it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from ..models import (
    LABELS,
    Assignment,
    Category,
    ClassifiableProduct,
    ClassificationRun,
    Suggestion,
    get_product_model,
)
from .deciding import (
    FILE,
    REJECT,
    AlreadyDecided,
    ReviewError,
    Verdict,
    overtaken,
    require_active,
    require_pending,
    require_unlabelled,
    suggestions_lock,
    verdicts_write,
)
from .runs import closed_on_error, run_beat, run_finish, run_record, run_start
from .seen import FilingSeen, Part, Seen, require_filing_seen, require_seen

CHUNK = 200
SETTLE_AT_MOST = 500
NOTHING_SEEN: Mapping[int, Seen] = {}
GONE = "This suggestion has gone: the product was filed or deleted meanwhile."


@dataclass(frozen=True, kw_only=True)
class BulkOutcome:
    """What became of a bulk act. Primary keys of suggestions, each in exactly one of the five."""

    run: ClassificationRun
    """What `run_undo` takes back."""
    decided: tuple[int, ...] = ()
    refused_low: tuple[int, ...] = ()
    """Under their threshold, and not confirmed."""
    already_decided: tuple[int, ...] = ()
    """Decided by somebody else meanwhile, labelled past the queue, or gone."""
    changed: tuple[int, ...] = ()
    """Of another text, or with other candidates, than was seen."""
    impossible: tuple[int, ...] = ()
    """Without a candidate, or with one that is not in this shop's tree, or retired."""


def suggestion_approve(
    suggestion: Suggestion,
    *,
    actor: User,
    category_code: str | None = None,
    note: str = "",
    run: ClassificationRun | None = None,
    seen: Seen | None = None,
) -> Suggestion:
    """File the product under one of the candidates: `category_code`, or the first. Returns the stored
    suggestion.

    The category the reviewer saw counts even if the candidates have changed since: it is then a correction.
    Raises AlreadyDecided, ChangedMeanwhile when the text is not the one `seen`, or ReviewError for a category
    that is not there, or is retired.
    """
    top = suggestion.top
    code = category_code or (top["category_code"] if top else "")
    if not code:
        raise ReviewError("There is no candidate to approve: pick a category, or reject.")
    category = Category.objects.filter(code=code).first()
    if category is None:
        raise ReviewError(f"The category {code} is not in this shop's tree: pick another one.")
    return _decide(suggestion.pk, actor=actor, category=category, note=note, run=run, seen=seen)


def suggestion_correct(
    suggestion: Suggestion, *, actor: User, category: Category, note: str = "", seen: Seen | None = None
) -> Suggestion:
    """File the product under a category of the reviewer's own choice. Raises AlreadyDecided,
    ChangedMeanwhile when the text is not the one `seen`, or ReviewError for a retired category. Choosing one
    of the candidates counts as approving it.
    """
    return _decide(suggestion.pk, actor=actor, category=category, note=note, seen=seen)


def suggestion_reject(
    suggestion: Suggestion, *, actor: User, note: str = "", seen: Seen | None = None
) -> Suggestion:
    """None of these: the product stays where it is and leaves the queue. Raises AlreadyDecided, or
    ChangedMeanwhile when the text or the candidates are not those `seen`.

    It comes back when its text changes, or when another model has looked at it.
    """
    return _decide(suggestion.pk, actor=actor, category=None, note=note, seen=seen)


def suggestions_approve_top(
    ids: Iterable[int],
    *,
    actor: User,
    confirm_low: bool = False,
    seen: Mapping[int, Seen] = NOTHING_SEEN,
) -> BulkOutcome:
    """Approve the first candidate of each suggestion; those under their threshold only with `confirm_low`.
    Where the text or that candidate is not what was `seen`, by primary key, nothing is decided.

    One run of the ledger, which `run_undo` takes back.
    """

    def sort_out(chunk: list[int], run: ClassificationRun) -> dict[int, str]:
        return _approve_chunk(chunk, actor=actor, confirm_low=confirm_low, run=run, seen=seen)

    return _bulk(ids, {"action": "approve_top", "confirm_low": confirm_low}, sort_out, actor=actor)


def suggestions_set_category(
    ids: Iterable[int],
    *,
    category_code: str,
    actor: User,
    note: str = "",
    seen: Mapping[int, Seen] = NOTHING_SEEN,
) -> BulkOutcome:
    """File the products of these suggestions under one category, but for those whose text is not the one
    `seen`, by primary key. One run of the ledger.

    Raises ReviewError, and changes nothing, for a category that is not there or is retired.
    """
    category = Category.objects.filter(code=category_code).first()
    if category is None:
        raise ReviewError(f"The category {category_code} is not in this shop's tree: pick another one.")
    require_active(category)

    def sort_out(chunk: list[int], run: ClassificationRun) -> dict[int, str]:
        return _decide_chunk(chunk, category, FILE, actor=actor, note=note, run=run, seen=seen)

    return _bulk(ids, {"action": "set_category", "category": category_code}, sort_out, actor=actor)


def suggestions_reject(
    ids: Iterable[int], *, actor: User, note: str = "", seen: Mapping[int, Seen] = NOTHING_SEEN
) -> BulkOutcome:
    """None of the candidates, for each of these suggestions; as `suggestion_reject`, but those that are not
    as they were `seen`, by primary key, are left alone. One run."""

    def sort_out(chunk: list[int], run: ClassificationRun) -> dict[int, str]:
        return _decide_chunk(chunk, None, REJECT, actor=actor, note=note, run=run, seen=seen)

    return _bulk(ids, {"action": "reject"}, sort_out, actor=actor)


@dataclass(frozen=True, kw_only=True)
class SettleOutcome:
    """What became of a decision and of the near-duplicates chosen with it. Primary keys of suggestions."""

    category: Category
    """Where they are filed."""
    decided: tuple[int, ...]
    """Filed, the first one first."""
    already_decided: tuple[int, ...] = ()
    """Decided by somebody else meanwhile, or gone: left alone."""
    labelled: tuple[int, ...] = ()
    """Of products that have a label: left alone."""
    changed: tuple[int, ...] = ()
    """Of another text than was seen: left alone."""
    run: ClassificationRun | None = None
    """What `run_undo` takes back; None when one suggestion was decided alone."""


def suggestions_settle(
    suggestion: Suggestion,
    others: Iterable[int],
    *,
    category_code: str,
    actor: User,
    note: str = "",
    seen: Mapping[int, Seen] = NOTHING_SEEN,
) -> SettleOutcome:
    """File one product, and with it the chosen ones of `selectors.cluster_of` (primary keys), as one act.

    All or nothing but for those that are reported as left alone; `seen`, by primary key, is what the reviewer
    had read. As many statements for 500 as for one. Raises AlreadyDecided when the first one is decided,
    ChangedMeanwhile when its text is another, ReviewError for a category that is not there or is retired, and
    for more than SETTLE_AT_MOST others.
    """
    chosen = [pk for pk in dict.fromkeys(others) if pk != suggestion.pk]
    if len(chosen) > SETTLE_AT_MOST:
        raise ReviewError(f"{len(chosen):,} near-duplicates at once: choose at most {SETTLE_AT_MOST}.")
    category = Category.objects.filter(code=category_code).first()
    if category is None:
        raise ReviewError(f"The category {category_code} is not in this shop's tree: pick another one.")
    require_active(category)
    with transaction.atomic():
        locked = suggestions_lock([suggestion.pk, *chosen])
        if suggestion.pk not in locked:
            raise AlreadyDecided(GONE)
        product, first = locked[suggestion.pk]
        require_pending(first)
        require_unlabelled(product, first)
        require_seen(first, product, seen.get(first.pk), rejecting=False)
        ready = {pk: found for pk, found in locked.items() if found[1].is_pending}
        labelled = [pk for pk in chosen if pk in ready and ready[pk][0].category_source in LABELS]
        changed = [
            pk
            for pk in chosen
            if pk in ready and pk not in labelled and _changed(ready[pk], seen.get(pk), "text")
        ]
        gone = [pk for pk in chosen if pk not in ready]
        left = {*labelled, *changed, *gone}
        decided = [pk for pk in (suggestion.pk, *chosen) if pk not in left]
        run = None
        if len(decided) > 1:
            options = {"action": "settle", "category": category_code, "first": suggestion.pk}
            counts = {"decided": len(decided), "already_decided": len(gone), "labelled": len(labelled)}
            counts |= {"changed": len(changed)} if changed else {}
            run = run_record(ClassificationRun.Kind.REVIEW, options=options, counts=counts, actor=actor)
        verdicts = [Verdict(*ready[pk], category, FILE) for pk in decided]
        verdicts_write(verdicts, actor=actor, note=note, run=run)
    return SettleOutcome(
        category=category,
        decided=tuple(decided),
        already_decided=tuple(gone),
        labelled=tuple(labelled),
        changed=tuple(changed),
        run=run,
    )


def product_set_category(
    product: ClassifiableProduct,
    category: Category | None,
    *,
    actor: User | None,
    note: str = "",
    seen: FilingSeen | None = None,
) -> None:
    """A person's label, from outside the queue; None takes the label away, and the model may look again.

    A waiting suggestion of the product is decided with it. `product` itself is brought up to date. Raises
    AlreadyDecided where somebody has labelled it otherwise since it was `seen`, ReviewError for a retired
    category, or a product that has gone.
    """
    if category is not None:
        require_active(category)
    with transaction.atomic():
        locked = get_product_model()._base_manager.select_for_update().filter(pk=product.pk).first()
        if locked is None:
            raise ReviewError("This product has been deleted.")
        require_filing_seen(locked, category, seen)
        suggestion = Suggestion.objects.filter(product_id=product.pk).first()
        verdicts_write([Verdict(locked, suggestion, category, FILE)], actor=actor, note=note)
    product.refresh_from_db()


def _bulk(
    ids: Iterable[int],
    options: dict[str, Any],
    sort_out: Callable[[list[int], ClassificationRun], dict[int, str]],
    *,
    actor: User,
) -> BulkOutcome:
    """One run of the ledger, CHUNK suggestions a transaction; `sort_out` decides a chunk, and says what
    became of each."""
    wanted = list(dict.fromkeys(ids))
    run = run_start(ClassificationRun.Kind.REVIEW, options=options, actor=actor)
    outcome: dict[str, list[int]] = {
        name: [] for name in ("decided", "refused_low", "already_decided", "changed", "impossible")
    }
    with closed_on_error(partial(run_finish, run)):
        for start in range(0, len(wanted), CHUNK):
            counts: dict[str, int] = {}
            with transaction.atomic():
                for pk, name in sort_out(wanted[start : start + CHUNK], run).items():
                    outcome[name].append(pk)
                    counts[name] = counts.get(name, 0) + 1
                run_beat(run, counts)
    run_finish(run)
    return BulkOutcome(run=run, **{name: tuple(pks) for name, pks in outcome.items()})


def _decide_chunk(
    chunk: list[int],
    category: Category | None,
    act: Assignment.Act,
    *,
    actor: User,
    note: str,
    run: ClassificationRun,
    seen: Mapping[int, Seen],
) -> dict[int, str]:
    """The same decision on each of these that waits; called in a transaction."""
    locked = suggestions_lock(chunk)
    parts: tuple[Part, ...] = ("text", "question") if act == REJECT else ("text",)
    outcome: dict[int, str] = {}
    verdicts = []
    for pk in chunk:
        found = locked.get(pk)
        if found is None or not found[1].is_pending or overtaken(*found):
            outcome[pk] = "already_decided"
        elif _changed(found, seen.get(pk), *parts):
            outcome[pk] = "changed"
        else:
            outcome[pk] = "decided"
            verdicts.append(Verdict(*found, category, act))
    verdicts_write(verdicts, actor=actor, note=note, run=run)
    return outcome


def _approve_chunk(
    chunk: list[int], *, actor: User, confirm_low: bool, run: ClassificationRun, seen: Mapping[int, Seen]
) -> dict[int, str]:
    """What becomes of each of these; called in a transaction."""
    locked = suggestions_lock(chunk)
    tops = {pk: suggestion.top for pk, (_, suggestion) in locked.items()}
    codes = {top["category_code"] for top in tops.values() if top is not None}
    places = {place.code: place for place in Category.objects.active().filter(code__in=codes)}
    outcome: dict[int, str] = {}
    verdicts = []
    for pk in chunk:
        found = locked.get(pk)
        if found is None or not found[1].is_pending or overtaken(*found):
            outcome[pk] = "already_decided"
            continue
        top, bar = tops[pk], found[1].threshold
        if _changed(found, seen.get(pk), "text", "top"):
            outcome[pk] = "changed"
        elif top is None:
            outcome[pk] = "impossible"
        elif not confirm_low and (bar is None or top["confidence"] < bar):
            outcome[pk] = "refused_low"
        elif top["category_code"] not in places:
            outcome[pk] = "impossible"
        else:
            outcome[pk] = "decided"
            verdicts.append(Verdict(*found, places[top["category_code"]], FILE))
    verdicts_write(verdicts, actor=actor, note="", run=run)
    return outcome


def _changed(found: tuple[ClassifiableProduct, Suggestion], seen: Seen | None, *parts: Part) -> bool:
    """Whether this is not what the reviewer saw, in one of these parts; no, if nobody says what it was."""
    product, suggestion = found
    return seen is not None and seen.changed(Seen.of(suggestion, product), *parts)


def _decide(
    pk: int,
    *,
    actor: User,
    category: Category | None,
    note: str,
    run: ClassificationRun | None = None,
    seen: Seen | None = None,
) -> Suggestion:
    with transaction.atomic():
        found = suggestions_lock([pk]).get(pk)
        if found is None:
            raise AlreadyDecided(GONE)
        product, suggestion = found
        if category is not None:
            require_active(category)
        require_pending(suggestion)
        require_unlabelled(product, suggestion)
        require_seen(suggestion, product, seen, rejecting=category is None)
        act = REJECT if category is None else FILE
        verdicts_write([Verdict(product, suggestion, category, act)], actor=actor, note=note, run=run)
    return suggestion
