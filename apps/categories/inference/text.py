"""The one text recipe: what a model reads of a product, and the keys that titles are compared by."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

TEXT_FIELDS = ("title", "brand", "description", "seller")
"""What a recipe may read, in this order. The price is not among them: it changes often, says
little of the category, and each change would make the row stale."""

SEGMENT_SEPARATOR = "\n"
"""Between the segments of a product text; `clean` never leaves one inside a field."""

MAX_CHARACTERS = 4000
"""Longest field in characters. Cut before normalising: NFKC can expand a text 18-fold."""

Segments = Sequence[Sequence[str]]
"""A recipe: segments of fields. The fields of a segment are read as one text; segments are weighed apart."""

NOT_TEXT = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\ud800-\udfff"
    r"\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
)
"""Characters that become spaces: control characters, lone surrogates, invisible marks."""
_NOT_A_WORD = re.compile(r"[\W_]+")
_NUMBER_AND_UNIT = re.compile(
    r"\d+(?:[.,/x*]\d+)*\s*"
    r"(?:mm|cm|mts?|m|km|in|inch(?:es)?|ft|kgs?|g|gr|grs?|gms?|mg|lbs?|oz|l|lt|ltr|ml|cl|w|kw|v|ah|mah|a|hz|ghz"
    r"|gb|tb|mb|mp|pcs?|pc|pack|packs|uds?|un|x)?\b"
)


def clean(text: object) -> str:
    """The text as every part of this package reads it: at most `MAX_CHARACTERS` of NFKC on one line.

    None is the empty text, anything else that is no string is read by `str`. Control characters, lone
    surrogates and invisible marks become spaces, and runs of white space become one space.
    """
    if text is None:
        return ""
    line = text if isinstance(text, str) else str(text)
    if len(line) > MAX_CHARACTERS:
        line = line[:MAX_CHARACTERS]
    if not line.isascii():
        line = unicodedata.normalize("NFKC", line)[:MAX_CHARACTERS]
    if not line.isprintable():
        line = NOT_TEXT.sub(" ", line)
    return " ".join(line.split())


def product_text(product: Mapping[str, object], segments: Segments) -> str:
    """What a model with this recipe reads of a product: one line a segment.

    Missing and empty fields add nothing. The segments keep their places, so that a model that weighs the
    description apart finds it in the same line for every product.
    """
    lines = []
    for fields in segments:
        parts = [part for field in fields if (part := clean(product.get(field)))]
        lines.append(" ".join(parts))
    return SEGMENT_SEPARATOR.join(lines).rstrip(SEGMENT_SEPARATOR)


def text_digest(product: Mapping[str, object]) -> str:
    """32 hex digits of everything a recipe may read (`TEXT_FIELDS`), as stored; None is the empty text.

    Not cleaned first: a sweep computes it for every product of the shop.
    """
    return digest_of([product.get(field) for field in TEXT_FIELDS])


def digest_of(values: Iterable[object]) -> str:
    """The same of the values themselves, in the order of `TEXT_FIELDS`."""
    joined = "\x1f".join([value if type(value) is str else str(value or "") for value in values])
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def title_key(title: str) -> str:
    """The title in lower case, word characters only: two listings with the same key have the same title."""
    return _NOT_A_WORD.sub(" ", clean(title).casefold()).strip()


def title_words(title: str) -> list[str]:
    """The words of the title in lower case and in its order, without numbers and units; may be empty."""
    return _NOT_A_WORD.sub(" ", _NUMBER_AND_UNIT.sub(" ", clean(title).casefold())).split()


def group_key(title: str) -> str:
    """16 hex digits shared by near-duplicate titles, those that differ by numbers, units and word order.

    A function of this title alone, so the side of a split that a row falls on never depends on other rows. A
    title of nothing but numbers is its own group.
    """
    basis = " ".join(sorted(title_words(title))) or clean(title).casefold()
    return hashlib.blake2b(basis.encode(), digest_size=8).hexdigest()
