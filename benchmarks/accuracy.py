"""Accuracy of our families beside scikit-learn's SVC and random forest and fastText, on the real catalogues.

    python -m benchmarks.accuracy [CATALOGUE …] [--splits 5]
    python -m benchmarks.accuracy [CATALOGUE …] --contenders auto [--base-model minilm]
    python -m benchmarks.accuracy --report

Every contender fits on the same rows and chooses its fields (and C) on the same validation rows; the test
rows of a split are scored once. Results are kept a split at a time in outputs/benchmarks/accuracy, so that a
run that was stopped goes on; --report prints the tables from there.
"""

import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypedDict

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from apps.categories.inference.engines import Engine
from apps.categories.inference.linear import LinearModel
from apps.categories.inference.text import TEXT_FIELDS, Segments, group_key, product_text
from benchmarks import catalogues
from benchmarks.filed import told
from training import data as checks
from training import selection
from training.backends import encoder_family, linear, linear_family
from training.backends.both import pair
from training.backends.candidates import choose
from training.backends.fitted import Fitted
from training.config import TrainingConfig
from training.data import LabelledRow, TrainingData
from training.evaluation import macro_f1

RESULTS = Path("outputs/benchmarks/accuracy")
CONTENDERS = ("linear", "svc", "forest", "fasttext")
TRANSFORMERS = ("distilbert", "cascade", "mean", "auto")
"""All four come of one training; they are in the tables only where they were run."""
COSTS = (0.5, 1.5, 4.0)
BOOTSTRAPS = 2000
TIMED_ROWS = 500


class Outcome(TypedDict):
    """One contender's answers to the test rows of one split."""

    truth: list[str]
    groups: list[str]
    found: list[str]
    chosen: str
    seconds: float


Predict = Callable[[Sequence[str]], list[str]]
Fit = Callable[[Sequence[str], Sequence[str], float], Predict]


def fit_svc(texts: Sequence[str], labels: Sequence[str], cost: float) -> Predict:
    """TF-IDF of words (1, 2) and characters within words (2, 5) under a LinearSVC."""
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    model = make_pipeline(features, LinearSVC(C=cost)).fit(texts, labels)
    return lambda asked: list(model.predict(asked))


def fit_forest(texts: Sequence[str], labels: Sequence[str], _cost: float) -> Predict:
    """A random forest on the counts of the 2,000 commonest words."""
    model = make_pipeline(
        CountVectorizer(max_features=2000), RandomForestClassifier(n_estimators=100, random_state=0)
    ).fit(texts, labels)
    return lambda asked: list(model.predict(asked))


def fit_fasttext(texts: Sequence[str], labels: Sequence[str], _cost: float) -> Predict:
    """fastText, dim 100, word pairs, character n-grams 2 to 5, learning rate 1.

    A fixed number of epochs starves a small catalogue (25 leave mercadona_es at 0.30 top-1, 87 bring 0.72):
    it sees 300,000 rows, in 25 to 100 epochs.
    """
    import fasttext

    epochs = min(100, max(25, round(300_000 / len(texts))))
    names = sorted(set(labels))
    number = {name: place for place, name in enumerate(names)}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        for text, label in zip(texts, labels, strict=True):
            file.write(f"__label__{number[label]} {_line(text)}\n")
        file.flush()
        model = fasttext.train_supervised(
            dim=100,
            wordNgrams=2,
            minn=2,
            maxn=5,
            epoch=epochs,
            lr=1.0,
            thread=1,
            seed=1,
            verbose=0,
        )

    def predict(asked: Sequence[str]) -> list[str]:
        found, _ = model.predict([_line(text) for text in asked])
        return [names[int(label[0].removeprefix("__label__"))] for label in found]

    return predict


PEERS: dict[str, tuple[Fit, tuple[float, ...]]] = {
    "svc": (fit_svc, COSTS),
    "forest": (fit_forest, ()),
    "fasttext": (fit_fasttext, ()),
}


def _line(text: str) -> str:
    return " ".join(text.lower().split())


def peer(
    name: str, data: TrainingData, test: Sequence[LabelledRow], config: TrainingConfig
) -> tuple[list[str], str]:
    """A peer's predictions, and what it chose on the validation rows."""
    fit, costs = PEERS[name]
    splits = selection.validation_splits(data, config)

    def score(recipe: tuple[str, ...], cost: float) -> float:
        rows = data.rows
        truth, found = [], []
        for train, validation in splits:
            predict = fit(
                [product_text(rows[i].fields(), (recipe,)) for i in train],
                [rows[i].category_path for i in train],
                cost,
            )
            truth += [rows[i].category_path for i in validation]
            found += predict([product_text(rows[i].fields(), (recipe,)) for i in validation])
        return _score(truth, found)

    start = 1.5
    recipes = _recipes(data.rows)
    chosen = max(recipes, key=lambda recipe: score(recipe, start)) if len(recipes) > 1 else recipes[0]
    cost = max(costs, key=lambda value: score(chosen, value)) if costs else start
    predict = fit(
        [product_text(row.fields(), (chosen,)) for row in data.rows],
        [row.category_path for row in data.rows],
        cost,
    )
    return predict([product_text(row.fields(), (chosen,)) for row in test]), f"{'+'.join(chosen)} C {cost:g}"


