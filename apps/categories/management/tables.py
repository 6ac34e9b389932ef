"""The base of the commands that read the site's tables: before `migrate` they say so in one sentence."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor

from ..conf import DEFAULT_PRODUCT_MODEL, product_model_label


class TablesCommand(BaseCommand):
    """A command that needs the tables of this app and of the shop's products as the code knows them."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except DatabaseError as error:
            if not (missing := unapplied()):
                raise
            raise CommandError(
                f"the database lacks {missing} migrations ({error}): run `manage.py migrate`, then this again"
            ) from error


def unapplied() -> int:
    """How many migrations of this app, of the product model's and of what they need the database lacks."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    ours = {label.partition(".")[0] for label in (DEFAULT_PRODUCT_MODEL, product_model_label())}
    wanted = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] in ours]
    return len(executor.migration_plan(wanted))
