"""The app: connects its signals and checks, gives products an admin; loads no model."""

from django.apps import AppConfig, apps


class CategoriesConfig(AppConfig):
    name = "apps.categories"
    label = "categories"
    verbose_name = "Product categories"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, signals  # noqa: F401 - importing them registers them

        if apps.is_installed("django.contrib.admin"):
            from django.contrib.admin.apps import AdminConfig

            # A site with SimpleAdminConfig has said that it registers everything itself.
            if isinstance(apps.get_app_config("admin"), AdminConfig):
                from .admin.default import register_default

                register_default()
