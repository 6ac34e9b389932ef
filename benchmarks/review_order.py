"""The orders of the review queue, by a simulated reviewer on four real catalogues.

    python -m benchmarks.review_order [CATALOGUE …] [--alone] [--report]

Catalogues, seeds and every other constant below were fixed before the first run. The rule of the order by
value was chosen on other catalogues (ferreteria_es, amazon_reviews, fashion, pricerunner) and other seeds.

The shop: at most ROWS products of the training part of a split of the catalogue, START of their title groups
labelled, the rest the pool. Titles under several paths are left out, since a reviewer could not say which
is right. The model is the linear family with the project's calibration, fitted anew on all labels so far
after every STEP of the pool's clusters; each product of the pool is filed at its first candidate, and the
reviewer goes through the pool in the order in question, which is made anew too. One decision tells the truth
about a product and, in every order, about those of its near-duplicates that belong to the same category
(--alone: about the product only). The file's order, which is shuffled, is that of arrival.

Labels: decisions until the top-1 on the test part, the mean of the seeds, has come HALF_WAY from the first
model's to that of a model with the whole pool's labels. Errors removed: products whose first candidate was
wrong at the moment of the decision that settled them, weighed by their price in units of the pool's mean
price (1 without prices), per 100 decisions of the first ERROR_ROUNDS.

Results are kept a course at a time in outputs/benchmarks/review_order, so that a run that was stopped goes
on; --report prints the table from there.
"""

import json
import statistics
from pathlib import Path
from typing import TypedDict

import numpy as np

from benchmarks import catalogues
from benchmarks.reviewing import (
    Order,
    Shop,
    answers,
    at_random,
    by_value,
    least_sure,
    newest,
    open_shop,
    review,
)

RESULTS = Path("outputs/benchmarks/review_order")
NAMES = ("mercadona_es", "flipkart", "bigbasket", "ikea")
SEEDS = (11, 12, 13)
ROWS = 1500
START = 0.15
STEP = 0.05
ROUNDS = 10
HALF_WAY = 0.5
ERROR_ROUNDS = 4
"""A fifth of the pool's clusters: what is wrong there does not run out."""
AIM = 0.2
ORDERS: dict[str, Order] = {
    "value": by_value,
    "random": at_random,
    "unsure": least_sure,
    "newest": newest,
}


class Kept(TypedDict):
    """One course of one order; lists have one entry a round, the first before any decision."""

    decisions: list[int]
    accuracies: list[float]
    removed: list[float]
    mean_weight: float
    whole: float
    """Top-1 of the model with all labels of the pool."""


def run(name: str, *, settle: bool) -> None:
    """Measure what is not kept yet."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        missing = [order for order in ORDERS if not _path(name, seed, order, settle).exists()]
        if not missing:
            continue
        shop = open_shop(name, seed, rows=ROWS, start=START)
        whole = _whole(shop, seed)
        step = round(STEP * len({(shop.groups[place], shop.labels[place]) for place in shop.pool.tolist()}))
        for order in missing:
            course = review(shop, ORDERS[order], step=step, rounds=ROUNDS, seed=seed, settle=settle)
            kept: Kept = {
                "decisions": course.decisions,
                "accuracies": course.accuracies,
                "removed": course.removed,
                "mean_weight": float(shop.weights[shop.pool].mean()),
                "whole": whole,
            }
            _path(name, seed, order, settle).write_text(json.dumps(kept))
            print(
                f"{name} seed {seed} {order}: top-1 {course.accuracies[0]:.3f} to "
                f"{course.accuracies[-1]:.3f} of {whole:.3f} in {course.decisions[-1]} decisions",
                flush=True,
            )


def _whole(shop: Shop, seed: int) -> float:
    found = answers(shop, np.concatenate([shop.start, shop.pool]), shop.test, seed=seed)
    return float((found.tops == shop.labels[shop.test]).mean())


def _path(name: str, seed: int, order: str, settle: bool) -> Path:
    return RESULTS / f"{name}.{seed}.{order}{'' if settle else '.alone'}.json"


def labels_needed(decisions: list[float], accuracies: list[float], target: float) -> float:
    """Decisions until the accuracy first reaches the target, on straight lines between rounds; infinite where
    it never does."""
    for place in range(len(accuracies)):
        if accuracies[place] >= target:
            if not place:
                return float(decisions[0])
            low, high = accuracies[place - 1 : place + 1]
            part = (target - low) / (high - low)
            return decisions[place - 1] + part * (decisions[place] - decisions[place - 1])
    return float("inf")


def figures(courses: dict[str, list[Kept]]) -> dict[str, tuple[float, float]]:
    """Order → labels needed, weighted errors removed per 100 decisions; each over all seeds."""
    first = next(iter(courses.values()))
    start = statistics.mean(course["accuracies"][0] for course in first)
    whole = statistics.mean(course["whole"] for course in first)
    found = {}
    for order, kept in courses.items():
        decisions = np.mean([course["decisions"] for course in kept], axis=0).tolist()
        accuracies = np.mean([course["accuracies"] for course in kept], axis=0).tolist()
        rates = [
            100 * course["removed"][ERROR_ROUNDS] / course["decisions"][ERROR_ROUNDS] / course["mean_weight"]
            for course in kept
        ]
        target = start + HALF_WAY * (whole - start)
        found[order] = labels_needed(decisions, accuracies, target), statistics.mean(rates)
    return found


def report(*, settle: bool) -> None:
    """Print the table of everything that is kept, and how often and by how much the value order wins."""
    print(f"| catalogue | {' | '.join(ORDERS)} | fewer labels | more errors |")
    print("|---|" + "---|" * (len(ORDERS) + 2))
    fewer, more = [], []
    for name in catalogues.NAMES:
        paths = {order: [_path(name, seed, order, settle) for seed in SEEDS] for order in ORDERS}
        if not all(path.exists() for each in paths.values() for path in each):
            continue
        found = figures(
            {order: [json.loads(path.read_text()) for path in each] for order, each in paths.items()}
        )
        labels, errors = found["value"]
        others = [figure for order, figure in found.items() if order != "value"]
        fewer.append(1 - labels / min(other for other, _ in others))
        more.append(errors / max(other for _, other in others) - 1)
        cells = " | ".join(f"{needed:.0f} / {removed:.1f}" for needed, removed in found.values())
        print(f"| {name} | {cells} | {fewer[-1]:+.0%} | {more[-1]:+.0%} |")
    if fewer:
        wins = sum(a > 0 and b > 0 for a, b in zip(fewer, more, strict=True))
        print(
            f"Beside the best of the others, value wins both on {wins} of {len(fewer)}; in the median "
            f"{statistics.median(fewer):+.0%} fewer labels, {statistics.median(more):+.0%} more errors "
            f"removed (aim: {AIM:.0%})."
        )


def main() -> None:
    """Read the command line."""
    parser = catalogues.arguments("The orders of the review queue.")
    parser.add_argument("--alone", action="store_true", help="a decision settles no near-duplicates")
    parser.add_argument("--report", action="store_true", help="only print the table of what is kept")
    options = parser.parse_args()
    if not options.report:
        for name in options.names or NAMES:
            run(name, settle=not options.alone)
    report(settle=not options.alone)


if __name__ == "__main__":
    main()
