"""A shop made of a real catalogue, its model, and a reviewer who is never wrong."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.ranking import Tree, rank
from apps.categories.inference.review_value import ReviewValue, behind
from apps.categories.inference.taxonomy import Taxonomy
from apps.categories.inference.text import group_key, product_text, title_key
from benchmarks import catalogues
from training import calibration
from training.backends import linear
from training.backends.linear import LinearOptions
from training.data import LabelledRow
from training.splits import fold, position

Places = NDArray[np.int64]

RECIPE = LinearOptions(segments=(("title", "brand"),))
FOLDS = 2
"""Of the out-of-fold scores behind the calibration: few, since they are made anew after every round."""


@dataclass(frozen=True, kw_only=True)
class Shop:
    """One catalogue, parted by title group. Everything but the parts is one a row."""

    titles: list[str]
    tokens: list[linear.Tokens]
    labels: Places
    """Places in `codes`."""
    codes: list[str]
    paths: list[str]
    groups: list[str]
    weights: NDArray[np.float64]
    """The prices, where the catalogue has them; else 1."""
    start: Places
    """Labelled from the beginning."""
    pool: Places
    """To be reviewed, the oldest first."""
    test: Places


def open_shop(name: str, seed: int, *, rows: int, start: float) -> Shop:
    """The catalogue as a shop: at most `rows` products outside the test part, `start` of the groups labelled.

    Titles that the source files under several paths are left out: the reviewer could not say which is right.
    """
    every = catalogues.load(name)
    prices = catalogues.prices(name)
    labels: dict[str, set[str]] = {}
    for row in every:
        labels.setdefault(title_key(row.title), set()).add(row.category_path)
    clear = [row for row in every if len(labels[title_key(row.title)]) == 1]
    split = catalogues.split(clear, seed)
    known = sorted(split.train, key=lambda row: position(group_key(row.title), salt=f"part {seed}"))[:rows]
    # The order of the file, which the source's preparation has shuffled, is that of arrival.
    kept: list[LabelledRow] = [*sorted(known, key=lambda row: row.line), *split.test]
    groups = [group_key(row.title) for row in kept]
    first = np.array([position(group, salt=f"start {seed}") < start for group in groups])
    here = np.arange(len(kept)) < len(known)
    codes = sorted({row.category_code for row in kept})
    place = {code: number for number, code in enumerate(codes)}
    paths = {row.category_code: row.category_path for row in kept}
    known_prices = [prices[row.line] for row in kept if row.line in prices]
    usual = sum(known_prices) / len(known_prices) if known_prices else 1.0
    return Shop(
        titles=[row.title for row in kept],
        tokens=linear.tokenise([product_text(row.fields(), RECIPE.segments) for row in kept]),
        labels=np.array([place[row.category_code] for row in kept]),
        codes=codes,
        paths=[paths[code] for code in codes],
        groups=groups,
        weights=np.array([prices.get(row.line, usual) for row in kept]),
        start=np.flatnonzero(here & first),
        pool=np.flatnonzero(here & ~first),
        test=np.flatnonzero(~here),
    )


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The model's first candidates."""

    tops: Places
    """Places in the shop's `codes`."""
    confidences: NDArray[np.float64]
    """Calibrated, 0 to 1."""


def answers(shop: Shop, labelled: Places, asked: Places, *, seed: int) -> Answers:
    """What the linear family, fitted and calibrated on the labelled rows, says of others."""
    names, labels = np.unique(shop.labels[labelled], return_inverse=True)
    codes = [shop.codes[number] for number in names]
    tree = Tree(Taxonomy.covering({shop.codes[n]: shop.paths[n] for n in names}), codes)
    tokens = [shop.tokens[place] for place in labelled]
    ones = np.ones(len(labelled))
    parts = np.array([fold(shop.groups[place], FOLDS, seed=seed) for place in labelled])

    def fit(inside: NDArray[np.bool_]) -> linear.LinearFit:
        chosen = np.flatnonzero(inside)
        return linear.fit(
            [tokens[i] for i in chosen], labels[chosen], ones[chosen], RECIPE, classes=len(codes), seed=seed
        )

    scores = np.zeros((len(labelled), len(codes)), np.float32)
    for part in range(FOLDS):
        held = parts == part
        scores[held] = fit(~held).scores([tokens[i] for i in np.flatnonzero(held)])
    found = calibration.calibrate(scores, labels, parts, ones, tree, k=2).calibration
    final = fit(np.ones(len(labelled), bool))
    ranked = rank(
        final.scores([shop.tokens[place] for place in asked]), np.ones(len(asked), bool), found, k=2
    )
    return Answers(tops=names[ranked.classes[:, 0]], confidences=ranked.confidences[:, 0].astype(np.float64))


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What is left of the pool, as an order sees it; one entry a product."""

    shop: Shop
    labelled: Places
    places: Places
    """In the shop, the oldest first."""
    answers: Answers
    number: int
    """Of the round."""


Order = Callable[[Waiting], Places]
"""Puts what waits in order: the places in `Waiting.places`, what to decide first in front."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a review went; one entry a round, the first before any decision."""

    decisions: list[int]
    accuracies: list[float]
    """Top-1 of the test part."""
    removed: list[float]
    """Weighted errors removed so far."""


