"""A small shop with a queue, and the people who work in it."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.categories import runtime
from apps.categories.models import Category, Product, Suggestion

MakeSuggestion = Callable[..., Suggestion]
roles = importlib.import_module("apps.categories.migrations.0003_roles")


@pytest.fixture(autouse=True)
def _no_classifier(settings: Settings, tmp_path: Path) -> Any:
    """What the admin shows and writes does not depend on a model."""
    settings.CATEGORY_CLASSIFIER = {
        "ARTIFACT": str(tmp_path / "none.pt"),
        "ENABLED": False,
        "RELOAD_SECONDS": 0,
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    runtime.reset()
    yield
    runtime.reset()


@pytest.fixture
def tree(db: None) -> dict[str, Category]:
    """Categories by name: two branches with leaves."""
    found = {}
    for name, above in (
        ("Tools", None),
        ("Drills", "Tools"),
        ("Saws", "Tools"),
        ("Hammers", "Tools"),
        ("Clothing", None),
        ("Shirts", "Clothing"),
    ):
        found[name] = Category.objects.create(name=name, parent=found.get(above or ""))
    return found


@pytest.fixture
def make_suggestion(tree: dict[str, Category]) -> MakeSuggestion:
    """A product that waits, with candidates (category, confidence)."""
    number = 0

    def make(
        title: str = "Cordless drill 18V",
        candidates: Sequence[tuple[str, float]] = (("Drills", 0.62), ("Saws", 0.2), ("Hammers", 0.1)),
        threshold: float | None = 0.9,
        **product: Any,
    ) -> Suggestion:
        nonlocal number
        number += 1
        reason = product.pop("reason", "62% is under the 90% this model needs")
        row = Product.objects.create(
            sku=product.pop("sku", f"S{number}"), title=title, needs_review=True, is_stale=False, **product
        )
        now = timezone.now()
        return Suggestion.objects.create(
            product=row,
            candidates=[
                {
                    "category_code": tree[name].code if name in tree else name,
                    "category_path": tree[name].path if name in tree else name,
                    "confidence": confidence,
                }
                for name, confidence in candidates
            ],
            reason=reason,
            threshold=threshold,
            model_version="linear-1",
            text_digest="0" * 32,
            created_at=now,
            updated_at=now,
        )

    return make


@pytest.fixture
def member(db: None) -> Callable[[str, str | None], User]:
    """A person of the staff, by name and group."""

    def make(username: str, group: str | None = None) -> User:
        user = User.objects.create_user(username, password="secret", is_staff=True)
        if group is not None:
            # A test with real transactions empties the tables that the migration filled.
            roles.create_roles(apps, SimpleNamespace(connection=connection))
            user.groups.add(Group.objects.get(name=group))
        return user

    return make


@pytest.fixture
def maria(member: Callable[..., User]) -> User:
    """A reviewer."""
    return member("maria", roles.REVIEWERS)


@pytest.fixture
def reviewing(maria: User, client: Client) -> Client:
    """Maria's browser."""
    client.force_login(maria)
    return client


@pytest.fixture
def viewing(member: Callable[..., User]) -> Client:
    """The browser of somebody who may only look."""
    browser = Client()
    browser.force_login(member("leo", roles.VIEWERS))
    return browser


@pytest.fixture
def managing(member: Callable[..., User]) -> Client:
    """The browser of somebody who also looks after the tree and the products."""
    browser = Client()
    browser.force_login(member("ana", roles.MANAGERS))
    return browser
