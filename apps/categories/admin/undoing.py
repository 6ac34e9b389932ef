"""What the key for undo and the button on a product's page do: one decision is taken back at once, a bulk
act is shown first."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from .. import selectors, services
from ..models import Assignment, ClassificationRun, Suggestion
from .base import may_undo_decision, reviewer
from .decisions import DecisionViews, numbers, product_title, refusal

UNDONE_AT_MOST = 500


class UndoViews(DecisionViews):
    """Take a decision back."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.undo_view)
        return [path("review/undo/", view, name="categories_review_undo"), *super().get_urls()]

    def undo_view(self, request: HttpRequest) -> HttpResponse:
        """POST, with `decision=<pk of the history>` or for this person's last one: take it back; one that
        took near-duplicates along, with all of them.

        Answers as `decide_view`, with {"pks"}: the suggestions that wait again. One that was part of a bulk
        act is not taken back: the answer is 409 with {"address"}, or a redirect to it, where undoing the
        whole act is shown and confirmed.
        """
        refused = refusal(request)
        if refused is not None:
            return refused
        actor = reviewer(request)
        try:
            decision = self._decision_to_undo(request)
            if _asks_first(decision):
                return self._ask_first(request, decision)
            products, told = self._take_back(request, decision, actor)
        except services.ReviewError as error:
            return self.answer(request, str(error), messages.ERROR, status=400)
        waiting = Suggestion.objects.filter(product_id__in=products, status=Suggestion.Status.PENDING)
        pks = list(waiting.order_by("pk").values_list("pk", flat=True))
        # The one that was looked at first, then what it took along.
        pks.sort(key=lambda pk: pk != self._looked_at(decision))
        return self.answer(request, told, messages.SUCCESS, status=200, pks=pks)

    def _decision_to_undo(self, request: HttpRequest) -> Assignment:
        named = next(iter(numbers([request.POST.get("decision", "")])), None)
        if named is None:
            decision = selectors.last_decision(reviewer(request))
            if decision is None:
                raise services.ReviewError("There is no decision of yours to undo.")
            return decision
        found = Assignment.objects.select_related("product", "run__actor", "actor").filter(pk=named).first()
        if found is None:
            raise services.ReviewError("This decision is not in the history.")
        if not may_undo_decision(request, found):
            what, who = "was decided by", found.actor
            if found.run is not None and _in_bulk(found):
                what, who = "was part of a bulk act of", found.run.actor
            raise services.ReviewError(
                f"This {what} {who or 'somebody'}: only they, or a manager, can take it back."
            )
        return found

    def _ask_first(self, request: HttpRequest, decision: Assignment) -> HttpResponse:
        """A bulk act is too much to be taken back by one key, which nothing takes back in its turn."""
        address = reverse(
            "admin:categories_run_undo", args=(decision.run_id,), current_app=self.admin_site.name
        )
        address += f"?{urlencode({'next': self.next_address(request)})}"
        count = int(decision.run.counts.get("decided", 0)) if decision.run else 0
        sentence = (
            f"This was a bulk act on {count:,} product{'' if count == 1 else 's'}: nothing is undone yet. "
            "Look at what would be taken back, and confirm it there."
        )
        if request.headers.get("Accept") == "application/json":
            return self.answer(request, sentence, messages.WARNING, status=409, address=address)
        self.message_user(request, sentence, messages.WARNING)
        return HttpResponseRedirect(address)

    def _take_back(self, request: HttpRequest, decision: Assignment, actor: Any) -> tuple[list[Any], str]:
        """(products that were decided, what to tell the reviewer)."""
        run = decision.run if _in_bulk(decision) else None
        if run is not None:
            summary = services.run_undo(run, actor=actor)
            if summary.run is None:
                raise services.ReviewError(summary.sentence())
            back = summary.run.assignments.order_by("pk").values_list("product_id", flat=True)
            return list(back[:UNDONE_AT_MOST]), self._taken_back(run, summary)
        services.decision_undo(decision, actor=actor)
        title = str(decision.product.classifier_value("title") or "")[:80]
        return [decision.product_id], f"Taken back: “{title}” is as it was."

    def _taken_back(self, run: ClassificationRun, summary: services.UndoSummary) -> str:
        first = Suggestion.objects.filter(pk=run.options.get("first", 0)).select_related("product").first()
        left = f" {summary.later:,} with later changes stay as they are." if summary.later else ""
        if first is None or not summary.undone:
            return f"Taken back: {summary.undone:,} decided at once.{left}"
        others = f" and {summary.undone - 1:,} like it" if summary.undone > 1 else ""
        return f"Taken back: “{product_title(first)}”{others}.{left}"

    def _looked_at(self, decision: Assignment) -> int:
        if decision.run is not None:
            return int(decision.run.options.get("first", 0))
        return 0


def _in_bulk(decision: Assignment) -> bool:
    """Whether it is undone with a whole act of a person."""
    return decision.run is not None and decision.run.kind == ClassificationRun.Kind.REVIEW


def _asks_first(decision: Assignment) -> bool:
    """Whether that act was more than one product and its near-duplicates."""
    run = decision.run
    return run is not None and _in_bulk(decision) and run.options.get("action") != "settle"
