"""How often the model was right about what it filed by itself, as far as people have looked."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Concat, Left, Length
from django.db.models.lookups import Exact

from ..inference.taxonomy import SEPARATOR
from ..models import Assignment, Category, Source, Suggestion
from ..selectors import acts_in_force
from .interval import clopper_pearson


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Products that one model had filed, or all models had, and that people have judged since."""

    version: str
    """Empty: all models together."""
    rows: int
    right: int
    """Filed under the category that the person chose, or under one above it."""

    @property
    def share(self) -> float | None:
        """The measured precision; None without rows."""
        return self.right / self.rows if self.rows else None

    @property
    def interval(self) -> tuple[float, float]:
        """What chance allows, with 95% certainty; 0 to 1 without rows."""
        return clopper_pearson(self.rows, self.right)


def audited() -> QuerySet[Assignment]:
    """The evidence: the last filing by a model of each product that a person has decided since, and whose
    label by a person still stands. Filter it further for a random sample.

    A row is the model's assignment; the truth is `product__category`. The person must have decided about the
    product as the model had left it: a product that lost that place in between is not evidence. A label that
    was taken back, or undone, is none either. `is_right` says whether the truth is the category, or below it.
    Where `sent_away`, a person called the place wrong in the audit and named no other: the product has no
    truth, and the model was wrong.
    """
    people = Assignment.objects.filter(
        source=Source.HUMAN, from_category__isnull=False, to_category__isnull=False
    )
    # A question moves nothing: what is judged is the filing before it.
    filed = ~Q(act=Assignment.Act.ASK)
    later = Assignment.objects.filter(product_id=OuterRef("product_id"), pk__gt=OuterRef("pk"))
    decided = later.filter(
        source=Source.HUMAN, from_category_id=OuterRef("to_category_id"), to_category__isnull=False
    )
    sent_away = acts_in_force().filter(
        product_id=OuterRef("product_id"),
        pk__gt=OuterRef("pk"),
        source=Source.HUMAN,
        act=Assignment.Act.REJECT,
        queue=Suggestion.Queue.AUDIT,
    )
    rows: Any = Assignment.objects.annotate(
        sent_away=Q(product__category_source=Source.MODEL) & Exists(sent_away)
    )
    found: QuerySet[Assignment] = rows.filter(
        Q(product__category_source=Source.HUMAN) | Q(sent_away=True),
        Exists(decided),
        ~Exists(later.filter(filed, source=Source.MODEL)),
        filed,
        # Says nothing new, and lets SQLite begin with the few.
        product_id__in=people.order_by().values("product_id"),
        source=Source.MODEL,
        to_category__isnull=False,
    ).annotate(is_right=Q(sent_away=False) & _is_right("to_category_id", "product__category_id"))
    return found


def sampled() -> QuerySet[Assignment]:
    """The evidence of the audit: what people decided about the random sample, and did not take back.

    A row is the person's act: `from_category` is what the model had said, `to_category` the truth. `is_right`
    says whether the truth is that category, or below it; sent away, or left without a place, it was wrong.
    """
    acts: Any = acts_in_force().filter(
        queue=Suggestion.Queue.AUDIT, source=Source.HUMAN, from_source=Source.MODEL
    )
    filed = Q(act=Assignment.Act.FILE, to_category__isnull=False)
    found: QuerySet[Assignment] = acts.annotate(
        is_right=filed & _is_right("from_category_id", "to_category_id")
    )
    return found


def _is_right(said: str, truth: str) -> Q:
    """Whether a category (the column of its key) is another one, or above it."""
    # Below is asked only where the two are not the same, and without a join: the planners guess such joins
    # badly.
    path = Category.objects.filter(pk=OuterRef(OuterRef(said))).values("path")[:1]
    below = (
        Category.objects.filter(pk=OuterRef(truth))
        .alias(above=Concat(Subquery(path), Value(SEPARATOR)))
        .filter(Exact(Left("path", Length("above")), F("above")))
    )
    return Q(**{said: F(truth)}) | Q(Exists(below))


def judged(
    evidence: QuerySet[Assignment], *, limit: int, by: str = "model_version"
) -> tuple[Judged, list[Judged]]:
    """All of the evidence together, and by the model that had filed it, the `limit` most judged models first.

    `by` is the column that names the model. One statement.
    """
    rows: Any = (
        evidence.order_by()
        .values(by)
        .annotate(rows=Count("pk"), right=Count("pk", filter=Q(is_right=True)))
        .order_by("-rows", by)
    )
    versions = [Judged(version=row[by], rows=row["rows"], right=row["right"]) for row in rows]
    whole = Judged(
        version="", rows=sum(row.rows for row in versions), right=sum(row.right for row in versions)
    )
    return whole, versions[:limit]


def misfiled(evidence: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """What the model had filed wrongly, the latest first, with everything that is shown of it joined."""
    wrong: Any = evidence
    found: QuerySet[Assignment] = wrong.filter(is_right=False).order_by("-created_at", "-pk")
    return found.select_related("product", "product__category", "to_category")
