"""The category tree, one level at a time."""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db.models import Case, Count, IntegerField, Q, QuerySet, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .. import selectors
from ..inference.taxonomy import SEPARATOR
from ..models import Assignment, Category, Suggestion, get_product_model
from .base import AnyAdmin, CategoriesMedia
from .branch import BranchFilter, ancestors
from .display import path_markup, product_list_link

FOUND_AT_MOST = 200
"""Categories that a search shows, the best first."""


class TreeFilter(BranchFilter):
    """The children of the chosen category; while searching, everything below it."""

    template = "categories/admin/no_filter.html"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is not None and self.branch is None:
            return queryset.none()
        if not request.GET.get(SEARCH_VAR, "").strip():
            return queryset.filter(parent=self.branch)
        if self.branch is None:
            return queryset
        return queryset.filter(path__startswith=self.branch.path + SEPARATOR)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """None: the trail above the list is the way up, and the list itself the way down."""
        return iter(())


class TreeChangeList(ChangeList):
    """Adds what a page of categories shows about each: its children, and the products in it and below it."""

    branch: Category | None = None

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.branch = next((spec.branch for spec in self.filter_specs if isinstance(spec, TreeFilter)), None)
        rows: list[Any] = list(self.result_list)
        pks = [row.pk for row in rows]
        children = dict(
            Category.objects.filter(parent__in=pks)
            .order_by()
            .values_list("parent")
            .annotate(number=Count("pk"))
        )
        below = products_below(self.branch)
        for row in rows:
            row.child_count, row.product_count = children.get(row.pk, 0), below[row.path]
            row.found = bool(self.query)
        self.result_list = rows

    @cached_property
    def trail(self) -> list[Category]:
        """The chosen category and those above it, from the top down."""
        return [*ancestors(self.branch), self.branch] if self.branch else []


def products_below(branch: Category | None) -> Counter[str]:
    """Category path → number of products there and below, within `branch` (None: everywhere). Two queries."""
    products = get_product_model()._base_manager.filter(category__isnull=False)
    if branch is not None:
        products = products.filter(category__in=Category.objects.subtree(branch).order_by().values("pk"))
    groups = dict(products.order_by().values_list("category_id").annotate(number=Count("pk")))
    known: Any = Category.objects.subtree(branch) if branch else Category.objects.all()
    found: Counter[str] = Counter()
    for pk, path in known.order_by().values_list("pk", "path"):
        if number := groups.get(pk):
            names = path.split(SEPARATOR)
            for depth in range(1, len(names) + 1):
                found[SEPARATOR.join(names[:depth])] += number
    return found


@admin.register(Category)
class CategoryAdmin(AnyAdmin):
    """Lists the children of one node; the search finds everywhere below it."""

    list_display = ("node", "children_count", "products", "is_active", "edit")
    list_display_links = None
    list_filter = (TreeFilter, "is_active")
    list_per_page = 100
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ("path",)
    search_help_text = "Words of the path, a code, or the id in the taxonomy it came from"
    autocomplete_fields = ("parent",)
    actions = None
    fields = ("name", "parent", "description", "is_active", "code", "slug", "external_id")

    Media = CategoriesMedia

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        queryset: QuerySet[Category] = super().get_queryset(request).select_related("parent")
        if _is_autocomplete(request):
            return queryset.filter(is_active=True)
        return queryset

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TreeChangeList

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "parent" and field is not None:
            # What is a parent is in use: the link would lead to a refusal.
            field.widget.can_delete_related = False
        return field

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """The same search as in the queue; in the list also for retired categories, within its filters."""
        if _is_autocomplete(request):
            among = None
        elif search_term.strip():
            among = set(queryset.order_by().values_list("pk", flat=True))
        else:
            return queryset, False
        found = selectors.category_search(search_term, limit=FOUND_AT_MOST, among=among)
        places = [When(pk=category.pk, then=place) for place, category in enumerate(found)]
        if not places:
            return queryset.none(), False
        best_first = Case(*places, output_field=IntegerField())
        return queryset.filter(pk__in=[category.pk for category in found]).order_by(best_first), False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("code",)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {key: value for key, value in request.GET.items() if key == "parent"}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never for a category that something points at: it is retired instead."""
        if not super().has_delete_permission(request, obj):
            return False
        return obj is None or not in_use(obj)

    @admin.display(description="category", ordering="path")
    def node(self, category: Any) -> SafeString:
        name = path_markup(category.path) if category.found else category.name
        if category.child_count:
            link = format_html(
                '<a href="{}?under={}">{} ›</a>', self._address("changelist"), category.pk, name
            )
        else:
            link = format_html('<a href="{}">{}</a>', self._address("change", category.pk), name)
        return format_html('{}<small class="cat-code">{}</small>', link, category.code)

    @admin.display(description="")
    def edit(self, category: Any) -> SafeString:
        return format_html(
            '<a href="{}" aria-label="Open {}">Open</a>', self._address("change", category.pk), category.path
        )

    @admin.display(description="below it")
    def children_count(self, category: Any) -> SafeString:
        if not category.child_count:
            return SafeString('<span class="cat-maybe">–</span>')
        return SafeString(f"{category.child_count:,}")

    @admin.display(description="products, here and below")
    def products(self, category: Any) -> SafeString:
        if not category.product_count:
            return SafeString('<span class="cat-maybe">–</span>')
        number = f"{category.product_count:,}"
        address = product_list_link(category.pk, site=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', address, number) if address else SafeString(number)

    def _address(self, page: str, *args: Any) -> str:
        return reverse(f"admin:categories_category_{page}", args=args, current_app=self.admin_site.name)


def in_use(category: Category) -> bool:
    """Whether anything points at the category: a child, a product, a decision or the history."""
    history = Q(from_category=category) | Q(to_category=category)
    return (
        Category.objects.filter(parent=category).exists()
        or get_product_model()._base_manager.filter(category=category).exists()
        or Suggestion.objects.filter(decided_category=category).exists()
        or Assignment.objects.filter(history).exists()
    )


def _is_autocomplete(request: HttpRequest) -> bool:
    return request.resolver_match is not None and request.resolver_match.url_name == "autocomplete"
