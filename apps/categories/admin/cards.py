"""The review page: one product at a time, the next ones already there. The views read a click, call one
service, and say what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
)
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from .. import selectors, services
from ..inference.decision import percent
from ..models import Suggestion
from .base import may_review, reviewer
from .decisions import GONE, numbers, refusal
from .display import path_markup, product_link, source_badge
from .queue import QueueRow, joined, queue_rows
from .undoing import UndoViews

AHEAD = 3
"""Cards that the page begins with; two are kept ready behind the one that is shown."""
AT_MOST_AHEAD = 5
SKIPPED_AT_MOST = 500
"""Cards that one sitting can pass over and not meet again."""
SKIPPED_IN_ADDRESS = 250
"""The same without scripts, where they stand in the address: servers refuse one of more than 4,094 bytes."""
ALIKE_AT_MOST = 100
"""Near-duplicates that one decision can take along: more cannot be read."""
COUNTED_AT_MOST = 1000
LIKE_AT_MOST = 3
USUAL_ORDER = "value"

ORDER_WORDS = {
    "value": "Most worth deciding",
    "unsure": "Least sure first",
    "newest": "Newest first",
    "oldest": "Oldest first",
    "category": "By category",
    "refine": "To refine",
    "label": "Suspected label errors",
    "audit": "Audit sample",
}
"""The orders of the page, as selectors.queue_in_order knows them, and what the page calls them."""


@dataclass(frozen=True, kw_only=True)
class Alike:
    """One near-duplicate that a decision can take along."""

    pk: int
    title: str
    facts: str
    top: SafeString
    """Its own first candidate, where that is another than this card's."""
    seen: str
    """Of its text, which is what goes along."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """One suggestion with all that a decision needs."""

    row: QueueRow
    alike: tuple[Alike, ...]
    more_alike: bool
    """There are more than are shown."""

    @property
    def alike_chosen(self) -> int:
        """How many go along unless somebody says otherwise: those of which the model thinks the same."""
        return sum(not item.top for item in self.alike)

    @property
    def alike_unsure(self) -> bool:
        return self.alike_chosen < len(self.alike)


def make_cards(
    suggestions: Sequence[Suggestion], *, site: str, alike: int, full_text: bool = False
) -> tuple[Card, ...]:
    """Cards of these suggestions, whose products and categories are joined. Two queries.

    `alike`: near-duplicates of each, at most; none of what is decided. `full_text` shows descriptions uncut.
    """
    found = selectors.clusters_of([item for item in suggestions if item.is_pending], limit=alike + 1)
    rows = queue_rows(suggestions, site=site, full_text=full_text)
    return tuple(_card(row, found.get(row.pk, ()), at_most=alike) for row in rows)


def _card(row: QueueRow, found: Sequence[Suggestion], *, at_most: int) -> Card:
    return Card(
        row=row,
        alike=tuple(_alike(item, row.suggestion.top_code) for item in found[:at_most]),
        more_alike=len(found) > at_most,
    )


def _alike(suggestion: Suggestion, expected: str) -> Alike:
    product: Any = suggestion.product
    top = suggestion.top
    values = (product.classifier_value(name) for name in ("brand", "price", "sku"))
    other = top is not None and top["category_code"] != expected
    return Alike(
        pk=suggestion.pk,
        title=str(product.classifier_value("title") or "").strip() or "(no title)",
        facts=" · ".join(str(value) for value in values if value not in (None, "")),
        top=path_markup(top["category_path"]) if top is not None and other else SafeString(""),
        seen=services.Seen.of(suggestion, product).text,
    )


class CardViews(UndoViews):
    """The review page and what its script asks for."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("review/", wrap(self.review_view), name="categories_review"),
            path("review/next/", wrap(self.next_view), name="categories_review_next"),
            path("review/leave/", wrap(self.leave_view), name="categories_review_leave"),
            path("<int:pk>/card/", wrap(self.card_view), name="categories_review_card"),
            path("<int:pk>/why/", wrap(self.why_view), name="categories_review_why"),
        ]
        return [*own, *super().get_urls()]

    def review_view(self, request: HttpRequest) -> HttpResponse:
        """The page. GET `?order=` one of ORDER_WORDS, `?category=<code>`, `?skip=<pk>,<pk>`. What it shows is
        handed out to this reviewer."""
        if not may_review(request):
            raise PermissionDenied
        order = request.GET.get("order", USUAL_ORDER)
        order = order if order in ORDER_WORDS else USUAL_ORDER
        code = _plain(request.GET.get("category", ""))
        skip = _skipped(request.GET.get("skip", ""))
        found = services.claim_next(
            reviewer(request), order=order, category_code=code, skip=skip, count=AHEAD
        )
        cards = make_cards(self._handed_out(found), site=self.admin_site.name, alike=ALIKE_AT_MOST)
        waiting = selectors.queue_in_order(order, category_code=code).order_by()
        count = waiting[: COUNTED_AT_MOST + 1].count()
        next_skip = ",".join(map(str, [*skip, *(card.row.pk for card in cards[:1])][-SKIPPED_IN_ADDRESS:]))
        context = {
            **self.admin_site.each_context(request),
            "title": "Review",
            "opts": self.opts,
            "media": self.media,
            "cards": cards,
            "orders": ORDER_WORDS.items(),
            "order": order,
            "order_words": ORDER_WORDS[order],
            "code": code,
            "code_path": self._path_of(code),
            "waiting": f"more than {COUNTED_AT_MOST:,}" if count > COUNTED_AT_MOST else f"{count:,}",
            "count": count if 0 < count <= COUNTED_AT_MOST else "",
            "nothing_waits": not count,
            "until": _until(found),
            "skipped": len(skip),
            "next_skip": next_skip,
            "may_review": True,
            "queue_next": request.get_full_path(),
        }
        request.current_app = self.admin_site.name  # read by {% url %}
        return TemplateResponse(request, "categories/admin/review.html", context)

    def next_view(self, request: HttpRequest) -> HttpResponse:
        """POST `order`, `category`, `skip`, `count`: more cards, handed out to this reviewer, as {"cards":
        [{"pk", "html"}]}; fewer, or none, where fewer are free."""
        refused = refusal(request)
        if refused is not None:
            return refused
        order = request.POST.get("order", USUAL_ORDER)
        count = next(iter(numbers([request.POST.get("count", "1")])), 1)
        try:
            found = services.claim_next(
                reviewer(request),
                order=order,
                category_code=_plain(request.POST.get("category", "")),
                skip=_skipped(request.POST.get("skip", "")),
                count=min(max(count, 1), AT_MOST_AHEAD),
            )
        except ValueError as error:
            return JsonResponse({"ok": False, "message": str(error)}, status=400)
        return JsonResponse({"cards": self._html(request, self._handed_out(found)), "until": _until(found)})

    def card_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET: one card as {"cards": [{"pk", "html"}]}, whatever became of it; 404 when it has gone."""
        if not may_review(request):
            raise PermissionDenied
        found = list(Suggestion.objects.filter(pk=pk))
        if not found:
            raise Http404(GONE)
        return JsonResponse({"cards": self._html(request, self._joined(found))})

    def why_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET: a piece of page with the words that spoke for each candidate, and the labelled products that
        are most like this one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self._joined(list(Suggestion.objects.filter(pk=pk)))
        if not found:
            raise Http404(GONE)
        (row,) = queue_rows(found, site=self.admin_site.name)
        return TemplateResponse(request, "categories/admin/why.html", self.why(row))

    def why(self, row: QueueRow) -> dict[str, Any]:
        """What `why.html` shows."""
        product = row.suggestion.product
        like = selectors.products_like(product, limit=LIKE_AT_MOST)
        known: dict[str, Any] = {"spoke": [], "version": "", "problem": ""}
        try:
            told = services.explain(
                product.classifier_text(), [candidate.code for candidate in row.candidates]
            )
        except services.ClassifierUnavailable as error:
            known["problem"] = str(error)
        else:
            words = [(candidate, told.words[candidate.code]) for candidate in row.candidates]
            strongest = max((weight for _, spoke in words for _, weight in spoke), default=1.0)
            known["spoke"] = [
                (candidate, [(word, _strength(weight / strongest)) for word, weight in spoke])
                for candidate, spoke in words
            ]
            known["version"] = told.version if told.version != row.suggestion.model_version else ""
        known["like"] = [
            {
                "title": str(item.product.classifier_value("title") or ""),
                "link": product_link(item.product, site=self.admin_site.name),
                "path": path_markup(item.product.category.path),  # type: ignore[union-attr]  # only labelled ones
                "percent": percent(item.likeness),
                "by": source_badge(item.product.category_source),
            }
            for item in like
        ]
        return known

    def leave_view(self, request: HttpRequest) -> HttpResponseBase:
        """POST, as the page is left: what it held is free for others."""
        refused = refusal(request)
        if refused is not None:
            return refused
        # A browser tells that it leaves a page after it has the next one, which holds cards already.
        services.claims_release(reviewer(request), until=_moment(request.POST.get("until", "")))
        return HttpResponse(status=204)

    def _handed_out(self, found: Sequence[Suggestion]) -> Sequence[Suggestion]:
        """The same with all that a row reads: products and categories are joined, nobody has decided."""
        return self._joined(found) if selectors.product_relations() else found

    def _joined(self, found: Sequence[Suggestion]) -> list[Suggestion]:
        """These again, in their order, with all that a row reads; one query."""
        rows = Suggestion.objects.select_related(*joined()).in_bulk([item.pk for item in found])
        return [rows[item.pk] for item in found if item.pk in rows]

    def _html(self, request: HttpRequest, found: Sequence[Suggestion]) -> list[dict[str, Any]]:
        request.current_app = self.admin_site.name  # read by {% url %}
        return [
            {
                "pk": card.row.pk,
                "html": render_to_string(
                    "categories/admin/card.html",
                    {
                        "card": card,
                        "row": card.row,
                        "may_review": True,
                        "queue_next": reverse("admin:categories_review", current_app=self.admin_site.name),
                    },
                    request,
                ),
            }
            for card in make_cards(found, site=self.admin_site.name, alike=ALIKE_AT_MOST)
        ]

    def _path_of(self, code: str) -> str:
        known = selectors.active_categories([code]) if code else {}
        return known[code].path if code in known else code


def _plain(text: str) -> str:
    return text.replace("\x00", "").strip()[:200]


def _skipped(text: str) -> list[int]:
    return list(numbers(text.split(",")))[-SKIPPED_AT_MOST:]


def _until(found: Sequence[Suggestion]) -> str:
    """When these claims run out; empty without any."""
    moments = [row.claimed_until for row in found if row.claimed_until]
    return max(moments).isoformat() if moments else ""


def _moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _strength(share: float) -> int:
    """1 to 3, of a weight beside the strongest one of the card."""
    return 1 + (share > 0.33) + (share > 0.66)
