"""What a title is most like."""

import pytest

from apps.categories.inference.title_index import TitleIndex

TITLES = {
    1: "Cordless drill 18V",
    2: "Hammer drill corded",
    3: "Silk shawl",
    4: "Cordless drill 18v",
    5: "",
    6: "Wool shawl, striped",
}


def test_the_same_words_are_as_like_as_can_be_and_come_in_order() -> None:
    found = TitleIndex(TITLES.items()).find("18V DRILL cordless", limit=3)

    assert [key for key, _ in found] == [1, 4, 2]
    assert found[0][1] == pytest.approx(1.0)
    assert found[0][1] == found[1][1]
    assert 0 < found[2][1] < 0.5


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    index = TitleIndex([(number, f"blue {word}") for number, word in enumerate("abcdefgh")])

    nearest, next_one, *_ = index.find("blue c", limit=8)

    assert nearest == (2, pytest.approx(1.0))
    assert next_one[1] < 0.3


def test_words_that_nothing_has_make_everything_less_like() -> None:
    index = TitleIndex(TITLES.items())

    ((_, alone),) = index.find("shawl silk", limit=1)
    ((_, with_more),) = index.find("shawl silk handmade peruvian", limit=1)

    assert alone == pytest.approx(1.0)
    assert with_more < 0.75


@pytest.mark.parametrize("title", ["", "!!!", "nothing known"])
def test_nothing_shared_finds_nothing(title: str) -> None:
    assert TitleIndex(TITLES.items()).find(title, limit=3) == []
    assert TitleIndex([]).find(title, limit=3) == []


def test_the_least_likeness_is_a_bound() -> None:
    assert [key for key, _ in TitleIndex(TITLES.items()).find("drill", limit=9, least=0.99)] == []
