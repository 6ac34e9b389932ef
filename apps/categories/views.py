"""A health page for monitoring, and the example of a form that suggests a category as the seller types."""

from django.contrib.auth.decorators import login_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from . import selectors, services

LONGEST = 500
"""Characters of a typed title that are read."""


@require_safe
@never_cache
def health(_request: HttpRequest) -> JsonResponse:
    """What classifies, and what waits. 200 when products can be classified, 503 when not.

    Not for a load balancer: without a model the shop works, and its products wait. Says nothing that a
    stranger should not know; the reason of a problem is in the log and in the admin.
    """
    info = services.model_info()
    model = {
        "version": info.version,
        "newer_file_refused": bool(info.version and info.problem),
        "form": info.form,
        "refused_forms": list(info.refused_forms),
    }
    try:
        waiting = selectors.waiting_counts()
    except DatabaseError:
        return JsonResponse({"status": "no database", "model": model}, status=503)
    status = "ok" if info.version else "no model"
    return JsonResponse(
        {"status": status, "model": model, "waiting": waiting}, status=200 if info.version else 503
    )


@login_required
@require_safe
def suggest_page(request: HttpRequest) -> HttpResponse:
    """The example form."""
    return render(request, "categories/suggest.html")


@login_required
@require_GET
@never_cache
def suggest(request: HttpRequest) -> JsonResponse:
    """Candidates for ?title=…: {"candidates": [{"category_code", "category_path", "confidence"}]}, best
    first.

    503 with {"error"} when no model answers. A category that is not in the tree, or is retired, is left out.
    """
    try:
        found = services.suggest({"title": request.GET.get("title", "")[:LONGEST]})
    except services.ClassifierUnavailable:
        return JsonResponse({"error": "No suggestions at the moment: pick a category yourself."}, status=503)
    candidates = [
        {
            "category_code": item.category.code,
            "confidence": item.confidence,
            "category_path": item.category.path,
        }
        for item in found
    ]
    return JsonResponse({"candidates": candidates})
