"""`train_classifier` on the shop's own labels: first model, refused successor, forced successor, codes."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.categories import runtime, services
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.errors import PublishRefused
from apps.categories.inference.taxonomy import ancestor_paths
from apps.categories.inference.text import group_key
from apps.categories.models import Category, ModelVersion, Product, Source
from tests.tiny import labelled_rows
from training.config import TrainingConfig
from training.data import LabelledRow
from training.splits import in_test

QUICK = ["--backend", "linear", "--fields", "title", "--class-weight", "none", "--folds", "2", "--jobs", "1"]


@pytest.fixture
def shop(db: None, settings: Settings, tmp_path: Path) -> Path:
    """A shop whose products have labels, and no model yet; the answer is the artifact's path."""
    path = tmp_path / "models" / "classifier.pt"
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": path, "RELOAD_SECONDS": 0, "ENABLED": False}
    runtime.reset()
    rows = labelled_rows()
    paths = {row.category_path for row in rows}
    for name in sorted(paths | {above for path in paths for above in ancestor_paths(path)}):
        above, _, leaf = name.rpartition(" > ")
        Category.objects.create(name=leaf, parent=Category.objects.get(path=above) if above else None)
    label(rows)
    return path


def label(rows: Sequence[LabelledRow]) -> None:
    categories = {category.code: category for category in Category.objects.all()}
    Product.objects.bulk_create(
        [
            Product(
                sku=row.sku,
                title=row.title,
                category=categories[row.category_code],
                category_source=Source.IMPORT,
            )
            for row in rows
        ]
    )


def train(*options: str) -> str:
    out = StringIO()
    call_command("train_classifier", *QUICK, *options, stdout=out)
    return out.getvalue()


def test_the_first_model_goes_live_and_is_noted(shop: Path) -> None:
    said = train()

    live = ProductionClassifier.load(shop)
    record = ModelVersion.objects.get()
    assert (record.version, record.sha256, record.retired_at) == (live.version, live.sha256, None)
    assert f"live at {shop}" in said
    assert (shop.parent / "versions" / f"{live.version}.pt").is_file()
    assert services.model_info().version == live.version


def test_a_worse_model_is_kept_but_not_put_live_unless_forced(shop: Path) -> None:
    train()
    first = ProductionClassifier.load(shop)
    # Wrong labels for most products outside the test part make the successor worse on it.
    wrong = Category.objects.get(code="CAT_GARDEN_POTS")
    for product in Product.objects.all():
        if not in_test(group_key(product.title), 0.1) and product.pk % 10:
            Product.objects.filter(pk=product.pk).update(category=wrong)

    with pytest.raises(CommandError, match="not put live") as refusal:
        train()

    assert ProductionClassifier.load(shop).version == first.version
    assert ModelVersion.objects.get(retired_at=None).version == first.version
    kept = list((shop.parent / "versions").glob("linear-*.pt"))
    assert len(kept) == 2
    assert "--force" in str(refusal.value)

    train("--force")

    second = ProductionClassifier.load(shop)
    assert second.version != first.version
    assert ModelVersion.objects.get(retired_at=None).version == second.version
    assert ModelVersion.objects.get(version=first.version).retired_at is not None
    assert (shop.parent / "versions" / f"{first.sha256[:12]}.pt").is_file()


