import gzip
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from apps.categories import sample_catalogue
from apps.categories.inference.errors import InputFileError
from apps.categories.inference.files import ProductRow, read_rows
from apps.categories.inference.taxonomy import codes_for_paths
from apps.categories.inference.text import group_key


@pytest.fixture(scope="module")
def catalogue() -> list[dict[str, str]]:
    return list(sample_catalogue.generate(10_000, seed=0))


def test_the_tree_is_ragged_and_every_leaf_is_a_leaf() -> None:
    paths = [leaf.path for leaf in sample_catalogue.leaves()]
    assert len(paths) == len(set(paths)) == 174
    assert {path.count(" > ") + 1 for path in paths} == {2, 3, 4}
    assert not [path for path in paths if any(other.startswith(f"{path} > ") for other in paths)]
    codes = codes_for_paths(paths)
    assert len(set(codes.values())) == len(codes)


def test_the_catalogue_is_as_large_and_as_varied_as_promised(catalogue: list[dict[str, str]]) -> None:
    assert len({row["sku"] for row in catalogue}) == 10_000
    assert len({row["category_path"] for row in catalogue}) > 100
    assert len({row["seller"] for row in catalogue}) > 5_000
    assert len({row["brand"] for row in catalogue} - {""}) > 40
    for row in catalogue:
        assert float(row["price"]) > 0
        assert row["rating"] == "" or 1 <= float(row["rating"]) <= 5
        assert int(row["reviews_count"]) >= 0
        assert bool(row["rating"]) == (row["reviews_count"] != "0")


def test_every_row_is_one_that_the_reader_takes(catalogue: list[dict[str, str]], tmp_path: Path) -> None:
    path = tmp_path / "new" / "sample.csv.gz"
    sample_catalogue.write(path, 10_000, seed=0)
    found = list(read_rows(path))
    assert all(isinstance(row, ProductRow) for row in found)
    expected = [row | {"category_code": ""} for row in catalogue]
    assert [row.as_mapping() for row in found if isinstance(row, ProductRow)] == expected
    assert [entry.name for entry in path.parent.iterdir()] == ["sample.csv.gz"]


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    for name, seed in (("a.csv.gz", 3), ("b.csv.gz", 3), ("c.csv.gz", 4), ("d.csv", 3)):
        sample_catalogue.write(tmp_path / name, 50, seed=seed)
    first, second, third, plain = (
        (tmp_path / name).read_bytes() for name in ("a.csv.gz", "b.csv.gz", "c.csv.gz", "d.csv")
    )
    assert first == second != third
    assert gzip.decompress(first) == plain


def test_a_shorter_catalogue_is_the_beginning_of_a_longer_one(catalogue: list[dict[str, str]]) -> None:
    assert list(sample_catalogue.generate(100, seed=0)) == catalogue[:100]
    assert list(islice(sample_catalogue.generate(10_000, seed=0), 5)) == catalogue[:5]


def test_it_has_near_duplicates_contradictions_and_spanish(catalogue: list[dict[str, str]]) -> None:
    groups = Counter(group_key(row["title"]) for row in catalogue)
    assert sum(count - 1 for count in groups.values()) > 200
    paths_of_title: dict[str, set[str]] = {}
    for row in catalogue:
        paths_of_title.setdefault(row["title"], set()).add(row["category_path"])
    contradictory = [paths for paths in paths_of_title.values() if len(paths) > 1]
    assert 20 <= len(contradictory) <= 120
    within = [paths for paths in contradictory if len({path.split(" > ")[0] for path in paths}) == 1]
    assert len(within) > len(contradictory) / 2
    assert sum("de " in row["title"] or "ñ" in row["title"] for row in catalogue) > 300


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputFileError, match="cannot be written"):
        sample_catalogue.write(tmp_path / "file" / "a.csv", 1)
