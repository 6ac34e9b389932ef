"""What happens around a save: a category gets its code, a product is scheduled."""

from typing import Any

from django.db.models.signals import pre_save
from django.dispatch import receiver

from .inference.taxonomy import code_for_path
from .models import Category


class _StoredCodes:
    """The codes that other categories have, asked one at a time."""

    def __init__(self, using: str) -> None:
        self._using = using

    def __contains__(self, code: object) -> bool:
        return bool(Category.objects.using(self._using).filter(code=code).exists())


@receiver(pre_save, sender=Category)
def assign_code(instance: Category, raw: bool, using: str, **_: Any) -> None:
    """Give a category without a code the one that belongs to its path."""
    if not raw and not instance.code:
        instance.code = code_for_path(instance.path, _StoredCodes(using))
