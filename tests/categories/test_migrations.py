"""The migrations say what the models say."""

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone


@pytest.mark.django_db
def test_nothing_is_missing() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_of_several_rows_of_the_alert_the_first_is_kept() -> None:
    """What two processes may have left before there was a constraint."""
    before, now = [("categories", "0007_ask")], timezone.now()
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes("categories")
    try:
        executor.migrate(before)
        runs = executor.loader.project_state(before).apps.get_model("categories", "ClassificationRun").objects
        kinds = ("queue_alert", "review", "queue_alert", "review", "queue_alert")
        made = [runs.create(kind=kind, started_at=now, heartbeat_at=now).pk for kind in kinds]
    finally:
        MigrationExecutor(connection).migrate(newest)
    assert list(runs.order_by("pk").values_list("pk", flat=True)) == [made[0], made[1], made[3]]
