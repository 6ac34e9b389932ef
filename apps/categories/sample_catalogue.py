"""A synthetic catalogue to try everything on: believable, noisy, the same for the same seed.

What makes it hard is what makes real ones hard: words that several categories share, titles that hardly say
what the product is, typos and abbreviations, variants that differ by colour or size, a few products filed
under two categories.
"""

import csv
import gzip
import io
import math
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TypeVar, cast

from . import sample_words as words
from .inference.errors import InputFileError
from .inference.files import COLUMNS
from .inference.text import group_key

OUTPUT_COLUMNS = tuple(name for name in COLUMNS if name != "category_code")

_SPANISH = 0.13
_VARIANT = 0.18
_CONTRADICTION = 0.006
_VAGUE_TITLE = 0.07
_SHARED_WORD = 0.10
_DESCRIBED = 0.45
_TYPO = 0.06
_ABBREVIATED = 0.08
_OTHER_CASE = 0.10
_REMEMBERED = 500

_Kept = TypeVar("_Kept")


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One category of the invented shop and how its products are spoken of."""

    path: str
    nouns: tuple[str, ...]
    spanish_nouns: tuple[str, ...]
    price_from: float
    price_to: float
    size_pattern: str
    sizes: tuple[str, ...]
    brands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Product:
    """What a title is built from; variants share all but colour and size."""

    leaf: Leaf
    spanish: bool
    vague: bool
    noun: str
    brand: str
    quality: str
    model: str
    colour: str
    size: str
    price: float
    order: int


def leaves() -> tuple[Leaf, ...]:
    """The categories of the sample shop, in sorted order of their paths."""
    return tuple(sorted(map(_leaf, words.LEAVES.strip().splitlines()), key=lambda leaf: leaf.path))


def generate(rows: int, *, seed: int = 0) -> Iterator[dict[str, str]]:
    """`rows` products by column (`OUTPUT_COLUMNS`), streaming; the same seed gives the same rows.

    A shorter catalogue is the beginning of a longer one with the same seed.
    """
    chance = random.Random(seed)
    known = leaves()
    order = list(known)
    chance.shuffle(order)
    # The long tail of real shops: the commonest category has about fifteen times the rows of the rarest.
    weights = [1 / (place + 12) for place in range(len(order))]
    siblings = _siblings(known)
    products: list[_Product] = []
    titles: list[tuple[str, Leaf]] = []
    for number in range(1, rows + 1):
        if titles and chance.random() < _CONTRADICTION:
            title, leaf = chance.choice(titles)
            product = replace(_new_product(chance, leaf), leaf=chance.choice(siblings[leaf.path]))
        else:
            if products and chance.random() < _VARIANT:
                product = _variant(chance, chance.choice(products))
            else:
                product = _new_product(chance, chance.choices(order, weights)[0])
            title = _noisy(chance, _title(product), spanish=product.spanish)
        _remember(chance, products, product)
        _remember(chance, titles, (title, product.leaf))
        yield _row(chance, number, title, product)


def write(path: Path, rows: int, *, seed: int = 0, unlabelled: float = 0) -> None:
    """Write `rows` products as CSV (gzip when the name ends so), by rename.

    `unlabelled` (0 to 1): about this share of the title groups goes without its label. Raises InputFileError
    when the path cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as plain, ExitStack() as opened:
            binary: IO[bytes] = plain
            if path.suffix == ".gz":
                # Without name and time, so that the same rows are the same bytes.
                packed = gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0)
                binary = cast("IO[bytes]", opened.enter_context(packed))
            text = opened.enter_context(io.TextIOWrapper(binary, encoding="utf-8", newline=""))
            writer = csv.DictWriter(text, OUTPUT_COLUMNS, lineterminator="\n")
            writer.writeheader()
            for row in generate(rows, seed=seed):
                # Near-duplicates share their fate: one with a label would give the other's away.
                if int(group_key(row["title"]), 16) % 1000 < unlabelled * 1000:
                    row["category_path"] = ""
                writer.writerow(row)
        temporary.replace(path)
    except OSError as error:
        raise InputFileError(f"{path} cannot be written: {error.strerror}; name another --output") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _leaf(line: str) -> Leaf:
    path, nouns, spanish, price, size = line.split(" | ")
    pattern, _, sizes = words.SIZES[size].rpartition(":")
    low, high = price.split("-")
    return Leaf(
        path=path,
        nouns=tuple(nouns.split("; ")),
        spanish_nouns=tuple(spanish.split("; ")),
        price_from=float(low),
        price_to=float(high),
        size_pattern=pattern,
        sizes=tuple(sizes.split()),
        brands=tuple(words.BRANDS[path.split(" > ")[0]].split()),
    )


def _siblings(known: Sequence[Leaf]) -> dict[str, list[Leaf]]:
    """Where else a shop might file a product of each leaf: the leaves under the same top level."""
    return {
        leaf.path: [
            other
            for other in known
            if other is not leaf and other.path.split(" > ")[0] == leaf.path.split(" > ")[0]
        ]
        for leaf in known
    }


def _remember(chance: random.Random, kept: list[_Kept], new: _Kept) -> None:
    if len(kept) < _REMEMBERED:
        kept.append(new)
    else:
        kept[chance.randrange(_REMEMBERED)] = new


