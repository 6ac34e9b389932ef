import gzip
import random
import re
from pathlib import Path

import pytest

from apps.categories.inference.errors import ArtifactInvalid
from apps.categories.inference.taxonomy import (
    MAX_CODE,
    Taxonomy,
    ancestor_paths,
    code_for_path,
    codes_for_paths,
    split_path,
)


def test_split_path_strips_each_level_and_keeps_the_names() -> None:
    assert split_path(" Tools >  Power Tools > Drills ") == ["Tools", "Power Tools", "Drills"]
    assert split_path("Size >10 mm") == ["Size >10 mm"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "level without a name"),
        ("A >  > B", "level without a name"),
        ("A\x00B", "control characters"),
        ("A\nB", "control characters"),
        ("A\ud800", "control characters"),
        ("x" * 201, "201 characters"),
        (" > ".join(["y" * 200] * 6), "at most 1000"),
    ],
)
def test_split_path_refuses_what_cannot_be_a_category(path: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split_path(path)


def test_ancestor_paths_from_the_top_down() -> None:
    assert list(ancestor_paths("A > B > C")) == ["A", "A > B"]
    assert list(ancestor_paths("A")) == []


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("Tools > Power Tools > Drills", "CAT_TOOLS_POWER_TOOLS_DRILLS"),
        ("Foodgrains, Oil & Masala > Edible Oils", "CAT_FOODGRAINS_OIL_MASALA_EDIBLE_OILS"),
        ("Iluminación > Bombillas (E27)", "CAT_ILUMINACION_BOMBILLAS_E27"),
        ("Años", "CAT_ANOS"),
        ("Women’s Wear", "CAT_WOMEN_S_WEAR"),
        ("½ Price", "CAT_1_2_PRICE"),
    ],
)
def test_code_is_the_path_in_upper_snake_case(path: str, code: str) -> None:
    assert code_for_path(path) == code


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("Smørrebrød", "CAT_SM_RREBR_D_764B8B9B"),
        ("日用品", "CAT_4BB02AA4"),
        ("Lamps\ufffd", "CAT_LAMPS_0CA68E5C"),
        ("Tools > !!!", "CAT_TOOLS_FEB052D3"),
    ],
)
def test_a_digest_is_appended_when_ascii_cannot_spell_a_name(path: str, code: str) -> None:
    assert code_for_path(path) == code


def test_a_long_path_is_cut_to_a_hundred_characters_with_its_digest() -> None:
    first = code_for_path(" > ".join(["Home and Garden Supplies"] * 5 + ["One"]))
    second = code_for_path(" > ".join(["Home and Garden Supplies"] * 5 + ["Two"]))
    assert len(first) <= MAX_CODE
    assert first != second
    assert re.fullmatch(r"CAT_[A-Z0-9_]+[A-Z0-9]_[0-9A-F]{8}", first)
    exact = "X" * (MAX_CODE - len("CAT_"))
    assert code_for_path(exact) == "CAT_" + exact
    assert len(code_for_path(exact + "X")) == MAX_CODE


def test_a_taken_slug_gets_the_digest_and_a_taken_digest_another_one() -> None:
    first = code_for_path("A > B")
    second = code_for_path("A > B", {first})
    third = code_for_path("A > B", {first, second})
    assert first == "CAT_A_B"
    assert re.fullmatch(r"CAT_A_B_[0-9A-F]{8}", second)
    assert re.fullmatch(r"CAT_A_B_[0-9A-F]{8}", third)
    assert third != second


def test_codes_for_paths_covers_ancestors_and_does_not_depend_on_the_order() -> None:
    paths = ["Tools > Drills", "Tools-Drills", "Tools > Drills > Bits", "Garden"]
    expected = codes_for_paths(paths)
    assert list(expected) == ["Garden", "Tools", "Tools > Drills", "Tools > Drills > Bits", "Tools-Drills"]
    assert expected["Tools > Drills"] == "CAT_TOOLS_DRILLS"
    assert re.fullmatch(r"CAT_TOOLS_DRILLS_[0-9A-F]{8}", expected["Tools-Drills"])
    for seed in range(5):
        shuffled = paths[:]
        random.Random(seed).shuffle(shuffled)
        assert codes_for_paths(shuffled) == expected


