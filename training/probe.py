"""The texts that an exported model is compared on."""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.taxonomy import split_path

TEXTS = 1000
"""So many at least, varied where there are fewer."""
MOST = 5000
"""So many products at most, from all over the file."""
MARKS = ("pack of {}", "{} pcs", "-{}%", "({} cm)", "ref. {}", "{},5 l", "{}V", "size {}")

Item = str | Mapping[str, str]
"""A product by its fields, or a text as it is."""


def probe(classifier: ProductionClassifier, products: Sequence[Mapping[str, str]]) -> list[Item]:
    """The products, the artifact's golden and odd texts, the names of its categories, and variations.

    Variations, of the products if there are any, otherwise of the golden ones, fill up to TEXTS. No two give
    the same text, and the same input gives the same ones.
    """
    golden = json.loads(bytes(classifier.artifact.records["golden"]))["texts"]
    names = [{"title": split_path(classifier.path(code))[-1]} for code in classifier.codes]
    some = products[:: max(1, -(-len(products) // MOST))]
    # Not of the names: they are no products, and the least sure of them would count forty times.
    begun = some or [item for item in golden if isinstance(item, Mapping)] or names
    return [*filled([*some, *golden, *names], begun, classifier.text).values()]


def filled(
    items: Iterable[Item], begun: Sequence[Mapping[str, str]], text: Callable[[Item], str]
) -> dict[str, Item]:
    """The items by what the model reads of them (`text`), filled up to TEXTS by variations of `begun`."""
    rng = random.Random(0)
    found = {text(item): item for item in items}
    for number in range(20 * TEXTS):
        if len(found) >= TEXTS:
            break
        varied = _varied(begun[number % len(begun)], rng)
        found.setdefault(text(varied), varied)
    return found


def _varied(product: Mapping[str, str], rng: random.Random) -> dict[str, str]:
    """The product as somebody else might have written its title."""
    words = str(product.get("title") or "").split() or ["-"]
    change = rng.randrange(4)
    if change == 0 and len(words) > 2:
        words.pop(rng.randrange(len(words)))
    elif change == 1:
        rng.shuffle(words)
    elif change == 2:
        words = [rng.choice((word.upper(), word.lower(), word.title())) for word in words]
    words.append(rng.choice(MARKS).format(rng.randrange(2, 200)))
    return {**product, "title": " ".join(words)}
