"""The search in the category tree: how long a keystroke takes, and what a typing error costs.

    OMP_NUM_THREADS=1 python -m benchmarks.search      the database in DATABASE_URL, SQLite if unset

On real taxonomies (`BUNORAA_DATA`). Queries are names of categories of the tree: every beginning of a typed
name is one keystroke, and each name is also mistyped once in its longest word (a letter too many, missing,
wrong, or changed with its neighbour; the seed is fixed). "Found" is the share of names whose category is
among the first 20, "first" the share where it is the first. Beside it: one `icontains` a word, and rapidfuzz
where it is installed. CPU is this process's alone: a busy machine stretches the other times more than it.
"""

import os
import random
import statistics
import string
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import catalogues

TREES = {
    "shopify": ("shopify_categories.en.txt.gz",),
    "shopify en + es": ("shopify_categories.en.txt.gz", "shopify_categories.es.txt.gz"),
}
NAMES = 100
KEYSTROKES = 400
SHOWN = 20
SEED = 7
Answer = Callable[[str], Sequence[str]]
"""Typed text to the paths found, the best first."""


def mistyped(text: str, rng: random.Random) -> str:
    """The text with one typing error in its longest word, not in its first letter."""
    word = max(text.split(), key=len)
    at = rng.randrange(1, len(word))
    letter = rng.choice(string.ascii_lowercase)
    wrong = {
        "more": word[:at] + letter + word[at:],
        "less": word[:at] + word[at + 1 :],
        "other": word[:at] + letter + word[at + 1 :],
        "swapped": word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
    }[rng.choice(["more", "less", "other", "swapped"])]
    return text.replace(word, wrong, 1)


def times(answer: Answer, queries: Sequence[str]) -> tuple[list[float], float]:
    """Milliseconds of each query, in rising order; and the mean of this process's CPU."""
    taken = []
    busy = time.process_time()
    for query in queries:
        started = time.perf_counter()
        answer(query)
        taken.append(1000 * (time.perf_counter() - started))
    return sorted(taken), 1000 * (time.process_time() - busy) / len(queries)


def shares(answer: Answer, asked: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Of (query, path): the share whose path is among the first `SHOWN` answers, and that where it is the
    first."""
    answers = [(list(answer(query)), path) for query, path in asked]
    return (
        statistics.mean(path in found for found, path in answers),
        statistics.mean(found[:1] == [path] for found, path in answers),
    )


def contenders() -> dict[str, Answer]:
    """The ways to search, by name; they search the tree that is stored."""
    from django.conf import settings
    from django.db.models import Q
    from django.db.models.functions import Length

    from apps.categories import selectors
    from apps.categories.models import Category

    def ours(text: str) -> Sequence[str]:
        settings.CATEGORY_CLASSIFIER = {}
        return [category.path for category in selectors.category_search(text, limit=SHOWN)]

    def looking(text: str) -> Sequence[str]:
        settings.CATEGORY_CLASSIFIER = {"RELOAD_SECONDS": 0}
        return [category.path for category in selectors.category_search(text, limit=SHOWN)]

    def icontains(text: str) -> Sequence[str]:
        words = Q()
        for word in text.split():
            words &= Q(path__icontains=word)
        known = Category.objects.active().filter(words).order_by(Length("path"), "path")
        return list(known.values_list("path", flat=True)[:SHOWN])

    made = {
        "category_search": ours,
        "category_search, tree looked at every time": looking,
        "SQL icontains": icontains,
    }
    try:
        from rapidfuzz import fuzz, process, utils
    except ImportError:
        print("NOT COMPARED with rapidfuzz: it is not installed (pip install rapidfuzz)")
        return made
    paths = list(Category.objects.active().values_list("path", flat=True))
    plain = [utils.default_process(path) for path in paths]

    def rapid(scorer: Callable[..., float]) -> Answer:
        def answer(text: str) -> Sequence[str]:
            best = process.extract(utils.default_process(text), plain, scorer=scorer, limit=SHOWN)
            return [paths[place] for _, _, place in best]

        return answer

    return made | {
        "rapidfuzz WRatio": rapid(fuzz.WRatio),
        "rapidfuzz token_set_ratio": rapid(fuzz.token_set_ratio),
    }


def measure(name: str, files: Sequence[Path]) -> None:
    """Store one tree and print a table of all contenders."""
    from apps.categories import search, services
    from apps.categories.inference.taxonomy_file import read_taxonomy
    from apps.categories.models import Category

    Category.objects.order_by("-depth").update(parent=None)
    Category.objects.all().delete()
    for file in files:
        services.taxonomy_import(read_taxonomy(file).entries)
    paths = sorted(Category.objects.values_list("path", flat=True))
    rng = random.Random(SEED)
    long_enough = [path for path in paths if len(path.rpartition(" > ")[2]) >= 5]
    asked = [(path.rpartition(" > ")[2].lower(), path) for path in rng.sample(long_enough, NAMES)]
    wrong = [(mistyped(query, rng), path) for query, path in asked]
    keystrokes = [query[:end] for query, _ in asked + wrong for end in range(1, len(query) + 1)]
    keystrokes = rng.sample(keystrokes, KEYSTROKES)

    search.reset()
    started = time.perf_counter()
    search.tree_index()
    made = time.perf_counter() - started
    print(f"\n{name}: {len(paths):,} categories; the index is read and made in {made:.2f} s")
    print(
        f"{'':44}{'p50 ms':>8}{'p95 ms':>8}{'max ms':>8}{'CPU ms':>8}{'found':>8}{'first':>8}{'mistyped':>10}"
        f"{'first':>8}"
    )
    for contender, answer in contenders().items():
        taken, busy = times(answer, keystrokes)
        right, first = shares(answer, asked)
        despite, despite_first = shares(answer, wrong)
        print(
            f"{contender:44}{taken[len(taken) // 2]:8.1f}{taken[len(taken) * 95 // 100]:8.1f}{taken[-1]:8.1f}"
            f"{busy:8.1f}{right:8.0%}{first:8.0%}{despite:10.0%}{despite_first:8.0%}",
            flush=True,
        )


def main() -> None:
    """Measure every tree in a test database."""
    folder = catalogues.folder() / "taxonomies"
    if not folder.is_dir():
        raise SystemExit(
            f"NOT MEASURED: no taxonomies at {folder}; set BUNORAA_DATA to the folder that has them"
        )
    with tempfile.TemporaryDirectory() as temporary:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bunoraa.settings")
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{Path(temporary) / 'benchmark.sqlite3'}")
        import django
        from django.conf import settings
        from django.db import connection
        from django.test.utils import setup_databases, teardown_databases

        django.setup()
        if connection.vendor == "sqlite":
            # A shop's SQLite is a file, not memory.
            settings.DATABASES["default"]["TEST"]["NAME"] = Path(temporary) / "test.sqlite3"
        made = setup_databases(verbosity=0, interactive=False)
        try:
            print(f"{connection.vendor}, one thread, {os.getloadavg()[0]:.1f} processes running")
            for name, files in TREES.items():
                measure(name, [folder / file for file in files])
        finally:
            teardown_databases(made, verbosity=0)


if __name__ == "__main__":
    main()
