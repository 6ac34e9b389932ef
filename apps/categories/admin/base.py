"""What the admin's pages share: permissions, read-only tables, the product's own columns."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.http import HttpRequest

from ..models import Assignment, ClassifiableProduct, ClassificationRun, Suggestion, get_product_model

REVIEW_PERMISSION = "categories.review_suggestion"
MANAGE_PERMISSION = "categories.change_category"
"""What sets the managers apart: they may also undo what a model run or somebody else filed."""

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    AnyAdmin = admin.ModelAdmin[Any]
    ProductAdmin = admin.ModelAdmin[ClassifiableProduct]
    SuggestionModelAdmin = admin.ModelAdmin[Suggestion]
else:
    AnyAdmin = ProductAdmin = SuggestionModelAdmin = admin.ModelAdmin


class CategoriesMedia:
    """The style sheet and the script of these pages; every page works without the script."""

    css = {"all": ("categories/admin.css",)}
    js: tuple[str, ...] = ("categories/admin.js", "categories/review.js")


class ReadOnlyAdmin(AnyAdmin):
    """A table that people read; the services write it."""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def reviewer(request: HttpRequest) -> "User":
    """The person who is logged in; the admin lets nobody else through."""
    return cast("User", request.user)


def may_review(request: HttpRequest) -> bool:
    """Whether this person may decide suggestions."""
    return request.user.has_perm(REVIEW_PERMISSION)


def may_undo_run(request: HttpRequest, run: ClassificationRun) -> bool:
    """A reviewer may undo their own bulk act; whoever may change the tree, any run."""
    own = run.kind == ClassificationRun.Kind.REVIEW and run.actor_id == request.user.pk
    return (own and may_review(request)) or request.user.has_perm(MANAGE_PERMISSION)


def may_undo_decision(request: HttpRequest, decision: Assignment) -> bool:
    """The same of one decision; one that was part of a bulk act goes with it."""
    run = decision.run
    if run is not None and run.kind == ClassificationRun.Kind.REVIEW:
        return may_undo_run(request, run)
    own = decision.actor_id == request.user.pk and may_review(request)
    return own or request.user.has_perm(MANAGE_PERMISSION)


def product_lookups(*names: str, prefix: str = "") -> tuple[str, ...]:
    """The product model's lookups for our field `names`, without those that this shop has no column for."""
    fields = get_product_model().classifier_fields
    return tuple(f"{prefix}{fields[name]}" for name in names if fields.get(name))
