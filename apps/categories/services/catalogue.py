"""Product rows into the shop: new ones, changed texts, and labels that are truth from then on."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import partial
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import models, router, transaction
from django.utils import timezone

from ..conf import get_settings
from ..inference.files import ProductRow, RejectedRow
from ..inference.taxonomy import code_for_path
from ..inference.taxonomy_file import TaxonomyEntry
from ..inference.text import TEXT_FIELDS, text_digest
from ..models import LABELS, Category, ClassificationRun, Source, Suggestion, get_product_model
from .bulk import update_rows
from .history import Line, history_write
from .runs import closed_on_error, run_beat, run_finish, run_start
from .tree import taxonomy_import

Rows = Iterable[ProductRow | RejectedRow]


@dataclass(frozen=True, kw_only=True)
class ImportSummary:
    """What an import of products did; counts of rows of the file, but for the last."""

    created: int = 0
    updated: int = 0
    """A text, a price or another value changed, or the label."""
    unchanged: int = 0
    rejected: int = 0
    labelled: int = 0
    """Of the created and updated: filed by the label in the file."""
    kept_human: int = 0
    """Their label differs from what a person decided, which stays."""
    left_empty: int = 0
    """Values (a price, a rating) that cannot be read; the row was imported without."""
    categories_created: int = 0
    """Categories that were not in the tree."""

    def __add__(self, other: "ImportSummary") -> "ImportSummary":
        return ImportSummary(
            **{
                item.name: getattr(self, item.name) + getattr(other, item.name)
                for item in dataclasses.fields(ImportSummary)
            }
        )


def products_import(
    read: Callable[[], Rows],
    *,
    name: str,
    create_categories: bool = False,
    on_reject: Callable[[RejectedRow], None] = lambda _: None,
    on_progress: Callable[[ImportSummary], None] = lambda _: None,
) -> ImportSummary:
    """Upsert the rows by sku, a transaction per batch; memory does not grow with the file.

    `read` opens the rows; it is called twice with `create_categories`, which first brings the paths of the
    rows that can be stored into the tree. `name` goes into the ledger. An empty cell changes nothing. A label
    files the product with source "import"; what a person decided stays. A row that cannot be stored goes to
    `on_reject` with the reason. Run again, it changes nothing; stopped half-way, it is run again. Raises what
    `read` raises.
    """
    using = router.db_for_write(get_product_model())
    columns = _Columns()
    summary = ImportSummary()
    if create_categories:
        summary += ImportSummary(categories_created=_create_categories(read(), columns, using))
    places = _Places(using)
    run = run_start(ClassificationRun.Kind.IMPORT, options={"file": name})
    with closed_on_error(partial(run_finish, run)):
        for batch in _batches(read(), get_settings().batch_size):
            summary += _import(
                batch, columns=columns, places=places, run=run, using=using, on_reject=on_reject
            )
            on_progress(summary)
    run_finish(run)
    return summary


class _Columns:
    """The columns of the shop's product model that a file can fill."""

    def __init__(self) -> None:
        self.model = get_product_model()
        self.fields: dict[str, models.Field[Any, Any]] = {}
        """Our name → the model's field."""
        for name, lookup in self.model.classifier_fields.items():
            if "__" not in lookup:
                field = cast("models.Field[Any, Any]", self.model._meta.get_field(lookup))
                if not field.is_relation:
                    self.fields[name] = field
        if "sku" not in self.fields or not self.fields["sku"].unique:
            raise ImproperlyConfigured(
                f'{self.model._meta.label}.classifier_fields must name a unique field as "sku": products are '
                "recognised by it on import."
            )
        self.sku = self.fields["sku"]
        self.others = [name for name in self.fields if name != "sku"]

    def values(self, row: ProductRow) -> tuple[dict[str, Any], int]:
        """The row's values by our names, without the empty ones, and how many could not be read.

        Raises ValueError, for the person who mends the file, without a sku or when a text cannot be stored.
        """
        if not row.sku:
            raise ValueError(
                "the row has no sku, by which products are recognised: give each row a number or name of its "
                "own in a column 'sku'"
            )
        found: dict[str, Any] = {}
        unreadable = 0
        for name, field in self.fields.items():
            raw = getattr(row, name)
            if not raw:
                continue
            try:
                found[name] = field.clean(_plain(raw, field), None)
            except (ValidationError, InvalidOperation, ValueError, OverflowError) as error:
                if name in (*TEXT_FIELDS, "sku") or isinstance(field, models.CharField):
                    said = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
                    raise ValueError(f"the {name} cannot be stored: {said}") from error
                unreadable += 1
        return found, unreadable


