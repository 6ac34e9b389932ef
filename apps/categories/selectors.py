"""Every read of more than one table row that several callers share."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from .alike import nearest_labelled
from .inference.text import TEXT_FIELDS
from .models import (
    LABELS,
    Assignment,
    Category,
    ClassifiableProduct,
    ClassificationRun,
    Source,
    Suggestion,
    get_product_model,
)
from .models.suggestion import NO_CLUSTER
from .search import tree_index

if TYPE_CHECKING:
    from .inference.tree_search import FoundCategory


@dataclass(frozen=True, kw_only=True)
class LabelledProduct:
    """One product that a person or an import has filed: what a model may read of it, and the truth."""

    pk: object
    sku: str
    text: Mapping[str, str]
    """By TEXT_FIELDS; empty strings for what is missing."""
    category_code: str
    category_path: str
    source: str


ORDERS = {
    "value": ("-priority", "pk"),
    "newest": ("-pk",),
    "oldest": ("pk",),
    "unsure": ("top_confidence", "-pk"),
    "sure": ("-top_confidence", "pk"),
    "category": ("top_code", "-top_confidence", "pk"),
}
"""The orders of the review queue; each is read from an index, also by the thousand."""


def waiting_in(queue: str) -> QuerySet[Suggestion]:
    """What waits in this queue, with the product and its category joined; in no order."""
    waiting = Suggestion.objects.filter(status=Suggestion.Status.PENDING, queue=queue)
    return waiting.select_related("product", "product__category").order_by()


def review_queue() -> QuerySet[Suggestion]:
    """Pending suggestions of products that no label has overtaken, the one most worth deciding first.

    One query, with the product and its category joined.
    """
    return (
        waiting_in(Suggestion.Queue.REVIEW)
        # Not filter(…=True): SQLite would begin with every such product, and sort them all.
        .exclude(product__needs_review=False)
        .exclude(product__category_source__in=LABELS)
        .order_by(*ORDERS["value"])
    )


def refine_queue() -> QuerySet[Suggestion]:
    """Pending suggestions of products that the model has filed above their category: nobody needs to decide
    them, somebody may refine them. The most confident first.
    """
    return (
        waiting_in(Suggestion.Queue.REVIEW)
        .filter(product__needs_review=False, product__category_source=Source.MODEL)
        .order_by(*ORDERS["sure"])
    )


def product_relations(*, prefix: str = "") -> tuple[str, ...]:
    """What select_related() must join so that reading a product's own columns costs no further query."""
    found = {lookup.rpartition("__")[0] for lookup in get_product_model().classifier_fields.values()}
    return tuple(f"{prefix}{relation}" for relation in sorted(found - {""}))


def stale_products() -> QuerySet[ClassifiableProduct]:
    """Products that are marked as waiting for the model. A sweep finds, by digest, those that no mark was set
    on."""
    return unlabelled_products().filter(is_stale=True)


def unlabelled_products() -> QuerySet[ClassifiableProduct]:
    """Every product that a model may file."""
    return get_product_model()._base_manager.exclude(category_source__in=LABELS)


def labelled_products() -> Iterator[LabelledProduct]:
    """Every product with a label, in order of primary key; streamed, so that memory does not grow with the
    shop."""
    model = get_product_model()
    lookups = model.text_lookups()
    sku = model.classifier_fields.get("sku", "pk")
    rows = (
        model._base_manager.filter(category_source__in=LABELS, category__isnull=False)
        .order_by("pk")
        .values_list("pk", sku, "category__code", "category__path", "category_source", *lookups.values())
    )
    for pk, number, code, path, source, *texts in rows.iterator(chunk_size=5000):
        known = dict(zip(lookups, texts, strict=True))
        yield LabelledProduct(
            pk=pk,
            sku=str(number or ""),
            text={name: str(known.get(name) or "") for name in TEXT_FIELDS},
            category_code=code,
            category_path=path,
            source=source,
        )


def category_codes() -> dict[str, str]:
    """Path to code of every category."""
    return dict(Category.objects.values_list("path", "code"))