def linear_alone(
    data: TrainingData, test: Sequence[LabelledRow], config: TrainingConfig
) -> tuple[list[str], str]:
    """`linear` as the artifact serves it, and what it chose."""
    options, _ = selection.select(data, config, progress=lambda _: None)
    fitted = linear.fit(
        linear.tokenise([product_text(row.fields(), options.segments) for row in data.rows]),
        np.asarray(data.labels),
        np.asarray(data.weights),
        options,
        classes=len(data.classes),
        seed=config.seed,
    )
    found = _found(LinearModel(fitted.export()), options.segments, data, test)
    recipe = " | ".join("+".join(fields) for fields in options.segments)
    return found, f"{recipe} C {options.cost:g} n-grams {options.gram_share:g} {options.class_weight}"


def transformers(
    data: TrainingData, test: Sequence[LabelledRow], config: TrainingConfig
) -> dict[str, tuple[list[str], str]]:
    """The transformer, the cascade, the mean and what auto keeps of them: one training of both families."""
    first = linear_family.train(data, config, _say)
    second = encoder_family.train_with(data, first.segments, config, _say)
    if second.checkpoints is not None:
        shutil.rmtree(second.checkpoints)
    both = pair(first, second, data, config)
    for candidate in both.candidates.values():
        _say(candidate.say(config.target_precision))
    kept = choose(both.candidates)
    faster = _times_as_fast(both.fitted("cascade"), both.fitted("distilbert"), test)
    answers = {}
    for name in ("distilbert", "cascade", "mean"):
        fitted, candidate = both.fitted(name), both.candidates[name]
        tier = (
            ""
            if candidate.alone is None
            else f", the linear tier answered {candidate.alone:.2f}, {faster:.1f} times as fast"
        )
        answers[name] = (
            _found(fitted.engine(), fitted.segments, data, test),
            f"{second.notes['epochs']:g} epochs{tier}",
        )
    fitted = both.fitted(kept.name)
    answers["auto"] = (
        _found(fitted.engine(), fitted.segments, data, test),
        f"kept {kept.name}, {told(fitted, data, test, config.target_precision)}",
    )
    return answers


def _times_as_fast(one: Fitted, other: Fitted, test: Sequence[LabelledRow]) -> float:
    """How many times the throughput of `other` the one has: the median of five runs of each, in turn."""
    texts = [product_text(row.fields(), one.segments) for row in test][:TIMED_ROWS]
    engines = (one.engine(), other.engine())
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(5):
        for engine, seconds in zip(engines, taken, strict=True):
            started = time.perf_counter()
            engine.scores(texts)
            seconds.append(time.perf_counter() - started)
    return float(np.median(taken[1]) / np.median(taken[0]))


def _found(engine: Engine, segments: Segments, data: TrainingData, test: Sequence[LabelledRow]) -> list[str]:
    """The path of the best class of each row."""
    scores, _ = engine.scores([product_text(row.fields(), segments) for row in test])
    paths = {row.category_code: row.category_path for row in data.rows}
    return [paths[data.classes[place]] for place in scores.argmax(axis=1)]


def _say(line: str) -> None:
    print("   ", line, flush=True)


def _recipes(rows: Sequence[LabelledRow]) -> list[tuple[str, ...]]:
    """The title alone and with each filled field, and with all of them."""
    enough = selection.LEAST_FILLED * len(rows)
    filled = [name for name in TEXT_FIELDS[1:] if sum(bool(getattr(row, name)) for row in rows) > enough]
    recipes = [("title",), *(("title", name) for name in filled)]
    if len(filled) > 1:
        recipes.append(("title", *filled))
    return recipes


def _score(truth: Sequence[str], found: Sequence[str]) -> float:
    right = float(np.mean([a == b for a, b in zip(truth, found, strict=True)]))
    return (right + _macro(truth, found)) / 2


def _macro(truth: Sequence[str], found: Sequence[str]) -> float:
    number = {name: place for place, name in enumerate(sorted({*truth, *found}))}
    return macro_f1(np.array([number[name] for name in truth]), np.array([number[name] for name in found]))


