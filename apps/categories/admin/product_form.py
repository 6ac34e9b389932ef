"""Suggestions in the product's form: what the script is told, and the address that it asks."""

import copy
import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache

from .. import services
from ..inference.text import TEXT_FIELDS
from .base import CategoriesMedia, ProductAdmin
from .display import confidence_words


class ProductMedia(CategoriesMedia):
    """With the scripts of the form; it works without them."""

    js = (*CategoriesMedia.js, "categories/asking.js", "categories/product_form.js")


class SuggestingAdmin(ProductAdmin):
    """Suggests categories while a product's text is typed. Nothing is stored before the form is saved."""

    Media = ProductMedia

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(never_cache(self.suggest_view))
        return [path("suggest-category/", view, name=self._suggest_name), *super().get_urls()]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Tells the script, on the category's own field, where to ask and which fields hold the text."""
        form = super().get_form(request, obj, change=change, **kwargs)
        lookups = self.model.text_lookups()
        typed = {name: column for name, column in lookups.items() if column in form.base_fields}
        if "category" in form.base_fields and typed:
            # A copy: a field that a shop declared on its form is one for all requests.
            field = form.base_fields["category"] = copy.deepcopy(form.base_fields["category"])
            widget: Any = field.widget
            getattr(widget, "widget", widget).attrs |= {
                "data-cat-suggest": reverse(f"admin:{self._suggest_name}", current_app=self.admin_site.name),
                "data-cat-fields": json.dumps(typed),
                "data-cat-product": "" if obj is None else str(obj.pk),
            }
        return form

    def suggest_view(self, request: HttpRequest) -> HttpResponse:
        """POST the text by our names (`title`, `brand`, …), and `product`, the key of a stored one.

        Answers {"candidates": [{"pk", "path", "percent"}]}, the best first, or, without a model, 503 with
        {"error"}. What is not posted is read from the stored product. Writes nothing.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        key = request.POST.get("product", "")
        product = self.get_object(request, key) if key else None
        allowed = self.has_change_permission(request, product)
        if not allowed and (key or not self.has_add_permission(request)):
            raise PermissionDenied
        text = product.classifier_text() if product is not None else {}
        text |= {name: request.POST[name] for name in TEXT_FIELDS if name in request.POST}
        try:
            found = services.suggest(text)
        except services.ClassifierUnavailable:
            return JsonResponse({"error": "No model suggests categories at the moment."}, status=503)
        candidates = [
            {
                "pk": item.category.pk,
                "path": item.category.path,
                "percent": confidence_words(item.confidence),
            }
            for item in found
        ]
        return JsonResponse({"candidates": candidates})

    @property
    def _suggest_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_suggest"
