"""The addresses that a click in the review queue goes to. They read the click, call one service, and say what
became of it; nothing is written here."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from .. import selectors, services
from ..models import Category, Suggestion
from .base import SuggestionModelAdmin, may_review, reviewer

MAX_NOTE = 2000
SEARCH_LIMIT = 20
GONE = "This suggestion has gone: the product was filed or deleted meanwhile."


def queue_address(site: str) -> str:
    """The queue's own address in the admin site `site`."""
    return reverse("admin:categories_suggestion_changelist", current_app=site)


class DecisionViews(SuggestionModelAdmin):
    """Decide one, find a category."""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "find/",
                self.admin_site.admin_view(self.find_category_view),
                name="categories_suggestion_find",
            ),
            path(
                "<int:pk>/decide/",
                self.admin_site.admin_view(self.decide_view),
                name="categories_suggestion_decide",
            ),
        ]
        return [*own, *super().get_urls()]

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST `approve=<code>`, `category=<code>` or `reject`, with `note` and `next`; the first two with
        `also=<pk>:<seen>` for each near-duplicate that is to go with it. `seen` is what was shown, as
        `services.Seen` puts it: without it the decision is taken on whatever is there.

        Answers with a redirect to `next`, or, to a script, with {"ok", "message", "pks"} and status 200, 400
        (the decision cannot be taken) or 409 (somebody was faster, or, with "changed", what was seen is no
        longer there); `pks` are the suggestions decided.
        """
        refused = refusal(request)
        if refused is not None:
            return refused
        suggestion = Suggestion.objects.filter(pk=pk).select_related("product").first()
        try:
            if suggestion is None:
                raise services.AlreadyDecided(GONE)
            done, pks = self._decide(request, suggestion)
        except services.ChangedMeanwhile as error:
            return self.answer(request, str(error), messages.WARNING, status=409, changed=True)
        except services.AlreadyDecided as error:
            return self.answer(request, str(error), messages.WARNING, status=409)
        except services.ReviewError as error:
            return self.answer(request, str(error), messages.ERROR, status=400)
        return self.answer(request, done, messages.SUCCESS, status=200, pks=pks)

    def find_category_view(self, request: HttpRequest) -> JsonResponse:
        """GET `?q=words`: active categories, the best first, as {"results": [{"code", "name", "above",
        "name_parts", "above_parts"}]}.

        The parts are [[text, whether it matched], …], which joined are the text. 403 without the permission
        to view the queue or to decide in it.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        words = request.GET.get("q", "").replace("\x00", "").strip()
        found = selectors.category_search(words, limit=SEARCH_LIMIT) if words else []
        results = [
            {
                "code": category.code,
                "name": category.name,
                "above": category.above,
                "name_parts": category.name_parts,
                "above_parts": category.above_parts,
            }
            for category in found
        ]
        return JsonResponse({"results": results})

    def leave(self, request: HttpRequest, sentence: str, level: int = messages.WARNING) -> HttpResponse:
        """Back to the queue, with a sentence."""
        self.message_user(request, sentence, level)
        return HttpResponseRedirect(self.next_address(request))

    def _decide(self, request: HttpRequest, suggestion: Suggestion) -> tuple[str, Sequence[int]]:
        """Call the one service that the click stands for; returns what to tell the reviewer, and the
        suggestions decided."""
        actor, note = reviewer(request), note_of(request)
        title, one = product_title(suggestion), [suggestion.pk]
        seen = services.Seen.read(request.POST.get("seen", ""))
        if "reject" in request.POST:
            services.suggestion_reject(suggestion, actor=actor, note=note, seen=seen)
            if suggestion.queue == Suggestion.Queue.LABEL:
                return f"“{title}” stays where it is: its label is right.", one
            if suggestion.queue == Suggestion.Queue.AUDIT:
                return (
                    f"None of these for “{title}”: counted as wrong. It stays where it is until filed.",
                    one,
                )
            return f"None of these for “{title}”: it leaves the queue.", one
        approved, corrected = request.POST.get("approve"), request.POST.get("category")
        if also := list(numbers_seen(request.POST.getlist("also"))):
            read = {pk: shown for pk, shown in [(suggestion.pk, seen), *also] if shown is not None}
            settled = services.suggestions_settle(
                suggestion,
                [pk for pk, _ in also],
                category_code=approved or corrected or "",
                actor=actor,
                note=note,
                seen=read,
            )
            return _settled_sentence(title, settled), settled.decided
        if approved:
            decided = services.suggestion_approve(
                suggestion, actor=actor, category_code=approved, note=note, seen=seen
            )
        elif corrected:
            category = Category.objects.filter(code=corrected).first()
            if category is None:
                raise services.ReviewError(
                    f"The category {corrected} is not in this shop’s tree: pick another one."
                )
            decided = services.suggestion_correct(
                suggestion, actor=actor, category=category, note=note, seen=seen
            )
        else:
            raise services.ReviewError("Nothing was chosen: approve a candidate, pick a category, or reject.")
        return f"“{title}” is filed under {decided.decided_category}.", one

    def answer(
        self,
        request: HttpRequest,
        sentence: str,
        level: int,
        *,
        status: int,
        pks: Sequence[int] = (),
        **more: bool | str,
    ) -> HttpResponse:
        """What became of an act: for a script as JSON, with `more`, else as a message on the page it goes
        back to."""
        if request.headers.get("Accept") == "application/json":
            told = {"ok": status == 200, "message": sentence, "pks": list(pks), **more}
            return JsonResponse(told, status=status)
        return self.leave(request, sentence, level)

    def next_address(self, request: HttpRequest) -> str:
        """Where to go after a decision: `next` if it is an address of this site, else the queue."""
        return own_address(request, request.POST.get("next", "")) or queue_address(self.admin_site.name)


def own_address(request: HttpRequest, wanted: str) -> str:
    """The address if it is one of this site; empty otherwise."""
    allowed = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if allowed else ""


def refusal(request: HttpRequest) -> HttpResponse | None:
    """What to answer to whoever may not decide, or does not POST; None: go on. Raises PermissionDenied."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not may_review(request):
        raise PermissionDenied
    return None


def product_title(suggestion: Suggestion) -> str:
    """The title of its product, cut for a sentence."""
    product: Any = suggestion.product
    return str(product.classifier_text()["title"])[:80]


def numbers(values: Iterable[str]) -> Iterable[int]:
    """The values that are numbers of a row; what is no such number is passed over."""
    for value in values:
        if value.isascii() and value.isdigit() and len(value) <= 18:
            yield int(value)


def numbers_seen(values: Iterable[str]) -> Iterable[tuple[int, services.Seen | None]]:
    """The values that are `<number of a row>:<what was seen>`; the latter may be left out."""
    for value in values:
        name, _, seen = value.partition(":")
        yield from ((number, services.Seen.read(seen)) for number in numbers([name]))


def note_of(request: HttpRequest) -> str:
    """The reviewer's note, without what no database stores."""
    return request.POST.get("note", "").replace("\x00", "").strip()[:MAX_NOTE]


def _settled_sentence(title: str, settled: services.SettleOutcome) -> str:
    """What became of a decision that took near-duplicates along."""
    others = len(settled.decided) - 1
    taken = f" and {others:,} like it are" if others else " is"
    left = len(settled.already_decided) + len(settled.labelled)
    stayed = f" {left:,} more had been decided meanwhile and stay{'s' if left == 1 else ''}." if left else ""
    other = len(settled.changed)
    if other:
        stayed += f" {other:,} more {'has' if other == 1 else 'have'} another text by now: read it first."
    return f"“{title}”{taken} filed under {settled.category}.{stayed}"
