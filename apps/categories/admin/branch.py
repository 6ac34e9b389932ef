"""Walking down a tree of 10,000 categories in the sidebar, one level at a time."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from ..inference.taxonomy import SEPARATOR
from ..models import Category

MAX_BRANCHES = 60
"""Children offered at a time; a level with more is reached by search."""


def ancestors(category: Category) -> list[Category]:
    """The categories above, from the top down. One query."""
    names = category.path.split(SEPARATOR)
    paths = [SEPARATOR.join(names[:depth]) for depth in range(1, len(names))]
    return list(Category.objects.filter(path__in=paths).order_by("depth")) if paths else []


class BranchFilter(admin.SimpleListFilter):
    """`?under=<primary key>`: rows in one branch. Offers the way back up and the next level down."""

    title = "category"
    parameter_name = "under"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.branch = find_branch(self.value())

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("", "")]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        if self.branch is None:
            return queryset.none()
        return queryset.filter(category__in=Category.objects.subtree(self.branch).order_by().values("pk"))

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield self._choice(changelist, None, "All", selected=self.value() is None)
        above = [*ancestors(self.branch), self.branch] if self.branch else []
        for category in above:
            label = f"{'· ' * category.depth}{category.name}"
            yield self._choice(changelist, category.pk, label, selected=category == self.branch)
        below = Category.objects.filter(parent=self.branch).only("pk", "name", "depth").order_by("path")
        for category in below[:MAX_BRANCHES]:
            yield self._choice(
                changelist, category.pk, f"{'· ' * category.depth}{category.name}", selected=False
            )

    def _choice(self, changelist: ChangeList, pk: Any, label: str, *, selected: bool) -> dict[str, Any]:
        query = (
            changelist.get_query_string(remove=[self.parameter_name])
            if pk is None
            else changelist.get_query_string({self.parameter_name: pk})
        )
        return {"selected": selected, "query_string": query, "display": label}


def find_branch(value: str | None) -> Category | None:
    """The category that `?under=` names; None when it names none."""
    if not value or not value.isascii() or not value.isdigit() or len(value) > 18:
        return None
    found: Category | None = Category.objects.filter(pk=int(value)).first()
    return found
