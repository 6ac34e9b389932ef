"""A page of the review queue as the template shows it: everything looked up in one query per page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.utils.safestring import SafeString

from .. import services
from ..models import Candidate, Category, Source, Suggestion
from ..selectors import product_relations
from .display import confidence_bar, confidence_words, image_url, path_markup, product_link, source_badge

JOINED = ("product", "product__category", "decided_by", "decided_category")
PLACE = ("code", "path", "is_active", "parent__code", "parent__path", "parent__is_active")
"""The columns of a candidate's category, and of the one above it."""
DESCRIPTION_LENGTH = 400
"""Characters of a description in the list; the suggestion's own page shows all of it."""


@dataclass(frozen=True, kw_only=True)
class CandidateView:
    """One candidate of a suggestion."""

    code: str
    path: str
    """As the tree has it now; as the model learned it when the category is gone."""
    markup: SafeString
    percent: str
    bar: SafeString
    problem: str
    """Why it cannot be approved; empty: it can."""
    parent: "CandidateView | None" = None
    """The category above it, without a confidence; None at the top, and above what is not in the tree."""

    @classmethod
    def of_category(cls, category: Category) -> "CandidateView":
        """A place in the tree that nobody gave a confidence."""
        return cls(
            code=category.code,
            path=category.path,
            markup=path_markup(category.path),
            percent="",
            bar=SafeString(""),
            problem="" if category.is_active else "retired",
        )


@dataclass(frozen=True, kw_only=True)
class QueueRow:
    """One suggestion with what a reviewer needs to decide it."""

    suggestion: Suggestion
    title: str
    description: str
    facts: tuple[tuple[str, str], ...]
    """(name, value) of what else is known: brand, seller, price, sku."""
    image: str | None
    link: str
    """The product's own page in the admin; empty when there is none."""
    candidates: tuple[CandidateView, ...]
    parent: CandidateView | None
    """What `p` files under: the parent that the model chose, or the one of the first candidate."""
    assigned_parent: bool
    """The model has filed the product there itself."""
    filed: SafeString
    """Where the product is filed now; empty: nowhere."""
    filed_by: SafeString
    """Who says so; empty: nobody."""
    outcome: str
    """Who decided what, and when; empty while it waits."""
    seen: services.Seen
    """What a decision on this row posts."""

    @property
    def pk(self) -> int:
        return int(self.suggestion.pk)


def joined() -> tuple[str, ...]:
    """What a row of the queue reads, so that it costs no query of its own."""
    return (*JOINED, *product_relations(prefix="product__"))


def queue_rows(
    suggestions: Iterable[Suggestion], *, site: str, full_text: bool = False
) -> tuple[QueueRow, ...]:
    """The rows of one page. Expects product, product.category, decided_by and decided_category to be joined.

    One query, for the categories that the candidates name now; `full_text` shows descriptions uncut.
    """
    found = list(suggestions)
    codes = {item["category_code"] for suggestion in found for item in suggestion.candidates}
    known = {
        category.code: category
        for category in Category.objects.filter(code__in=codes).select_related("parent").only(*PLACE)
    }
    return tuple(_row(suggestion, known, site=site, full_text=full_text) for suggestion in found)


def outcome_sentence(suggestion: Suggestion) -> str:
    """Who decided what, and when; empty while the suggestion waits."""
    if suggestion.is_pending:
        return ""
    who = str(suggestion.decided_by) if suggestion.decided_by else "Somebody"
    what = {
        Suggestion.Status.APPROVED: "approved",
        Suggestion.Status.CORRECTED: "chose",
        Suggestion.Status.REJECTED: "rejected all candidates",
    }[Suggestion.Status(suggestion.status)]
    place = f" “{suggestion.decided_category.path}”" if suggestion.decided_category else ""
    return f"{who} {what}{place}."


def candidate_views(
    candidates: Sequence[Candidate], known: dict[str, Category], *, bar: float | None
) -> tuple[CandidateView, ...]:
    """The candidates with their present place in the tree; `bar` is the confidence to reach."""
    return tuple(_candidate(item, known.get(item["category_code"]), bar=bar) for item in candidates)


def _since(suggestion: Suggestion) -> datetime | None:
    """Since when its product is where it is; None where only the history knows."""
    product: Any = suggestion.product
    if product.category_source == Source.MODEL:
        return cast("datetime | None", product.classified_at)
    return suggestion.decided_at if product.category_source == Source.HUMAN else None


def _candidate(item: Candidate, category: Category | None, *, bar: float | None) -> CandidateView:
    path = category.path if category else str(item.get("category_path") or item["category_code"])
    problem = ""
    if category is None:
        problem = "not in this shop’s tree"
    elif not category.is_active:
        problem = "retired"
    return CandidateView(
        code=item["category_code"],
        path=path,
        markup=path_markup(path),
        percent=confidence_words(item["confidence"]),
        bar=confidence_bar(item["confidence"], bar=bar),
        problem=problem,
        parent=CandidateView.of_category(category.parent) if category and category.parent else None,
    )


def _row(suggestion: Suggestion, known: dict[str, Category], *, site: str, full_text: bool) -> QueueRow:
    product: Any = suggestion.product
    text = product.classifier_text()
    description = text["description"].strip()
    cut = not full_text and len(description) > DESCRIPTION_LENGTH
    facts = [("brand", text["brand"]), ("seller", text["seller"])]
    facts += [(name, str(product.classifier_value(name) or "")) for name in ("price", "sku")]
    candidates = candidate_views(suggestion.candidates, known, bar=suggestion.threshold)
    # In the audit the place where the model has filed it is what is asked about.
    asked = suggestion.is_pending and suggestion.queue == Suggestion.Queue.REVIEW
    assigned = asked and product.category_source == Source.MODEL and product.category is not None
    parent = candidates[0].parent if candidates else None
    return QueueRow(
        suggestion=suggestion,
        title=text["title"].strip() or "(no title)",
        description=f"{description[:DESCRIPTION_LENGTH].rstrip()}…" if cut else description,
        facts=tuple((name, value) for name, value in facts if value.strip()),
        image=image_url(product.classifier_value("image")),
        link=product_link(product, site=site),
        candidates=candidates,
        parent=CandidateView.of_category(product.category) if assigned else parent,
        assigned_parent=assigned,
        filed=path_markup(product.category.path) if product.category else SafeString(""),
        filed_by=source_badge(
            product.category_source, model_version=product.model_version, since=_since(suggestion)
        )
        if product.category
        else SafeString(""),
        outcome=outcome_sentence(suggestion),
        seen=services.Seen.of(suggestion, product),
    )
