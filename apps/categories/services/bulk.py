"""Many rows in few statements: Django's own bulk_update writes a few hundred rows a second.

SQLite is given one prepared statement and many rows of values. Over a network that would be a round trip a
row, so PostgreSQL is given one array a column.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from django.db import connections, models


def update_rows(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], *, using: str
) -> None:
    """Set `columns` (field names) of many rows; each row is (primary key, value, value, …).

    The values are Python values as a model instance would hold them; a foreign key is given as its raw value.
    The columns must live in one table. No signals are sent and no auto_now is applied.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    fields = [_field(model, name) for name in columns]
    owner = fields[0].model
    key = owner._meta.pk
    table, pk = quote(owner._meta.db_table), quote(str(key.column))
    names = _columns(model, columns, using)
    prepared = _prepare([key, *fields], rows, using)
    if not prepared:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            # Numbered, because the key comes first in a row and last in the statement.
            sets = ", ".join(f"{name} = ?{place}" for place, name in enumerate(names, 2))
            cursor.executemany(f"UPDATE {table} SET {sets} WHERE {pk} = ?1", prepared)  # noqa: S608
            return
        wanted, arrays, values = _arrays([key, *fields], prepared, using)
        sets = ", ".join(f"{name} = new.{name}" for name in names)
        cursor.execute(
            f"UPDATE {table} SET {sets} FROM (SELECT {wanted} FROM unnest({arrays})) "  # noqa: S608
            f"AS new (of_row, {', '.join(names)}) WHERE {table}.{pk} = new.of_row",
            values,
        )


def insert_rows(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    using: str,
    on_conflict: str = "",
    replace: Sequence[str] = (),
) -> None:
    """Insert many rows of `columns` (field names); no signals are sent and no defaults applied.

    Where a row with the same value of `on_conflict` (a unique field) exists, its columns `replace` are set to
    the new values instead, and to NULL where `columns` does not name them.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    fields = [_field(model, name) for name in columns]
    prepared = _prepare(fields, rows, using)
    if not prepared:
        return
    names = ", ".join(_columns(model, columns, using))
    # Names come from the models; every value is a parameter.
    head = f"INSERT INTO {quote(model._meta.db_table)} ({names})"
    tail = ""
    if on_conflict:
        sets = ", ".join(f"{column} = excluded.{column}" for column in _columns(model, replace, using))
        tail = f" ON CONFLICT ({_columns(model, [on_conflict], using)[0]}) DO UPDATE SET {sets}"
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany(f"{head} VALUES ({', '.join(['%s'] * len(fields))}){tail}", prepared)
        else:
            wanted, arrays, values = _arrays(fields, prepared, using)
            cursor.execute(f"{head} SELECT {wanted} FROM unnest({arrays}){tail}", values)  # noqa: S608


def _arrays(
    fields: "Sequence[models.Field[Any, Any]]", rows: Sequence[Sequence[Any]], using: str
) -> tuple[str, str, list[Any]]:
    """For `SELECT … FROM unnest(…)`: what to select, what to unnest, and the values for both.

    One array a column, with the column's own type; a column that holds one value throughout is that value.
    """
    connection = connections[using]
    selected, arrays, constants, lists = [], [], [], []
    for place, (field, column) in enumerate(zip(fields, zip(*rows, strict=True), strict=True)):
        kind = field.rel_db_type(connection) if field.primary_key else field.db_type(connection)
        first = column[0]
        if place and all(value is first for value in column):
            selected.append(f"%s::{kind}")
            constants.append(first)
        else:
            selected.append(f"u{place}")
            arrays.append((f"%s::{kind}[]", f"u{place}"))
            lists.append(list(column))
    names = ", ".join(name for _, name in arrays)
    return (
        ", ".join(selected),
        f"{', '.join(array for array, _ in arrays)}) AS given ({names}",
        [*constants, *lists],
    )


def _field(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    return cast("models.Field[Any, Any]", model._meta.get_field(name))


def _columns(model: type[models.Model], names: Sequence[str], using: str) -> list[str]:
    return [connections[using].ops.quote_name(str(_field(model, name).column)) for name in names]


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
) -> list[tuple[Any, ...]]:
    connection = connections[using]
    targets = [field.target_field if isinstance(field, models.ForeignKey) else field for field in fields]
    converters = [
        None if type(target) in _PLAIN else field.get_db_prep_save
        for field, target in zip(fields, targets, strict=True)
    ]
    # Column by column, and a value that repeats (the time of the batch, above all) is converted once.
    columns: list[Sequence[Any]] = []
    for convert, column in zip(converters, zip(*rows, strict=True), strict=False):
        if convert is None:
            columns.append(column)
            continue
        before, converted, ready = None, None, []
        for value in column:
            if value is not None and value is not before:
                before, converted = value, convert(value, connection)
            ready.append(None if value is None else converted)
        columns.append(ready)
    return list(zip(*columns, strict=True))
