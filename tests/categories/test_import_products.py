"""Products in: upserted by sku, labels as truth, nothing lost without a reason."""

import csv
import gzip
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from pytest_django import DjangoAssertNumQueries, Settings

from apps.categories import services
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.models import Assignment, Category, ClassificationRun, Product, Suggestion
from apps.categories.services import catalogue

from .conftest import SURE, UNSURE

pytestmark = pytest.mark.django_db


@pytest.fixture
def importer(tmp_path: Path) -> "Importer":
    return Importer(tmp_path)


class Importer:
    """The command, on a file made of lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rejects = folder / "outputs" / "r.csv"

    def __call__(self, *lines: str, options: tuple[str, ...] = (), name: str = "p.csv") -> str:
        (self.folder / name).write_text("\n".join(lines) + "\n")
        return self.read(name, *options)

    def read(self, name: str, *options: str) -> str:
        out = io.StringIO()
        call_command(
            "import_products", str(self.folder / name), "--rejected", str(self.rejects), *options, stdout=out
        )
        return out.getvalue()

    def reasons(self) -> dict[int, str]:
        if not self.rejects.exists():
            return {}
        with self.rejects.open(newline="") as file:
            return {int(row["line"]): row["reason"] for row in csv.DictReader(file)}


def test_every_column_is_stored(importer: Importer, shop_tree: None) -> None:
    said = importer(
        "sku,title,description,brand,seller,price,rating,reviews_count,image,category_path,colour",
        "A,cordless drill,18 V,Norrland,Anna,12.346,4.5,7,http://x/a.jpg,Tools > Drills,red",
    )
    product = Product.objects.get()
    assert (product.sku, product.title, product.description, product.brand, product.seller) == (
        "A",
        "cordless drill",
        "18 V",
        "Norrland",
        "Anna",
    )
    assert (product.price, product.rating, product.reviews_count, product.image) == (
        Decimal("12.35"),
        4.5,
        7,
        "http://x/a.jpg",
    )
    assert (product.category.path, product.source, product.is_stale) == ("Tools > Drills", "import", False)
    history = Assignment.objects.get()
    run = ClassificationRun.objects.get()
    assert (history.to_category, history.source, history.run) == (product.category, "import", run)
    assert (run.status, run.counts["created"], run.options) == ("finished", 1, {"file": "p.csv"})
    assert "Ignored columns: colour." in said
    assert "Created 1 products" in said
    assert importer.reasons() == {}


def test_again_it_changes_nothing(importer: Importer, shop_tree: None) -> None:
    lines = ["sku,title,price,category_code", "A,drill,1.5,CAT_TOOLS_DRILLS", "B,shawl,,"]
    importer(*lines)
    before = list(Product.objects.order_by("sku").values())
    assert "Created 0 products, updated 0, unchanged 2" in importer(*lines)
    assert list(Product.objects.order_by("sku").values()) == before
    assert Assignment.objects.count() == 1


def test_known_skus_are_updated_and_empty_cells_change_nothing(
    importer: Importer, live_model: ProductionClassifier
) -> None:
    importer("sku,title,brand,price", f"A,{SURE},Norrland,5", f"B,{SURE},Norrland,5")
    services.products_sweep(services.SweepOptions())
    said = importer("sku,title,brand,price", f"A,{SURE},,6", "B,silk shawl,,")
    assert "updated 2" in said
    first, second = Product.objects.order_by("sku")
    assert (first.brand, first.price, first.is_stale) == ("Norrland", 6, False), "the price is no text"
    assert (second.title, second.brand, second.price, second.is_stale) == ("silk shawl", "Norrland", 5, True)


def test_a_person_s_label_is_never_overwritten(importer: Importer, shop_tree: None, admin_user: User) -> None:
    importer("sku,title", "A,drill", "B,drill")
    mugs = Category.objects.get(code="CAT_KITCHEN_MUGS")
    services.product_set_category(Product.objects.get(sku="A"), mugs, actor=admin_user)
    said = importer("sku,title,category_path", "A,new drill,Tools > Drills", "B,drill,Tools > Drills")
    assert list(
        Product.objects.order_by("sku").values_list("title", "category__code", "category_source")
    ) == [("new drill", "CAT_KITCHEN_MUGS", "human"), ("drill", "CAT_TOOLS_DRILLS", "import")]
    assert "1  labels not taken: a person decided otherwise" in said


def test_a_label_overtakes_the_model_and_what_waits(
    importer: Importer, live_model: ProductionClassifier
) -> None:
    importer("sku,title", f"A,{SURE}", f"B,{UNSURE}")
    services.products_sweep(services.SweepOptions())
    importer("sku,title,category_path", f"A,{SURE},Tools > Saws", f"B,{UNSURE},Tools > Saws")
    assert set(Product.objects.values_list("category__path", "category_source", "needs_review")) == {
        ("Tools > Saws", "import", False)
    }
    assert Product.objects.filter(category_confidence=None, model_version="").count() == 2
    assert not Suggestion.objects.exists()
    assert sorted(Assignment.objects.values_list("act", "source")) == [
        ("ask", "model"),
        ("file", "import"),
        ("file", "import"),
        ("file", "model"),
    ]


def test_unusable_rows_are_rejected_with_their_reasons(importer: Importer, shop_tree: None) -> None:
    said = importer(
        "sku,title,brand,category_path,category_code",
        ",drill,,,",
        "B,,,,",
        f"C,{'x' * 501},,,",
        f"D,drill,{'x' * 201},,",
        "E,drill,,Tools > Lathes,",
        "F,drill,,,CAT_LATHES",
        "G,drill,,Tools > Drills,",
        "G,drill,,Tools > Saws,",
        f"{'S' * 101},drill,,,",
        "I,good,,,",
    )
    reasons = importer.reasons()
    assert {line: reason[:40] for line, reason in reasons.items()} == {
        2: "the row has no sku, by which products ar",
        3: "the title is empty",
        4: "the title cannot be stored: Ensure this ",
        5: "the brand cannot be stored: Ensure this ",
        6: "the category 'Tools > Lathes' is not in ",
        7: "the category CAT_LATHES is not in the tr",
        9: "sku G was read before with another label",
        10: "the sku cannot be stored: Ensure this va",
    }
    assert list(Product.objects.order_by("sku").values_list("sku", "category__path")) == [
        ("G", "Tools > Drills"),
        ("I", None),
    ]
    assert f"8  rows rejected, with the reasons: {importer.rejects}" in said


def test_a_file_of_rejected_rows_only_fails_with_the_cure_and_makes_no_category(importer: Importer) -> None:
    with pytest.raises(CommandError) as failed:
        importer(
            "title,category_path",
            "drill,Tools > Drills",
            "saw,Tools > Saws",
            ",Tools > Mugs",
            options=("--create-categories",),
        )
    assert str(failed.value) == (
        "nothing was imported: all 3 rows were rejected, 2 of them for this reason: the row has no sku, by "
        "which products are recognised: give each row a number or name of its own in a column 'sku'. "
        f"The rows are in {importer.rejects}, each with its reason"
    )
    assert not Category.objects.exists()
    assert ClassificationRun.objects.get().status == "finished"


def test_categories_are_made_of_imported_rows_only(importer: Importer) -> None:
    importer(
        "sku,title,category_path,category_code",
        "A,drill,Tools > Drills,",
        ",drill,Nowhere,",
        f"C,{'x' * 501},Too long,",
        "D,drill,Another,CAT_OTHER",
        "E,mug,Kitchen > Mugs,CAT_KITCHEN_MUGS",
        "A,drill,Twice,",
        options=("--create-categories",),
    )
    assert set(Category.objects.values_list("path", flat=True)) == {
        "Tools",
        "Tools > Drills",
        "Kitchen",
        "Kitchen > Mugs",
    }
    assert Product.objects.count() == 2


def test_unreadable_numbers_are_left_empty_and_counted(importer: Importer) -> None:
    said = importer(
        "sku,title,price,rating,reviews_count",
        "A,drill,free,nan,-3",
        "B,drill,1e30,inf,12.0",
        "C,drill,7,4,many",
    )
    assert list(Product.objects.order_by("sku").values_list("price", "rating", "reviews_count")) == [
        (None, None, None),
        (None, None, 12),
        (7, 4, None),
    ]
    assert "6  values left empty" in said


def test_paths_become_categories_on_request_with_the_codes_of_a_file(
    importer: Importer, settings: Settings
) -> None:
    """In sorted order over the whole file, not batch by batch."""
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "BATCH_SIZE": 1}
    lines = ["sku,title,category_path", "A,drill,a-b", "B,drill,A B", "C,drill,a b > c"]
    said = importer(*lines, options=("--create-categories",))
    assert dict(Category.objects.values_list("path", "code"))["A B"] == "CAT_A_B"
    assert Category.objects.count() == 4
    assert "4  categories created" in said
    assert "3  products filed by the label" in said


def test_labels_can_be_left_out(importer: Importer) -> None:
    importer("sku,title,category_path", "A,drill,Nowhere", options=("--ignore-labels",))
    assert Product.objects.get().source == "none"
    with pytest.raises(CommandError, match="exclude each other"):
        importer("sku,title", "A,drill", options=("--ignore-labels", "--create-categories"))


def test_a_sku_that_comes_again_with_the_same_label_updates(importer: Importer, shop_tree: None) -> None:
    importer("sku,title,category_path", "A,first,Tools > Saws", "B,x,", "A,second,Tools > Saws", "A,third,")
    assert Product.objects.get(sku="A").title == "third"
    assert Product.objects.get(sku="A").category.path == "Tools > Saws"


def test_jsonl_and_gzip(importer: Importer) -> None:
    rows = [{"sku": f"J{number}", "title": "drill", "price": number} for number in range(3)]
    data = "\n".join(json.dumps(row) for row in rows).encode()
    (importer.folder / "p.jsonl.gz").write_bytes(gzip.compress(data))
    importer.read("p.jsonl.gz")
    assert list(Product.objects.order_by("sku").values_list("sku", "price")) == [
        ("J0", 0),
        ("J1", 1),
        ("J2", 2),
    ]


def test_many_rows_a_statement(
    importer: Importer, shop_tree: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    lines = [f"S{number},drill {number},Tools > Drills" for number in range(400)]
    with django_assert_max_num_queries(30):
        importer("sku,title,category_path", *lines)
    with django_assert_max_num_queries(30):
        importer("sku,title,category_path", *(line.replace("Drills", "Saws") for line in lines))
    assert Product.objects.filter(category__path="Tools > Saws").count() == 400


def test_a_failing_batch_keeps_the_ones_before(
    importer: Importer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CATEGORY_CLASSIFIER = {**settings.CATEGORY_CLASSIFIER, "BATCH_SIZE": 2}
    beat, batches = catalogue.run_beat, iter(range(9))

    def fail(*args: object, **more: object) -> None:
        if next(batches) == 1:
            raise DatabaseError("gone")
        beat(*args, **more)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(catalogue, "run_beat", fail)
    lines = ["sku,title", *(f"S{number},drill" for number in range(5))]
    with pytest.raises(DatabaseError):
        importer(*lines)
    assert Product.objects.count() == 2
    assert ClassificationRun.objects.get().status == "failed"
    monkeypatch.undo()
    assert "Created 3 products, updated 0, unchanged 2" in importer(*lines)


def test_a_file_that_cannot_be_read_is_refused(importer: Importer) -> None:
    with pytest.raises(CommandError, match="expected a column 'title'"):
        importer("sku,name", "A,drill")
    with pytest.raises(CommandError, match="cannot be opened"):
        importer.read("none.csv")
    assert not Product.objects.exists()


def test_rejects_go_to_outputs_never_beside_the_input(
    importer: Importer, settings: Settings, tmp_path: Path
) -> None:
    settings.BASE_DIR = tmp_path / "site"
    (importer.folder / "p.csv").write_text("sku,title\n,drill\nA,drill\n")
    call_command("import_products", str(importer.folder / "p.csv"), stdout=io.StringIO())
    assert (tmp_path / "site" / "outputs" / "p.rejected.csv").exists()


def test_a_real_catalogue(importer: Importer, shared_data: Path) -> None:
    """ikea: 348 rows repeat a sku with another label."""
    (importer.folder / "ikea.csv.gz").write_bytes((shared_data / "ikea" / "train.csv.gz").read_bytes())
    said = importer.read("ikea.csv.gz", "--create-categories")
    again = importer.read("ikea.csv.gz", "--create-categories")
    stored = Product.objects.count()
    assert f"Created {stored:,} products" in said
    assert f"Created 0 products, updated 0, unchanged {stored:,}" in again
    assert len(importer.reasons()) == 2018 - stored
    assert all("read before with another label" in reason for reason in importer.reasons().values())