def _plain(raw: str, field: "models.Field[Any, Any]") -> Any:
    """The text as its field's `clean` takes it: amounts rounded to the column, counts without a fraction."""
    if isinstance(field, models.DecimalField):
        number = Decimal(raw)
        return number.quantize(Decimal(1).scaleb(-field.decimal_places), ROUND_HALF_UP)
    if isinstance(field, (models.IntegerField, models.FloatField)):
        number = Decimal(raw)
        if not number.is_finite():
            raise ValueError(f"{raw} is no number")
        return int(number) if isinstance(field, models.IntegerField) else float(number)
    return raw


class _Places:
    """The tree as labels name it."""

    def __init__(self, using: str) -> None:
        rows = Category.objects.using(using).values_list("pk", "code", "path")
        self._by_code: dict[str, int] = {}
        self._by_path: dict[str, int] = {}
        for pk, code, path in rows:
            self._by_code[code] = self._by_path[path] = pk

    def of(self, row: ProductRow) -> int | None:
        """The category of the row's label, None without one. Raises ValueError for one that is not in the
        tree."""
        if row.category_code:
            if row.category_code not in self._by_code:
                raise ValueError(
                    f"the category {row.category_code} is not in the tree: run import_taxonomy first"
                )
            return self._by_code[row.category_code]
        if row.category_path:
            if row.category_path not in self._by_path:
                raise ValueError(
                    f"the category {row.category_path!r} is not in the tree: run import_taxonomy, or use "
                    "--create-categories"
                )
            return self._by_path[row.category_path]
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """A row that can be stored."""

    sku: str
    values: Mapping[str, Any]
    category_id: int | None


def _create_categories(rows: Rows, columns: _Columns, using: str) -> int:
    codes = set(Category.objects.using(using).values_list("code", flat=True))
    paths: dict[str, None] = {}
    for row in rows:
        if isinstance(row, RejectedRow) or not row.category_path or row.category_path in paths:
            continue
        # A code names the category; the path beside it counts where this code is the one that it will get.
        other = row.category_code and row.category_code not in codes
        if other and not row.category_code.startswith(code_for_path(row.category_path)):
            continue
        with suppress(ValueError):
            columns.values(row)
            paths[row.category_path] = None
    entries = [TaxonomyEntry(line=number, path=path) for number, path in enumerate(paths, 1)]
    return taxonomy_import(entries).created


def _batches(rows: Rows, size: int) -> Iterator[list[ProductRow | RejectedRow]]:
    """At most `size` rows each, no sku twice in one."""
    batch: list[ProductRow | RejectedRow] = []
    skus: set[str] = set()
    for row in rows:
        if len(batch) >= size or (isinstance(row, ProductRow) and row.sku in skus):
            yield batch
            batch, skus = [], set()
        batch.append(row)
        if isinstance(row, ProductRow) and row.sku:
            skus.add(row.sku)
    if batch:
        yield batch


