"""Which suggestions are worth deciding first."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db import router, transaction
from django.db.models import Count, F, Min, Q, QuerySet, Sum

from ..conf import get_settings
from ..inference.review_value import ReviewValue, behind
from ..models import LABELS, Suggestion, get_product_model
from ..models.suggestion import NO_CLUSTER, cluster_of_title
from ..selectors import ORDERS
from .bulk import update_rows

PAGE = 1000


def priorities_refresh() -> int:
    """Put the review queue in order by value again; returns how many suggestions have a new priority.

    A priority is a `ReviewValue`: of the near-duplicates that wait the earliest stands for all, the others
    come after everything else, below 0, so that near-copies do not follow one another. The weights (the
    setting REVIEW_WEIGHT) are taken in units of their mean, so that they need no scale. Suggestions from
    before clusters were stored are given theirs. Memory grows with the number of different words that wait
    and of clusters that hold several; the titles of all labelled products are read once, of those that wait
    twice.
    """
    using = router.db_for_write(Suggestion)
    for page in _pages(using, cluster=""):
        _fill(page, using)
    clusters = _clusters(using)
    rule, total, weighed = ReviewValue(), 0.0, 0
    for page in _pages(using):
        products = _products(page, using)
        for row in page:
            title, weight = products.get(row.product_id, _GONE)
            if weight is not None:
                total, weighed = total + weight, weighed + 1
            if row.pk == clusters.get(row.cluster, (row.pk, 0.0))[0]:
                rule.add_waiting(title, 1 - row.top_confidence)
    for title in _labelled_titles(using):
        rule.add_label(title)
    mean = total / weighed if total else 1.0
    changed = 0
    for page in _pages(using, least_sure_first=True):
        changed += _write(page, rule, clusters, mean, using)
    return changed


def _write(
    page: Sequence[Suggestion],
    rule: ReviewValue,
    clusters: dict[str, tuple[int, float]],
    mean: float,
    using: str,
) -> int:
    """Give these their priorities; returns how many had another one."""
    products, rows = _products(page, using), []
    for row in page:
        title, weight = products.get(row.product_id, _GONE)
        weight = 1.0 if weight is None else weight / mean
        doubt = 1 - row.top_confidence
        first, wrong = clusters.get(row.cluster, (row.pk, doubt))
        if row.pk == first:
            priority = rule.worth(title, doubt, wrong=wrong, weight=weight)
        else:
            priority = behind(wrong * weight)
        if not math.isclose(priority, row.priority, rel_tol=1e-6):
            rows.append((row.pk, priority))
    with transaction.atomic(using=using):
        update_rows(Suggestion, ("priority",), rows, using=using)
    return len(rows)


def _pages(using: str, *, least_sure_first: bool = False, **only: Any) -> Iterator[list[Suggestion]]:
    """What waits, `PAGE` at a time, by primary key or by rising confidence; what a page's caller writes moves
    no other."""
    waiting = Suggestion.objects.using(using).filter(
        status=Suggestion.Status.PENDING, queue=Suggestion.Queue.REVIEW, **only
    )
    waiting = waiting.only("pk", "product_id", "cluster", "top_confidence", "priority")
    rows = waiting.order_by(*ORDERS["unsure"] if least_sure_first else ("pk",))
    page = list(rows[:PAGE])
    while page:
        yield page
        last = page[-1]
        if least_sure_first:
            page = list(_less_unsure(rows, last)[:PAGE])
        else:
            page = list(rows.filter(pk__gt=last.pk)[:PAGE])


def _less_unsure(rows: QuerySet[Suggestion], last: Suggestion) -> QuerySet[Suggestion]:
    """What comes after `last`. The first condition is only there for the index."""
    further = Q(top_confidence__gt=last.top_confidence) | Q(pk__lt=last.pk)
    return rows.filter(Q(top_confidence__gte=last.top_confidence), further)


def _fill(page: Sequence[Suggestion], using: str) -> None:
    """Give rows that were written without them the columns that the queue sorts by."""
    model = get_product_model()
    products = model._base_manager.using(using).filter(pk__in=[row.product_id for row in page])
    titles = dict(products.values_list("pk", model.classifier_fields["title"]))
    tops = Suggestion.objects.using(using).in_bulk([row.pk for row in page])
    rows = []
    for row in page:
        top = tops[row.pk].top if row.pk in tops else None
        known = (top["category_code"], top["confidence"]) if top else ("", 0.0)
        rows.append((row.pk, cluster_of_title(titles.get(row.product_id)), *known))
    with transaction.atomic(using=using):
        update_rows(Suggestion, ("cluster", "top_code", "top_confidence"), rows, using=using)


def _labelled_titles(using: str) -> Iterator[str]:
    """Of every product with a label; streamed."""
    model = get_product_model()
    labelled = model._base_manager.using(using).filter(category_source__in=LABELS).order_by()
    titles = labelled.values_list(model.classifier_fields["title"], flat=True)
    return (str(title or "") for title in titles.iterator(chunk_size=PAGE))


def _clusters(using: str) -> dict[str, tuple[int, float]]:
    """Cluster of several → the earliest of those that wait, and the sum of their chances to be wrong."""
    waiting = Suggestion.objects.using(using).filter(
        status=Suggestion.Status.PENDING, queue=Suggestion.Queue.REVIEW
    )
    groups = waiting.exclude(cluster__in=("", NO_CLUSTER)).order_by().values_list("cluster")
    several = groups.annotate(size=Count("pk")).filter(size__gt=1)
    sums = several.annotate(first=Min("pk"), sure=Sum("top_confidence"))
    return {cluster: (first, size - sure) for cluster, size, first, sure in sums}


class _Product(NamedTuple):
    title: str
    weight: float | None
    """0 or more; None: that of the mean product."""


_GONE = _Product("", None)


def _weight(value: Any) -> float | None:
    """A column may hold nothing, or no number: such a product weighs what the mean one does."""
    return max(float(value), 0.0) if value is not None and math.isfinite(value) else None


def _products(page: Iterable[Suggestion], using: str) -> dict[Any, _Product]:
    """Product → what the rule reads of it."""
    model, weight = get_product_model(), get_settings().review_weight
    rows = model._base_manager.using(using).filter(pk__in=[row.product_id for row in page])
    columns = ["pk", model.classifier_fields["title"]]
    if weight is not None:
        rows = rows.annotate(review_weight=F(weight) if isinstance(weight, str) else weight)
        columns.append("review_weight")
    return {
        pk: _Product(str(title or ""), _weight(value))
        for pk, title, value in ((*row, None)[:3] for row in rows.values_list(*columns))
    }