def category_search(
    text: str, *, limit: int = 20, among: Collection[int] | None = None
) -> "list[FoundCategory]":
    """The active categories, or those whose primary key is `among`, that `text` finds; the best first.

    As `TreeIndex.find` says: words in any order, half typed or mistyped, a code, an external id. The one
    search in the tree. Cost: milliseconds for 10,000 categories, and at most one query.
    """
    return tree_index().find(text, limit=limit, among=among)


def filing_counts() -> dict[str, int]:
    """How many products each source has filed, and `needs_review` and `stale`; five keys and "import"."""
    products = get_product_model()._base_manager
    counts = {source.value: products.filter(category_source=source).count() for source in Source}
    counts["needs_review"] = products.filter(needs_review=True).count()
    counts["stale"] = stale_products().count()
    return counts


def waiting_counts() -> dict[str, int]:
    """How many products wait: for a person (`review`), and for the model (`stale`). Two indexed counts."""
    review = get_product_model()._base_manager.filter(needs_review=True).count()
    return {"review": review, "stale": stale_products().count()}


def asked_counts() -> dict[str, int]:
    """How many suspected label errors (`label`) and products of the audit sample (`audit`) wait for a person.
    One query."""
    queues = (Suggestion.Queue.LABEL, Suggestion.Queue.AUDIT)
    waiting = Suggestion.objects.filter(status=Suggestion.Status.PENDING, queue__in=queues).order_by()
    counted: dict[str, int] = dict(waiting.values_list("queue").annotate(count=Count("pk")))
    return {queue.value: counted.get(queue.value, 0) for queue in queues}


def active_categories(codes: Iterable[str]) -> dict[str, Category]:
    """Code → category, with its path as it is in the tree now, for those of `codes` that are active. One
    query."""
    known: dict[str, Category] = Category.objects.active().in_bulk(list(codes), field_name="code")
    return known


def queue_in_order(order: str, *, category_code: str = "") -> QuerySet[Suggestion]:
    """What waits, in one of ORDERS, or one of the other queues: "audit", "label" (suspected label errors, the
    clearest first), or "refine" (filed above their category). With `category_code`, only those whose first
    candidate it is.

    By value, near-duplicates do not follow one another: one stands for its cluster, the others come last.
    Raises ValueError for another order.
    """
    if order in ("audit", "label"):
        found = waiting_in(order).order_by(*ORDERS["value"])
    elif order == "refine":
        found = refine_queue()
    elif order in ORDERS:
        found = review_queue().order_by(*ORDERS[order])
    else:
        expected = ", ".join(("audit", "label", "refine", *ORDERS))
        raise ValueError(f"{order!r} is no order of the queue: expected {expected}.")
    return found.filter(top_code=category_code) if category_code else found


def cluster_of(suggestion: Suggestion) -> QuerySet[Suggestion]:
    """The other suggestions that wait for near-duplicates of the same product, never of a labelled one; in no
    order that means anything. A cluster is what training keeps on one side of a split."""
    return _waiting_alike({suggestion.cluster}).exclude(pk=suggestion.pk)


def clusters_of(suggestions: Sequence[Suggestion], *, limit: int) -> dict[int, list[Suggestion]]:
    """`cluster_of` of several, by primary key; at most `limit` of each. One query."""
    place = Window(RowNumber(), partition_by=F("cluster"), order_by=("-priority", "-pk"))
    # One more each: a suggestion is among its own.
    alike = _waiting_alike({one.cluster for one in suggestions}).annotate(place=place)
    found: dict[str, list[Suggestion]] = {}
    for other in alike.filter(place__lte=limit + 1):
        found.setdefault(other.cluster, []).append(other)
    return {
        one.pk: [other for other in found.get(one.cluster, ()) if other.pk != one.pk][:limit]
        for one in suggestions
    }


def _waiting_alike(clusters: Collection[str]) -> QuerySet[Suggestion]:
    alike = waiting_in(Suggestion.Queue.REVIEW).filter(cluster__in={*clusters} - {"", NO_CLUSTER})
    alike = alike.select_related(*product_relations(prefix="product__"))
    return alike.exclude(product__category_source__in=LABELS).order_by("-priority", "-pk")


@dataclass(frozen=True, kw_only=True)
class LikeProduct:
    """A labelled product whose title is like another's."""

    product: ClassifiableProduct
    """With its category joined."""
    likeness: float
    """Cosine of the words, weighed by rarity; 0 to 1."""