def test_codes_for_paths_keeps_known_codes_and_gives_them_to_nobody_else() -> None:
    codes = codes_for_paths(["A > B", "A-B", "C"], {"A > B": "CAT_MINE", "Elsewhere": "CAT_C"})
    assert codes["A > B"] == "CAT_MINE"
    assert codes["A-B"] == "CAT_A_B"
    assert re.fullmatch(r"CAT_C_[0-9A-F]{8}", codes["C"])
    assert "Elsewhere" not in codes


def test_shopifys_whole_tree_gets_unique_codes_of_bounded_length(shared_data: Path) -> None:
    for language in ("en", "es"):
        with gzip.open(
            shared_data / f"taxonomies/shopify_categories.{language}.txt.gz", "rt", encoding="utf-8"
        ) as lines:
            paths = [line.split(" : ", 1)[1].strip() for line in lines if line.startswith("gid:")]
        codes = codes_for_paths(paths)
        assert len(paths) == 10_595
        assert set(paths) <= set(codes)
        assert len(set(codes.values())) == len(codes)
        assert max(map(len, codes.values())) <= MAX_CODE


def tree() -> Taxonomy:
    return Taxonomy.covering({"CAT_D": "Tools > Drills", "CAT_G": "Garden", "CAT_B": "Tools > Drills > Bits"})


def test_taxonomy_knows_paths_codes_and_what_lies_above() -> None:
    taxonomy = tree()
    assert taxonomy.codes == ("CAT_G", "CAT_TOOLS", "CAT_D", "CAT_B")
    assert taxonomy.path("CAT_B") == "Tools > Drills > Bits"
    assert taxonomy.code("Tools") == "CAT_TOOLS"
    assert taxonomy.parent("CAT_B") == "CAT_D"
    assert taxonomy.parent("CAT_TOOLS") is None
    assert taxonomy.ancestors("CAT_B") == ("CAT_TOOLS", "CAT_D")
    assert taxonomy.is_within("CAT_B", "CAT_TOOLS")
    assert taxonomy.is_within("CAT_B", "CAT_B")
    assert not taxonomy.is_within("CAT_D", "CAT_B")
    assert "CAT_D" in taxonomy
    assert len(taxonomy) == 4
    with pytest.raises(KeyError):
        taxonomy.path("CAT_NOWHERE")


def test_taxonomy_survives_json_byte_for_byte() -> None:
    taxonomy = Taxonomy.covering({"CAT_Ñ": "Iluminación > Bombillas\ufffd", "CAT_X": "日用品"})
    data = taxonomy.to_json()
    assert Taxonomy.from_json(data) == taxonomy
    assert Taxonomy.from_json(memoryview(data)).to_json() == data
    assert Taxonomy.from_json(data.decode()).path("CAT_Ñ") == "Iluminación > Bombillas\ufffd"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"paths":[]}',
        b'{"paths":{"A":1}}',
        b'{"paths":{"A":""}}',
        b'{"paths":{"A":"X","B":"X"}}',
        b'{"paths":{"A":"X > Y"}}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_taxonomy_refuses_other_json(data: bytes) -> None:
    with pytest.raises(ArtifactInvalid, match="taxonomy cannot be read"):
        Taxonomy.from_json(data)


def test_taxonomy_refuses_two_codes_for_one_path_and_a_missing_parent() -> None:
    with pytest.raises(ValueError, match="two codes: A"):
        Taxonomy.covering({"CAT_1": "A", "CAT_2": "A"})
    with pytest.raises(ValueError, match="above others but have no code: A"):
        Taxonomy(paths={"CAT_1": "A > B"})