def review(shop: Shop, order: Order, *, step: int, rounds: int, seed: int, settle: bool = True) -> Course:
    """`rounds` times: train, put what waits in order, decide `step` times.

    A decision labels the product, and, with `settle`, those of its near-duplicates that wait and belong to
    the same category: the reviewer is shown them all and unticks the others.
    """
    labelled, waiting = shop.start, shop.pool
    course = Course(decisions=[], accuracies=[], removed=[])
    decided, removed = 0, 0.0
    for number in range(rounds + 1):
        found = answers(shop, labelled, np.concatenate([waiting, shop.test]), seed=seed)
        right = found.tops == shop.labels[np.concatenate([waiting, shop.test])]
        course.decisions.append(decided)
        course.accuracies.append(float(right[len(waiting) :].mean()))
        course.removed.append(removed)
        if number == rounds:
            break
        here = Answers(tops=found.tops[: len(waiting)], confidences=found.confidences[: len(waiting)])
        places = order(Waiting(shop=shop, labelled=labelled, places=waiting, answers=here, number=number))
        alike: dict[object, list[int]] = {}
        for spot, place in enumerate(waiting.tolist()):
            alike.setdefault((shop.groups[place], int(shop.labels[place])) if settle else place, []).append(
                spot
            )
        done = np.zeros(len(waiting), bool)
        left = step
        for spot in places.tolist():
            if done[spot] or not left:
                continue
            place = int(waiting[spot])
            settled = alike[(shop.groups[place], int(shop.labels[place])) if settle else place]
            removed += sum(float(shop.weights[waiting[s]]) for s in settled if not right[s])
            done[settled] = True
            left -= 1
            decided += 1
        labelled, waiting = np.concatenate([labelled, waiting[done]]), waiting[~done]
    return course


def by_value(waiting: Waiting) -> Places:
    """The queue's own rule: one of each cluster by what it is worth, the others behind."""
    shop, places = waiting.shop, waiting.places.tolist()
    doubts = (1 - waiting.answers.confidences).tolist()
    weights = shop.weights[waiting.places] / (shop.weights[waiting.places].mean() or 1.0)
    wrong: defaultdict[str, float] = defaultdict(float)
    first: dict[str, int] = {}
    for spot, place in enumerate(places):
        wrong[shop.groups[place]] += doubts[spot]
        first.setdefault(shop.groups[place], spot)
    rule = ReviewValue()
    for spot in first.values():
        rule.add_waiting(shop.titles[places[spot]], doubts[spot])
    for place in waiting.labelled.tolist():
        rule.add_label(shop.titles[place])
    priorities = np.zeros(len(places))
    for spot in np.argsort(waiting.answers.confidences, kind="stable").tolist():
        group, weight = shop.groups[places[spot]], float(weights[spot])
        if first[group] == spot:
            title = shop.titles[places[spot]]
            priorities[spot] = rule.worth(title, doubts[spot], wrong=wrong[group], weight=weight)
        else:
            priorities[spot] = behind(wrong[group] * weight)
    return np.argsort(-priorities, kind="stable")


def newest(waiting: Waiting) -> Places:
    """What came last."""
    return np.argsort(-waiting.places, kind="stable")


def least_sure(waiting: Waiting) -> Places:
    """The least confident first candidate."""
    return np.argsort(waiting.answers.confidences, kind="stable")


def at_random(waiting: Waiting) -> Places:
    """Any."""
    return np.random.default_rng(waiting.number).permutation(len(waiting.places))
