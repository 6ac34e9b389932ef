"""What happens around a save: a category gets its code, a product is scheduled. Neither does any work."""

from typing import Any

from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver

from . import tasks
from .inference.taxonomy import code_for_path
from .models import LABELS, Category, ClassifiableProduct, get_product_model


class _StoredCodes:
    """The codes that other categories have, asked one at a time."""

    def __init__(self, using: str) -> None:
        self._using = using

    def __contains__(self, code: object) -> bool:
        return bool(Category.objects.using(self._using).filter(code=code).exists())


@receiver(pre_save, sender=Category, dispatch_uid="categories.assign_code")
def assign_code(instance: Category, raw: bool, using: str, **_: Any) -> None:
    """Give a category without a code the one that belongs to its path."""
    if not raw and not instance.code:
        instance.code = code_for_path(instance.path, _StoredCodes(using))


# Without a sender: a proxy or a child of the product model sends its own class.
@receiver(post_save, dispatch_uid="categories.schedule_product")
def schedule_product(instance: object, raw: bool, using: str, **_: Any) -> None:
    """Have a product whose text no model has seen classified after the commit."""
    if raw or not isinstance(instance, ClassifiableProduct) or not isinstance(instance, get_product_model()):
        return
    if instance.is_stale and instance.category_source not in LABELS:
        tasks.enqueue(instance.pk, using=using)
