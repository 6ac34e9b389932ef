"""Pictures of categories: which are taken for which, and how products lie on a map."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.taxonomy import split_path
from training.data import LabelledRow
from training.outcomes import NO_ANSWER, Outcomes
from training.plots import Plot, Theme, distinct, draw, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MATRIX = 25
"""Most categories that a matrix shows legibly; of more, the commonest confusions are listed."""
LISTED = 20
MAP_ROWS = 1500
LEAST_MAP_ROWS = 30
"""A map of fewer products says nothing."""
_PRINCIPAL = 50
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Products of one category for which another one is the best answer."""

    label: str
    """The path that is right."""
    answer: str
    """The path that was answered."""
    rows: int


def confusions(outcomes: Outcomes) -> list[Confusion]:
    """Every pair that occurs, the commonest first."""
    wrong = outcomes.read & ~outcomes.right
    pairs = Counter(zip(outcomes.truth[wrong].tolist(), outcomes.classes[wrong, 0].tolist(), strict=True))
    found = [
        Confusion(label=outcomes.paths[label], answer=outcomes.paths[answer], rows=rows)
        for (label, answer), rows in pairs.items()
    ]
    return sorted(found, key=lambda pair: (-pair.rows, pair.label, pair.answer))


def confusion_plot(outcomes: Outcomes, pairs: Sequence[Confusion]) -> Plot | None:
    """A matrix where the categories are few, else the commonest of `pairs`; None where nothing is wrong."""
    answered = outcomes.classes[outcomes.read, 0]
    occurring = sorted({*outcomes.truth.tolist(), *answered.tolist()}, key=outcomes.paths.__getitem__)
    if not pairs:
        return None
    worst = "; ".join(f"{pair.rows} of {pair.label} taken for {pair.answer}" for pair in pairs[:5])
    if len(occurring) <= MATRIX:
        return _matrix(outcomes, occurring, worst)
    repeated = [pair for pair in pairs if pair.rows > 1]
    return _bars((repeated or pairs)[:LISTED], worst)


def _matrix(outcomes: Outcomes, occurring: Sequence[int], worst: str) -> Plot:
    place = {index: number for number, index in enumerate(occurring)}
    counts = np.zeros((len(occurring), len(occurring)), np.int64)
    for label, answer in zip(outcomes.truth.tolist(), outcomes.classes[:, 0].tolist(), strict=True):
        if answer != NO_ANSWER:
            counts[place[label], place[answer]] += 1
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    names = distinct([outcomes.paths[index] for index in occurring])

    def paint(axes: "Axes", theme: Theme) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        ramp = LinearSegmentedColormap.from_list("ramp", [theme.surface, theme.main])
        axes.imshow(shares, cmap=ramp, vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="the model's answer", ylabel="the right category")
        for (row, column), rows in np.ndenumerate(counts):
            if rows:
                red, green, blue, _ = ramp(shares[row, column])
                bright = 0.3 * red + 0.6 * green + 0.1 * blue > 0.5
                axes.text(
                    column,
                    row,
                    str(rows),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="#000000" if bright else "#ffffff",
                )

    side = 3.2 + 0.3 * len(names)
    return draw(
        "confusion",
        "Which categories are taken for which",
        f"Matrix of {len(names)} categories, right category by answer. Most often: {worst}.",
        paint,
        size=(side, side),
    )


def _bars(pairs: Sequence[Confusion], worst: str) -> Plot:
    def name(pair: Confusion) -> str:
        label, answer = distinct([pair.label, pair.answer])
        return f"{label}  →  {answer}"

    def paint(axes: "Axes", theme: Theme) -> None:
        places = range(len(pairs))
        bars = axes.barh(places, [pair.rows for pair in pairs], color=theme.main, height=0.7)
        axes.bar_label(bars, padding=3)
        axes.set_yticks(places, [name(pair) for pair in pairs], color=theme.ink)
        axes.invert_yaxis()
        axes.xaxis.set_visible(False)
        axes.spines[["bottom"]].set_visible(False)
        axes.figure.suptitle("right category  →  the model's answer: number of products", fontsize=10)

    return draw(
        "confusion",
        "Which categories are taken for which",
        f"Bars of the {len(pairs)} commonest confusions. Most often: {worst}.",
        paint,
        size=(9.0, 1.0 + 0.3 * len(pairs)),
    )


def embeddings(
    classifier: ProductionClassifier, rows: Sequence[LabelledRow]
) -> tuple[NDArray[np.float32], str]:
    """What places a product beside others for this model, shape (rows, width), and what it is, in words.

    The vectors of its encoder where it has one, else its scores for every class, each row moved to a mean of
    0: a softmax does not see what all scores of a row have in common.
    """
    products = [row.fields() for row in rows]
    vectors = classifier.embed(products)
    if vectors is not None:
        return vectors, "the text encoder's own vectors"
    scores = classifier.class_scores(products)
    scores -= scores.mean(axis=1, keepdims=True)
    return scores, "the model's scores for every category"


def map_plot(outcomes: Outcomes, classifier: ProductionClassifier) -> Plot | None:
    """A t-SNE map (van der Maaten and Hinton, 2008) of at most `MAP_ROWS` rows; None for too few.

    Cost: about ten seconds. Same rows, same map.
    """
    readable = np.flatnonzero(outcomes.read)
    if len(readable) < LEAST_MAP_ROWS:
        return None
    chosen = np.sort(
        np.random.default_rng(_SEED).choice(readable, min(MAP_ROWS, len(readable)), replace=False)
    )
    vectors, basis = embeddings(classifier, [outcomes.rows[row] for row in chosen.tolist()])
    places = _flat(vectors)
    branches = [split_path(outcomes.paths[label])[0] for label in outcomes.truth[chosen].tolist()]
    if len({*branches}) == 1:
        branches = [outcomes.paths[label] for label in outcomes.truth[chosen].tolist()]
    wrong = ~outcomes.right[chosen]
    common = [branch for branch, _ in Counter(branches).most_common(8)]

    def paint(axes: "Axes", theme: Theme) -> None:
        colour = dict(zip(common, theme.groups, strict=False))
        for branch in (None, *common):
            here = np.array([(own if own in colour else None) == branch for own in branches])
            if here.any():
                axes.scatter(
                    places[here, 0],
                    places[here, 1],
                    s=9,
                    linewidths=0,
                    color=theme.muted if branch is None else colour[branch],
                    alpha=0.8,
                    label="all others" if branch is None else shorten(branch),
                )
        axes.scatter(
            places[wrong, 0],
            places[wrong, 1],
            s=26,
            marker="x",
            color=theme.ink,
            linewidths=0.9,
            label="wrong answer",
        )
        axes.set_axis_off()
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles, labels, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.8)

    drawn = draw(
        "map",
        "A map of the products",
        f"Scatter of {len(chosen):,} products by {basis}, coloured by branch "
        f"({', '.join(common)}); {int(wrong.sum()):,} crosses mark wrong answers.",
        paint,
        size=(9.0, 5.6),
    )
    return replace(drawn, caption=f"Placed by {basis}.")


def _flat(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    parts = min(_PRINCIPAL, *scores.shape)
    reduced = PCA(parts, random_state=_SEED).fit_transform(scores)
    perplexity = min(30.0, (len(scores) - 1) / 3)
    flat = TSNE(2, init="pca" if parts > 1 else "random", perplexity=perplexity, random_state=_SEED)
    return np.asarray(flat.fit_transform(reduced), np.float32)
