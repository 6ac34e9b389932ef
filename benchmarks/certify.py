"""Whether the promise holds: calibration, certified bars, back-off and unknown products, on real catalogues.

    python -m benchmarks.certify [CATALOGUE …] [--draws 200]

Scores are made once, by models that had not seen the rows (4 folds by title group; a fixed recipe), and kept
in outputs/benchmarks/certify; everything after them is the code that training runs. A draw parts the title
groups at random into two halves: one calibrates and certifies, the other is filed by it. The temperature, one
number, is fitted once on all rows. "clear" rows are those that benchmarks.accuracy scores: no title under
several paths, no path with fewer than 4 titles.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.decision import ASSIGN
from apps.categories.inference.decisions import decide
from apps.categories.inference.ranking import Calibration, Ranked, Tree, mapped, rank
from apps.categories.inference.taxonomy import Taxonomy, codes_for_paths
from apps.categories.inference.text import product_text, title_key
from benchmarks import catalogues
from training import data as checks
from training import thresholds
from training.backends import linear
from training.backends.linear import LinearOptions
from training.calibration import PARTS, calibrate, fit_maps, fit_scale, fit_without_each, joined
from training.data import TrainingData
from training.splits import fold, position
from training.thresholds import Threshold

KEPT = Path("outputs/benchmarks/certify")
NAMES = ("ferreteria_es", "mercadona_es", "amazon_reviews", "flipkart", "fashion", "bigbasket")
FIELDS = {
    "ferreteria_es": ("title", "brand", "description"),
    "mercadona_es": ("title", "description"),
    "ikea": ("title", "description"),
    "amazon_reviews": ("title", "description"),
    "flipkart": ("title", "brand"),
    "bigbasket": ("title", "brand"),
}
FOLDS = 4
LEFT_OUT = 3
"""How many times a fifth of the top-level categories is left out of training."""
TARGET = 0.95


@dataclass(frozen=True, kw_only=True)
class Held:
    """Scored rows that the scoring models had not seen."""

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    weights: NDArray[np.float64]
    clear: NDArray[np.bool_]
    unseen: NDArray[np.bool_]
    """Rows of categories that were left out of training; their label is −1."""
    paths: NDArray[np.str_]
    """Of the classes."""

    def tree(self) -> Tree:
        """Where the rows can be filed."""
        codes = codes_for_paths(self.paths.tolist())
        classes = {codes[path]: path for path in self.paths.tolist()}
        return Tree(Taxonomy.covering(classes), list(classes))


def held(name: str) -> Held:
    """The out-of-fold scores of a catalogue, made where they are not kept."""
    path = KEPT / f"{name}.npz"
    if not path.exists():
        data, options, tokens = _prepared(name)
        labels = np.asarray(data.labels, np.int64)
        folds = np.array([fold(group, FOLDS) for group in data.groups])
        scores = np.zeros((len(labels), len(data.classes)), np.float32)
        for number in range(FOLDS):
            out = np.flatnonzero(folds == number)
            fitted = _fit(data, options, tokens, np.flatnonzero(folds != number))
            scores[out] = fitted.scores([tokens[i] for i in out])
            print(f"{name}: scores of part {number + 1} of {FOLDS}", flush=True)
        _keep(path, data, scores, labels, np.arange(len(labels)), np.zeros(len(labels), bool), _paths(data))
    return _read(path)


def left_out(name: str, number: int) -> Held:
    """Scores of rows of categories that the model was not shown, and of a fold of rows of those it was."""
    path = KEPT / f"{name}.left{number}.npz"
    if not path.exists():
        data, options, tokens = _prepared(name)
        paths = _paths(data)
        tops = np.array([path.split(" > ")[0] for path in paths])
        order = sorted(set(tops.tolist()), key=lambda top: position(top, salt="left"))
        many = max(1, round(len(order) / 5))
        gone = np.isin(tops, order[number * many : (number + 1) * many])
        labels = np.asarray(data.labels, np.int64)
        unseen = gone[labels]
        out = np.array([fold(group, FOLDS) == number for group in data.groups]) | unseen
        fitted = _fit(data, options, tokens, np.flatnonzero(~out))
        scores = fitted.scores([tokens[i] for i in np.flatnonzero(out)])[:, ~gone]
        new = np.full(len(paths), -1)
        new[~gone] = np.arange(int((~gone).sum()))
        _keep(path, data, scores, new[labels], np.flatnonzero(out), unseen, paths[~gone])
        print(f"{name}: without {', '.join(sorted(set(tops[gone].tolist())))}", flush=True)
    return _read(path)


def _prepared(name: str) -> tuple[TrainingData, LinearOptions, list[linear.Tokens]]:
    data = checks.validate(catalogues.load(name))
    segments = tuple((field,) for field in FIELDS.get(name, ("title",)))
    options = LinearOptions(segments=segments, segment_weights=(1.0, *[0.8] * (len(segments) - 1)))
    return data, options, linear.tokenise([product_text(row.fields(), segments) for row in data.rows])


def _fit(
    data: TrainingData, options: LinearOptions, tokens: list[linear.Tokens], rows: NDArray[np.int64]
) -> linear.LinearFit:
    labels, weights = np.asarray(data.labels, np.int64), np.asarray(data.weights)
    chosen = [tokens[i] for i in rows]
    return linear.fit(chosen, labels[rows], weights[rows], options, classes=len(data.classes), seed=0)


def _paths(data: TrainingData) -> NDArray[np.str_]:
    paths = {row.category_code: row.category_path for row in data.rows}
    return np.array([paths[code] for code in data.classes])


def _keep(
    path: Path,
    data: TrainingData,
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    unseen: NDArray[np.bool_],
    paths: NDArray[np.str_],
) -> None:
    titles: defaultdict[str, set[str]] = defaultdict(set)
    for row in data.rows:
        titles[row.category_path].add(title_key(row.title))
    clear = [
        not contradictory and len(titles[row.category_path]) >= catalogues.LEAST_TITLES
        for row, contradictory in zip(data.rows, data.contradictory, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        scores=scores,
        labels=labels[rows],
        groups=np.unique(np.asarray(data.groups), return_inverse=True)[1][rows],
        weights=np.asarray(data.weights)[rows],
        clear=np.asarray(clear)[rows],
        unseen=unseen[rows],
        paths=paths,
    )


def _read(path: Path) -> Held:
    with np.load(path) as found:
        return Held(**{field.name: found[field.name] for field in dataclasses.fields(Held)})


def _ranked(rows: Held, tree: Tree, fitted_on: NDArray[np.bool_]) -> tuple[Ranked, float]:
    """Under the temperature alone, and that temperature's scale."""
    scale = fit_scale(rows.scores[fitted_on], rows.labels[fitted_on], rows.weights[fitted_on])
    read = np.ones(len(rows.labels), bool)
    return rank(rows.scores.copy(), read, Calibration(scale=scale), k=5, tree=tree), scale


