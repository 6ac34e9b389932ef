"""The shop's category tree."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, router, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Substr
from django.utils.text import slugify
from tree_queries.fields import TreeNodeForeignKey
from tree_queries.models import TreeNode
from tree_queries.query import TreeQuerySet

from ..inference.taxonomy import MAX_NAME, MAX_PATH, SEPARATOR, split_path

# PostgreSQL refuses to index a value of more than 2,704 bytes.
MAX_PATH_BYTES = 2600


class CategoryCodeError(ValidationError):
    """A category's code was to be changed."""


class CategoryQuerySet(TreeQuerySet):  # type: ignore[misc]  # the library ships no types
    """Adds the guard that a code never changes."""

    def update(self, **values: Any) -> int:
        """As Django's; raises CategoryCodeError when `code` is among the values."""
        if "code" in values:
            raise CategoryCodeError(
                "A category's code is its identity and cannot be changed by update(): labels, models and "
                "history point at it. Change its name or its place instead."
            )
        return int(super().update(**values))

    update.alters_data = True  # type: ignore[attr-defined]

    def active(self) -> "CategoryQuerySet":
        return self.filter(is_active=True)  # type: ignore[no-any-return]

    def subtree(self, category: "Category", *, include_self: bool = True) -> "CategoryQuerySet":
        """The category's descendants by their stored path: one range read, no recursion."""
        below = models.Q(path__startswith=category.path + SEPARATOR)
        return self.filter(below | models.Q(pk=category.pk) if include_self else below)  # type: ignore[no-any-return]


class Category(TreeNode):  # type: ignore[misc]  # the library ships no types
    """A place in the tree. `code` is its identity; `path` and `depth` follow from its name and parent."""

    parent = TreeNodeForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        verbose_name="parent",
    )
    name = models.CharField(max_length=MAX_NAME)
    slug = models.SlugField(max_length=200, blank=True, help_text="Made from the name when left empty.")
    description = models.TextField(blank=True)
    is_active = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Untick to retire a category: it keeps its history, and is no longer offered.",
    )
    code = models.CharField(
        max_length=100,
        unique=True,
        blank=True,
        help_text="Its identity for labels and models. Made from the path when empty; never changes.",
    )
    path = models.CharField(max_length=MAX_PATH, unique=True, editable=False)
    depth = models.PositiveSmallIntegerField(editable=False, default=0, help_text="0 for a root.")
    external_id = models.CharField(
        max_length=200, blank=True, db_index=True, help_text="The id in the taxonomy it was imported from."
    )

    objects = CategoryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "categories"
        ordering = ["path"]

    def __str__(self) -> str:
        return self.path or self.name

    def clean(self) -> None:
        """Raises ValidationError for a loop, a name that breaks the path, a path in use, a changed code."""
        super().clean()
        rows = type(self)._default_manager.all()
        self._place(rows)
        self._stored(rows)
        if rows.filter(path=self.path).exclude(pk=self.pk).exists():
            raise ValidationError({"name": f"There is already a category “{self.path}”."})

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Also writes path and depth, and, after a rename or a move, those of the whole subtree.

        Raises CategoryCodeError when `code` differs from the stored one, ValidationError for a name that
        cannot stand in a path, or for a move below itself. Cost: at most three reads more than Django's save,
        and one statement more when the path changed.
        """
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using):
            rows = type(self)._default_manager.using(using)
            old = self._stored(rows.select_for_update())
            # The parent is read and locked here: its path may have changed since this instance was loaded.
            self._place(rows.select_for_update())
            names: Iterable[str] | None = kwargs.get("update_fields")
            if names is not None and {"name", "parent", "parent_id"} & set(names):
                kwargs["update_fields"] = {*names, "path", "depth"}
            super().save(*args, **kwargs)
            if old is not None and old.path != self.path:
                rows.filter(path__startswith=old.path + SEPARATOR).update(
                    path=Concat(Value(self.path), Substr("path", len(old.path) + 1)),
                    depth=F("depth") + (self.depth - old.depth),
                )

    save.alters_data = True  # type: ignore[attr-defined]

    def _stored(self, rows: CategoryQuerySet) -> "Category | None":
        """The row as it is stored, None for a new one; raises when this instance carries another code."""
        if self._state.adding or not self.pk:
            return None
        old: Category | None = rows.filter(pk=self.pk).only("path", "depth", "code").first()
        if old is not None and self.code != old.code:
            raise CategoryCodeError(
                f"The code of “{old.path}” is {old.code} and cannot be changed to {self.code or 'nothing'}: "
                "labels, models and history point at it. Change its name or its place, or retire it and make "
                "a new one."
            )
        return old

    def _place(self, rows: CategoryQuerySet) -> None:
        """Set path and depth, and an empty slug, from the name and the parent as it is stored."""
        self.name = self.name.strip()
        self.path, self.depth = self.name, 0
        if self.parent_id is not None:
            parent = rows.only("path", "depth").get(pk=self.parent_id)
            self.path, self.depth = f"{parent.path}{SEPARATOR}{self.name}", parent.depth + 1
            if self.pk and self._holds(parent, rows):
                raise ValidationError({"parent": f"“{self.name}” cannot be put below itself."})
        try:
            names = split_path(self.path)
        except ValueError as error:
            raise ValidationError({"name": str(error)}) from error
        if len(names) != self.depth + 1 or SEPARATOR.strip() in self.name.split():
            raise ValidationError(
                {"name": f"“{self.name}” cannot stand in a path: “{SEPARATOR}” joins its levels."}
            )
        if len(self.path.encode()) > MAX_PATH_BYTES:
            raise ValidationError({"name": f"The full path would be longer than {MAX_PATH_BYTES:,} bytes."})
        self.slug = self.slug or slugify(self.name)[:200]

    def _holds(self, other: "Category", rows: CategoryQuerySet) -> bool:
        """Whether `other` is this category, or stands below it, in the stored tree."""
        path = rows.filter(pk=self.pk).values_list("path", flat=True).first()
        return path is not None and f"{other.path}{SEPARATOR}".startswith(f"{path}{SEPARATOR}")
