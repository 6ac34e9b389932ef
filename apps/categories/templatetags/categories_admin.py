"""What the admin's templates ask for."""

from typing import Any

from django import template

from .. import selectors, services
from ..admin.base import may_review
from ..admin.display import path_markup
from ..inference.decision import percent
from ..models import Suggestion

register = template.Library()

register.filter("category_path", path_markup)


@register.filter
def percent_needed(threshold: float) -> str:
    """A bar in whole percent, rounded up: what is under it never reads as high as it."""
    return percent(threshold, up=True)


@register.inclusion_tag("categories/admin/summary.html", takes_context=True)
def review_summary(context: template.Context, *, only_problems: bool = False) -> dict[str, Any]:
    """How many products wait, and which model answers; nothing for a person who may not see the queue."""
    request = context["request"]
    user = request.user
    visible = user.has_perm(f"categories.view_{Suggestion._meta.model_name}") or may_review(request)
    if not visible:
        return {"visible": False}
    return {
        "visible": True,
        "only_problems": only_problems,
        "waiting": None if only_problems else selectors.review_queue().order_by().count(),
        "asked": None if only_problems else selectors.asked_counts(),
        "model": services.model_info(),
        "may_review": may_review(request),
    }