def _calibrated(
    plain: Ranked, labels: NDArray[np.int64], groups: NDArray[np.int64], tree: Tree, scale: float
) -> tuple[Calibration, Ranked]:
    """The maps of these rows, and each row under maps of other title groups, to certify on."""
    parts = _parts(groups)
    fits = fit_without_each(plain, labels, parts, tree, scale=scale)
    return fit_maps(plain, labels, tree, scale=scale), joined(plain, parts, fits)


def _parts(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.random.default_rng(0).integers(0, PARTS, int(groups.max()) + 1)[groups])


def _side(groups: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Half of the groups, drawn at random."""
    return np.asarray(np.random.default_rng(seed).random(int(groups.max()) + 1)[groups] < 0.5)


def oracle(confidences: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """The coverage of the best threshold that the labels themselves would choose."""
    order = np.argsort(-confidences, kind="stable")
    precise = np.cumsum(right[order]) / np.arange(1, len(order) + 1) >= TARGET
    return float(np.flatnonzero(precise)[-1] + 1) / len(order) if precise.any() else 0.0


def calibration_error(name: str) -> None:
    """Print how far confidences are off, each row under maps of other title groups."""
    rows = held(name)
    parts = _parts(rows.groups)
    found = calibrate(rows.scores, rows.labels, parts, rows.weights, rows.tree(), k=5)
    print(
        f"| {name} | {len(parts):,} | {found.error_temperature:.4f} | {found.error_after:.4f} | "
        f"{found.expected_error:.4f} | {found.brier_temperature:.4f} | {found.brier_after:.4f} |",
        flush=True,
    )


def promise(name: str, draws: int, *, clear: bool) -> None:
    """Print what the certified bars do on the half that they were not certified on."""
    rows, tree = held(name), held(name).tree()
    plain, scale = _ranked(rows, tree, np.ones(len(rows.labels), bool))
    wanted = np.flatnonzero(rows.clear) if clear else np.arange(len(rows.labels))
    plain, labels, groups = plain[wanted], rows.labels[wanted], rows.groups[wanted]
    drawn: defaultdict[str, list[float]] = defaultdict(list)
    for seed in range(draws):
        side = _side(groups, seed)
        maps, certified = _calibrated(plain[side], labels[side], groups[side], tree, scale)
        fresh = mapped(plain[~side], maps)
        bars, _ = thresholds.choose(certified, labels[side], groups[side], tree, target=TARGET)
        for key, value in _draw(bars, fresh, labels[~side], tree).items():
            drawn[key].append(value)
        drawn["rows"].append(float(side.sum()))
        drawn["temperature"].append(
            oracle(plain.confidences[~side, 0], plain.classes[~side, 0] == labels[~side])
        )
    mean: Mapping[str, Any] = {key: float(np.mean(values)) for key, values in drawn.items()}
    close = np.abs(np.subtract(drawn["reported"], drawn["coverage"]))
    ratios = np.divide(drawn["leaf"], drawn["oracle"])
    print(
        f"| {name}, {'clear' if clear else 'all'} | {mean['rows']:,.0f} | {1 - mean['short']:.3f} | "
        f"{mean['precision']:.4f} (p5 {np.quantile(drawn['precision'], 0.05):.4f}) | "
        f"{mean['reported']:.3f} / {mean['coverage']:.3f} ({np.mean(close <= 0.02):.2f}) | "
        f"{mean['temperature']:.3f} | {mean['oracle']:.3f} | {mean['leaf']:.3f} | {ratios.mean():.3f} | "
        f"{mean['alone']:.3f} | {mean['coverage']:.3f} | "
        f"{1 - (1 - mean['coverage']) / (1 - mean['alone']):.1%} |",
        flush=True,
    )


def _draw(bars: Threshold, fresh: Ranked, labels: NDArray[np.int64], tree: Tree) -> dict[str, float]:
    decisions = decide(fresh, bars.policy(), tree)
    done = thresholds.filed(decisions)
    wrong = ~thresholds.right_ones(decisions, fresh, labels, tree)[done]
    # The same bars without back-off, for what it adds.
    alone = decide(fresh, dataclasses.replace(bars, parent=None).policy(), tree)
    best = thresholds.precision_ceiling(len(wrong), int(wrong.sum()))
    return {
        "short": float(not done.any() or best < TARGET),
        "precision": 1 - float(wrong.mean()) if done.any() else 0.0,
        "reported": bars.coverage,
        "coverage": float(done.mean()),
        "leaf": float((decisions.actions == ASSIGN).mean()),
        "alone": float(thresholds.filed(alone).mean()),
        "oracle": oracle(fresh.confidences[:, 0], fresh.classes[:, 0] == labels),
    }


def unknown(name: str) -> None:
    """Print what becomes of products of categories that the model was never shown."""
    weights, seen, gated, extra = [], [], [], []
    for number in range(LEFT_OUT):
        rows = left_out(name, number)
        tree, side = rows.tree(), _side(rows.groups, 0)
        mine, other = ~rows.unseen & side, ~rows.unseen & ~side
        plain, scale = _ranked(rows, tree, mine)
        labels, groups = rows.labels[mine], rows.groups[mine]
        maps, certified = _calibrated(plain[mine], labels, groups, tree, scale)
        ranked = mapped(plain, maps)
        bars, _ = thresholds.choose(certified, labels, groups, tree, target=TARGET)
        done = thresholds.filed(decide(ranked, bars.policy(), tree))
        open_ = thresholds.filed(decide(ranked, dataclasses.replace(bars, familiar=None).policy(), tree))
        weights.append(int(rows.unseen.sum()))
        seen.append(1 - float(open_[rows.unseen].mean()))
        gated.append(1 - float(done[rows.unseen].mean()))
        extra.append(float(open_[other].mean() - done[other].mean()))
    each = ", ".join(f"{share:.2f}" for share in gated)
    print(
        f"| {name} | {sum(weights):,} | {np.average(seen, weights=weights):.3f} | "
        f"{np.average(gated, weights=weights):.3f} ({each}) | {np.mean(extra):.3f} |",
        flush=True,
    )


def main() -> None:
    """Read the command line."""
    parser = catalogues.arguments("Calibration, certified bars, back-off and unknown products.")
    parser.add_argument("--draws", type=int, default=200)
    options = parser.parse_args()
    names = options.names or NAMES
    print("| catalogue | rows | temperature alone | ECE | by chance | Brier, temperature alone | after |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        calibration_error(name)
    print(
        "\n| catalogue, rows | rows that certify | draws that keep the promise | precision | coverage, "
        "said / found (within 2 points) | leaf: oracle of the temperature | oracle | certified | "
        "of the oracle | without back-off | with | fewer for people |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in names:
        promise(name, options.draws, clear=False)
        promise(name, options.draws, clear=True)
    print("\n| catalogue | unseen | to people without the gate | with it (each) | more of the known ones |")
    print("|---|---|---|---|---|")
    for name in names:
        if len({path.split(" > ")[0] for path in held(name).paths.tolist()}) > LEFT_OUT:
            unknown(name)


if __name__ == "__main__":
    main()
