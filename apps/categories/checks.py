"""System checks: what is wrong with the settings, with the cure. They load no model."""

import json
from typing import Any, cast

from django.conf import settings
from django.core import checks
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import connections, models
from django.db.migrations.loader import MigrationLoader
from django.db.models.constants import LOOKUP_SEP
from django.utils.module_loading import import_string

from .conf import PRODUCT_SETTING, SETTING, SettingProblem, get_settings, problems, product_model_label
from .models import ClassifiableProduct, get_product_model

OWN_LABEL = "categories"
FIRST_MIGRATION = "0001_initial"
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
"""DATABASES["default"]["OPTIONS"] with which several processes can write to one SQLite file."""


@checks.register(checks.Tags.compatibility)
def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """E001: an unknown key, or no dict at all. E002: a value that its key does not take."""
    return [
        checks.Error(problem.message, hint=problem.hint, id=problem.id)
        for problem in problems(getattr(settings, SETTING, {}))
    ]


@checks.register(checks.Tags.compatibility)
def check_queue_alert(**_: Any) -> list[checks.CheckMessage]:
    """E007: the hook is none. W001: a limit and nobody to tell. W002: somebody to tell, and no limit."""
    raw = getattr(settings, SETTING, {})
    if problems(raw):
        return []
    given = get_settings()
    found: list[checks.CheckMessage] = []
    if given.queue_alert_hook is not None and (reason := _no_callable(given.queue_alert_hook)):
        message = f'{SETTING}["QUEUE_ALERT_HOOK"] is {given.queue_alert_hook!r}: {reason}.'
        hint = "Name a function that takes one argument, by its module: “shop.alerts.tell”."
        found.append(checks.Error(message, hint=hint, id="categories.E007"))
    limited = given.queue_alert_size is not None or given.queue_alert_hours is not None
    heard = bool(given.queue_alert_to or given.queue_alert_hook)
    if limited and not heard:
        message = "The review queue has a limit, and nobody is told."
        hint = 'Add "QUEUE_ALERT_TO" (e-mail addresses) or "QUEUE_ALERT_HOOK" (a callable).'
        found.append(checks.Warning(message, hint=hint, id="categories.W001"))
    if heard and not limited:
        message = "The review queue has no limit to be told of."
        hint = 'Add "QUEUE_ALERT_SIZE" (products) or "QUEUE_ALERT_HOURS".'
        found.append(checks.Warning(message, hint=hint, id="categories.W002"))
    return found


# Without the tag `database`, which a plain `manage.py check` leaves out; nothing connects.
@checks.register(checks.Tags.compatibility)
def check_sqlite(**_: Any) -> list[checks.CheckMessage]:
    """W003: SQLite with deferred transactions, of which a second one that reads and then writes fails."""
    default = connections["default"]
    mode = default.settings_dict.get("OPTIONS", {}).get("transaction_mode") or "DEFERRED"
    if default.vendor != "sqlite" or str(mode).upper() in ("IMMEDIATE", "EXCLUSIVE"):
        return []
    message = (
        f"SQLite's transactions are {mode}: as soon as two of them read and then write at once (a reviewer "
        'and a command, or two tabs), one fails with "database is locked", whatever the time-out.'
    )
    hint = f'Write DATABASES["default"]["OPTIONS"] = {json.dumps(SQLITE_OPTIONS)}'
    return [checks.Warning(message, hint=hint, id="categories.W003")]


def _no_callable(path: str) -> str | None:
    """Why the dotted path names no callable, None when it does."""
    try:
        return None if callable(import_string(path)) else "it cannot be called"
    except ImportError as error:
        return str(error)


@checks.register(checks.Tags.models)
def check_product_model(**_: Any) -> list[checks.CheckMessage]:
    """E003: the setting names no model. E004: the model cannot be classified. E005: a wrong
    classifier_fields. E006, E008: below."""
    label = product_model_label()
    try:
        # What the setting names may be any model.
        model = cast("type[models.Model]", get_product_model())
    except SettingProblem as problem:
        return [checks.Error(problem.message, hint=problem.hint, id=problem.id)]
    if not issubclass(model, ClassifiableProduct):
        return [
            checks.Error(
                f"{PRODUCT_SETTING} names {label}, which is no ClassifiableProduct.",
                hint="Let it inherit apps.categories.models.ClassifiableProduct, then run makemigrations.",
                obj=model,
                id="categories.E004",
            )
        ]
    return [*_wrong_fields(model), *_wrong_weight(model), *_circular_migration(model)]


