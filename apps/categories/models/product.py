"""What a shop's product needs in order to be filed, and the product of a shop that has none of its own."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self, cast

from django.apps import apps
from django.db import models, router, transaction

from ..conf import DEFAULT_PRODUCT_MODEL, PRODUCT_SETTING, SettingProblem, product_model_label
from ..inference.text import TEXT_FIELDS, text_digest
from .ledger import Assignment
from .source import LABELS, Source
from .suggestion import Suggestion

FILING_COLUMNS = (
    "category_id",
    "category_source",
    "category_confidence",
    "model_version",
    "needs_review",
    "is_stale",
    "text_digest",
    "classified_at",
)
"""The columns of ClassifiableProduct. `save()` writes one of them only if this instance changed it."""


class ClassifiableProduct(models.Model):
    """Abstract base of the shop's product: inherit it, and name the model in CATEGORIES_PRODUCT_MODEL.

    Where the first migration of the model's app creates it, let that one depend on ("categories",
    "0001_initial"): makemigrations writes the latest, which in turn waits for the product model.

    A save stores the text and the stale mark in one statement, and never writes back a filing that this
    instance loaded and did not change: a reviewer or a sweep may have filed the row since. Setting `category`
    in code is a label of source "import", and is recorded in the history like any other.
    """

    classifier_fields: ClassVar[Mapping[str, str]] = {
        name: name for name in (*TEXT_FIELDS, "sku", "image", "price", "rating", "reviews_count")
    }
    """Where this model keeps what the classifier reads and an import writes: our name → its own. A value may
    follow a relation ("maker__name"; read, never imported). A name left out is empty for this shop; title is
    required."""

    category = models.ForeignKey(
        "categories.Category", null=True, blank=True, on_delete=models.PROTECT, related_name="products"
    )
    category_source = models.CharField(
        max_length=10, choices=Source.choices, default=Source.NONE, db_default=Source.NONE, editable=False
    )
    category_confidence = models.FloatField(null=True, editable=False, help_text="0 to 1; empty for a label.")
    model_version = models.CharField(
        max_length=80,
        default="",
        db_default="",
        editable=False,
        help_text="The model that looked at it last.",
    )
    needs_review = models.BooleanField(default=False, db_default=False, editable=False)
    is_stale = models.BooleanField(
        default=True, db_default=True, editable=False, help_text="Its text changed since it was classified."
    )
    text_digest = models.CharField(
        max_length=32, default="", db_default="", editable=False, help_text="Of the text that was classified."
    )
    classified_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True
        indexes = [
            models.Index(fields=["is_stale"], name="%(class)s_stale", condition=models.Q(is_stale=True)),
            models.Index(
                fields=["needs_review"], name="%(class)s_review", condition=models.Q(needs_review=True)
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As Django's, with the promises of the class. Raises DatabaseError if the loaded row has gone."""
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        names: Collection[str] | None = kwargs.get("update_fields")
        stored = (
            not self._state.adding and self.pk is not None and not args and not kwargs.get("force_insert")
        )
        before = self._remembered if stored else {}
        touched = self._adopt_label(before)
        if self._text_is_new(names, stored):
            self.is_stale = True
            touched.add("is_stale")
        if names is not None:
            kwargs["update_fields"] = {*names, *touched}
        elif stored and before:
            changed = {name for name, value in before.items() if self.__dict__.get(name) != value}
            loaded = {field.attname for field in self._meta.concrete_fields if not field.primary_key}
            loaded -= self.get_deferred_fields()
            kwargs["update_fields"] = (loaded - set(before)) | changed | touched
        if "category_source" not in touched:
            super().save(*args, **kwargs)
        else:
            with transaction.atomic(using=using):
                # What this instance remembers may be long past, and history is for good.
                filed = self._filing_now(using) if stored else {}
                super().save(*args, **kwargs)
                self._record_label(filed, using)
        self._remember_filing()

    save.alters_data = True  # type: ignore[attr-defined]

    @property
    def source(self) -> str:
        """Who filed it: "model@<version>", "human", "import" or "none"."""
        if self.category_source == Source.MODEL:
            return f"model@{self.model_version}"
        return str(self.category_source)

    @classmethod
    def text_lookups(cls) -> dict[str, str]:
        """Our text field → the lookup of this model that holds it, in the order of TEXT_FIELDS."""
        return {name: cls.classifier_fields[name] for name in TEXT_FIELDS if name in cls.classifier_fields}

    def classifier_value(self, name: str) -> Any:
        """What this product holds for our field `name`; None when the shop has no such field."""
        lookup = self.classifier_fields.get(name)
        value: Any = self if lookup else None
        for part in (lookup or "").split("__"):
            value = getattr(value, part) if value is not None else None
        return value

    def classifier_text(self) -> dict[str, str]:
        """The text that a model may read, by TEXT_FIELDS; empty strings for what is missing."""
        return {name: str(self.classifier_value(name) or "") for name in TEXT_FIELDS}

    @classmethod
    def from_db(
        cls, db: str | None, field_names: Collection[str], values: Collection[Any], **more: Any
    ) -> Self:
        instance = super().from_db(db, field_names, values, **more)
        instance._remember_filing()
        return instance

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        super().refresh_from_db(*args, **kwargs)
        self._remember_filing()

    @property
    def _remembered(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.__dict__.get("_filing_as_loaded", {}))

    def _remember_filing(self) -> None:
        self.__dict__["_filing_as_loaded"] = {
            name: self.__dict__[name] for name in FILING_COLUMNS if name in self.__dict__
        }

    def _adopt_label(self, before: Mapping[str, Any]) -> set[str]:
        """Make a category that code set on this instance a label; returns the columns that this changed."""
        new_place = self.__dict__.get("category_id", before.get("category_id")) != before.get("category_id")
        told = self.category_source != before.get("category_source", Source.NONE)
        if not new_place or told:
            return set()
        labelled = self.category_id is not None
        self.category_source = Source.IMPORT if labelled else Source.NONE
        self.category_confidence, self.model_version = None, ""
        self.needs_review, self.is_stale = False, not labelled
        return {
            "category_id",
            "category_source",
            "category_confidence",
            "model_version",
            "needs_review",
            "is_stale",
        }

    def _text_is_new(self, names: Collection[str] | None, stored: bool) -> bool:
        """Whether this save may store a text that no model has seen."""
        if self.category_source in LABELS:
            return False
        sources = {lookup.partition("__")[0] for lookup in self.text_lookups().values()}
        sources |= {field.attname for field in self._meta.concrete_fields if field.name in sources}
        if names is not None and not sources & set(names):
            return False
        if stored and names is None and not sources - self.get_deferred_fields():
            return False
        return text_digest(self.classifier_text()) != self.text_digest

    def _filing_now(self, using: str) -> dict[str, Any]:
        """The filing as it is stored, locked; empty when the row has gone."""
        rows = type(self)._base_manager.using(using).filter(pk=self.pk).select_for_update()
        return rows.values(*FILING_COLUMNS).first() or {}

    def _record_label(self, before: Mapping[str, Any], using: str) -> None:
        Assignment.objects.using(using).create(
            product_id=self.pk,
            from_category_id=before.get("category_id"),
            from_source=before.get("category_source", Source.NONE),
            from_confidence=before.get("category_confidence"),
            from_model_version=before.get("model_version", ""),
            from_review=before.get("needs_review", False),
            to_category_id=self.category_id,
            source=self.category_source,
            note="set in code",
        )
        pending = Suggestion.objects.using(using).filter(product_id=self.pk, status=Suggestion.Status.PENDING)
        pending.delete()


