"""The product's list and form. A shop with its own product model inherits ClassifiableProductAdmin."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from .. import services
from ..inference.decision import percent
from ..models import Assignment, Category, ClassifiableProduct, Source, Suggestion
from ..selectors import product_relations
from .base import may_review, product_lookups, reviewer
from .branch import BranchFilter
from .display import badge, confidence_bar, image_url, path_markup, source_badge
from .product_form import SuggestingAdmin

HISTORY_AT_MOST = 20
SEEN = "filing_seen"
"""The form's hidden field with where it showed the product to be."""
# They belong to a product, and go with it; their own pages never delete.
GOES_WITH_PRODUCT = (Assignment, Suggestion)


class SourceFilter(admin.ChoicesFieldListFilter):
    """Named as the column is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "who filed it"


class WaitsFilter(admin.BooleanFieldListFilter):
    """Named for what a stale row is to a merchandiser."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "waiting for the model"


class SeenField(forms.CharField):
    """Where the form showed the product to be; nothing that anybody types."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class ClassifiableProductForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic when it runs
    """Refuses a retired category, unless the product is there already, and one that would overwrite a label
    that this form has not shown."""

    filing_seen = SeenField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A shop's own form may do without it.
        if SEEN in self.fields and self.instance.pk is not None:
            self.fields[SEEN].initial = str(services.FilingSeen.of(self.instance))

    def clean_category(self) -> Category | None:
        category: Category | None = self.cleaned_data["category"]
        if category is not None and not category.is_active and "category" in self.changed_data:
            raise ValidationError("This category is retired: pick another one.")
        return category

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if "category" in self.changed_data and "category" in self.cleaned_data:
            # As it is stored: what was chosen is not yet on the instance.
            try:
                services.require_filing_seen(self.instance, self.cleaned_data["category"], self.seen)
            except services.AlreadyDecided as error:
                self.add_error("category", str(error))
        return cleaned

    @property
    def seen(self) -> services.FilingSeen | None:
        """Where a form that was posted had shown the product to be; None: it does not say."""
        return services.FilingSeen.read(self.cleaned_data.get(SEEN) or "")


class ClassifiableProductAdmin(SuggestingAdmin):
    """The admin of any ClassifiableProduct: list, filters, search, a form whose category is a person's label.

    Register a subclass of it for the shop's product model to add columns or fields. A page of the list costs
    the same few queries, whatever its length.
    """

    form = ClassifiableProductForm
    list_filter: ClassVar[Any] = (
        "needs_review",
        ("category_source", SourceFilter),
        ("is_stale", WaitsFilter),
        BranchFilter,
    )
    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    autocomplete_fields = ("category",)
    save_on_top = True
    filing_fields = ("category", "filed", "confidence", "state", "classified_at", "history")
    """The form's second section."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClassifiableProduct]:
        joined = ("category", "suggestion", *product_relations())
        return super().get_queryset(request).select_related(*joined)

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        title, *others = product_lookups("title", "sku")
        columns = [lookup for lookup in others if "__" not in lookup]
        return ("__str__" if "__" in title else title, *columns, "place", "confidence", "filed_by", "state")

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return product_lookups("title", "sku", "brand")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = self.get_fields(request, obj)
        own = [name for name in fields if name not in (*self.filing_fields, SEEN, "picture")]
        if obj is None:
            return [(None, {"fields": own}), ("Category", {"fields": ["category"]})]
        hidden = [SEEN] if SEEN in fields and self.has_change_permission(request, obj) else []
        return [
            ("Category", {"fields": [*self.filing_fields, *hidden]}),
            ("Product", {"fields": own if not self._picture(obj) else ["picture", *own]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        filing = (*self.filing_fields[1:], "picture")
        if obj is None or super().has_change_permission(request, obj):
            return (*self.readonly_fields, *filing)
        # A reviewer may correct the category here, and nothing else.
        columns = (field.name for field in self.opts.get_fields() if isinstance(field, Field))
        return (*(name for name in columns if name != "category"), *filing)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Of one product, also a reviewer's, whose form changes its category alone; without `obj`, for
        whatever changes the products of a list (`list_editable`, actions), the shop's own permission."""
        return super().has_change_permission(request, obj) or (obj is not None and may_review(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or may_review(request)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        field = form.base_fields.get("category")
        if field is not None:
            # The tree is looked after on its own pages.
            for link in ("add", "change", "delete"):
                setattr(field.widget, f"can_{link}_related", False)
        return form

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "category":
            # The form knows what it showed: a model may have filed the product while it was open.
            kwargs["show_hidden_initial"] = True
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """As Django's. A label that came between the form's check and the save undoes the save; looked at
        again, the form says so, with all that was typed."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except services.AlreadyDecided:
            return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: ClassifiableProduct, form: Any, change: bool) -> None:
        """Stores the product's own columns, and a category that was chosen as this person's label. Raises
        AlreadyDecided."""
        chosen = obj.category
        obj.category_id = form.initial.get("category") if change else None
        super().save_model(request, obj, form, change)
        if "category" not in form.changed_data or (not change and chosen is None):
            return
        try:
            seen = getattr(form, "seen", None)
            services.product_set_category(obj, chosen, actor=reviewer(request), seen=seen)
        except services.AlreadyDecided:
            raise
        except services.ReviewError as error:
            self.message_user(request, str(error), messages.ERROR)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], Any]:
        """A product takes its history and its suggestion with it, although these pages delete neither."""
        listed, counts, missing, protected = super().get_deleted_objects(objs, request)
        missing = set(missing) - {model._meta.verbose_name for model in GOES_WITH_PRODUCT}
        return listed, counts, missing, protected

    @admin.display(description="category", ordering="category__path")
    def place(self, product: ClassifiableProduct) -> SafeString:
        if product.category is not None:
            return path_markup(product.category.path)
        waiting = _waiting(product)
        if waiting is not None and waiting.top is not None:
            path = path_markup(waiting.top["category_path"])
            return format_html('<span class="cat-maybe">perhaps {}</span>', path)
        return SafeString('<span class="cat-maybe">–</span>')

    @admin.display(description="confidence", ordering="category_confidence")
    def confidence(self, product: ClassifiableProduct) -> SafeString:
        waiting = _waiting(product)
        value, bar, sure = product.category_confidence, None, not product.needs_review
        # Of a product that has its place, a candidate's confidence would be read as that of the place.
        if product.category_id is None and waiting is not None and waiting.top is not None:
            value, bar = waiting.top["confidence"], waiting.threshold
        if value is None:
            return SafeString("–")
        return format_html(
            '<span class="cat-confidence">{} {}</span>',
            percent(value),
            confidence_bar(value, bar=bar, sure=sure),
        )

    @admin.display(description="filed by", ordering="category_source")
    def filed_by(self, product: ClassifiableProduct) -> SafeString:
        version = product.model_version if product.category_source == Source.MODEL else ""
        return source_badge(product.category_source, model_version=version)

    @admin.display(description="filed by")
    def filed(self, product: ClassifiableProduct) -> SafeString:
        """In the form: and when. The history knows, unless somebody wrote past it."""
        acts = Assignment.objects.filter(product_id=product.pk)
        last = acts.exclude(act=Assignment.Act.ASK).first()
        if last is None or (last.to_category_id, last.source) != (
            product.category_id,
            product.category_source,
        ):
            return self.filed_by(product)
        return source_badge(last.source, model_version=last.model_version, since=last.created_at)

    @admin.display(description="state", ordering="needs_review")
    def state(self, product: ClassifiableProduct) -> SafeString:
        waiting = _waiting(product)
        address = (
            reverse(
                "admin:categories_suggestion_change",
                args=(waiting.pk,),
                current_app=self.admin_site.name,
            )
            if waiting is not None
            else ""
        )
        if product.needs_review:
            return badge("review", "needs review", href=address)
        if waiting is not None and product.category_source == Source.MODEL:
            return badge("done", "filed above, to refine", href=address)
        if product.category_id is None and product.is_stale:
            return badge("stale", "waits for the model")
        return badge("done", "filed") if product.category_id else badge("stale", "no category")

    @admin.display(description="picture")
    def picture(self, product: ClassifiableProduct) -> SafeString:
        address = self._picture(product)
        if address is None:
            return SafeString("–")
        return format_html(
            '<img class="cat-image" src="{}" alt="" width="160" height="160" loading="lazy" decoding="async" '
            'referrerpolicy="no-referrer">',
            address,
        )

    @admin.display(description="history")
    def history(self, product: ClassifiableProduct) -> SafeString:
        rows = Assignment.objects.filter(product_id=product.pk)
        shown = rows.select_related("from_category", "to_category", "actor")[:HISTORY_AT_MOST]
        return SafeString(render_to_string("categories/admin/history.html", {"history": shown}))

    def _picture(self, product: ClassifiableProduct) -> str | None:
        return image_url(product.classifier_value("image"))


def _waiting(product: ClassifiableProduct) -> Suggestion | None:
    """The product's suggestion, while it waits; joined by get_queryset()."""
    suggestion: Suggestion | None = getattr(product, "suggestion", None)
    return suggestion if suggestion is not None and suggestion.is_pending else None