def _wrong_weight(model: type[ClassifiableProduct]) -> list[checks.CheckMessage]:
    """E008: REVIEW_WEIGHT is nothing that the product model can be asked for, or no number."""
    raw = getattr(settings, SETTING, {})
    if problems(raw) or (weight := get_settings().review_weight) is None:
        return []
    message = ""
    try:
        kind = _resolved(model, weight)
    except FieldError as error:
        message = str(error)
    else:
        if not isinstance(kind, (models.IntegerField, models.FloatField, models.DecimalField)):
            message = f"it gives a {type(kind).__name__}, not a number"
    if not message:
        return []
    hint = 'Name a numeric field of the product model ("price"), or write an expression over its fields.'
    return [
        checks.Error(
            f'{SETTING}["REVIEW_WEIGHT"] is {weight!r}: {message}',
            hint=hint,
            obj=model,
            id="categories.E008",
        )
    ]


def _resolved(model: type[ClassifiableProduct], weight: Any) -> Any:
    """The field that the weight gives. Raises FieldError."""
    expression = models.F(weight) if isinstance(weight, str) else weight
    query = model._base_manager.annotate(review_weight=expression).query
    return query.annotations["review_weight"].output_field


def _circular_migration(model: type[ClassifiableProduct]) -> list[checks.CheckMessage]:
    """E006: a new product model's migration depends on our last one, which depends on the model."""
    label = model._meta.app_label
    if label == OWN_LABEL:
        return []
    # As makemigrations writes them.
    first = (OWN_LABEL, FIRST_MIGRATION)
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    return [
        checks.Error(
            f"The migration {label}.{name} depends on {OWN_LABEL}.{wanted}, which itself waits for {label}.",
            hint=f"In its dependencies write {first} in place of {(OWN_LABEL, wanted)}.",
            obj=model,
            id="categories.E006",
        )
        for (app, name), migration in loader.disk_migrations.items()
        if app == label and not any(above == label for above, _ in migration.dependencies)
        for above, wanted in migration.dependencies
        if above == OWN_LABEL and wanted not in (FIRST_MIGRATION, "__first__")
    ]


def _wrong_fields(model: type[ClassifiableProduct]) -> list[checks.CheckMessage]:
    found: list[checks.CheckMessage] = []
    known = ClassifiableProduct.classifier_fields
    if "title" not in model.classifier_fields:
        hint = 'Add "title": the name of the field that holds the product\'s name.'
        found.append(
            checks.Error("classifier_fields names no title.", hint=hint, obj=model, id="categories.E005")
        )
    for name, lookup in model.classifier_fields.items():
        if name not in known:
            hint = f"Known names: {', '.join(known)}."
            message = f"classifier_fields has the unknown name {name!r}."
            found.append(checks.Error(message, hint=hint, obj=model, id="categories.E005"))
        elif missing := _missing_step(model, lookup):
            hint = 'Its values are fields of the model, or a relation followed to one: "maker__name".'
            message = f'classifier_fields["{name}"] is {lookup!r}: {missing}.'
            found.append(checks.Error(message, hint=hint, obj=model, id="categories.E005"))
    return found


def _missing_step(model: type[models.Model], lookup: str) -> str | None:
    """Why `lookup` leads to no column, None when it does."""
    current: type[models.Model] | None = model
    for step in lookup.split(LOOKUP_SEP):
        if current is None:
            return f"nothing can follow before {step!r}"
        try:
            field = current._meta.get_field(step)
        except FieldDoesNotExist:
            return f"{current.__name__} has no field {step!r}"
        if field.is_relation and (field.many_to_many or field.one_to_many):
            return f"{current.__name__}.{step} leads to many rows"
        related = field.related_model
        current = related if field.is_relation and isinstance(related, type) else None
    return None
