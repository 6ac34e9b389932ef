"""The search in a tree: made-up categories, every rule of the order, anything typed."""

import random
import string

import pytest

from apps.categories.inference.tree_search import FoundCategory, TreeIndex, TreeRow

PATHS = (
    "Tools",
    "Tools > Drills",
    "Tools > Drills > Drill bits",
    "Tools > Grills",
    "Tools > Saws",
    "Tools > Saws > Blades for circular saws",
    "Garden",
    "Garden > Chain saws",
    "Garden > Sawhorses",
    "Garden > Chainsaw oil",
    "Hogar > Iluminación",
    "Hogar > Baño",
    "Mode > Straßenschuhe",
    "Mode > Men's shirts",
    "Mode > Børn",
    "Kitchen > Screwdriver-shaped ice moulds",
    "食品 > 日本茶",
    "Signs > & %",
)


def index(*paths: str, retired: tuple[str, ...] = ()) -> TreeIndex:
    return TreeIndex(
        [
            TreeRow(number, path, f"CAT_{number}", f"gid://{number}", path not in retired)
            for number, path in enumerate(paths or PATHS, 1)
        ]
    )


def found(text: str, *paths: str, limit: int = 20) -> list[str]:
    return [category.path for category in index(*paths).find(text, limit=limit)]


def names(text: str) -> set[str]:
    return {path.rpartition(" > ")[2] for path in found(text)}


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("dril", "Drills"),
        ("drlil", "Drills"),  # two letters changed places
        ("drilss", "Drills"),  # one too many
        ("dills", "Drills"),  # one missing
        ("drolls", "Drills"),  # one wrong
        ("driils", "Drills"),
        ("scrwedirver", "Screwdriver-shaped ice moulds"),  # two errors in a long word
        ("sawhosres", "Sawhorses"),
        ("iluminacion", "Iluminación"),
        ("ILUMINACIÓN", "Iluminación"),
        ("iluminacio\u0301n", "Iluminación"),  # the accent as a character of its own
        ("iluminasion hogar", "Iluminación"),
        ("bano", "Baño"),
        ("strassen", "Straßenschuhe"),
        ("mens", "Men's shirts"),
        ("men’s shirts", "Men's shirts"),
        ("born", "Børn"),
        ("茶", "日本茶"),
        ("whorses", "Sawhorses"),
    ],
)
def test_half_typed_mistyped_and_plain(typed: str, first: str) -> None:
    assert found(typed)[0].rpartition(" > ")[2] == first


@pytest.mark.parametrize("typed", ["drs", "dls", "sew", "rdls", "xrills bits", "dr ills saws", "scrdirvre"])
def test_too_far_off_finds_no_drill(typed: str) -> None:
    assert "Drills" not in names(typed)


def test_a_typing_error_needs_four_letters_and_a_second_one_eight() -> None:
    assert found("swa", "Saw") == []
    assert found("sawx", "Sawy") == ["Sawy"]
    assert found("hmamres", "Hammers") == []
    assert found("hmamresy", "Hammersy") == ["Hammersy"]


def test_words_in_any_order_each_of_them_somewhere() -> None:
    assert found("saws circular")[0] == "Tools > Saws > Blades for circular saws"
    assert found("circular saws") == found("saws circular")
    assert found("bits tools drill") == ["Tools > Drills > Drill bits"]
    assert found("garden drill") == []


def test_spelt_right_comes_before_mistyped() -> None:
    assert found("grill", "Tools > A > B > Grills", "Drill") == ["Tools > A > B > Grills", "Drill"]
    assert found("cordless drill", "Cordles drill", "Shop > Tools > Cordless drills") == [
        "Shop > Tools > Cordless drills",
        "Cordles drill",
    ]


def test_a_words_beginning_comes_before_its_inside() -> None:
    assert found("saw", "Chainsaw", "Tools > Hand > Sawmill") == ["Tools > Hand > Sawmill", "Chainsaw"]


def test_the_own_name_comes_before_the_names_above_and_then_the_shorter_path() -> None:
    assert found("saw", "Saws", "Saws > Oil", "Tools > Long names > Sawhorse", "Tools > Saw") == [
        "Saws",
        "Tools > Saw",
        "Tools > Long names > Sawhorse",
        "Saws > Oil",
    ]


def test_a_wrong_first_letter_comes_last() -> None:
    assert found("hamer", "Camera", "Tools > Hammers") == ["Tools > Hammers", "Camera"]


