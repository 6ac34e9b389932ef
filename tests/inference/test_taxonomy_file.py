"""Files of categories: every form that is known, and a plain refusal for the rest."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from apps.categories.inference.errors import InputFileError
from apps.categories.inference.taxonomy_file import TaxonomyEntry, read_taxonomy

SHOPIFY = """# Shopify Product Taxonomy - Categories: 2025-08
# Format: {GID} : {Ancestor name} > ... > {Category name}

gid://shopify/TaxonomyCategory/ap   : Animals & Pet Supplies
gid://shopify/TaxonomyCategory/ap-1 : Animals & Pet Supplies > Live Animals : rare
"""
GOOGLE = """# Google_Product_Taxonomy_Version: 2021-09-21
1 - Animals & Pet Supplies
3237 - Animals & Pet Supplies > Live - Animals
"""
NESTED = [
    {"name": "A", "id": 1, "children": [{"name": "B", "code": "CAT_X", "children": [{"name": "C"}]}]},
    {"name": "D", "external_id": "d"},
]
FLAT = [
    {"id": "1", "name": "A", "path": [{"id": "1", "name": "A"}], "subCategories": [{"id": "2", "name": "B"}]},
    {"id": "2", "name": "B", "path": [{"id": "1", "name": "A"}, {"id": "2", "name": "B"}]},
    {"path": "A > B > C"},
    {"path": ["A", "E"]},
]


def read(tmp_path: Path, name: str, text: str | bytes) -> list[tuple[str, str, str]]:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [(entry.path, entry.external_id, entry.code) for entry in read_taxonomy(path).entries]


def test_shopify(tmp_path: Path) -> None:
    assert read(tmp_path, "shopify.txt", SHOPIFY) == [
        ("Animals & Pet Supplies", "gid://shopify/TaxonomyCategory/ap", ""),
        ("Animals & Pet Supplies > Live Animals : rare", "gid://shopify/TaxonomyCategory/ap-1", ""),
    ]


@pytest.mark.parametrize(
    "encode",
    [
        str.encode,
        lambda text: gzip.compress(text.encode()),
        lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
    ],
)
def test_google_plain_gzip_and_as_windows_saves_it(tmp_path: Path, encode: object) -> None:
    assert read(tmp_path, "google.txt", encode(GOOGLE)) == [  # type: ignore[operator]  # one of three functions
        ("Animals & Pet Supplies", "1", ""),
        ("Animals & Pet Supplies > Live - Animals", "3237", ""),
    ]


def test_plain_paths_come_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "paths.txt"
    path.write_text("# ours\n\nTools > Drills\n  Tools  >  Saws \n")
    assert read_taxonomy(path).entries == (
        TaxonomyEntry(line=3, path="Tools > Drills"),
        TaxonomyEntry(line=4, path="Tools > Saws"),
    )


def test_csv(tmp_path: Path) -> None:
    text = 'code;path;id\nCAT_T;Tools;7\n;"Tools > Drills; big";\n;;9\n'
    assert read(tmp_path, "tree.csv", text) == [("Tools", "7", "CAT_T"), ("Tools > Drills; big", "", "")]
    assert read(tmp_path, "tree", "category_path,external_id\nTools,x\n") == [("Tools", "x", "")]


def test_nested_json(tmp_path: Path) -> None:
    expected = [("A", "1", ""), ("A > B", "", "CAT_X"), ("A > B > C", "", ""), ("D", "d", "")]
    assert read(tmp_path, "tree.json", json.dumps(NESTED)) == expected
    assert read(tmp_path, "tree.json", json.dumps({"categories": NESTED})) == expected
    assert read(tmp_path, "tree.json", json.dumps(NESTED[1])) == expected[3:]


def test_json_with_paths(tmp_path: Path) -> None:
    assert read(tmp_path, "flat.json.gz", gzip.compress(json.dumps(FLAT).encode())) == [
        ("A", "1", ""),
        ("A > B", "2", ""),
        ("A > B > C", "", ""),
        ("A > E", "", ""),
    ]


def test_a_path_that_comes_again_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("1 - A\n2 - A\n3 - B\n")
    file = read_taxonomy(path)
    assert [(entry.path, entry.external_id) for entry in file.entries] == [("A", "1"), ("B", "3")]
    assert file.repeated == 1


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("t.txt", b"", "has no category"),
        ("t.txt", "# nothing\n", "has no category"),
        ("t.txt", b"A\n\xff\xfe\n", "not UTF-8 (line 2)"),
        ("t.txt", "1 - A\n1 - B\n", "line 2: the id '1' belongs to 'A' already"),
        ("t.txt", "A >  > B\n", "level without a name"),
        ("t.txt", "A" * 201, "201 characters"),
        ("t.txt", "A\x00B", "control characters"),
        ("t.txt.gz", gzip.compress(b"A > B\n" * 999, mtime=0)[:-9], "cut or damaged"),
        ("t.csv", "name,id\nA,1\n", "expected a column 'path'"),
        ("t.json", "[{", "not JSON"),
        ("t.json", "[" * 100_000, "not JSON"),
        ("t.json", '["A"]', "expected an object with a name"),
        ("t.json", '[{"name": ""}]', "level without a name"),
        ("t.json", '[{"id": 3}]', "expected an object with a name"),
        ("t.csv", "path,code\nA," + "C" * 101 + "\n", "the code has 101 characters"),
        ("t.txt", "".join(f"{n} - A >  > {n}\n" for n in range(9)), "9 faults"),
    ],
)
def test_refusals_say_where_and_why(tmp_path: Path, name: str, text: str | bytes, reason: str) -> None:
    with pytest.raises(InputFileError) as refusal:
        read(tmp_path, name, text)
    assert reason in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="cannot be read: No such file"):
        read_taxonomy(tmp_path / "none.txt")


def test_deep_nesting_is_refused_not_a_crash(tmp_path: Path) -> None:
    """A tree 400 levels deep parses, and its paths are too long."""
    text = "".join('[{"name": "abc", "children": ' for _ in range(400)) + "[]" + "}]" * 400
    with pytest.raises(InputFileError, match="characters"):
        read(tmp_path, "deep.json", text)


def test_it_is_pure() -> None:
    code = "import apps.categories.inference.taxonomy_file, sys; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_the_real_taxonomies(shared_data: Path) -> None:
    folder = shared_data / "taxonomies"
    files = {
        "shopify_categories.en.txt.gz": (10_595, 0),
        "shopify_categories.es.txt.gz": (10_581, 14),
        "google_taxonomy-with-ids.en-US.txt": (5_595, 0),
        "bestbuy_categories.json.gz": (4_580, 4),
    }
    for name, (entries, repeated) in files.items():
        file = read_taxonomy(folder / name)
        assert (len(file.entries), file.repeated) == (entries, repeated), name
