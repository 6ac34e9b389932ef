"""Many decisions at once: first a page that shows what would change, then one act, undone as one."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from .. import selectors, services
from ..models import Category, Suggestion
from .base import reviewer
from .decisions import DecisionViews, note_of, numbers_seen, product_title, refusal
from .queue import queue_rows

MAX_BULK = 500
"""Suggestions that one bulk act may decide; a page that shows more cannot be read."""
NAMED_AT_MOST = 5
FOUND_AT_MOST = 30


class BulkViews(DecisionViews):
    """Choose rows, see what would change, confirm."""

    actions = ("approve_top", "set_category", "reject")

    def get_urls(self) -> list[URLPattern]:
        own = [
            ("approve-top/", self.approve_top_view, "categories_suggestion_approve_top"),
            ("bulk/", self.bulk_view, "categories_suggestion_bulk"),
        ]
        urls = [path(route, self.admin_site.admin_view(view), name=name) for route, view, name in own]
        return [*urls, *super().get_urls()]

    @admin.action(description="Approve the top candidate…", permissions=["review"])
    def approve_top(self, request: HttpRequest, queryset: QuerySet[Suggestion]) -> HttpResponse | None:
        """Shows what would be filed where; nothing is written before that page is confirmed."""
        return self._confirm(request, queryset, self.confirm_page)

    @admin.action(description="Set a category…", permissions=["review"])
    def set_category(self, request: HttpRequest, queryset: QuerySet[Suggestion]) -> HttpResponse | None:
        """Shows what would be filed anew, and asks for the category."""
        return self._confirm(request, queryset, self.category_page)

    @admin.action(description="Reject: none of the candidates…", permissions=["review"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Suggestion]) -> HttpResponse | None:
        """Shows what would leave the queue; nothing is written before that page is confirmed."""
        return self._confirm(request, queryset, self.reject_page)

    def category_page(
        self, request: HttpRequest, chosen: list[Suggestion], *, find: str = ""
    ) -> HttpResponse:
        """What "set a category" would do; `find`: words to look for in the tree, without a script."""
        found = selectors.category_search(find, limit=FOUND_AT_MOST) if find else []
        more = {"title": "Set a category", "act": "set_category", "find": find, "found": found}
        return self._page(request, chosen, more)

    def reject_page(self, request: HttpRequest, chosen: list[Suggestion]) -> HttpResponse:
        """What "reject" would do."""
        return self._page(request, chosen, {"title": "Reject: none of the candidates", "act": "reject"})

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """POST from those two pages: `seen=<pk>:<what was seen>` for each row, and `category=<code>`, or
        `reject`, or `find=<words>`, which only looks; `note`."""
        refused = refusal(request)
        if refused is not None:
            return refused
        pks, seen = _chosen(request)
        if len(pks) > MAX_BULK:
            return self.leave(request, f"At most {MAX_BULK} at once: nothing was decided.", messages.ERROR)
        actor, note, code = reviewer(request), note_of(request), request.POST.get("category", "")
        try:
            if "reject" in request.POST:
                outcome = services.suggestions_reject(pks, actor=actor, note=note, seen=seen)
                return self._tell(request, outcome, "rejected: none of their candidates was right")
            if code:
                outcome = services.suggestions_set_category(
                    pks, category_code=code, actor=actor, note=note, seen=seen
                )
                place = Category.objects.get(code=code).path
                return self._tell(request, outcome, f"filed under {place}")
        except services.ReviewError as error:
            self.message_user(request, str(error), messages.ERROR)
        chosen = list(self.get_queryset(request).filter(pk__in=pks))
        find = request.POST.get("find", "").replace("\x00", "").strip()[:200]
        return self.category_page(request, chosen, find=find)

    def approve_top_view(self, request: HttpRequest) -> HttpResponse:
        """POST from the confirmation page: `seen=<pk>:<what was seen>` for each row; `confirm` is "sure" or
        "all"."""
        refused = refusal(request)
        if refused is not None:
            return refused
        pks, seen = _chosen(request)
        if len(pks) > MAX_BULK:
            return self.leave(request, f"At most {MAX_BULK} at once: nothing was approved.", messages.ERROR)
        outcome = services.suggestions_approve_top(
            pks, actor=reviewer(request), confirm_low=request.POST.get("confirm") == "all", seen=seen
        )
        return self._tell(request, outcome, "filed under the top candidate")

    def confirm_page(self, request: HttpRequest, chosen: list[Suggestion]) -> HttpResponse:
        """What "approve the top candidate" would do: the rows that reach their bar, and those that do not."""
        rows = [row for row in queue_rows(chosen, site=self.admin_site.name) if row.suggestion.is_pending]
        ready = [row for row in rows if row.candidates and not row.candidates[0].problem]
        sure = [row for row in ready if _reaches_bar(row.suggestion)]
        low = [row for row in ready if not _reaches_bar(row.suggestion)]
        context = {
            **self.admin_site.each_context(request),
            "title": "Approve the top candidate",
            "opts": self.opts,
            "media": self.media,
            "groups": [
                ("sure", "These reach the confidence they need", sure),
                ("low", "The model is not sure enough of these", low),
            ],
            "sure": sure,
            "low": low,
            "count": len(ready),
            "left_out": len(chosen) - len(ready),
            "queue_next": request.get_full_path(),
        }
        request.current_app = self.admin_site.name  # read by {% url %}
        return TemplateResponse(request, "categories/admin/approve_top.html", context)

    def _confirm(
        self,
        request: HttpRequest,
        queryset: QuerySet[Suggestion],
        page: Callable[[HttpRequest, list[Suggestion]], HttpResponse],
    ) -> HttpResponse | None:
        chosen = list(queryset[: MAX_BULK + 1])
        if len(chosen) > MAX_BULK:
            sentence = f"At most {MAX_BULK} at once: choose a page or a filter, and do the rest after it."
            self.message_user(request, sentence, messages.ERROR)
            return None
        return page(request, chosen)

    def _page(self, request: HttpRequest, chosen: list[Suggestion], more: dict[str, Any]) -> HttpResponse:
        rows = [row for row in queue_rows(chosen, site=self.admin_site.name) if row.suggestion.is_pending]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "rows": rows,
            "left_out": len(chosen) - len(rows),
            "queue_next": self.next_address(request) if "next" in request.POST else request.get_full_path(),
            **more,
        }
        request.current_app = self.admin_site.name  # read by {% url %}
        return TemplateResponse(request, "categories/admin/bulk.html", context)

    def _tell(self, request: HttpRequest, outcome: services.BulkOutcome, done: str) -> HttpResponse:
        if outcome.decided:
            undo = reverse(
                "admin:categories_run_undo", args=(outcome.run.pk,), current_app=self.admin_site.name
            )
            undo += f"?{urlencode({'next': self.next_address(request)})}"
            sentence = format_html(
                '{} {}. <a href="{}">Undo…</a>', _products(len(outcome.decided)), done, undo
            )
            messages.success(request, sentence)
        for warning in _bulk_sentences(outcome):
            messages.warning(request, warning)
        return HttpResponseRedirect(self.next_address(request))


def _reaches_bar(suggestion: Suggestion) -> bool:
    """Whether the first candidate may be approved without a confirmation, as the service judges it."""
    top = suggestion.top
    return top is not None and suggestion.threshold is not None and top["confidence"] >= suggestion.threshold


def _chosen(request: HttpRequest) -> tuple[list[int], dict[int, services.Seen]]:
    """The rows of a page that was confirmed, and what it had shown of them."""
    found = dict(numbers_seen(request.POST.getlist("seen")))
    return list(found), {pk: seen for pk, seen in found.items() if seen is not None}


def _bulk_sentences(outcome: services.BulkOutcome) -> Iterable[str]:
    """A sentence for each thing that was not done."""
    if outcome.refused_low:
        yield f"{_products(len(outcome.refused_low))} under the confidence needed: not approved; waiting."
    if outcome.already_decided:
        yield _already_decided(outcome.already_decided)
    if outcome.impossible:
        yield f"{_products(len(outcome.impossible))} without a candidate of this shop’s tree: not approved."
    if outcome.changed:
        words = "got another text or new candidates while you looked"
        yield f"{_products(len(outcome.changed))} {words}: left as they are, please look again."
    if not any(
        (outcome.decided, outcome.refused_low, outcome.already_decided, outcome.changed, outcome.impossible)
    ):
        yield "Nothing was chosen, so nothing was decided."


def _already_decided(pks: Iterable[int]) -> str:
    pks = list(pks)
    decided = Suggestion.objects.filter(pk__in=pks).select_related(
        "product", "decided_by", "decided_category"
    )
    named = [
        f"“{product_title(item)}”: {item.get_status_display()} by {item.decided_by or 'somebody'}"
        + (f" ({item.decided_category})" if item.decided_category else "")
        for item in decided.exclude(status=Suggestion.Status.PENDING)[:NAMED_AT_MOST]
    ]
    more = f" {'; '.join(named)}{'; …' if len(pks) > len(named) else '.'}" if named else ""
    return f"{_products(len(pks))} decided by somebody else meanwhile, left as they are.{more}"


def _products(count: int) -> str:
    return f"{count:,} product{'' if count == 1 else 's'}"
