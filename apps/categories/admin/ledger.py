"""What happened, to be read: every assignment, every bulk run, every model that was live."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .. import selectors, services
from ..inference.decision import percent
from ..models import Assignment, ClassificationRun, ModelVersion
from ..selectors import product_relations
from .base import (
    CategoriesMedia,
    ReadOnlyAdmin,
    may_undo_run,
    product_lookups,
    reviewer,
)
from .decisions import note_of, own_address
from .display import (
    badge,
    counts_line,
    counts_markup,
    metrics_markup,
    path_markup,
    product_link,
    source_badge,
    when_markup,
)

SHOWN_AT_MOST = 50
"""Products that are named before a run is undone."""
NOTHING = SafeString('<span class="cat-maybe">–</span>')


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyAdmin):
    """The history: who or what put which product where."""

    list_display = ("when", "product_title", "moved_from", "moved_to", "by_whom", "note")
    list_filter = ("source",)
    fields = (
        "created_at",
        "product_title",
        "moved_from",
        "moved_to",
        "by",
        "sure",
        "model_version",
        "in_run",
        "note",
    )

    Media = CategoriesMedia

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        joined = ("product", "from_category", "to_category", "actor", "run")
        return super().get_queryset(request).select_related(*joined, *product_relations(prefix="product__"))

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return product_lookups("title", "sku", prefix="product__")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        if lookup in ("run__id__exact", "product__id__exact"):
            return True
        return bool(super().lookup_allowed(lookup, value, request))  # type: ignore[arg-type]  # as Django passes it

    @admin.display(description="when", ordering="created_at")
    def when(self, row: Assignment) -> SafeString:
        """In the list: the time below the date, which leaves room for who did it and why."""
        return when_markup(row.created_at)

    @admin.display(description="product")
    def product_title(self, row: Assignment) -> str | SafeString:
        product: Any = row.product
        title = product.classifier_text()["title"] or "(no title)"
        address = product_link(product, site=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', address, title) if address else title

    @admin.display(description="from")
    def moved_from(self, row: Assignment) -> SafeString:
        return path_markup(row.from_category.path) if row.from_category else NOTHING

    @admin.display(description="to")
    def moved_to(self, row: Assignment) -> SafeString:
        return path_markup(row.to_category.path) if row.to_category else NOTHING

    @admin.display(description="by", ordering="source")
    def by(self, row: Assignment) -> SafeString:
        mark = source_badge(row.source, model_version=row.model_version)
        if row.act != Assignment.Act.FILE:
            mark = format_html("{} {}", badge("review", row.get_act_display()), mark)
        return format_html("{} {}", mark, str(row.actor)) if row.actor else mark

    @admin.display(description="by", ordering="source")
    def by_whom(self, row: Assignment) -> SafeString:
        """In the list: the confidence beside the model."""
        return self.by(row) if row.confidence is None else format_html("{} {}", self.by(row), self.sure(row))

    @admin.display(description="confidence")
    def sure(self, row: Assignment) -> str | SafeString:
        return NOTHING if row.confidence is None else percent(row.confidence)

    @admin.display(description="run", ordering="run")
    def in_run(self, row: Assignment) -> str | SafeString:
        return NOTHING if row.run_id is None else f"run {row.run_id}"


@admin.register(ClassificationRun)
class ClassificationRunAdmin(ReadOnlyAdmin):
    """Every bulk pass, with what it did."""

    change_form_template = "categories/admin/run.html"
    list_display = ("id", "kind", "state", "in_short", "started_at", "actor")
    list_filter = ("kind", "status")
    list_select_related = ("actor",)
    fields = (
        "kind",
        "state",
        "started_at",
        "heartbeat_at",
        "finished_at",
        "actor",
        "model_version",
        "totals",
        "chosen",
        "what_it_did",
    )

    Media = CategoriesMedia

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.undo_view)
        return [path("<int:pk>/undo/", view, name="categories_run_undo"), *super().get_urls()]

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET: what undoing the run would take back. POST, with `note`: take it back."""
        run = self.get_object(request, str(pk))
        if run is None:
            raise Http404(f"There is no run {pk}.")
        if not may_undo_run(request, run):
            raise PermissionDenied
        address = own_address(request, request.GET.get("next", "")) or reverse(
            "admin:categories_classificationrun_change", args=(pk,), current_app=self.admin_site.name
        )
        if request.method == "POST":
            try:
                summary = services.run_undo(run, actor=reviewer(request), note=note_of(request))
            except services.ReviewError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, summary.sentence(), messages.SUCCESS)
            return HttpResponseRedirect(address)
        in_force = selectors.acts_in_force().filter(run=run)
        overtaken_acts = selectors.acts_overtaken(run)
        acts, overtaken = _products(in_force), _products(overtaken_acts)
        shown = in_force.exclude(pk__in=overtaken_acts.values("pk")).select_related(
            "product", "from_category", "to_category", *product_relations(prefix="product__")
        )[:SHOWN_AT_MOST]
        context = {
            **self.admin_site.each_context(request),
            "title": f"Undo run {pk}?",
            "opts": self.opts,
            "media": self.media,
            "run": run,
            "in_short": counts_line(run.counts) or "nothing",
            "taken_back": acts - overtaken,
            "overtaken": overtaken,
            "acts": [
                {
                    "title": act.product.classifier_text()["title"] or "(no title)",
                    "now": path_markup(act.to_category.path) if act.to_category else NOTHING,
                    "then": path_markup(act.from_category.path) if act.from_category else NOTHING,
                }
                for act in shown
            ],
            "cancel": address,
        }
        request.current_app = self.admin_site.name  # read by {% url %}
        return TemplateResponse(request, "categories/admin/run_undo.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        undoable = (ClassificationRun.Kind.CLASSIFY, ClassificationRun.Kind.REVIEW)
        may = run is not None and run.kind in undoable and may_undo_run(request, run)
        if run is not None and run.undone_by.filter(status=ClassificationRun.Status.FINISHED).exists():
            may = False
            self.message_user(request, f"Run {run.pk} was undone.", messages.INFO)
        undo = (
            reverse("admin:categories_run_undo", args=(object_id,), current_app=self.admin_site.name)
            if may
            else ""
        )
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "undo": undo})

    @admin.display(description="status", ordering="status")
    def state(self, run: ClassificationRun) -> SafeString:
        kind = {"running": "stale", "finished": "done"}.get(run.status, "review")
        return badge(kind, run.get_status_display())

    @admin.display(description="what it did")
    def in_short(self, run: ClassificationRun) -> str:
        return counts_line(run.counts) or "–"

    @admin.display(description="counts")
    def totals(self, run: ClassificationRun) -> SafeString:
        return counts_markup(run.counts)

    @admin.display(description="options")
    def chosen(self, run: ClassificationRun) -> SafeString:
        return counts_markup(run.options)

    @admin.display(description="assignments")
    def what_it_did(self, run: ClassificationRun) -> SafeString:
        address = reverse("admin:categories_assignment_changelist", current_app=self.admin_site.name)
        return format_html('<a href="{}?run__id__exact={}">What it did</a>', address, run.pk)


def _products(acts: QuerySet[Assignment]) -> int:
    """How many products these acts are upon."""
    return acts.order_by().values("product").distinct().count()


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Every model that was live on this site."""

    list_display = ("version", "state", "backend", "bar", "published_at", "retired_at")
    fields = (
        "version",
        "state",
        "backend",
        "bar",
        "published_at",
        "retired_at",
        "figures",
        "source",
        "sha256",
    )

    Media = CategoriesMedia

    @admin.display(description="state", ordering="retired_at")
    def state(self, version: ModelVersion) -> SafeString:
        return badge("done", "live") if version.retired_at is None else badge("stale", "retired")

    @admin.display(description="files from", ordering="threshold")
    def bar(self, version: ModelVersion) -> str:
        return "nothing by itself" if version.threshold is None else percent(version.threshold, up=True)

    @admin.display(description="metrics")
    def figures(self, version: ModelVersion) -> SafeString:
        return metrics_markup(version.metrics)