def test_code_and_external_id() -> None:
    assert found("cat_3") == found("gid://3") == found("CAT_3 bits") == ["Tools > Drills > Drill bits"]
    assert found("cat_") == []


def test_what_was_typed_is_marked() -> None:
    (shirt,) = index().find("shrits mode", limit=5)
    assert shirt.above_parts == (("Mode", True),)
    assert shirt.name_parts == (("Men's ", False), ("shirts", True))
    (light,) = index().find("ilumi", limit=5)
    assert light.name_parts == (("Ilumi", True), ("nación", False))
    (road,) = index().find("stras", limit=5)
    assert road.name_parts == (("Straß", True), ("enschuhe", False))
    (oil,) = index().find("insaw oil", limit=5)
    assert oil.name_parts == (("Cha", False), ("insaw", True), (" ", False), ("oil", True))
    decomposed = index("Bon\u0303os").find("bon", limit=1)[0]
    assert decomposed.name_parts == (("Bon\u0303", True), ("os", False))


def test_the_parts_are_the_text() -> None:
    for typed in ("o", "saws", "drlils", "iluminacio", "茶", "mens shirt", "gid://4", ""):
        for category in index().find(typed, limit=50):
            assert category.name == category.path.rpartition(" > ")[2]
            assert category.above == category.path.rpartition(" > ")[0]


def test_retired_categories_are_absent_unless_asked_for() -> None:
    some = index("Tools", "Tools > Saws", retired=("Tools > Saws",))
    assert some.find("saws", limit=5) == []
    assert [category.path for category in some.find("saws", limit=5, among=[2])] == ["Tools > Saws"]
    assert some.find("saws", limit=5, among=[1]) == []
    assert some.find("saws", limit=5, among=[]) == []


def test_nothing_typed_gives_the_shortest_and_signs_give_nothing() -> None:
    assert found("", limit=2) == found("  ", limit=2) == ["Tools", "Garden"]
    for signs in ("&", "> >", "%", "_", ".*", "'", "\u200b", "\x00"):
        assert found(signs) == []
    assert found("Tools > Drills")[0] == "Tools > Drills"
    assert found("tools & saws")[0] == "Tools > Saws"


@pytest.mark.parametrize(
    "typed",
    [
        "x" * 10_000,
        "drill " * 2000,
        "\x00drill\x00",
        "(dr|ill+)*[",
        "\\d{4,}$^",
        "\ud800",
        "\u0301" * 5000,
        "👩‍👩‍👧 drill",
        "ﷺ" * 300,
        "%_' OR 1=1 --",
        "<script>",
        "\U0010ffff",
    ],
)
def test_anything_typed_gets_an_answer(typed: str) -> None:
    for category in index().find(typed, limit=5):
        assert isinstance(category, FoundCategory)


def test_only_the_first_letters_and_words_count() -> None:
    assert found("drill" + " " * 200 + "nonsense")[0] == "Tools > Drills"
    assert found("drills " * 10 + "nonsense") == found("drills")
    words = " ".join("abcdefghij")
    assert found(words + " nonsense", words) == [words]
    assert found("a-b-c-d-e-f-g-h-i-j-nonsense", words) == [words]


def test_a_tree_without_categories() -> None:
    assert TreeIndex([]).find("saw", limit=5) == []
    assert TreeIndex([]).find("", limit=5) == []


def test_the_distance_is_that_of_the_textbook() -> None:
    """Against the plain algorithm, one pair of words at a time."""
    rng = random.Random(4)
    words = ["".join(rng.choices("abcd", k=rng.randint(4, 10))) for _ in range(300)]
    some = index(*dict.fromkeys(words))
    for typed in words[:60]:
        most = 1 if len(typed) < 8 else 2
        expected = {
            word
            for word in words
            if typed in word or min(textbook(typed, word[:end]) for end in range(len(word) + 1)) <= most
        }
        assert {category.path for category in some.find(typed, limit=1000)} == expected


def textbook(a: str, b: str) -> int:
    """Optimal string alignment."""
    table = [[max(i, j) if not i or not j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            best = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                best = min(best, table[i - 2][j - 2] + 1)
            table[i][j] = best
    return table[-1][-1]


def test_random_text_never_fails() -> None:
    rng, some = random.Random(5), index()
    alphabet = string.printable + "áñßø茶\u0301\u200d'’"
    for _ in range(300):
        some.find("".join(rng.choices(alphabet, k=rng.randint(0, 40))), limit=3)
