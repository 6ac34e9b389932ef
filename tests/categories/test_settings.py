"""Settings are closed: a typo is an error with a cure, in the dict and in the environment."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler
from pytest_django import Settings

from apps.categories import checks as checked
from apps.categories import conf
from apps.categories.checks import SQLITE_OPTIONS, check_product_model, check_settings
from apps.categories.models import Product, get_product_model
from bunoraa import env
from training.config import BACKENDS as TRAINABLE
from training.config import TrainingConfig

ROOT = Path(__file__).parents[2]


def test_the_defaults_are_usable(settings: Settings) -> None:
    settings.CATEGORY_CLASSIFIER = {}
    assert conf.get_settings() == conf.ClassifierSettings()
    assert conf.get_settings().artifact == Path(conf.__file__).parent / "models" / "classifier.pt"
    assert check_settings() == []


def test_every_family_can_be_the_default() -> None:
    assert set(conf.BACKENDS) == set(TRAINABLE)


def test_without_a_setting_a_site_trains_what_the_help_says() -> None:
    site, config = conf.ClassifierSettings(), TrainingConfig()

    assert (site.backend, site.target_precision) == (config.backend, config.target_precision)


def test_every_key_is_read(settings: Settings) -> None:
    given = {
        "ARTIFACT": "somewhere.pt",
        "ENABLED": False,
        "TASKS": "sweep",
        "BATCH_SIZE": 7,
        "TOP_K": 5,
        "THRESHOLD": 1,
        "TARGET_PRECISION": 0.99,
        "BACKEND": "auto",
        "RELOAD_SECONDS": 0,
        "QUEUE_ALERT_SIZE": 500,
        "QUEUE_ALERT_HOURS": 36,
        "QUEUE_ALERT_TO": ["anna@shop.example"],
        "QUEUE_ALERT_HOOK": "shop.alerts.tell",
    }
    settings.CATEGORY_CLASSIFIER = given
    assert conf.get_settings() == conf.ClassifierSettings(
        artifact=Path("somewhere.pt"),
        enabled=False,
        tasks="sweep",
        batch_size=7,
        top_k=5,
        threshold=1.0,
        target_precision=0.99,
        backend="auto",
        reload_seconds=0.0,
        queue_alert_size=500,
        queue_alert_hours=36.0,
        queue_alert_to=("anna@shop.example",),
        queue_alert_hook="shop.alerts.tell",
    )


@pytest.mark.parametrize(
    ("given", "id", "hint"),
    [
        ([], "categories.E001", "leave it out"),
        ({"ARTEFACT": "x"}, "categories.E001", 'Did you mean "ARTIFACT"?'),
        ({"artifact": "x"}, "categories.E001", 'Did you mean "ARTIFACT"?'),
        ({"COLOUR": "x"}, "categories.E001", "Known keys: ARTIFACT"),
        ({"ARTIFACT": None}, "categories.E002", "Expected a path."),
        ({"ENABLED": "yes"}, "categories.E002", "True or False"),
        ({"TASKS": "celery"}, "categories.E002", '"inline" or "sweep"'),
        ({"BACKEND": "bert"}, "categories.E002", '"distilbert" or "linear"'),
        ({"BATCH_SIZE": 0}, "categories.E002", "1 to 10,000"),
        ({"BATCH_SIZE": True}, "categories.E002", "1 to 10,000"),
        ({"TOP_K": 11}, "categories.E002", "1 to 10"),
        ({"THRESHOLD": 95}, "categories.E002", "0 to 1"),
        ({"TARGET_PRECISION": 1}, "categories.E002", "0.95"),
        ({"TARGET_PRECISION": float("nan")}, "categories.E002", "0.95"),
        ({"RELOAD_SECONDS": -1}, "categories.E002", "0 to 3,600"),
    ],
)
def test_a_wrong_setting_is_an_error_with_a_hint(settings: Settings, given: Any, id: str, hint: str) -> None:
    settings.CATEGORY_CLASSIFIER = given
    found = check_settings()
    assert [message.id for message in found] == [id]
    assert hint in str(found[0].hint)
    with pytest.raises(ImproperlyConfigured):
        conf.get_settings()


def test_every_wrong_entry_is_named_at_once(settings: Settings) -> None:
    settings.CATEGORY_CLASSIFIER = {"TOPK": 3, "TOP_K": "3", "ENABLED": 1}
    assert len(check_settings()) == 3


@pytest.mark.parametrize(
    ("label", "id"),
    [
        ("categories.Produkt", "categories.E003"),
        ("Product", "categories.E003"),
        ("auth.User", "categories.E004"),
        ("categories.Product", None),
    ],
)
def test_the_product_model_is_checked(settings: Settings, label: str, id: str | None) -> None:
    settings.CATEGORIES_PRODUCT_MODEL = label
    assert [message.id for message in check_product_model()] == ([id] if id else [])


def test_a_product_model_that_is_none_is_refused_with_the_nearest(settings: Settings) -> None:
    settings.CATEGORIES_PRODUCT_MODEL = "categories.Produkt"
    with pytest.raises(ImproperlyConfigured) as refused:
        get_product_model()
    assert str(refused.value) == (
        "CATEGORIES_PRODUCT_MODEL is 'categories.Produkt', expected the \"app_label.ModelName\" of an "
        'installed model. Did you mean "categories.Product"? Models that inherit ClassifiableProduct: '
        "categories.Product."
    )


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"sku": "sku"}, "names no title"),
        ({"title": "titel"}, "has no field 'titel'"),
        ({"title": "title", "colour": "title"}, "unknown name 'colour'"),
        ({"title": "title", "brand": "category__nom"}, "Category has no field 'nom'"),
        ({"title": "title", "brand": "title__name"}, "nothing can follow"),
        ({"title": "title", "brand": "assignments__note"}, "leads to many rows"),
        ({"title": "title", "brand": "category__name"}, None),
    ],
)
def test_where_the_texts_are_is_checked(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, str], problem: str | None
) -> None:
    monkeypatch.setattr(Product, "classifier_fields", fields)
    found = check_product_model()
    assert [message.id for message in found] == (["categories.E005"] if problem else [])
    assert all(str(problem) in message.msg for message in found)


@pytest.mark.parametrize(
    ("entry", "warned"),
    [
        ({"ENGINE": "django.db.backends.sqlite3", "NAME": "shop"}, True),
        ({"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"transaction_mode": "DEFERRED"}}, True),
        ({"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"transaction_mode": "immediate"}}, False),
        ({"ENGINE": "django.db.backends.sqlite3", "OPTIONS": SQLITE_OPTIONS}, False),
        ({"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}, False),
    ],
)
def test_sqlite_that_locks_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any], warned: bool
) -> None:
    monkeypatch.setattr(checked, "connections", ConnectionHandler({"default": entry}))
    found = checked.check_sqlite()
    assert [message.id for message in found] == (["categories.W003"] if warned else [])
    # The hint is pasted into settings.py.
    pasted = {"DATABASES": {"default": {}}}
    for message in found:
        exec(str(message.hint).removeprefix("Write "), pasted)
        assert pasted["DATABASES"]["default"]["OPTIONS"] == SQLITE_OPTIONS


def test_this_site_s_sqlite_is_what_the_check_asks_for() -> None:
    assert env.database("sqlite:///shop.sqlite3")["OPTIONS"] == SQLITE_OPTIONS


def test_the_checks_are_registered() -> None:
    assert {check_settings, check_product_model, checked.check_sqlite} <= set(
        checks.registry.registry.get_checks()
    )


def test_a_misspelt_variable_is_refused() -> None:
    env.refuse_unknown(["BUNORAA_DEBUG"], {"BUNORAA_DEBUG": "1", "HOME": "x"})
    with pytest.raises(ImproperlyConfigured, match=r"BUNORAA_DEBGU .* did you mean BUNORAA_DEBUG\?"):
        env.refuse_unknown(["BUNORAA_DEBUG"], {"BUNORAA_DEBGU": "1"})


def test_a_development_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret_key"
    key = env.kept_secret(path)
    assert len(key) > 50
    assert env.kept_secret(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert env.kept_secret(tmp_path / "other") != key
    (tmp_path / "file").write_text("")
    assert env.kept_secret(tmp_path / "file" / "secret_key") != env.kept_secret(
        tmp_path / "file" / "secret_key"
    )


@pytest.mark.parametrize(("debug", "kept"), [("1", True), ("0", False)])
def test_only_a_development_site_keeps_its_key(tmp_path: Path, debug: str, kept: bool) -> None:
    """The settings of a copy of the site, in processes of their own as after a reload."""
    shutil.copytree(ROOT / "bunoraa", tmp_path / "bunoraa")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BUNORAA_")}
    environment |= {"BUNORAA_DEBUG": debug, "PYTHONPATH": str(tmp_path)}
    code = "from bunoraa import settings; print(settings.SECRET_KEY, settings.SECRET_KEY_IS_TEMPORARY)"
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    )
    assert (first == second) is kept
    # In production it would still be refused.
    assert first.endswith(" True\n")
    assert (tmp_path / ".demo" / "secret_key").exists() is kept


@pytest.mark.parametrize("command", ["check", "migrate", "train_classifier", "runserver"])
def test_manage_py_prints_a_misspelt_variable_as_one_sentence(command: str) -> None:
    environment = {**os.environ, "BUNORAA_DEBGU": "1"}
    done = subprocess.run(
        [sys.executable, "manage.py", command], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == (
        "The environment variable BUNORAA_DEBGU is not one that this site reads: "
        "did you mean BUNORAA_DEBUG?\n"
    )
    served = subprocess.run(
        [sys.executable, "-c", "import bunoraa.wsgi"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "django.core.exceptions.ImproperlyConfigured: The environment variable" in served.stderr


def test_manage_py_shows_the_whole_way_on_request() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--traceback"],
        cwd=ROOT,
        env={**os.environ, "BUNORAA_DEBGU": "1"},
        capture_output=True,
        text=True,
    )
    assert "Traceback" in done.stderr


def test_readers() -> None:
    set_ = {"YES": "On", "NO": "0", "BLANK": " ", "LIST": "a, b,,", "MODE": "sweep", "ODD": "maybe"}
    assert env.boolean("YES", False, set_) is True
    assert env.boolean("NO", True, set_) is False
    assert env.boolean("BLANK", True, set_) is True
    assert env.boolean("UNSET", True, set_) is True
    assert env.words("LIST", environ=set_) == ["a", "b"]
    assert env.words("UNSET", ["x"], set_) == ["x"]
    assert env.choice("MODE", ["inline", "sweep"], "inline", set_) == "sweep"
    assert env.choice("UNSET", ["inline", "sweep"], "inline", set_) == "inline"
    with pytest.raises(ImproperlyConfigured, match="ODD='maybe'"):
        env.boolean("ODD", True, set_)
    with pytest.raises(ImproperlyConfigured, match="one of inline, sweep"):
        env.choice("ODD", ["inline", "sweep"], "inline", set_)


def test_database_addresses() -> None:
    sqlite = env.database("sqlite:////data/shop%20one.sqlite3")
    assert sqlite["NAME"] == "/data/shop one.sqlite3"
    assert sqlite["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in sqlite["OPTIONS"]["init_command"]
    assert env.database("sqlite:///:memory:")["NAME"] == ":memory:"
    postgres = env.database("postgres://anna:p%40ss@db.example:5433/shop?sslmode=require")
    assert {name: postgres[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")} == {
        "NAME": "shop",
        "USER": "anna",
        "PASSWORD": "p@ss",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


@pytest.mark.parametrize(
    "url", ["", "shop.sqlite3", "mysql://x/y", "sqlite://", "sqlite://host/x", "postgres://x"]
)
def test_a_wrong_database_address_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        env.database(url)
