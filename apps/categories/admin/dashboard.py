"""The dashboard's page and its files, beside the review queue in the admin site."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from .base import SuggestionModelAdmin
from .section import Given
from .sections import SECTIONS, whole_table
from .tables import csv_response


class DashboardViews(SuggestionModelAdmin):
    """Figures of the whole shop, for who may see the queue."""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("dashboard/", self.admin_site.admin_view(self.dashboard_view), name="categories_dashboard"),
            path(
                "dashboard/<slug:name>.csv",
                self.admin_site.admin_view(self.dashboard_file_view),
                name="categories_dashboard_file",
            ),
        ]
        return [*own, *super().get_urls()]

    def dashboard_view(self, request: HttpRequest) -> HttpResponse:
        """GET: every section, reckoned now; a fixed number of statements."""
        refusal = self._unseen(request)
        if refusal is not None:
            return refusal
        given = Given(timezone.now())
        context = {
            **self.admin_site.each_context(request),
            "title": "Dashboard",
            "opts": self.opts,
            "media": self.media,
            "now": given.now,
            "sections": [(name, make(given)) for name, make in SECTIONS.items()],
        }
        request.current_app = self.admin_site.name  # read by {% url %}
        return TemplateResponse(
            request, "categories/admin/dashboard.html", context, headers={"Cache-Control": "no-store"}
        )

    def dashboard_file_view(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """GET: one section's table as CSV, streamed."""
        refusal = self._unseen(request)
        if refusal is not None:
            return refusal
        if name not in SECTIONS:
            raise Http404
        return csv_response(whole_table(name, Given(timezone.now())), name)

    def _unseen(self, request: HttpRequest) -> HttpResponse | None:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        return None
