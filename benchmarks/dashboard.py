"""Time and statements of the admin's dashboard in a shop of 100,000 products.

    python -m benchmarks.dashboard [PRODUCTS]        the database in DATABASE_URL, SQLite if unset

An invented shop: six in ten products filed by the model, a quarter waiting for people, the others filed by
people (half of them after the model) and by an import; 300 characters of description each.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

ROUNDS = 9
PRODUCTS = 100_000
MATERIALS = ("steel", "brass", "oak", "linen")


def main() -> None:
    """Make the shop in a database of its own, open the dashboard, print how long it took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PRODUCTS
    in_a_shop(count, lambda: measure(count))


def in_a_shop(count: int, work: Callable[[], None]) -> None:
    """Call `work` where the database is an invented shop of `count` products; gone afterwards."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bunoraa.settings")
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder / 'benchmark.sqlite3'}")
        import django
        from django.conf import settings
        from django.db import connection
        from django.test.utils import setup_databases, teardown_databases

        django.setup()
        settings.CATEGORY_CLASSIFIER = {"ARTIFACT": folder / "none.pt"}
        if connection.vendor == "sqlite":
            # A shop's SQLite is a file, not memory.
            settings.DATABASES["default"]["TEST"]["NAME"] = folder / "test.sqlite3"
        made = setup_databases(verbosity=0, interactive=False)
        try:
            fill(count)
            work()
        finally:
            teardown_databases(made, verbosity=0)


def title(number: int) -> str:
    """An invented title. Three products that follow one another differ in their measure alone: they are
    near-duplicates."""
    name, rest = "", number // 3
    for _ in range(4):
        rest, letters = divmod(rest, 70)
        name += "bdfghklmnprstv"[letters // 5] + "aeiou"[letters % 5]
    return f"{MATERIALS[number // 3 % 4]} {name} {number % 3 + 1}0 mm"


def fill(count: int) -> None:
    """An invented shop of `count` products, with its queue and its history."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.utils import timezone

    from apps.categories.models import Assignment, Category, Product, Suggestion
    from apps.categories.services.bulk import insert_rows

    now = timezone.now()
    tree = [Category.objects.create(name=f"Branch {number}") for number in range(20)]
    tree = [
        Category.objects.create(name=f"Leaf {number}", parent=branch)
        for branch in tree
        for number in range(20)
    ]
    people = [User.objects.create_user(f"person{number}", is_staff=True) for number in range(5)]
    history: list[tuple[Any, ...]] = []
    suggested: list[tuple[Any, ...]] = []
    products: list[tuple[Any, ...]] = []
    for number in range(1, count + 1):
        place, other = tree[number % len(tree)], tree[number * 7 % len(tree)]
        kind, sure = number % 20, (number * 37 % 1000) / 1000
        at = now - timedelta(minutes=number * 90 % 200_000)
        source = "model" if kind < 12 else "none" if kind < 17 else "human" if kind < 19 else "import"
        filed = place if source != "none" else None
        products.append(
            (
                number,
                f"S{number}",
                title(number),
                "word " * 60,
                filed.pk if filed else None,
                source,
                sure if source == "model" else None,
                source == "none",
                False,
                "",
                "",
                "",
            )
        )
        if kind < 12 or kind == 17:
            history.append((number, None, place.pk, "model", None, "linear-1", sure, "", at))
        if kind in (17, 18):
            before = place.pk if kind == 17 else None
            history.append((number, before, place.pk, "human", people[number % 5].pk, "", None, "", at))
        if kind == 19:
            history.append((number, None, place.pk, "import", None, "", None, "", at))
        if 12 <= kind < 18:
            ranked = [
                {"category_code": item.code, "category_path": item.path, "confidence": sure / (step + 1)}
                for step, item in enumerate((other, place, tree[number % 11]))
            ]
            done = kind == 17
            suggested.append(
                (
                    number,
                    ranked,
                    "approved" if done else "pending",
                    "62% is under the 90% needed",
                    0.9,
                    "linear-1",
                    "0" * 32,
                    people[0].pk if done else None,
                    at if done else None,
                    place.pk if done else None,
                    "",
                    at,
                    at,
                )
            )
    columns = (
        "id",
        "sku",
        "title",
        "description",
        "category",
        "category_source",
        "category_confidence",
        "needs_review",
        "is_stale",
        "brand",
        "seller",
        "image",
    )
    insert_rows(Product, columns, products, using="default")
    insert_rows(
        Assignment,
        (
            "product",
            "from_category",
            "to_category",
            "source",
            "actor",
            "model_version",
            "confidence",
            "note",
            "created_at",
        ),
        history,
        using="default",
    )
    insert_rows(
        Suggestion,
        (
            "product",
            "candidates",
            "status",
            "reason",
            "threshold",
            "model_version",
            "text_digest",
            "decided_by",
            "decided_at",
            "decided_category",
            "note",
            "created_at",
            "updated_at",
        ),
        suggested,
        using="default",
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def measure(count: int) -> None:
    """Print what opening the page costs."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    browser = Client(SERVER_NAME="localhost")
    browser.force_login(User.objects.create_superuser("boss"))
    address = "/admin/categories/suggestion/dashboard/"
    times, own = [], []
    for _ in range(ROUNDS):
        started, busy = time.perf_counter(), time.process_time()
        response = browser.get(address)
        times.append(time.perf_counter() - started)
        own.append(time.process_time() - busy)
        assert response.status_code == 200
    with CaptureQueriesContext(connection) as queries:
        browser.get(address)
    took, busy = statistics.median(times), statistics.median(own)
    print(
        f"{connection.vendor}, {count:,} products: {1000 * took:.0f} ms (best {1000 * min(times):.0f}, this "
        f"process alone {1000 * busy:.0f}), {len(queries)} statements, {len(response.content) / 1000:.0f} kB"
    )
    for query in sorted(queries.captured_queries, key=lambda query: -float(query["time"]))[:8]:
        print(f"  {1000 * float(query['time']):6.0f} ms  {query['sql'][:150]}")


if __name__ == "__main__":
    main()