def test_a_category_that_the_shop_lost_is_no_class_of_a_live_model(shop: Path, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    rows = labelled_rows()
    source.write_text(
        "title,category_path\n" + "".join(f"{row.title},{row.category_path}\n" for row in rows),
        encoding="utf-8",
    )
    output = tmp_path / "alone.pt"
    train("--data", str(source), "--no-promote", "--output", str(output))
    Category.objects.filter(code="CAT_TOOLS_SAWS").update(path="Tools > Blades")
    Product.objects.filter(category__code="CAT_TOOLS_DRILLS").delete()
    Category.objects.get(code="CAT_TOOLS_DRILLS").delete()

    with pytest.raises(PublishRefused, match="2 of the model's 20 categories") as refusal:
        services.model_publish(ProductionClassifier.load(output), output.read_bytes())

    assert "CAT_TOOLS_DRILLS (Tools > Drills) is not there" in str(refusal.value)
    assert "CAT_TOOLS_SAWS is 'Tools > Blades' there" in str(refusal.value)
    assert not shop.exists()
    assert not ModelVersion.objects.exists()


def test_a_model_that_cannot_be_written_is_not_noted(shop: Path, tmp_path: Path, settings: Settings) -> None:
    train()
    live = ModelVersion.objects.get()
    file = tmp_path / "file"
    file.write_text("no folder")
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": file / "classifier.pt"}

    with pytest.raises(PublishRefused, match="cannot be written"):
        services.model_publish(ProductionClassifier.load(shop), shop.read_bytes())

    assert ModelVersion.objects.get(retired_at=None).published_at == live.published_at


def test_a_file_alone_needs_no_category_and_leaves_the_live_model(
    db: None, settings: Settings, tmp_path: Path
) -> None:
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": tmp_path / "live.pt"}
    source = tmp_path / "rows.csv"
    rows = labelled_rows()
    source.write_text(
        "title,category_path,colour\n"
        + "".join(f"{row.title},{row.category_path},red\n" for row in rows)
        + ",Tools,\nno label,,\n",
        encoding="utf-8",
    )
    rejected = tmp_path / "rejected.csv"

    said = train(
        *("--data", str(source), "--no-promote", "--output", str(tmp_path / "out.pt")),
        *("--rejected", str(rejected)),
    )

    assert ProductionClassifier.load(tmp_path / "out.pt").codes
    assert not (tmp_path / "live.pt").exists()
    assert "ignoring the columns colour" in said
    assert f"1 rows cannot be used and are in {rejected}" in said
    assert "1 rows have no label" in said
    assert "the title is empty" in rejected.read_text()


@pytest.mark.parametrize("name", ["shop.toml", "shop.yaml"])
def test_a_file_gives_options_and_the_command_line_wins(
    db: None, settings: Settings, tmp_path: Path, name: str
) -> None:
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": tmp_path / "live.pt", "TARGET_PRECISION": 0.99}
    source, output, file = tmp_path / "rows.csv", tmp_path / "out.pt", tmp_path / name
    source.write_text(
        "title,category_path\n" + "".join(f"{row.title},{row.category_path}\n" for row in labelled_rows())
    )
    lines = {
        "data": f'"{source}"',
        "output": f'"{output}"',
        "promote": "false",
        "target_precision": "0.9",
        "folds": "3",
        "selection_rows": "200",
        "seed": "5",
    }
    sign = " = " if name.endswith("toml") else ": "
    file.write_text("".join(f"{key}{sign}{value}\n" for key, value in lines.items()))

    train("--config", str(file), "--seed", "6")

    assert not (tmp_path / "live.pt").exists()
    header = ProductionClassifier.load(output).header
    assert header["options"] == TrainingConfig().as_dict() | {
        "backend": "linear",
        "target_precision": 0.9,
        "test_fraction": 0.1,
        "folds": 2,  # QUICK
        "fields": ["title"],
        "class_weight": "none",
        "selection_rows": 200,
        "seed": 6,
        "jobs": 1,
    }
    assert header["threshold"]["target"] == 0.9
    assert header["options_from"] == {
        "file": name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "in_file": sorted(lines),
        "on_command_line": ["backend", "class_weight", "fields", "folds", "jobs", "seed"],
    }


def test_the_site_s_target_precision_is_the_default(shop: Path, settings: Settings) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "TARGET_PRECISION": 0.9}
    train("--selection-rows", "150")

    header = ProductionClassifier.load(shop).header
    assert (header["options"]["target_precision"], header["options"]["selection_rows"]) == (0.9, 150)
    assert header["options_from"]["file"] is None


