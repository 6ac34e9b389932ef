"""The product's admin of a shop that registers none of its own."""

from typing import cast

from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model

from ..models import ClassifiableProduct, get_product_model
from .products import ClassifiableProductAdmin


def register_default() -> None:
    """Register ClassifiableProductAdmin for the shop's product model, unless an `admin.py` registers another.

    Every `admin.py` is imported first, whatever the order of INSTALLED_APPS; Django's own round then finds
    them imported. A setting that names no product model registers nothing: a check (E003, E004) says so.
    """
    admin.autodiscover()
    try:
        # What the setting names may be any model.
        model = cast("type[Model]", get_product_model())
    except ImproperlyConfigured:
        return
    if issubclass(model, ClassifiableProduct) and not admin.site.is_registered(model):
        admin.site.register(model, ClassifiableProductAdmin)