def products_like(product: ClassifiableProduct, *, limit: int = 3) -> list[LikeProduct]:
    """The labelled products whose titles are most like this one's, the nearest first. Two or three
    queries, see `alike.nearest_labelled` for the cost."""
    title = str(product.classifier_value("title") or "")
    # Some may have lost their label, or be this very product: ask for more than are shown.
    near = dict(nearest_labelled(title, limit=3 * limit + 1))
    near.pop(product.pk, None)
    rows = get_product_model()._base_manager.filter(pk__in=list(near), category_source__in=LABELS)
    found = [
        LikeProduct(product=row, likeness=near[row.pk])
        for row in rows.filter(category__isnull=False).select_related("category")
    ]
    return sorted(found, key=lambda like: -like.likeness)[:limit]


def unclaimed(waiting: QuerySet[Suggestion], actor: User, now: datetime) -> QuerySet[Suggestion]:
    """Those of `waiting` that are handed out to nobody but `actor`, and no near-duplicate of them either. One
    query, for what others hold: a few rows, which a database that plans both at once takes for many."""
    pending = Suggestion.objects.filter(status=Suggestion.Status.PENDING)
    held = pending.filter(claimed_until__gt=now).exclude(claimed_by=actor)
    keys, clusters = [], set()
    for key, cluster in held.values_list("pk", "cluster"):
        keys.append(key)
        clusters.add(cluster)
    return waiting.exclude(pk__in=keys).exclude(cluster__in=clusters - {"", NO_CLUSTER})


def acts_in_force(products: Iterable[Any] | None = None) -> QuerySet[Assignment]:
    """Acts that have not been taken back, of these products only. The newest of a product made it what it
    is."""
    acts = Assignment.objects.filter(undoes__isnull=True)
    if products is not None:
        acts = acts.filter(product_id__in=list(products))
    return acts.filter(~Exists(Assignment.objects.filter(undoes=OuterRef("pk"))))


def acts_overtaken(run: ClassificationRun) -> QuerySet[Assignment]:
    """Acts of a run in force on whose product somebody or something else has acted since: undoing the run
    leaves them. A later question overtakes no move from one place to another: it stays when the move goes."""
    since = acts_in_force().filter(product=OuterRef("product"), pk__gt=OuterRef("pk")).exclude(run=run)
    unmoved = Q(from_category=F("to_category")) | Q(from_category=None, to_category=None)
    overtaken = Exists(since.exclude(act=Assignment.Act.ASK)) | (unmoved & Exists(since))
    return acts_in_force().filter(run=run).filter(overtaken)


def decision_in_force(product: ClassifiableProduct) -> Assignment | None:
    """The person's decision that made this product what it is, if it can be taken back; None where the last
    act upon it was another's. One query."""
    acts = acts_in_force([product.pk]).exclude(act=Assignment.Act.ASK)
    last = acts.select_related("run").order_by("-pk").first()
    return last if last is not None and last.source == Source.HUMAN and last.from_source else None


def last_decision(actor: User) -> Assignment | None:
    """The newest decision of this person that can be taken back: what the key for undo means. One on whose
    product something has happened since is passed over. One query.

    One that is of a run belongs to a bulk act: undo the run.
    """
    acts = acts_in_force().filter(actor=actor, source=Source.HUMAN)
    since = acts_in_force().filter(product=OuterRef("product"), pk__gt=OuterRef("pk"))
    stands = acts.filter(~Exists(since)).filter(_as_left())
    return stands.select_related("product", "run", "to_category").order_by("-pk").first()


def _as_left() -> Q:
    """Acts whose product is as they left it, also where the history does not tell: a rejected one on which
    the model has asked anew, one that was changed past the history. `decision_undo` judges under its lock."""
    place = Q(product__category=F("to_category")) | Q(product__category=None, to_category=None)
    source = Q(to_category=None, product__category_source=Source.NONE)
    source |= Q(to_category__isnull=False, product__category_source=F("source"))
    rejected = Q(
        act=Assignment.Act.REJECT,
        product__category_source=F("from_source"),
        product__suggestion__status=Suggestion.Status.REJECTED,
    )
    return place & (Q(act=Assignment.Act.FILE) & source | rejected) & ~Q(from_source="")
