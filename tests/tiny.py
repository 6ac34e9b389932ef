"""A small made-up catalogue that a real model learns in seconds."""

import csv
import random
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from apps.categories.inference.taxonomy import codes_for_paths
from training.data import LabelledRow

KINDS = {
    "Tools > Drills": "cordless drill|hammer drill|drill driver|impact drill",
    "Tools > Saws": "circular saw|jigsaw blade|hand saw|mitre saw",
    "Tools > Hammers": "claw hammer|rubber mallet|sledge hammer|framing hammer",
    "Tools": "tool set|tool box|workshop bench",
    "Kitchen > Knives": "chef knife|bread knife|paring knife|knife block",
    "Kitchen > Pans": "frying pan|sauce pan|wok pan|grill pan",
    "Kitchen > Kettles": "electric kettle|whistling kettle|travel kettle",
    "Kitchen > Mugs": "coffee mug|travel mug|ceramic mug|enamel mug",
    "Clothing > Shirts": "linen shirt|oxford shirt|flannel shirt|polo shirt",
    "Clothing > Trousers": "cotton trousers|cargo trousers|slim chinos|corduroy trousers",
    "Clothing > Shawls": "silk shawl|wool shawl|pashmina shawl",
    "Clothing > Socks": "ankle socks|wool socks|running socks|knee socks",
    "Garden > Hoses": "garden hose|hose reel|soaker hose",
    "Garden > Pots": "terracotta pot|plant pot|hanging planter",
    "Garden > Furniture": "garden bench|folding chair|patio table|sun lounger",
    "Electronics > Phones": "smartphone|dual sim phone|feature phone",
    "Electronics > Headphones": "wireless headphones|in ear headphones|gaming headset",
    "Electronics > Chargers": "usb charger|wall charger|car charger|wireless charger",
    "Hogar > Iluminación": "lámpara de mesa|bombilla led|foco empotrable",
    "Hogar > Baño": "cortina de ducha|toallero|dispensador de jabón",
}
ADJECTIVES = (
    *("compact", "classic", "heavy-duty", "small", "large", "blue", "red"),
    *("black", "eco", "premium", "pro", "light", "new"),
)
BRANDS = ["Norrland", "Aguila", "Tessera", "Halden", "Oakmill", "Brisa", "Kestrel", "Dunmore"]


@cache
def labelled_rows(each: int = 45, seed: int = 7) -> tuple[LabelledRow, ...]:
    """Rows of 20 categories, one of them an inner node; every twelfth title says nothing of its category."""
    rng = random.Random(seed)
    codes = codes_for_paths(KINDS)
    rows = []
    for path, kinds in KINDS.items():
        for number in range(each):
            kind = rng.choice(kinds.split("|")) if number % 12 else "assorted item"
            title = f"{rng.choice(ADJECTIVES)} {kind} {rng.choice(ADJECTIVES)} {_serial(rng)}"
            rows.append(
                LabelledRow(
                    title=title,
                    brand=rng.choice(BRANDS),
                    description=f"{kind} by {rng.choice(BRANDS)}" if number % 3 else "",
                    category_path=path,
                    category_code=codes[path],
                    sku=f"T{len(rows):05d}",
                    line=len(rows) + 2,
                )
            )
    rng.shuffle(rows)
    return tuple(rows)


def write_csv(rows: Iterable[LabelledRow], path: Path) -> Path:
    """The rows as a shop would export them, labelled by path."""
    names = ("sku", "title", "brand", "description", "category_path")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([getattr(row, name) for name in names] for row in rows)
    return path


def _serial(rng: random.Random) -> str:
    """A model name, so that few titles are alike."""
    return "".join(rng.choice("bcdfghklmnprstvz") + rng.choice("aeiou") for _ in range(3))
