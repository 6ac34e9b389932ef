"""A shop registers an admin of its own for its products, or is given ours, in any order of the apps.

In processes of their own, because apps are loaded once, with a shop written for the test.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODELS = """
from django.db import models
from apps.categories.models import ClassifiableProduct

class Shelf(models.Model):
    name = models.CharField(max_length=10)

class Article(ClassifiableProduct):
    name = models.CharField(max_length=300)
    classifier_fields = {"title": "name"}
"""
ADMIN = """
from django.contrib import admin
from apps.categories.admin import ClassifiableProductAdmin
from .models import Article

@admin.register(Article)
class ArticleAdmin(ClassifiableProductAdmin):
    list_per_page = 7
"""
SETTINGS = """
from bunoraa.settings import *
others = [name for name in INSTALLED_APPS if name not in ("apps.categories", "django.contrib.admin")]
INSTALLED_APPS = [{order}, *others]
CATEGORIES_PRODUCT_MODEL = {model!r}
"""
SAY = """
import django
django.setup()
from django.contrib import admin
from django.core.management import call_command
call_command("check")
from stall.models import Article
print(type(admin.site.get_model_admin(Article)).__name__ if admin.site.is_registered(Article) else "none")
"""


def shop(
    place: Path, *order: str, own: bool, model: str = "stall.Article"
) -> subprocess.CompletedProcess[str]:
    """What a shop with these apps in this order says of the admin of its articles, after `check`."""
    (place / "stall").mkdir()
    (place / "stall" / "__init__.py").touch()
    (place / "stall" / "models.py").write_text(MODELS)
    if own:
        (place / "stall" / "admin.py").write_text(ADMIN)
    names = ", ".join(map(repr, order))
    (place / "stall_settings.py").write_text(SETTINGS.format(order=names, model=model))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(place), str(ROOT)]),
        "DJANGO_SETTINGS_MODULE": "stall_settings",
        "DATABASE_URL": "sqlite:///:memory:",
    }
    return subprocess.run(
        [sys.executable, "-c", SAY], cwd=place, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "order",
    [
        ("apps.categories", "django.contrib.admin", "stall"),
        ("apps.categories", "stall", "django.contrib.admin"),
        ("stall", "apps.categories", "django.contrib.admin"),
        ("stall", "django.contrib.admin", "apps.categories"),
        ("django.contrib.admin", "stall", "apps.categories"),
        ("django.contrib.admin", "apps.categories", "stall"),
    ],
)
def test_a_shop_s_own_admin_counts_in_every_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    done = shop(tmp_path, *order, own=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "ArticleAdmin"


@pytest.mark.parametrize(
    ("admin_app", "given"),
    [
        ("django.contrib.admin", "ClassifiableProductAdmin"),
        # This site has said that it registers everything itself.
        ("django.contrib.admin.apps.SimpleAdminConfig", "none"),
    ],
)
def test_without_one_it_is_given_ours(tmp_path: Path, admin_app: str, given: str) -> None:
    done = shop(tmp_path, "stall", "apps.categories", admin_app, own=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == given


@pytest.mark.parametrize(
    ("model", "id", "cure"),
    [
        ("stall.Artikel", "categories.E003", 'Did you mean "stall.Article"? Models that inherit'),
        ("stahl.Article", "categories.E003", "Is 'stahl' in INSTALLED_APPS"),
        ("stall.Shelf", "categories.E004", "Let it inherit"),
    ],
)
def test_a_wrong_product_model_is_an_error_of_check(tmp_path: Path, model: str, id: str, cure: str) -> None:
    """And of nothing before: the start itself goes through."""
    done = shop(tmp_path, "stall", "apps.categories", "django.contrib.admin", own=False, model=model)
    assert done.returncode == 1
    assert "django.core.management.base.SystemCheckError" in done.stderr
    assert f"({id}) {'CATEGORIES_PRODUCT_MODEL'}" in done.stderr
    assert cure in done.stderr
