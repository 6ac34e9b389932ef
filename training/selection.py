"""Which fields to read and how closely to fit, chosen on validation rows."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from apps.categories.inference.text import TEXT_FIELDS, product_text
from training.backends import linear
from training.backends.linear import LinearOptions
from training.config import TrainingConfig
from training.data import TrainingData
from training.evaluation import macro_f1
from training.splits import fold, position

LEAST_FILLED = 0.05
"""A field that fewer rows fill is not tried."""
LEAST_GAIN = 0.002
"""Of the mean of top-1 and macro-F1: a field must earn this, so that noise adds no field to every request."""
VALIDATION_FOLDS = 4
MOST_VALIDATION_ROWS = 4000
LEAST_VALIDATION_ROWS = 10
FEW_ROWS = 2500
APART_WEIGHT = 0.8
"""Of a field in a segment of its own beside the title's."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One candidate of the selection and how it did."""

    options: LinearOptions
    top1: float
    macro_f1: float

    @property
    def score(self) -> float:
        """What the selection maximises."""
        return (self.top1 + self.macro_f1) / 2

    def say(self) -> str:
        """One line for the person who waits."""
        options = self.options
        recipe = " | ".join("+".join(fields) for fields in options.segments)
        return (
            f"tried {recipe}, C {options.cost:g}, n-grams {options.gram_share:g}, weights "
            f"{options.class_weight}: top-1 {self.top1:.3f}, macro-F1 {self.macro_f1:.3f}"
        )

    def describe(self) -> dict[str, object]:
        """For the header."""
        return {
            "segments": [list(fields) for fields in self.options.segments],
            "cost": self.options.cost,
            "gram_share": self.options.gram_share,
            "class_weight": self.options.class_weight,
            "top1": round(self.top1, 4),
            "macro_f1": round(self.macro_f1, 4),
        }


def select(
    data: TrainingData, config: TrainingConfig, *, progress: Callable[[str], None]
) -> tuple[LinearOptions, list[Trial]]:
    """The best options and every trial behind them. Cost: about a dozen fits on `config.selection_rows`."""
    return _Selection(data, config, progress).run()


def validation_splits(data: TrainingData, config: TrainingConfig) -> list[tuple[list[int], list[int]]]:
    """The rows that candidates are fitted on and those they are compared on, as places in `data`.

    Parted by group and at most `config.selection_rows` and `MOST_VALIDATION_ROWS`; up to `FEW_ROWS` rows
    every fold takes its turn, since few rows would choose by chance. Contradictory titles and categories
    without a fitted row are not compared on: no candidate could be right about them.
    """
    sides = np.array([fold(group, VALIDATION_FOLDS, seed=config.seed) for group in data.groups])
    # Rows in the order of their group's hash: a sample by groups that depends on no row order.
    ranks = [position(group, salt=f"selection {config.seed}") for group in data.groups]
    order = np.argsort(ranks, kind="stable").tolist()
    splits = []
    for number in range(VALIDATION_FOLDS if len(data.rows) <= FEW_ROWS else 1):
        train = [i for i in order if sides[i] != number][: config.selection_rows]
        seen = {data.labels[i] for i in train}
        validation = [
            i for i in order if sides[i] == number and not data.contradictory[i] and data.labels[i] in seen
        ][:MOST_VALIDATION_ROWS]
        if len(seen) > 1 and len(validation) >= LEAST_VALIDATION_ROWS:
            splits.append((train, validation))
    return splits


