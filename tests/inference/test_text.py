"""The text recipe: what is read of a product, and the keys that titles are compared by."""

import pytest

from apps.categories.inference.text import (
    MAX_CHARACTERS,
    TEXT_FIELDS,
    clean,
    group_key,
    product_text,
    text_digest,
    title_key,
)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (None, ""),
        ("  two   words \n\t here ", "two words here"),
        ("ﬁve ① ＡＢ", "five 1 AB"),
        ("a\x00b\x07c\x1bd", "a b c d"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("zero\u200bwidth\ufeff", "zero width"),
        (12.5, "12.5"),
        ("ñandú 漢字", "ñandú 漢字"),
    ],
)
def test_clean_gives_one_line_of_normal_text(raw: object, read: str) -> None:
    assert clean(raw) == read


def test_clean_is_bounded_before_and_after_normalising() -> None:
    assert len(clean("a" * 10**6)) == MAX_CHARACTERS
    # One character that NFKC turns into eighteen, and marks whose sorting takes seconds when there are many.
    assert len(clean("\ufdfa" * 10**5)) <= MAX_CHARACTERS
    assert len(clean("a" + "\u0316\u0301" * 10**6)) <= MAX_CHARACTERS


def test_a_recipe_joins_fields_and_parts_segments() -> None:
    product = {"title": " Drill\n18V ", "brand": "Bosch", "description": None, "price": "9"}

    assert product_text(product, [["title", "brand"]]) == "Drill 18V Bosch"
    assert product_text(product, [["title"], ["brand"]]) == "Drill 18V\nBosch"
    assert product_text(product, [["title"], ["description"], ["brand"]]) == "Drill 18V\n\nBosch"
    assert product_text(product, [["title"], ["description"]]) == "Drill 18V"
    assert product_text({}, [["title"]]) == ""


def test_a_field_cannot_reach_into_another_segment() -> None:
    assert product_text({"title": "a\nb"}, [["title"], ["brand"]]) == "a b"


@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_the_digest_follows_every_field_a_recipe_may_read(field: str) -> None:
    base = {"title": "Drill", "brand": "B", "description": "d", "seller": "s"}

    assert text_digest({**base, field: "other"}) != text_digest(base)
    assert text_digest({**base, field: None}) == text_digest({**base, field: ""})


def test_the_digest_knows_which_field_a_word_is_in() -> None:
    assert text_digest({"title": "a", "brand": "b"}) != text_digest({"title": "a b"})
    assert text_digest({"title": "a", "price": 1}) == text_digest({"title": "a", "price": 2})
    assert len(text_digest({"title": "\ud800"})) == 32


def test_near_duplicates_share_a_group() -> None:
    group = group_key("Cordless Drill 18V, red (2 pcs)")

    assert group == group_key("red cordless drill 12 v")
    assert group == group_key("RED drill cordless 1.5 kg")
    assert group != group_key("cordless drill blue")
    assert len(group) == 16


def test_titles_of_nothing_but_numbers_are_groups_of_their_own() -> None:
    assert group_key("123") != group_key("456")
    assert group_key("123") == group_key(" 123 ")


def test_the_title_key_ignores_case_and_marks_only() -> None:
    assert title_key("Drill, 18-V!") == title_key("drill 18 v")
    assert title_key("Drill 18V") != title_key("Drill 12V")
    assert title_key(" -- ") == ""
