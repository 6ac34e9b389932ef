"""The review queue: a list whose every row can be decided in place."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import cached_property

from .. import selectors
from ..models import Assignment, Suggestion
from .base import CategoriesMedia, may_review, may_undo_decision, product_lookups
from .bulk import BulkViews
from .cards import ALIKE_AT_MOST, ORDER_WORDS, Card, CardViews, make_cards
from .dashboard import DashboardViews
from .decisions import GONE, queue_address
from .queue import joined

FOUND_AT_MOST = 30
HISTORY_AT_MOST = 20
COUNTED_AT_MOST = 5000
ALIKE_IN_LIST = 20
"""Near-duplicates that one decision in the list can take along: a page has many rows."""
PILLS = "categories/admin/pills.html"


class StatusFilter(admin.SimpleListFilter):
    """What waits, unless something else is asked for."""

    title = "show"
    template = PILLS
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [
            (None, "Waiting"),
            ("refine", "To refine"),
            ("label", "Suspected label errors"),
            ("audit", "Audit sample"),
            ("approved", "Approved"),
            ("corrected", "Corrected"),
            ("rejected", "Rejected"),
            ("all", "All"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return selectors.review_queue().select_related(*joined())
        if value in ("refine", "label", "audit"):
            return selectors.queue_in_order(value).select_related(*joined())
        newest_first = queryset.order_by("-decided_at", "-pk")
        return newest_first if value == "all" else newest_first.filter(status=value)

    def choices(self, changelist: Any) -> Any:
        for value, label in self.lookup_choices:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value})
                if value
                else changelist.get_query_string(remove=[self.parameter_name]),
                "display": label,
            }


class SureFilter(admin.SimpleListFilter):
    """How sure the model is of its first candidate."""

    title = "first candidate"
    template = PILLS
    parameter_name = "sure"
    BANDS = {"high": (0.8, 1.01), "middle": (0.5, 0.8), "low": (0.0, 0.5)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [("high", "80% or more"), ("middle", "50% to 80%"), ("low", "under 50%")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in self.BANDS:
            return queryset
        low, high = self.BANDS[str(self.value())]
        return queryset.filter(top_confidence__gte=low, top_confidence__lt=high).exclude(top_code="")


class OrderFilter(admin.SimpleListFilter):
    """In which order to work."""

    title = "order"
    template = PILLS
    parameter_name = "order"
    WORDS = {"sure": "Most sure first", **ORDER_WORDS}
    ORDERS = ("sure", "unsure", "newest", "oldest", "category")
    USUAL = {
        "": WORDS["value"],
        "refine": WORDS["sure"],
        "label": "Clearest first",
        "audit": "As it was drawn",
    }
    """What the order of each pile is called where nothing else is asked for."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [(order, self.WORDS[order]) for order in self.ORDERS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        order = self.value()
        return queryset.order_by(*selectors.ORDERS[order]) if order in self.ORDERS else queryset

    def choices(self, changelist: Any) -> Any:
        usual, *others = super().choices(changelist)
        pile = changelist.params.get(StatusFilter.parameter_name, "")
        usual["display"] = self.USUAL.get(pile, "Latest decision first")
        # The order that a pile has anyway is not offered twice.
        yield from (usual, *(choice for choice in others if choice["display"] != usual["display"]))


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # as Django's own is
    """Counts no further than people turn pages: a count of 100,000 costs more than the page itself."""

    @cached_property
    def count(self) -> int:
        found: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # the admin gives a query
        return found.order_by()[: COUNTED_AT_MOST + 1].count()


class QueueChangeList(ChangeList):
    """Adds what the template of a page shows."""

    cards: tuple[Card, ...] = ()
    may_review = False
    how_many = ""
    """The number of products, in words."""
    pile = ""
    """Which of the piles is shown; empty: what waits."""
    address = ""
    """Of this very page, filters and all."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.pile, self.address = request.GET.get("status", ""), request.get_full_path()
        count = self.result_count
        products = f"{count:,} product{'' if count == 1 else 's'}"
        self.how_many = products if count <= COUNTED_AT_MOST else f"more than {COUNTED_AT_MOST:,} products"
        self.may_review = may_review(request)
        found: list[Any] = list(self.result_list)
        self.result_list = found
        self.cards = make_cards(found, site=self.model_admin.admin_site.name, alike=ALIKE_IN_LIST)


@admin.register(Suggestion)
class SuggestionAdmin(DashboardViews, CardViews, BulkViews):
    """What waits for a person, and what people decided."""

    list_display = ("__str__",)
    list_display_links = None
    list_filter = (StatusFilter, SureFilter, OrderFilter)
    paginator = BoundedPaginator
    list_per_page = 25
    list_max_show_all = 100
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_help_text = "Words of the title or brand, or a sku"

    Media = CategoriesMedia

    def get_queryset(self, request: HttpRequest) -> QuerySet[Suggestion]:
        return super().get_queryset(request).select_related(*joined())

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return product_lookups("title", "brand", "sku", prefix="product__")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or may_review(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_review(request)

    def has_review_permission(self, request: HttpRequest) -> bool:
        """What `@admin.action(permissions=["review"])` asks."""
        return may_review(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return QueueChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        wanted = request.GET.get("status") or request.GET.get("order", "")
        context = {
            "title": "Review queue",
            "queue_next": request.get_full_path(),
            "one_by_one": wanted if wanted in ORDER_WORDS else "",
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One suggestion on a page of its own: the whole text, the search in the tree, the history."""
        suggestion = self.get_object(request, object_id)
        if not self.has_view_permission(request, suggestion):
            raise PermissionDenied
        if suggestion is None:
            return self.leave(request, GONE)
        find = request.GET.get("find", "").replace("\x00", "").strip()[:200]
        (card,) = make_cards([suggestion], site=self.admin_site.name, alike=ALIKE_AT_MOST, full_text=True)
        row = card.row
        history = Assignment.objects.filter(product_id=suggestion.product_id)
        context = {
            **self.admin_site.each_context(request),
            "title": row.title,
            "opts": self.opts,
            "media": self.media,
            "card": card,
            "row": row,
            "may_review": may_review(request),
            "find": find,
            "found": selectors.category_search(find, limit=FOUND_AT_MOST) if find else [],
            "history": history.select_related("from_category", "to_category", "actor")[:HISTORY_AT_MOST],
            "queue_next": request.GET.get("back") or queue_address(self.admin_site.name),
            "undoable": self._undoable(request, suggestion),
            **self.why(row),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name  # read by {% url %}
        return TemplateResponse(request, "categories/admin/suggestion.html", context)

    def _undoable(self, request: HttpRequest, suggestion: Suggestion) -> Assignment | None:
        """The decision that this person may take back."""
        found = selectors.decision_in_force(suggestion.product) if may_review(request) else None
        return found if found is not None and may_undo_decision(request, found) else None
