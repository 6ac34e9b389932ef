"""The search in the tree as it is now, whoever changed it."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from apps.categories import search, selectors
from apps.categories.models import Category

ROOT = Path(__file__).parents[2]


def paths(text: str) -> list[str]:
    return [found.path for found in selectors.category_search(text)]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    search.reset()


@pytest.fixture
def tools(db: None) -> Category:
    tools = Category.objects.create(name="Tools")
    for name in ("Drills", "Saws"):
        Category.objects.create(name=name, parent=tools)
    return tools


def test_every_change_is_seen(tools: Category) -> None:
    saws = Category.objects.get(name="Saws")
    assert paths("saws") == ["Tools > Saws"]
    saws.name = "Sews"  # as long as before
    saws.save()
    assert paths("sews") == ["Tools > Sews"]
    Category.objects.filter(pk=saws.pk).update(is_active=False)
    assert paths("sews") == []
    Category.objects.filter(pk=saws.pk).update(is_active=True, external_id="gid-9")
    assert paths("gid-9") == ["Tools > Sews"]
    Category.objects.create(name="Lathes", parent=tools)
    assert paths("lathe") == ["Tools > Lathes"]
    tools.name = "Werkzeug"
    tools.save()
    assert paths("lathe") == ["Werkzeug > Lathes"]
    saws.delete()
    assert paths("sews") == []


def test_one_query_a_search_and_none_soon_after(
    tools: Category, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        paths("drils")
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "RELOAD_SECONDS": 60}
    with django_assert_num_queries(0):
        paths("saws")
        paths("")


def test_an_unchanged_tree_is_not_indexed_again(tools: Category) -> None:
    first = search.tree_index()
    assert search.tree_index() is first
    Category.objects.create(name="Garden")
    assert search.tree_index() is not first


def test_a_new_look_comes_after_the_seconds_of_the_setting(
    tools: Category, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "RELOAD_SECONDS": 5}
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert paths("garden") == []
    Category.objects.create(name="Garden")
    now = 104.9
    assert paths("garden") == []
    now = 105.0
    assert paths("garden") == ["Garden"]


@pytest.mark.django_db(transaction=True)
def test_another_connection_sees_what_was_committed() -> None:
    Category.objects.create(name="Tools")
    assert paths("garden") == []

    def other() -> None:
        try:
            Category.objects.create(name="Garden")
        finally:
            connections.close_all()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()

    assert paths("garden") == ["Garden"]


CHILD = """
import sys, django
django.setup()
from django.conf import settings
settings.CATEGORY_CLASSIFIER = {"RELOAD_SECONDS": 0}
from apps.categories import selectors
print([found.path for found in selectors.category_search("sows")], flush=True)
sys.stdin.readline()
print([found.path for found in selectors.category_search("sows")], flush=True)
"""


def test_another_process_sees_it_too(tmp_path: Path) -> None:
    """Two processes over one file: one searches, the other renames and retires."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "bunoraa.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'shop.sqlite3'}",
    }

    def run(code: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    models = "from apps.categories.models import Category as C"
    run("from django.core.management import call_command; call_command('migrate', verbosity=0)")
    run(f"{models}\nfor name in ('Saws', 'Sows'): C.objects.create(name=name)")
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "['Sows', 'Saws']\n"
        run(f"{models}\nC.objects.filter(name='Sows').update(is_active=False)")
        run(f"{models}\nsaws = C.objects.get(name='Saws'); saws.name = 'Sown'; saws.save()")
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "['Sown']\n"


def test_while_one_thread_looks_the_others_answer(tools: Category, monkeypatch: pytest.MonkeyPatch) -> None:
    index = search.tree_index()
    with search._slot.lock, CaptureQueriesContext(connection) as queries:
        assert search.tree_index() is index
    assert len(queries) == 0


def test_a_forked_child_starts_anew(tools: Category) -> None:
    search.tree_index()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"anew" if search._slot.index is None and not search._slot.lock.locked() else b"old")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"anew"


@pytest.mark.parametrize("text", ["", "\x00", "x" * 10_000, ".*", "(", "%", "'; DROP TABLE", "\ud800"])
def test_anything_may_be_typed(tools: Category, text: str) -> None:
    assert len(paths(text)) in (0, 3)
