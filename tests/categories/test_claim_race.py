"""Reviewers who ask at the same moment, each on a connection of their own, in the site's real database."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .test_kill import Shop

REVIEWERS, ROUNDS = 4, 40

# Everything waits in clusters of three near-duplicates.
FILL = """
from django.contrib.auth.models import User
from apps.categories import services
from tests.categories.waiting import put_in_queue

for number in range(4):
    User.objects.create(username=f"r{number}")
put_in_queue([f"{word} drill {size} mm" for word in ("red", "blue", "green") for size in (1, 2, 3)])
services.priorities_refresh()
"""

RACE = f"""
import json, threading
from concurrent.futures import ThreadPoolExecutor
from django.contrib.auth.models import User
from django.db import connection
from apps.categories import services
from apps.categories.models import Suggestion

people = list(User.objects.order_by("pk"))
barrier = threading.Barrier({REVIEWERS}, timeout=60)
rounds = []

def review(number):
    try:
        for turn in range({ROUNDS}):
            if barrier.wait() == 0:
                Suggestion.objects.update(claimed_by=None, claimed_until=None)
                rounds.append([])
            barrier.wait()
            order = ("value", "oldest")[turn % 2]
            for row in services.claim_next(people[number], order=order, count=1 + turn % 3):
                rounds[-1].append((number, row.pk, row.cluster))
    finally:
        connection.close()

with ThreadPoolExecutor({REVIEWERS}) as pool:
    for done in [pool.submit(review, number) for number in range({REVIEWERS})]:
        done.result()
print(json.dumps(rounds))
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path, tmp_path / "none.pt", FILL)
    yield shop
    shop.drop()


def test_no_two_reviewers_are_handed_the_same_product_or_its_near_duplicate(shop: Shop) -> None:
    rounds = json.loads(shop.run("manage.py", "shell", "-v0", "-c", RACE))

    assert len(rounds) == ROUNDS
    for handed in rounds:
        holders: dict[Any, set[int]] = {}
        for number, pk, cluster in handed:
            holders.setdefault(pk, set()).add(number)
            holders.setdefault(cluster, set()).add(number)
        assert {thing: who for thing, who in holders.items() if len(who) > 1} == {}
        assert handed, "somebody was handed something"
