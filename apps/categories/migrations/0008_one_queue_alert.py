from django.db import migrations, models


def keep_one(apps, schema_editor):
    """Two processes may each have made a row: the first one is what they all read since."""
    runs = apps.get_model("categories", "ClassificationRun").objects.using(schema_editor.connection.alias)
    alerts = runs.filter(kind="queue_alert").order_by("pk")
    first = alerts.values_list("pk", flat=True).first()
    alerts.exclude(pk=first).delete()
    if schema_editor.connection.vendor == "postgresql":
        # An index is refused while checks of the deleted rows are put off to the end of the transaction.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ("categories", "0007_ask"),
    ]

    operations = [
        migrations.RunPython(keep_one, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name="classificationrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "queue_alert")), fields=("kind",), name="run_one_queue_alert"
            ),
        ),
    ]
