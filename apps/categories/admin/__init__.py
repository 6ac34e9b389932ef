"""The admin: the review queue, the products, the tree, the history."""

from django.contrib import admin

from ..models import get_product_model
from . import categories, ledger, suggestions
from .products import ClassifiableProductAdmin

__all__ = ["ClassifiableProductAdmin", "categories", "ledger", "suggestions"]

# A shop that has registered an admin of its own for its products keeps it.
if not admin.site.is_registered(get_product_model()):
    admin.site.register(get_product_model(), ClassifiableProductAdmin)
