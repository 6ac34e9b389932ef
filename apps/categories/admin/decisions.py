"""The addresses that a click in the review queue goes to. They read the click, call one service, and say what
became of it; nothing is written here."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from .. import selectors, services
from ..inference.taxonomy import SEPARATOR
from ..models import Category, Suggestion
from .base import SuggestionModelAdmin, may_review, reviewer
from .queue import queue_rows

MAX_BULK = 500
"""Suggestions that one bulk action may decide; a page that shows more cannot be read."""
MAX_NOTE = 2000
SEARCH_LIMIT = 20
NAMED_AT_MOST = 5
GONE = "This suggestion has gone: the product was filed or deleted meanwhile."


def queue_address(site: str) -> str:
    """The queue's own address in the admin site `site`."""
    return reverse("admin:categories_suggestion_changelist", current_app=site)


class DecisionViews(SuggestionModelAdmin):
    """Decide one, decide many, find a category."""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "find-category/",
                self.admin_site.admin_view(self.find_category_view),
                name="categories_suggestion_find",
            ),
            path(
                "approve-top/",
                self.admin_site.admin_view(self.approve_top_view),
                name="categories_suggestion_approve_top",
            ),
            path(
                "<int:pk>/decide/",
                self.admin_site.admin_view(self.decide_view),
                name="categories_suggestion_decide",
            ),
        ]
        return [*own, *super().get_urls()]

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST `approve=<code>`, `category=<code>` or `reject`, with `note` and `next`.

        Answers with a redirect to `next`, or, to a script, with {"ok", "message"} and status 200, 400 (the
        decision cannot be taken) or 409 (somebody was faster).
        """
        refusal = _refusal(request)
        if refusal is not None:
            return refusal
        suggestion = Suggestion.objects.filter(pk=pk).select_related("product").first()
        try:
            if suggestion is None:
                raise services.AlreadyDecided(GONE)
            done = self._decide(request, suggestion)
        except services.AlreadyDecided as error:
            return self._answer(request, str(error), messages.WARNING, status=409)
        except services.ReviewError as error:
            return self._answer(request, str(error), messages.ERROR, status=400)
        return self._answer(request, done, messages.SUCCESS, status=200)

    def find_category_view(self, request: HttpRequest) -> JsonResponse:
        """GET `?q=words`: active categories, as {"results": [{"code", "name", "above"}]}."""
        if not may_review(request):
            raise PermissionDenied
        words = request.GET.get("q", "").replace("\x00", "").strip()[:200]
        found = selectors.category_search(words, limit=SEARCH_LIMIT) if words else []
        results = [
            {
                "code": category.code,
                "name": category.name,
                "above": category.path[: -len(category.name)].removesuffix(SEPARATOR),
            }
            for category in found
        ]
        return JsonResponse({"results": results})

    def approve_top_view(self, request: HttpRequest) -> HttpResponse:
        """POST from the confirmation page: `seen=<pk>:<code>` for each row; `confirm` is "sure" or "all"."""
        refusal = _refusal(request)
        if refusal is not None:
            return refusal
        seen = dict(_seen(request.POST.getlist("seen")))
        if len(seen) > MAX_BULK:
            return self.leave(request, f"At most {MAX_BULK} at once: nothing was approved.", messages.ERROR)
        stored = Suggestion.objects.in_bulk(seen)
        # A model may have looked again since the page was shown: only what the person saw is approved.
        changed = {
            pk
            for pk, suggestion in stored.items()
            if suggestion.is_pending
            and (suggestion.top is None or suggestion.top["category_code"] != seen[pk])
        }
        outcome = services.suggestions_approve_top(
            [pk for pk in seen if pk not in changed],
            actor=reviewer(request),
            confirm_low=request.POST.get("confirm") == "all",
        )
        for level, sentence in _bulk_sentences(outcome, changed=len(changed)):
            messages.add_message(request, level, sentence)
        return HttpResponseRedirect(self._next(request))

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
                ("low", "These are under the confidence they need", low),
            ],
            "sure": sure,
            "low": low,
            "count": len(ready),
            "left_out": len(chosen) - len(ready),
            "queue_next": request.get_full_path(),
        }
        request.current_app = self.admin_site.name  # read by {% url %}
        return TemplateResponse(request, "categories/admin/approve_top.html", context)

    def leave(self, request: HttpRequest, sentence: str, level: int = messages.WARNING) -> HttpResponse:
        """Back to the queue, with a sentence."""
        self.message_user(request, sentence, level)
        return HttpResponseRedirect(self._next(request))

    def _decide(self, request: HttpRequest, suggestion: Suggestion) -> str:
        """Call the one service that the click stands for; returns what to tell the reviewer."""
        actor, note = reviewer(request), request.POST.get("note", "").replace("\x00", "").strip()[:MAX_NOTE]
        title = _title(suggestion)
        if "reject" in request.POST:
            services.suggestion_reject(suggestion, actor=actor, note=note)
            return f"None of these for “{title}”: it leaves the queue."
        if code := request.POST.get("approve"):
            decided = services.suggestion_approve(suggestion, actor=actor, category_code=code, note=note)
        elif code := request.POST.get("category"):
            category = Category.objects.filter(code=code).first()
            if category is None:
                raise services.ReviewError(
                    f"The category {code} is not in this shop’s tree: pick another one."
                )
            decided = services.suggestion_correct(suggestion, actor=actor, category=category, note=note)
        else:
            raise services.ReviewError("Nothing was chosen: approve a candidate, pick a category, or reject.")
        return f"“{title}” is filed under {decided.decided_category}."

    def _answer(self, request: HttpRequest, sentence: str, level: int, *, status: int) -> HttpResponse:
        if request.headers.get("Accept") == "application/json":
            return JsonResponse({"ok": status == 200, "message": sentence}, status=status)
        return self.leave(request, sentence, level)

    def _next(self, request: HttpRequest) -> str:
        """Where to go after a decision: `next` if it is an address of this site, else the queue."""
        wanted = request.POST.get("next", "")
        if url_has_allowed_host_and_scheme(
            wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        ):
            return wanted
        return queue_address(self.admin_site.name)


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not may_review(request):
        raise PermissionDenied
    return None


def _title(suggestion: Suggestion) -> str:
    product: Any = suggestion.product
    return str(product.classifier_text()["title"])[:80]


def _top_code(suggestion: Suggestion) -> str:
    top = suggestion.top
    return top["category_code"] if top is not None else ""


def _reaches_bar(suggestion: Suggestion) -> bool:
    """Whether the first candidate may be approved without a confirmation, as the service judges it."""
    top = suggestion.top
    return top is not None and suggestion.threshold is not None and top["confidence"] >= suggestion.threshold


def _seen(values: Iterable[str]) -> Iterable[tuple[int, str]]:
    for value in values:
        pk, _, code = value.partition(":")
        if pk.isascii() and pk.isdigit() and len(pk) <= 18:
            yield int(pk), code


def _bulk_sentences(outcome: services.BulkOutcome, *, changed: int) -> Iterable[tuple[int, str]]:
    """(message level, sentence) for each thing that became of a bulk approval."""
    if outcome.approved:
        yield messages.SUCCESS, f"{_products(len(outcome.approved))} filed under the top candidate."
    if outcome.refused_low:
        yield (
            messages.WARNING,
            f"{_products(len(outcome.refused_low))} under the confidence needed: not approved; waiting.",
        )
    if outcome.already_decided:
        yield messages.WARNING, _already_decided(outcome.already_decided)
    if outcome.impossible:
        yield (
            messages.WARNING,
            f"{_products(len(outcome.impossible))} without a candidate of this shop’s tree: not approved.",
        )
    if changed:
        yield (
            messages.WARNING,
            f"{_products(changed)} got new candidates while you looked: not approved, please look again.",
        )
    if not (changed or any(dataclasses.astuple(outcome))):
        yield messages.WARNING, "Nothing was chosen, so nothing was approved."


def _already_decided(pks: Iterable[int]) -> str:
    pks = list(pks)
    decided = Suggestion.objects.filter(pk__in=pks).select_related(
        "product", "decided_by", "decided_category"
    )
    named = [
        f"“{_title(item)}”: {item.get_status_display()} by {item.decided_by or 'somebody'}"
        + (f" ({item.decided_category})" if item.decided_category else "")
        for item in decided.exclude(status=Suggestion.Status.PENDING)[:NAMED_AT_MOST]
    ]
    more = f" {'; '.join(named)}{'; …' if len(pks) > len(named) else '.'}" if named else ""
    return f"{_products(len(pks))} decided by somebody else meanwhile, left as they are.{more}"


def _products(count: int) -> str:
    return f"{count:,} product{'' if count == 1 else 's'}"
