"""Taxonomies in: idempotent, with lasting codes, all or nothing."""

import io
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from apps.categories import services
from apps.categories.inference.errors import InputFileError
from apps.categories.inference.taxonomy import codes_for_paths
from apps.categories.inference.taxonomy_file import TaxonomyEntry, read_taxonomy
from apps.categories.models import Category

pytestmark = pytest.mark.django_db


def entries(*paths: str | tuple[str, str]) -> list[TaxonomyEntry]:
    pairs = [(path, "") if isinstance(path, str) else path for path in paths]
    return [TaxonomyEntry(line=line, path=path, external_id=id) for line, (path, id) in enumerate(pairs, 1)]


def tree() -> dict[str, str]:
    """Path → code; every row's parent, depth and slug are checked on the way."""
    rows = list(Category.objects.select_related("parent"))
    for row in rows:
        above = row.parent.path + " > " if row.parent else ""
        assert (row.path, row.depth) == (above + row.name, row.path.count(" > "))
    return {row.path: row.code for row in rows}


def test_what_is_above_is_created_too_and_codes_agree_with_files() -> None:
    paths = ["Tools > Drills > 18 V", "tools > drills", "Ñame", "x" * 150]
    assert services.taxonomy_import(entries(*paths)).created == 7
    assert tree() == codes_for_paths(paths)
    assert Category.objects.get(path="Tools > Drills").slug == "drills"


def test_again_it_changes_nothing() -> None:
    given = entries(("A", "1"), ("A > B", "2"))
    services.taxonomy_import(given)
    before = list(Category.objects.order_by("pk").values())
    summary = services.taxonomy_import(given)
    assert (summary.created, summary.renamed, summary.updated, summary.unchanged) == (0, 0, 0, 2)
    assert list(Category.objects.order_by("pk").values()) == before


def test_others_stay_and_ids_are_filled_in_but_never_replaced() -> None:
    services.taxonomy_import(entries("A", ("B", "old")))
    summary = services.taxonomy_import(entries(("A", "1"), ("B", "2"), ("C", "3")))
    assert (summary.created, summary.updated, summary.unchanged) == (1, 1, 1)
    assert dict(Category.objects.values_list("path", "external_id")) == {"A": "1", "B": "old", "C": "3"}


def test_a_path_whose_slug_is_taken_gets_the_same_code_as_ever() -> None:
    services.taxonomy_import(entries("a b"))
    services.taxonomy_import(entries("a-b", "A B"))
    codes = tree()
    assert codes["a b"] == "CAT_A_B"
    assert len(set(codes.values())) == 3
    services.taxonomy_import(entries("a b", "a-b", "A B"))
    assert tree() == codes


def test_a_new_version_follows_ids_and_keeps_codes() -> None:
    services.taxonomy_import(entries(("A", "1"), ("A > B", "2"), ("A > B > C", "3"), "A > B > ours"))
    codes = tree()
    new = entries(("Z", "1"), ("Y", "2"), ("Y > C", "3"), ("Y > C > D", "4"))
    beside = services.taxonomy_import(new, dry_run=True)
    assert (beside.created, beside.beside) == (4, 3)
    assert tree() == codes, "a dry run changes nothing"
    summary = services.taxonomy_import(new, follow_ids=True)
    assert (summary.created, summary.renamed) == (1, 3)
    now = tree()
    assert {path: now[path] for path in ("Z", "Y", "Y > C", "Y > ours")} == {
        "Z": codes["A"],
        "Y": codes["A > B"],
        "Y > C": codes["A > B > C"],
        "Y > ours": codes["A > B > ours"],
    }
    assert set(now) == {"Z", "Y", "Y > C", "Y > ours", "Y > C > D"}


def test_two_categories_trade_places() -> None:
    services.taxonomy_import(entries(("A", "1"), ("B", "2"), ("A > x", "3"), ("B > y", "4")))
    codes = tree()
    services.taxonomy_import(entries(("B", "1"), ("A", "2"), ("B > x", "3"), ("A > y", "4")), follow_ids=True)
    assert tree() == {"B": codes["A"], "A": codes["B"], "B > x": codes["A > x"], "A > y": codes["B > y"]}


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        ([("B", "1")], "would be there twice"),
        ([("A > B > C", "1")], "below themselves"),
        (
            [
                (
                    "長" * 200
                    + " > "
                    + "長" * 200
                    + " > "
                    + "長" * 200
                    + " > "
                    + "長" * 200
                    + " > "
                    + "長" * 150,
                    "",
                )
            ],
            "bytes",
        ),
    ],
)
def test_what_cannot_be_is_refused_as_a_whole(new: list[tuple[str, str]], reason: str) -> None:
    services.taxonomy_import(entries(("A", "1"), ("A > B", "2"), "B"))
    before = tree()
    with pytest.raises(InputFileError, match=reason):
        services.taxonomy_import(entries("New", *new), follow_ids=True)
    assert tree() == before


def test_given_codes_are_taken_and_never_changed() -> None:
    services.taxonomy_import([TaxonomyEntry(line=1, path="A", code="CAT_OURS")])
    assert tree() == {"A": "CAT_OURS"}
    for wrong in (
        TaxonomyEntry(line=1, path="A", code="CAT_OTHER"),
        TaxonomyEntry(line=1, path="B", code="CAT_OURS"),
    ):
        with pytest.raises(InputFileError, match=r"codes never change|other categories have"):
            services.taxonomy_import([wrong])
    assert tree() == {"A": "CAT_OURS"}


def run(path: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("import_taxonomy", str(path), *options, stdout=out)
    return out.getvalue()


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_text("1 - A\n2 - A > B\n3 - A\n")
    said = run(file)
    assert "2 categories read" in said
    assert "1 lines repeat a path" in said
    assert "Created 2, renamed or moved 0" in said
    file.write_text("1 - Z\n")
    assert "1 of the created have the id" in run(file, "--dry-run")
    assert "renamed or moved 1" in run(file, "--follow-ids")
    with pytest.raises(CommandError, match="cannot be read"):
        run(tmp_path / "none.txt")


def test_many_rows_a_statement(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    given = entries(*(f"A{number} > B > C" for number in range(600)))
    with django_assert_max_num_queries(30):
        services.taxonomy_import(given)


def test_ten_thousand_real_categories_in_seconds(shared_data: Path) -> None:
    """In English, again, and then renamed into Spanish by their ids."""
    folder = shared_data / "taxonomies"
    english = read_taxonomy(folder / "shopify_categories.en.txt.gz").entries
    began = time.monotonic()
    assert services.taxonomy_import(english).created == 10_595
    assert time.monotonic() - began < 30, "a few seconds on two idle cores"
    assert tree() == codes_for_paths(entry.path for entry in english)
    assert services.taxonomy_import(english).unchanged == 10_595
    codes: dict[str, Any] = dict(Category.objects.values_list("external_id", "code"))
    spanish = read_taxonomy(folder / "shopify_categories.es.txt.gz").entries
    assert services.taxonomy_import(spanish, follow_ids=True).created == 0
    assert dict(Category.objects.values_list("external_id", "code")) == codes
    assert tree()
    assert Category.objects.get(external_id="gid://shopify/TaxonomyCategory/ap").name.startswith("Productos")
