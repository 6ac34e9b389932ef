"""The review queue in a shop of 100,000 products: round trips and statements of what a reviewer does.

    python -m benchmarks.review [PRODUCTS] [--rounds 200] [--browser]    DATABASE_URL, else SQLite

The invented shop of `benchmarks.dashboard`; a quarter of it waits, in clusters of three. A round trip goes
through the whole site (sessions, permissions, CSRF check, templates), in one process, without the network.
`--browser` also tells, in Chromium on this site's own server, how long after the key its successor's card is
laid out. Beside it, as the peer: the same decision as somebody would write it with Django's own admin form,
one `save()` of the product on its change page.
"""

import argparse
import random
import shutil
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.dashboard import PRODUCTS, in_a_shop

QUEUE = "/admin/categories/suggestion/"
JSON = {"accept": "application/json"}
DECISIONS = 60
"""Keys pressed in the browser."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="What the review queue costs.")
    parser.add_argument("products", nargs="?", type=int, default=PRODUCTS)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args()

    def work() -> None:
        from apps.categories import services

        started = time.perf_counter()
        changed = services.priorities_refresh()
        print(f"put in order by value: {changed:,} rows, {time.perf_counter() - started:.1f} s")
        measure(options.products, options.rounds)
        if options.browser:
            press_keys()

    in_a_shop(options.products, work)


def measure(count: int, rounds: int) -> None:
    """Print the table of round trips."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    from apps.categories import selectors
    from apps.categories.models import Suggestion

    browser = Client(SERVER_NAME="localhost")
    browser.force_login(User.objects.create_superuser("boss"))
    waiting = Suggestion.objects.filter(status="pending").order_by("-priority")
    alone = list(waiting.filter(priority__gt=0)[: 4 * rounds])
    random.Random(0).shuffle(alone)
    rows = iter(alone)
    words = [item.candidates[0]["category_path"].split(" > ")[-1][:6] for item in alone[:rounds]]
    asked = iter(words)

    def decide(**more: Any) -> Any:
        one = next(rows)
        data = {"approve": one.candidates[0]["category_code"], **more}
        return browser.post(f"{QUEUE}{one.pk}/decide/", data, headers=JSON)

    series = [next(rows) for _ in range(rounds + 1)]
    alike = selectors.clusters_of(series, limit=100)
    settled = iter(series)

    def settle() -> Any:
        one = next(settled)
        also = [str(other.pk) for other in alike[one.pk]]
        data = {"approve": one.candidates[0]["category_code"], "also": also}
        return browser.post(f"{QUEUE}{one.pk}/decide/", data, headers=JSON)

    def by_the_form() -> Any:
        product = next(rows).product
        data = {"title": product.title, "description": product.description, "sku": product.sku}
        data |= {"category": str(product.category_id or 21), "brand": "", "seller": "", "image": ""}
        return browser.post(f"/admin/categories/product/{product.pk}/change/", data)

    acts: dict[str, Callable[[], Any]] = {
        "the list, by value": lambda: browser.get(f"{QUEUE}?order=value"),
        "the page of cards": lambda: browser.get(f"{QUEUE}review/"),
        "two more cards": lambda: browser.post(
            f"{QUEUE}review/next/", {"order": "value", "count": "2"}, headers=JSON
        ),
        "a decision": decide,
        "a decision with its near-duplicates": settle,
        "undo": lambda: browser.post(f"{QUEUE}review/undo/", headers=JSON),
        "why": lambda: browser.get(f"{QUEUE}{next(iter(alone)).pk}/why/"),
        "a search in the tree": lambda: browser.get(f"{QUEUE}find/?q={next(asked)}"),
        "the product's own admin form (peer)": by_the_form,
    }
    print(f"{connection.vendor}, {count:,} products, {waiting.count():,} suggestions waiting")
    print("| round trip | p50 ms | p95 ms | statements |")
    print("|---|---|---|---|")
    for name, act in acts.items():
        times = [_timed(act) for _ in range(rounds if "form" not in name else rounds // 4)]
        statements = _statements(act) if name != "a search in the tree" else "0 to 1"
        p95 = statistics.quantiles(times, n=20)[-1]
        print(f"| {name} | {1000 * statistics.median(times):.0f} | {1000 * p95:.0f} | {statements} |")


def _timed(act: Callable[[], Any]) -> float:
    started = time.perf_counter()
    answer = act()
    took = time.perf_counter() - started
    assert answer.status_code in (200, 302), answer.content[:300]
    return took


def _statements(act: Callable[[], Any]) -> str:
    """Statements of one more, without savepoints, and how many of them are the login's."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as spent:
        act()
    told = [query["sql"] for query in spent if "SAVEPOINT" not in query["sql"]]
    told = [sql for sql in told if sql not in ("BEGIN", "BEGIN IMMEDIATE", "COMMIT")]
    login = [sql for sql in told if "django_session" in sql or 'FROM "auth_' in sql]
    return f"{len(told) - len(login)} + {len(login)} of the login"


def press_keys() -> None:
    """Print how long after a key the next card is laid out."""
    from django.contrib.auth.models import User
    from django.contrib.staticfiles.testing import StaticLiveServerTestCase

    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("NOT MEASURED: the browser (install requirements-dev.txt)")
        return
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("NOT MEASURED: the browser (there is no Chromium)")
        return
    boss = User.objects.get(username="boss")
    boss.set_password("secret")
    boss.save()
    StaticLiveServerTestCase.setUpClass()
    times = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_page(base_url=StaticLiveServerTestCase.live_server_url)
            page.goto("/admin/")
            page.fill("#id_username", "boss")
            page.fill("#id_password", "secret")
            page.click("[type=submit]")
            page.goto(f"{QUEUE}review/")
            page.wait_for_selector("article.cat-bigcard:not([hidden])")
            for number in range(DECISIONS):
                page.wait_for_selector("article.cat-bigcard:not([hidden]):not([data-fresh])")
                times.append(page.evaluate(NEXT_CARD, "2" if number % 3 else "1"))
                page.wait_for_timeout(400)
            browser.close()
    finally:
        StaticLiveServerTestCase.tearDownClass()
    p95 = statistics.quantiles(times, n=20)[-1]
    print(
        f"in the browser, from the key to the next card laid out: p50 {statistics.median(times):.0f} ms, "
        f"p95 {p95:.0f} ms, worst {max(times):.0f} ms of {len(times)}"
    )


NEXT_CARD = """(key) => new Promise((done) => {
    const shown = () => document.querySelector('article.cat-bigcard:not([hidden])');
    const before = shown(), started = performance.now();
    const look = () => (shown() && shown() !== before && shown().getBoundingClientRect().height > 0)
        ? done(performance.now() - started) : requestAnimationFrame(look);
    document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    look();
})"""


if __name__ == "__main__":
    main()
