"""The transformer family, whole: fine-tune, measure on rows held out, fine-tune on every row, export."""

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.errors import TrainingRefused
from apps.categories.inference.text import Segments
from training import export, selection
from training.backends.fitted import Fitted
from training.backends.linear_family import texts
from training.config import TrainingConfig
from training.data import TrainingData
from training.splits import fold, position

FEW_ROWS = 5000
"""Up to so many rows a quarter is held out for calibration, above an eighth."""
VALIDATION_FOLDS = 10
"""One in so many of the remaining groups says when to stop."""
PARITY_ROWS = 1500
QUICK_ROWS = 500
QUICK_EPOCHS = 2.0
FIRST_SHARE = 0.45
"""Of the time budget: for the measured model, when another one is to follow on every row."""


def train(data: TrainingData, config: TrainingConfig, progress: Callable[[str], None]) -> Fitted:
    """Fine-tune `config.base_model` on these rows and export it.

    A held-out part of the groups gives the scores for calibration and threshold, another one says when to
    stop. With `config.refit` the exported model then learns every row, for as many epochs; otherwise it is
    the measured one. Raises TrainingRefused when the base cannot be had or nothing can be held out.
    """
    segments = _segments(data, config, progress)
    return train_with(data, segments, config, progress)


def train_with(
    data: TrainingData, segments: Segments, config: TrainingConfig, progress: Callable[[str], None]
) -> Fitted:
    """`train` with a recipe that is chosen already."""
    try:
        from training import onnx_export
        from training.backends import encoder
    except ModuleNotFoundError as error:
        raise TrainingRefused(
            f"the transformer needs the package {error.name}: pip install -r requirements-ml.txt"
        ) from error
    if int(os.environ.get("WORLD_SIZE") or 1) > 1:
        # Each process would export and publish a model of its own.
        raise TrainingRefused(
            "this was started as several processes (WORLD_SIZE is above 1, as torchrun sets it), which "
            "training cannot share out yet: start it as one"
        )
    read = texts(data.rows, segments)
    sample = encoder.Sample(
        texts=read, labels=np.asarray(data.labels, np.int64), shares=np.asarray(data.weights, np.float64)
    )
    held, validation, rest = _parts(data, config)
    if config.quick:
        rest, validation = rest[:QUICK_ROWS], validation[:QUICK_ROWS]
    epochs = min(config.epochs, QUICK_EPOCHS) if config.quick else config.epochs
    refit = config.refit and not config.quick
    folder = _work_folder(data, segments, config)
    started = time.monotonic()
    base = config.as_dict()["base_model"]
    progress(
        f"fine-tuning {base} on {len(rest):,} rows; {len(validation):,} say "
        f"when to stop, {len(held):,} are held out for the confidence"
    )
    measured = encoder.fit(
        sample.part(rest),
        sample.part(validation),
        config,
        classes=len(data.classes),
        epochs=epochs,
        deadline=_deadline(started, config, FIRST_SHARE if refit else 1.0),
        folder=folder / "measured",
        progress=progress,
    )
    probe = [*_spread(read, PARITY_ROWS), *export.poison_texts()]
    wanted = {"auto": None, "always": True, "never": False}[config.int8]
    exported = onnx_export.export(measured, classes=data.classes, probe=probe, int8=wanted)
    form = exported.header["encoder"]["forms"][0]
    scores = np.zeros((len(read), len(data.classes)), np.float32)
    scores[held], known = exported.engine(form).scores([read[place] for place in held])
    progress(f"exported, served in {form}; {len(held):,} rows that it did not learn from are scored")
    notes = {"measured": exported.notes, "epochs": measured.epochs, "max_length": measured.max_length}
    if refit:
        progress(f"fine-tuning again, on all {len(read):,} rows, for {measured.epochs:g} epochs")
        final = encoder.fit(
            sample,
            None,
            config,
            classes=len(data.classes),
            epochs=measured.epochs,
            deadline=_deadline(started, config, 1.0),
            folder=folder / "final",
            progress=progress,
        )
        exported = onnx_export.export(final, classes=data.classes, probe=probe, int8=form == "int8")
        notes["final"] = exported.notes
    shutil.rmtree(folder, ignore_errors=True)
    mask = np.zeros(len(read), np.bool_)
    mask[held[known]] = True
    return Fitted(
        segments=tuple(tuple(fields) for fields in segments),
        header={**exported.header, "base_model": base},
        records=exported.records,
        scores=scores,
        held=mask,
        notes=notes,
    )


def _segments(data: TrainingData, config: TrainingConfig, progress: Callable[[str], None]) -> Segments:
    """The fields that the linear family chooses on validation rows: minutes instead of hours."""
    if config.fields:
        return (config.fields,)
    options, _ = selection.select(data, config, progress=progress)
    return options.segments


def _parts(
    data: TrainingData, config: TrainingConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Places of the rows held out for calibration, of those that say when to stop, and of the others."""
    parts = 4 if len(data.rows) <= FEW_ROWS else 8
    held = np.array([fold(group, parts, seed=config.seed) == 0 for group in data.groups])
    salt = f"early stopping {config.seed}"
    stopping = np.array([position(group, salt=salt) < 1 / VALIDATION_FOLDS for group in data.groups])
    labels = np.asarray(data.labels)
    found = (
        np.flatnonzero(held),
        np.flatnonzero(~held & stopping),
        np.flatnonzero(~held & ~stopping),
    )
    if not all(map(len, found)) or len(np.unique(labels[found[2]])) < 2:
        raise TrainingRefused(
            f"{len(data.rows)} rows are too few to hold some out for a transformer; label more different "
            "products, or train --backend linear"
        )
    return found


def _work_folder(data: TrainingData, segments: Segments, config: TrainingConfig) -> Path:
    """Where the checkpoints of this very training lie: other rows or options are another training."""
    told = {
        name: value for name, value in config.as_dict().items() if name not in ("resume", "jobs", "work_dir")
    }
    rows = [[row.fields(), row.category_code] for row in data.rows]
    basis = json.dumps([told, [list(fields) for fields in segments], rows], sort_keys=True)
    folder = config.work_dir / hashlib.sha256(basis.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    if not config.resume:
        shutil.rmtree(folder, ignore_errors=True)
    return folder


def _deadline(started: float, config: TrainingConfig, share: float) -> float | None:
    budget = config.budget_seconds
    return started + share * budget if budget is not None and math.isfinite(budget) else None


def _spread(items: list[str], count: int) -> list[str]:
    """At most `count` of the items, from all over the list."""
    return items[:: max(1, -(-len(items) // count))]