class Product(ClassifiableProduct):
    """The product of a shop that has no table of its own."""

    sku = models.CharField(max_length=100, unique=True)
    title = models.CharField(max_length=500)
    description = models.TextField(blank=True, default="")
    brand = models.CharField(max_length=200, blank=True, default="")
    seller = models.CharField(max_length=200, blank=True, default="")
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    image = models.CharField(max_length=500, blank=True, default="", help_text="An address or a path.")
    rating = models.FloatField(null=True, blank=True, help_text="0 to 5.")
    reviews_count = models.PositiveIntegerField(null=True, blank=True)

    class Meta(ClassifiableProduct.Meta):
        swappable = PRODUCT_SETTING
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title


def get_product_model() -> type[ClassifiableProduct]:
    """The shop's product model. Raises SettingProblem, with the cure, when the setting names no model."""
    label = product_model_label()
    try:
        model = apps.get_model(label, require_ready=False)
    except (LookupError, ValueError, AttributeError) as error:
        raise _no_such_model(label) from error
    return cast("type[ClassifiableProduct]", model)


def _no_such_model(label: object) -> SettingProblem:
    """What is wrong with a setting that names no model, and the nearest one that can be classified."""
    models_known = apps.get_models(include_swapped=True) if apps.models_ready else []
    known = [model._meta.label for model in models_known if issubclass(model, ClassifiableProduct)]
    app = str(label).partition(".")[0]
    own = [name for name in known if name.partition(".")[0] == app]
    folded = {name.lower(): name for name in own or known}
    near = difflib.get_close_matches(str(label).lower(), folded, n=1)
    hint = f'Did you mean "{folded[near[0]]}"? ' if near else ""
    hint += f"Models that inherit ClassifiableProduct: {', '.join(own or known) or DEFAULT_PRODUCT_MODEL}."
    if not own:
        hint += f" Is {app!r} in INSTALLED_APPS, with a model that inherits ClassifiableProduct?"
    return SettingProblem(
        f'{PRODUCT_SETTING} is {label!r}, expected the "app_label.ModelName" of an installed model.',
        hint=hint,
        id="categories.E003",
    )