def test_personal_data_of_a_file_reaches_neither_artifact_nor_output(
    db: None, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A column of another name is never read; what stands in a text is taken out and counted."""
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": tmp_path / "live.pt"}
    source, output = tmp_path / "rows.csv", tmp_path / "out.pt"
    source.write_text(
        "title,description,category_path,customer_email\n"
        + "".join(
            f"{row.title},from zoe{number}@quux.example,{row.category_path},yan{number}@corge.example\n"
            for number, row in enumerate(labelled_rows())
        )
        # Rejected: without a title. The rejects give the row back whole, to whoever mends the file.
        + ",,Tools,yan@corge.example\n",
        encoding="utf-8",
    )
    with caplog.at_level("DEBUG"):
        said = train(
            *(
                "--data",
                str(source),
                "--no-promote",
                "--output",
                str(output),
                "--fields",
                "title,description",
            ),
            *("--rejected", str(tmp_path / "rejected.csv")),
        )

    for secret in ("zoe", "quux", "yan", "corge"):
        assert secret not in said + caplog.text
        assert secret.encode() not in output.read_bytes()
    assert "ignoring the columns customer_email" in said
    count = len(labelled_rows())
    assert f"taken out of {count} rows before training: {count} e-mail addresses" in said
    header = ProductionClassifier.load(output).header
    assert header["data"]["redacted"] == {"rows": count, "email": count, "iban": 0, "card": 0, "phone": 0}
    assert "yan@corge.example" in (tmp_path / "rejected.csv").read_text()


def test_personal_data_of_the_shop_s_own_products_is_not_learned(shop: Path) -> None:
    for product in Product.objects.all():
        Product.objects.filter(pk=product.pk).update(title=f"{product.title} zoe@quux.example")

    train()

    assert b"quux" not in shop.read_bytes()
    assert ProductionClassifier.load(shop).header["data"]["redacted"]["email"] == Product.objects.count()


def test_a_live_model_that_cannot_be_read_is_replaced_by_force_only(shop: Path) -> None:
    shop.parent.mkdir(parents=True)
    shop.write_bytes(b"damaged")

    with pytest.raises(CommandError, match="nothing can be compared"):
        train()

    assert shop.read_bytes() == b"damaged"
    train("--force")
    assert ProductionClassifier.load(shop).codes


def test_the_live_model_is_no_output(shop: Path) -> None:
    train()
    before = shop.read_bytes()

    for option in ([], ["--no-promote"]):
        with pytest.raises(CommandError, match="is the live model"):
            train(*option, "--output", str(shop))

    assert shop.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target-precision", "0"], r"^--target-precision is 0\.0, expected a share above 0 and below 1$"),
        (["--folds", "four"], r"^--folds is 'four', expected a whole number$"),
        (["--config", "shop.json"], r"shop\.json: expected a file that ends in \.toml"),
        (["--target-precision", "1.5"], r"--target-precision is 1\.5"),
        (["--test-fraction", "0"], "add --no-promote"),
        (["--no-promote", "--data", "x.csv"], "needs --output"),
        (["--data", "nowhere.csv"], "nowhere.csv"),
        ([], "import_products"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_next_step(
    db: None, settings: Settings, tmp_path: Path, options: list[str], said: str
) -> None:
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": tmp_path / "classifier.pt"}
    with pytest.raises(CommandError, match=said):
        call_command("train_classifier", *options, stdout=StringIO())


def test_a_site_without_the_training_packages_is_told_what_to_install() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from django.core.management import execute_from_command_line\n"
        "execute_from_command_line(['manage.py', 'train_classifier', '--data', 'rows.csv'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "bunoraa.settings"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "training needs the package sklearn" in done.stderr
    assert "pip install -r requirements-ml.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_quick_model_is_not_put_live(shop: Path) -> None:
    with pytest.raises(CommandError, match=r"--quick trains on a small sample.*add --no-promote"):
        train("--quick")

    assert not shop.exists()
