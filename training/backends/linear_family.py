"""The linear family, whole: what validation chooses, the fit on every row, the out-of-fold answers."""

from collections.abc import Callable, Sequence

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from apps.categories.inference.errors import TrainingRefused
from apps.categories.inference.text import Segments, product_text
from training import export, selection
from training.backends import linear
from training.backends.fitted import Fitted
from training.backends.linear import LinearOptions
from training.config import TrainingConfig
from training.data import LabelledRow, TrainingData
from training.splits import fold

PARITY_ROWS = 1500


def train(data: TrainingData, config: TrainingConfig, progress: Callable[[str], None]) -> Fitted:
    """Select, fit and export. Raises TrainingRefused when the rows cannot be parted into folds."""
    options, trials = selection.select(data, config, progress=progress)
    recipe = " | ".join("+".join(fields) for fields in options.segments)
    progress(f"reading {recipe}; C {options.cost:g}, class weights: {options.class_weight}")
    final, scores, held = _fits(data, options, config, progress)
    weights = final.export()
    probe = [*texts(data.rows, options.segments)[:PARITY_ROWS], *export.poison_texts()]
    parity = export.check_parity(weights, probe, final.scores(linear.tokenise(probe)), classes=data.classes)
    header, records = export.linear_records(weights)
    return Fitted(
        segments=options.segments,
        header=header,
        records=records,
        scores=scores,
        held=held,
        notes={"selection": [trial.describe() for trial in trials], "export": parity},
    )


def texts(rows: Sequence[LabelledRow], segments: Segments) -> list[str]:
    """What the model reads of each row."""
    return [product_text(row.fields(), segments) for row in rows]


def _fits(
    data: TrainingData, options: LinearOptions, config: TrainingConfig, progress: Callable[[str], None]
) -> tuple[linear.LinearFit, NDArray[np.float32], NDArray[np.bool_]]:
    """The model on all rows, the out-of-fold scores, and which rows have one."""
    tokens = linear.tokenise(texts(data.rows, options.segments))
    labels = np.asarray(data.labels, np.int64)
    weights = np.asarray(data.weights, np.float64)
    folds = np.array([fold(group, config.folds, seed=config.seed) for group in data.groups])
    scores = np.zeros((len(tokens), len(data.classes)), np.float32)
    held = np.zeros(len(tokens), bool)
    seed = config.seed

    def part(places: NDArray[np.int64]) -> tuple[list[linear.Tokens], NDArray[np.int64], NDArray[np.float64]]:
        return [tokens[i] for i in places], labels[places], weights[places]

    tasks = []
    for number in range(config.folds):
        out, inside = np.flatnonzero(folds == number), np.flatnonzero(folds != number)
        if len(out) and len(np.unique(labels[inside])) > 1:
            held[out] = True
            asked = [tokens[i] for i in out]
            tasks.append(
                (number, out, delayed(_held_out)(*part(inside), options, len(data.classes), seed, asked))
            )
    # Processes, as in the selection; this one fits the final model meanwhile.
    workers = max(1, selection.jobs(config) - 1)
    answers = Parallel(n_jobs=workers, return_as="generator")(task for *_, task in tasks)
    final = linear.fit(*part(np.arange(len(tokens))), options, classes=len(data.classes), seed=seed)
    progress("fitted on every row outside the test part")
    for (number, out, _), answer in zip(tasks, answers, strict=True):
        scores[out] = answer
        progress(f"out-of-fold predictions: part {number + 1} of {config.folds}")
    if not held.any():
        raise TrainingRefused("the rows cannot be parted into folds; label more different products")
    return final, scores, held


def _held_out(
    tokens: list[linear.Tokens],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    options: LinearOptions,
    classes: int,
    seed: int,
    asked: list[linear.Tokens],
) -> NDArray[np.float32]:
    """Scores of rows by a model of other rows."""
    return linear.fit(tokens, labels, weights, options, classes=classes, seed=seed).scores(asked)
