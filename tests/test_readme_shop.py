"""README's "In your own shop", done literally: a new project, the folders, the blocks, the commands."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## In your own shop\n")[2].partition("\n## ")[0]
CSV = (
    "sku,title,brand,category_path\nA1,cordless drill,Norrland,Tools > Drills\nA2,silk shawl,Seda,Clothing\n"
)


class Shop:
    """A project as `startproject` makes it, with an app `shop` and nothing of the environment of this one."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BUNORAA_", "DJANGO_", "DATABASE_", "PYTHONPATH"))
        }
        self.run("-m", "django", "startproject", "mysite", ".")
        self.run("manage.py", "startapp", "shop")

    def run(self, *words: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) is fails, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def file(self, name: str) -> Path:
        return self.place / ("mysite" if name in ("settings.py", "urls.py") else ".") / name


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_the_section_makes_a_shop_that_works(shop: Shop) -> None:
    first = SECTION.partition("\n2. ")[0]
    for name in ("apps/__init__.py", "apps/categories/", "training/"):
        assert f"`{name}`" in first
        source, target = ROOT / name, shop.place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pt", "versions"))
        else:
            shutil.copy(source, target)
    for name in re.findall(r"requirements[\w-]*\.txt", first):
        assert (ROOT / name).is_file()
    names = []
    for name, block in re.findall(r"```python\n# (\S+\.py)\n(.*?)```", SECTION, re.DOTALL):
        names.append(name)
        with shop.file(name).open("a", encoding="utf-8") as file:
            file.write(f"\n{block}")
    assert names == ["settings.py", "urls.py", "shop/models.py", "settings.py", "shop/admin.py"]

    shop.run("manage.py", "makemigrations", "shop")
    (edited, before, after) = re.findall(r"```diff\n# (\S+)\n-(.*)\n\+(.*)\n```", SECTION)[0]
    # As the section says, the check knows the edit, too.
    asked = shop.run("manage.py", "check", fails=True)
    assert "categories.E006" in asked
    assert f"write {after.strip(' ,')} in place of {before.strip(' ,')}" in asked
    migration = shop.file(edited).read_text("utf-8")
    assert migration.count(before) == 1, "README shows another line than makemigrations has written"
    shop.file(edited).write_text(migration.replace(before, after), encoding="utf-8")

    (shop.place / "articles.csv").write_text(CSV)
    (commands,) = re.findall(r"```shell\n(.*?)```", SECTION, re.DOTALL)
    said = {}
    for line in commands.splitlines():
        program, *words = shlex.split(line)
        assert program == "python"
        said[words[1]] = shop.run(*words)
    assert "System check identified no issues (0 silenced)." in said["check"]
    assert "Created 2 products" in said["import_products"]
    assert "No changes detected" in shop.run("manage.py", "makemigrations", "--check", "--dry-run")
    look = """
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from shop.models import Article
settings.ALLOWED_HOSTS = ["testserver"]
assert Article.objects.get(number="A1").category.path == "Tools > Drills"
print(type(admin.site.get_model_admin(Article)).__name__)
browser = Client()
print(browser.get("/categories/suggest/")["Location"])
browser.force_login(User.objects.create_superuser("ana"))
print("cat-summary-title" in browser.get("/admin/").content.decode())
print(browser.get("/admin/shop/article/").status_code, browser.get("/categories/suggest/").status_code)
"""
    told = shop.run("manage.py", "shell", "-v", "0", "-c", look).splitlines()
    # The first page of the admin warns on the other stream that there is no model yet.
    assert told[:4] == [
        "ArticleAdmin",
        "/admin/login/?next=/categories/suggest/",
        "True",
        "200 200",
    ]
