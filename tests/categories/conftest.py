"""A shop for the database tests: its tree, its products, and a real model where a test asks for one."""

import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from apps.categories import runtime, services
from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.taxonomy_file import TaxonomyEntry
from apps.categories.models import Product
from tests.conftest import TINY
from tests.tiny import KINDS, labelled_rows

SURE = "compact cordless drill classic Norrland"
UNSURE = "drill shawl"
UNREADABLE = "—"


@pytest.fixture(autouse=True)
def _no_model(settings: Settings, tmp_path: Path) -> Iterator[None]:
    """Without `live_model`, a test has no model, whatever lies in the checkout."""
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": str(tmp_path / "none.pt"), "RELOAD_SECONDS": 0}
    runtime.reset()
    yield
    runtime.reset()


@pytest.fixture
def shop_tree(db: None) -> None:
    """The categories that the tiny model knows, with its codes."""
    services.taxonomy_import(TaxonomyEntry(line=1, path=path) for path in KINDS)


@pytest.fixture
def live_model(settings: Settings, tiny_artifact: Path, shop_tree: None) -> ProductionClassifier:
    """The tiny model, live on this site, with a bar that SURE reaches and UNSURE does not."""
    settings.CATEGORY_CLASSIFIER = {
        **settings.CATEGORY_CLASSIFIER,
        "ARTIFACT": str(tiny_artifact),
        "THRESHOLD": 0.9,
    }
    runtime.reset()
    return runtime.get_classifier()


@pytest.fixture(scope="session")
def forked_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a shop that files power tools now under drills, now under saws: sure of Tools alone."""
    from training import pipeline

    rng, rows = random.Random(3), list(labelled_rows())
    saws = [row for row in rows if row.category_code == "CAT_TOOLS_SAWS"]
    for row in saws * 6:
        title = "power tool " + "".join(rng.choices("bcdfgaeiou", k=8))
        code, path = rng.choice(
            [(row.category_code, row.category_path), ("CAT_TOOLS_DRILLS", "Tools > Drills")]
        )
        rows.append(dataclasses.replace(row, title=title, category_code=code, category_path=path))
    path = tmp_path_factory.mktemp("forked") / "classifier.pt"
    artifact.publish(pipeline.run(rows, TINY).artifact, path)
    return path


@pytest.fixture
def forked_model(settings: Settings, forked_artifact: Path, shop_tree: None) -> ProductionClassifier:
    """That model, live on this site, with the bars that it was certified at."""
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "ARTIFACT": str(forked_artifact)}
    runtime.reset()
    return runtime.get_classifier()


@pytest.fixture
def add_products(db: None) -> Callable[..., list[Product]]:
    """Rows put in as an import tool would, past every signal."""

    def add(*titles: str) -> list[Product]:
        start = Product.objects.count()
        return Product.objects.bulk_create(
            Product(sku=f"P{number:05d}", title=title) for number, title in enumerate(titles, start)
        )

    return add
