"""Every read of more than one table row that several callers share."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Length, Substr

from .inference.taxonomy import CODE_PREFIX, code_for_path
from .inference.text import TEXT_FIELDS
from .models import Category, CategoryQuerySet, ClassifiableProduct, Source, Suggestion, get_product_model
from .models.product import LABELS


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


def review_queue() -> QuerySet[Suggestion]:
    """Pending suggestions of products that no label has overtaken, the most confident first.

    One query, with the product and its category joined.
    """
    return (
        Suggestion.objects.filter(status=Suggestion.Status.PENDING, product__needs_review=True)
        .exclude(product__category_source__in=LABELS)
        .select_related("product", "product__category")
        .order_by(F("candidates__0__confidence").desc(nulls_last=True), "pk")
    )


def refine_queue() -> QuerySet[Suggestion]:
    """Pending suggestions of products that the model has filed above their category: nobody needs to decide
    them, somebody may refine them. The most confident first.
    """
    return (
        Suggestion.objects.filter(
            status=Suggestion.Status.PENDING,
            product__needs_review=False,
            product__category_source=Source.MODEL,
        )
        .select_related("product", "product__category")
        .order_by(F("candidates__0__confidence").desc(nulls_last=True), "pk")
    )


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


def category_search(text: str, *, limit: int = 20) -> list[Category]:
    """Active categories whose path holds every word of `text`, shortest path first; at most `limit`."""
    return list(categories_matching(Category.objects.active(), text)[:limit])


def categories_matching(categories: CategoryQuerySet, text: str) -> CategoryQuerySet:
    """Of these, the ones whose path holds every word of `text`, shortest path first; at most ten words count.

    Accents and capitals may be left out, on any database: the code holds the path in plain letters. A word
    may also be the code, or the external id.
    """
    categories = categories.alias(plain_path=Substr("code", len(CODE_PREFIX) + 2))
    for word in text.split()[:10]:
        plain = _plain_letters(word)
        found = Q(path__icontains=word) | Q(code__iexact=word) | Q(external_id__iexact=word)
        categories = categories.filter(found | Q(plain_path__icontains=plain) if plain else found)
    return categories.order_by(Length("path"), "path")  # type: ignore[no-any-return]


def _plain_letters(word: str) -> str:
    """The word as a code would spell it; empty when it has nothing that a code can hold."""
    try:
        return code_for_path(word).removeprefix(f"{CODE_PREFIX}_")
    except ValueError:
        return ""


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


def active_paths(codes: Iterable[str]) -> dict[str, str]:
    """Code → path as it is in the tree now, for those of `codes` that are active categories."""
    return dict(Category.objects.active().filter(code__in=list(codes)).values_list("code", "path"))