def _new_product(chance: random.Random, leaf: Leaf) -> _Product:
    spanish = chance.random() < _SPANISH
    noun = chance.choice(leaf.spanish_nouns if spanish else leaf.nouns)
    if chance.random() < _SHARED_WORD:
        noun = noun.split()[0] if spanish else noun.split()[-1]
    price = math.exp(chance.uniform(math.log(leaf.price_from), math.log(leaf.price_to)))
    return _Product(
        leaf=leaf,
        spanish=spanish,
        vague=chance.random() < _VAGUE_TITLE,
        noun=noun,
        brand=chance.choice(leaf.brands),
        quality=_phrase(chance, words.SPANISH_QUALITIES if spanish else words.QUALITIES),
        model=f"{''.join(chance.choices('ABCDEFGHKLMNPRSTVXZ', k=2))}-{chance.randrange(10, 9999)}",
        colour=_colour(chance, spanish=spanish),
        size=_size(chance, leaf),
        price=price,
        order=chance.randrange(6),
    )


def _variant(chance: random.Random, product: _Product) -> _Product:
    return replace(
        product,
        colour=_colour(chance, spanish=product.spanish),
        size=_size(chance, product.leaf),
        price=product.price * chance.uniform(0.9, 1.15),
    )


def _phrase(chance: random.Random, phrases: str) -> str:
    return chance.choice(phrases.split("; "))


def _colour(chance: random.Random, *, spanish: bool) -> str:
    return chance.choice((words.SPANISH_COLOURS if spanish else words.COLOURS).split())


def _size(chance: random.Random, leaf: Leaf) -> str:
    if not leaf.sizes:
        return ""
    size = leaf.size_pattern.format(chance.choice(leaf.sizes))
    # Sellers write units as they please.
    spelling = chance.randrange(4)
    return size.replace(" ", "") if spelling == 0 else size.lower() if spelling == 1 else size


def _title(product: _Product) -> str:
    noun, model = product.noun, product.model
    if product.vague:
        vague = words.SPANISH_VAGUE if product.spanish else words.VAGUE
        # The model number picks the phrase, so that variants share it.
        noun = vague.split("; ")[sum(map(ord, model)) % len(vague.split("; "))]
    parts: Sequence[str]
    match product.order:
        case 0:
            parts = (product.brand, noun, product.quality, product.colour, product.size)
        case 1:
            parts = (product.brand, product.quality, noun, product.size, product.colour)
        case 2:
            parts = (noun, product.brand, model, product.size)
        case 3:
            parts = (product.brand, model, noun, f"({product.colour})")
        case 4:
            parts = (product.quality, noun, product.size, "-", product.colour)
        case _:
            parts = (noun, product.quality, product.size)
    return " ".join(filter(None, parts)).strip(" -")


def _noisy(chance: random.Random, title: str, *, spanish: bool) -> str:
    if chance.random() < _ABBREVIATED:
        for phrase, short in words.ABBREVIATIONS.items():
            title = title.replace(phrase, short)
    if chance.random() < _TYPO:
        title = _typo(chance, title)
    if chance.random() < _OTHER_CASE:
        return chance.choice((str.upper, str.lower, str.title))(title)
    return title if spanish else title[0].upper() + title[1:]


def _typo(chance: random.Random, title: str) -> str:
    place = chance.randrange(1, max(2, len(title) - 1))
    match chance.randrange(3):
        case 0:
            return title[:place] + title[place + 1 :]
        case 1:
            return title[:place] + title[place - 1 : place] + title[place:]
        case _:
            return (
                title[: place - 1] + title[place : place + 1] + title[place - 1 : place] + title[place + 1 :]
            )


def _description(chance: random.Random, product: _Product) -> str:
    if chance.random() >= _DESCRIBED:
        return ""
    qualities = words.SPANISH_QUALITIES if product.spanish else words.QUALITIES
    templates = words.SPANISH_DESCRIPTIONS if product.spanish else words.DESCRIPTIONS
    text = chance.choice(templates).format(
        noun=product.noun,
        brand=product.brand,
        quality=product.quality,
        quality2=_phrase(chance, qualities),
        colour=product.colour,
        size=product.size,
    )
    # A product without a size leaves an empty sentence.
    text = text.replace(". . ", ". ").strip()
    return text[0].upper() + text[1:]


def _seller(chance: random.Random) -> str:
    return " ".join(
        chance.choice(names.split())
        for names in (words.SELLER_FIRST, words.SELLER_SECOND, words.SELLER_THIRD)
    )


def _row(chance: random.Random, number: int, title: str, product: _Product) -> dict[str, str]:
    reviews = int(3 * chance.paretovariate(0.7)) - 2 if chance.random() < 0.8 else 0
    return {
        "title": title,
        "sku": f"BN-{number:07d}",
        "description": _description(chance, product),
        "brand": product.brand if chance.random() < 0.85 else "",
        "seller": _seller(chance),
        "price": f"{product.price:.2f}",
        "rating": f"{min(5.0, max(1.0, chance.gauss(4.1, 0.6))):.1f}" if reviews else "",
        "reviews_count": str(min(reviews, 50_000)),
        "image": "",
        "category_path": product.leaf.path,
    }