def _import(
    batch: Sequence[ProductRow | RejectedRow],
    *,
    columns: _Columns,
    places: _Places,
    run: ClassificationRun,
    using: str,
    on_reject: Callable[[RejectedRow], None],
) -> ImportSummary:
    ready: list[_Ready] = []
    rejected: list[RejectedRow] = []
    unreadable = 0
    for row in batch:
        if isinstance(row, RejectedRow):
            rejected.append(row)
            continue
        try:
            values, faults = columns.values(row)
            ready.append(_Ready(sku=values.pop("sku"), values=values, category_id=places.of(row)))
            unreadable += faults
        except ValueError as error:
            rejected.append(RejectedRow(line=row.line, reason=str(error), raw=row.as_mapping()))
    with transaction.atomic(using=using):
        summary = _store(ready, columns=columns, run=run, using=using)
        summary += ImportSummary(rejected=len(rejected), left_empty=unreadable)
        run_beat(run, dataclasses.asdict(summary), using=using)
    for reject in rejected:
        on_reject(reject)
    return summary


IMPORT = Source.IMPORT.value
_FILING = ("category", "category_source", "category_confidence", "model_version", "needs_review", "is_stale")


def _store(
    ready: Sequence[_Ready], *, columns: _Columns, run: ClassificationRun, using: str
) -> ImportSummary:
    """Write what differs from the stored rows, which are locked until the transaction ends."""
    model, others = columns.model, columns.others
    read = [columns.fields[name].name for name in others]
    stored_rows = (
        model._base_manager.using(using)
        .filter(**{f"{columns.sku.name}__in": [row.sku for row in ready]})
        .order_by("pk")
        .select_for_update()
        .values_list(columns.sku.name, "pk", *_FILING, "text_digest", *read)
    )
    stored = {sku: tuple(rest) for sku, *rest in stored_rows}
    texts: list[tuple[Any, ...]] = []
    filings: list[tuple[Any, ...]] = []
    history: list[Line] = []
    at = timezone.now()
    changed: set[Any] = set()
    kept = 0
    for row in ready:
        if row.sku not in stored:
            continue
        pk, category_id, source, confidence, version, review, stale, digest, *now = stored[row.sku]
        new = [row.values.get(name, value) for name, value in zip(others, now, strict=True)]
        filing = (category_id, source, confidence, version, review, stale)
        if row.category_id is not None and source == Source.HUMAN:
            kept += row.category_id != category_id
        elif row.category_id is not None:
            filing = (row.category_id, Source.IMPORT.value, None, "", False, False)
            if (row.category_id, Source.IMPORT) != (category_id, source):
                before = (category_id, source, confidence, version, review, None)
                history.append(Line(pk, *before, row.category_id, IMPORT, at, run=run.pk))
        if filing[1] not in LABELS and new != now:
            known = dict(zip(others, new, strict=True))
            filing = (*filing[:5], stale or text_digest(known) != digest)
        if new != now:
            texts.append((pk, *new))
            changed.add(pk)
        if filing != (category_id, source, confidence, version, review, stale):
            filings.append((pk, *filing))
            changed.add(pk)
    update_rows(model, read, texts, using=using)
    update_rows(model, _FILING, filings, using=using)
    created = _create([row for row in ready if row.sku not in stored], columns, using)
    new_one = (None, Source.NONE.value, None, "", False, None)
    history += [
        Line(product.pk, *new_one, product.category_id, IMPORT, at, run=run.pk)
        for product in created
        if product.category_id
    ]
    _record(history, using=using)
    return ImportSummary(
        created=len(created),
        updated=len(changed),
        unchanged=len(stored) - len(changed),
        labelled=len(history),
        kept_human=kept,
    )


def _create(rows: Sequence[_Ready], columns: _Columns, using: str) -> list[Any]:
    products = []
    for row in rows:
        values = {columns.fields[name].name: value for name, value in row.values.items()}
        product = columns.model(**{columns.sku.name: row.sku, **values})
        if row.category_id is not None:
            product.category_id = row.category_id
            product.category_source, product.is_stale = Source.IMPORT, False
        products.append(product)
    return columns.model._base_manager.using(using).bulk_create(products, batch_size=500)


def _record(history: Sequence[Line], *, using: str) -> None:
    history_write(history, using=using)
    if history:
        waiting = Suggestion.objects.using(using).filter(status=Suggestion.Status.PENDING)
        waiting.filter(product_id__in=[line.product for line in history]).delete()