class _Selection:
    def __init__(self, data: TrainingData, config: TrainingConfig, progress: Callable[[str], None]) -> None:
        self._splits = validation_splits(data, config)
        self._data, self._config, self._progress = data, config, progress
        self._trials: list[Trial] = []

    def run(self) -> tuple[LinearOptions, list[Trial]]:
        config = self._config
        start = LinearOptions(
            segments=(config.fields or ("title",),),
            class_weight="none" if config.class_weight == "auto" else config.class_weight,
        )
        if not self._splits:
            self._progress("too few validation rows to choose fields and costs: the defaults are used")
            return start, []
        best = self._try([start])
        if not config.fields:
            best = self._recipe(best)
        candidates = [replace(best.options, gram_share=4.0)]
        candidates += [replace(best.options, cost=cost) for cost in (0.5, 4.0)]
        if config.class_weight == "auto":
            candidates.append(replace(best.options, class_weight="balanced"))
        first = best
        better = [trial for trial in self._try_all(candidates) if trial.score > first.score]
        if better:
            best = max(better, key=lambda trial: trial.score)
            combined = best.options
            for trial in better:
                changed = {
                    name: value
                    for name, value in vars(trial.options).items()
                    if value != getattr(first.options, name)
                }
                if not any(getattr(combined, name) != getattr(first.options, name) for name in changed):
                    combined = replace(combined, **changed)
            if combined != best.options:
                best = max(best, self._try([combined]), key=lambda trial: trial.score)
        return best.options, self._trials

    def _recipe(self, best: Trial) -> Trial:
        """Add one field after the other for as long as one earns its place, joined to the title or apart."""
        rows = self._data.rows
        enough = LEAST_FILLED * len(rows)
        left = [
            name
            for name in TEXT_FIELDS
            if name != "title" and sum(bool(getattr(row, name)) for row in rows) > enough
        ]
        while left:
            options = best.options
            candidates = []
            for name in left:
                joined = (options.segments[0] + (name,), *options.segments[1:])
                candidates.append(replace(options, segments=joined))
                candidates.append(
                    replace(
                        options,
                        segments=(*options.segments, (name,)),
                        segment_weights=(*options.segment_weights, APART_WEIGHT),
                    )
                )
            winner = max(self._try_all(candidates), key=lambda trial: trial.score)
            if winner.score < best.score + LEAST_GAIN:
                break
            best = winner
            used = {name for fields in best.options.segments for name in fields}
            left = [name for name in left if name not in used]
        return best

    def _try(self, candidates: Sequence[LinearOptions]) -> Trial:
        return self._try_all(candidates)[0]

    def _try_all(self, candidates: Sequence[LinearOptions]) -> list[Trial]:
        seed = self._config.seed
        trials: list[Trial] = []
        # Processes: the solver draws from a generator that threads would share, and so repeat nothing.
        for trial in Parallel(n_jobs=jobs(self._config), return_as="generator")(
            delayed(_trial)(self._data, self._splits, options, seed) for options in candidates
        ):
            self._progress(trial.say())
            trials.append(trial)
        self._trials += trials
        return trials


def _trial(
    data: TrainingData, splits: Sequence[tuple[list[int], list[int]]], options: LinearOptions, seed: int
) -> Trial:
    labels = np.asarray(data.labels, np.int64)
    truth, predicted = [], []
    for train, validation in splits:
        fitted = linear.fit(
            tokens(data, train, options),
            labels[train],
            np.asarray(data.weights)[train],
            options,
            classes=len(data.classes),
            seed=seed,
        )
        predicted.append(fitted.scores(tokens(data, validation, options)).argmax(axis=1))
        truth.append(labels[validation])
    expected, found = np.concatenate(truth), np.concatenate(predicted).astype(np.int64)
    return Trial(options=options, top1=float((found == expected).mean()), macro_f1=macro_f1(expected, found))


def jobs(config: TrainingConfig) -> int:
    """How many fits run at a time, each in a process of its own."""
    return config.jobs or len(os.sched_getaffinity(0))


def tokens(
    data: TrainingData, places: Sequence[int] | NDArray[np.int64], options: LinearOptions
) -> list[linear.Tokens]:
    """The words of these rows under a recipe."""
    return linear.tokenise([product_text(data.rows[i].fields(), options.segments) for i in places])
