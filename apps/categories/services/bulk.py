"""Many rows in one prepared statement: Django's own bulk_update writes a few hundred rows a second."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from django.db import connections, models


def update_rows(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], *, using: str
) -> None:
    """Set `columns` (field names) of many rows; each row is (primary key, value, value, …).

    The values are Python values as a model instance would hold them; a foreign key is given as its raw value.
    One statement per table that the columns live in. No signals are sent and no auto_now is applied.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    fields = [_field(model, name) for name in columns]
    held = [tuple(row) for row in rows]
    for owner in dict.fromkeys(field.model for field in fields):
        own = [place for place, field in enumerate(fields) if field.model is owner]
        key = owner._meta.pk
        sets = ", ".join(f"{quote(str(fields[place].column))} = %s" for place in own)
        table, where = quote(owner._meta.db_table), quote(str(key.column))
        sql = f"UPDATE {table} SET {sets} WHERE {where} = %s"  # noqa: S608 - names from the models, values apart
        ordered = [*(fields[place] for place in own), key]
        values = ([*(row[place + 1] for place in own), row[0]] for row in held)
        _execute_many(sql, _prepare(ordered, values, using), using)


def insert_rows(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    using: str,
    on_conflict: str = "",
    replace: Sequence[str] = (),
) -> None:
    """Insert many rows of `columns` (field names); where `on_conflict` (a unique field) exists, set `replace`
    to the new values instead. No signals are sent and no defaults are applied: name every column that needs a
    value.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    fields = [_field(model, name) for name in columns]
    names = ", ".join(quote(str(field.column)) for field in fields)
    marks = ", ".join("%s" for _ in fields)
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({marks})"  # noqa: S608 - names from the models, values apart
    if on_conflict:
        sets = ", ".join(
            f"{quote(str(field.column))} = excluded.{quote(str(field.column))}"
            for field in (_field(model, name) for name in replace)
        )
        sql += f" ON CONFLICT ({quote(str(_field(model, on_conflict).column))}) DO UPDATE SET {sets}"
    _execute_many(sql, _prepare(fields, rows, using), using)


def _field(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    return cast("models.Field[Any, Any]", model._meta.get_field(name))


def _execute_many(sql: str, prepared: Sequence[Sequence[Any]], using: str) -> None:
    if prepared:
        with connections[using].cursor() as cursor:
            cursor.executemany(sql, prepared)


# Their Python values go to the database as they are; any other field, a shop's own above all, converts its
# own.
_PLAIN = (
    models.AutoField,
    models.BigAutoField,
    models.BigIntegerField,
    models.BooleanField,
    models.CharField,
    models.FloatField,
    models.IntegerField,
    models.TextField,
)


def _prepare(
    fields: Sequence["models.Field[Any, Any]"], rows: Iterable[Sequence[Any]], using: str
) -> list[list[Any]]:
    connection = connections[using]
    targets = [field.target_field if isinstance(field, models.ForeignKey) else field for field in fields]
    convert = [
        None if type(target) in _PLAIN else field.get_db_prep_save
        for field, target in zip(fields, targets, strict=True)
    ]
    return [
        [
            value if value is None or prepare is None else prepare(value, connection)
            for prepare, value in zip(convert, values, strict=True)
        ]
        for values in rows
    ]
