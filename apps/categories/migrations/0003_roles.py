"""Three groups: who may look at the queue, who may decide in it, who may also change the tree and the products."""

from django.conf import settings
from django.db import migrations

from apps.categories.conf import product_model_label

VIEWERS, REVIEWERS, MANAGERS = "Catalogue viewers", "Catalogue reviewers", "Catalogue managers"
TABLES = ("category", "suggestion", "assignment", "classificationrun", "modelversion")


def role_codenames(product_app, product_model):
    """Group name → the (app label, model name, codename) of its permissions."""
    product = (product_app, product_model)
    tables = [("categories", table) for table in TABLES]
    view = [(app, model, f"view_{model}") for app, model in (*tables, product)]
    review = [("categories", "suggestion", "review_suggestion")]
    manage = [
        (app, model, f"{verb}_{model}")
        for verb in ("add", "change", "delete")
        for app, model in (("categories", "category"), product)
    ]
    return {VIEWERS: view, REVIEWERS: view + review, MANAGERS: view + review + manage}


def create_roles(apps, schema_editor):
    """Make the groups, or add to those of these names what they lack."""
    using = schema_editor.connection.alias
    product_app, product_model = product_model_label().lower().split(".")
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(using)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    groups = apps.get_model("auth", "Group").objects.using(using)
    for name, wanted in role_codenames(product_app, product_model).items():
        granted = []
        for app, model, codename in wanted:
            # On a fresh database Django makes these only after the last migration.
            content_type, _ = content_types.get_or_create(app_label=app, model=model)
            words = "Can decide suggestions" if codename.startswith("review") else f"Can {codename.replace('_', ' ')}"
            permission, _ = permissions.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": words}
            )
            granted.append(permission)
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*granted)


class Migration(migrations.Migration):
    dependencies = [
        ("categories", "0002_suggestion_and_history"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    # Backwards the groups stay: people are in them.
    operations = [migrations.RunPython(create_roles, migrations.RunPython.noop, elidable=False)]