def run(name: str, splits: int, contenders: Sequence[str], base: str) -> None:
    """Score the contenders on each split that is not kept yet."""
    rows = catalogues.load(name)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for number in range(splits):
        asked = ["auto" if contender in TRANSFORMERS else contender for contender in contenders]
        missing = [
            contender for contender in dict.fromkeys(asked) if not _kept(name, number, contender).exists()
        ]
        if not missing:
            continue
        split = catalogues.split(rows, number)
        data = checks.validate(split.train)
        config = TrainingConfig(seed=number, selection_rows=4000)
        truth = [row.category_path for row in split.test]
        for contender in missing:
            started = time.monotonic()
            if contender == "auto":
                answers = transformers(data, split.test, replace(config, base_model=base, backend="auto"))
            else:
                contend = linear_alone if contender == "linear" else partial(peer, contender)
                answers = {contender: contend(data, split.test, config)}
            seconds = round(time.monotonic() - started, 1)
            for answered, (found, chosen) in answers.items():
                outcome: Outcome = {
                    "truth": truth,
                    "groups": [group_key(row.title) for row in split.test],
                    "found": found,
                    "chosen": chosen,
                    "seconds": seconds,
                }
                _kept(name, number, answered).write_text(json.dumps(outcome))
                print(
                    f"{name} split {number} {answered}: top-1 {_top1(outcome):.4f}, "
                    f"macro-F1 {_macro(truth, found):.4f} ({chosen}; {seconds} s)",
                    flush=True,
                )


def _kept(name: str, number: int | str, contender: str) -> Path:
    return RESULTS / f"{name}.{number}.{contender}.json"


def _top1(outcome: Outcome) -> float:
    return float(np.mean([a == b for a, b in zip(outcome["truth"], outcome["found"], strict=True)]))


def _outcomes(name: str, contenders: Sequence[str]) -> list[dict[str, Outcome]]:
    """The splits of a catalogue that each of these contenders has answered."""
    splits = []
    for number in range(100):
        paths = {contender: _kept(name, number, contender) for contender in contenders}
        if all(path.exists() for path in paths.values()):
            splits.append({contender: json.loads(path.read_text()) for contender, path in paths.items()})
    return splits


def report() -> None:
    """Print the tables of everything that is kept."""
    _table("linear", CONTENDERS)
    if any(RESULTS.glob("*.auto.json")):
        print()
        _table("auto", ("linear", "svc", *TRANSFORMERS))


def _table(mine: str, contenders: Sequence[str]) -> None:
    """Top-1 / macro-F1 of the contenders on the splits they share, and what `mine` lacks to the best peer."""
    print(f"| catalogue | splits | scored rows | {' | '.join(contenders)} | {mine} to the best, 95% bound |")
    print("|---|---|---|" + "---|" * len(contenders) + "---|")
    means: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for name in catalogues.NAMES:
        kept = _outcomes(name, contenders)
        if not kept:
            continue
        figures = {}
        for contender in contenders:
            pairs = [
                (_top1(split[contender]), _macro(split[contender]["truth"], split[contender]["found"]))
                for split in kept
            ]
            figures[contender] = tuple(np.mean(pairs, axis=0).tolist())
            means[contender].append(figures[contender])
        best = max((peer for peer in contenders if peer in PEERS), key=lambda peer: figures[peer][0])
        deficit, bound = _deficit(kept, mine, best)
        rows = sum(len(split[mine]["truth"]) for split in kept)
        cells = " | ".join(f"{top1:.4f} / {f1:.4f}" for top1, f1 in figures.values())
        print(
            f"| {name} | {len(kept)} | {rows:,} | {cells} | "
            f"{100 * deficit:+.2f} (≤ {100 * bound:+.2f}) to {best} |"
        )
    cells = " | ".join(
        "**{:.4f} / {:.4f}**".format(*np.mean(pairs, axis=0)) for pairs in means.values() if pairs
    )
    print(f"| **mean** | | | {cells} | |")


def _deficit(kept: Sequence[dict[str, Outcome]], mine: str, best: str) -> tuple[float, float]:
    """Mean top-1 deficit to a peer and its one-sided 95% bound: paired bootstrap over groups."""
    by_group: dict[str, list[float]] = {}
    for split in kept:
        ours, theirs = split[mine], split[best]
        for group, truth, a, b in zip(
            ours["groups"], ours["truth"], ours["found"], theirs["found"], strict=True
        ):
            by_group.setdefault(group, []).append(float(b == truth) - float(a == truth))
    sums = np.array([sum(values) for values in by_group.values()])
    counts = np.array([len(values) for values in by_group.values()])
    draw = np.random.default_rng(0)
    samples = []
    for _ in range(BOOTSTRAPS):
        chosen = draw.integers(0, len(sums), len(sums))
        samples.append(sums[chosen].sum() / counts[chosen].sum())
    return float(sums.sum() / counts.sum()), float(np.quantile(samples, 0.95))


def main() -> None:
    """Read the command line."""
    parser = catalogues.arguments("Accuracy beside the peers.")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--base-model", default="minilm", help="of the transformer")
    parser.add_argument("--report", action="store_true", help="only print the tables of what is kept")
    options = parser.parse_args()
    random.seed(0)
    if not options.report:
        for name in options.names or catalogues.NAMES:
            run(name, options.splits, options.contenders.split(","), options.base_model)
    report()


if __name__ == "__main__":
    main()
