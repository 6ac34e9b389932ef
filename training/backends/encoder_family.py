"""The transformer family, whole: fine-tune, measure on rows held out, fine-tune on every row, export."""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from importlib import util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.errors import TrainingRefused
from apps.categories.inference.text import Segments, clean, product_text
from training import export, selection
from training.backends import ranks
from training.backends.bases import load_base
from training.backends.fitted import Fitted
from training.backends.linear_family import texts
from training.config import TrainingConfig
from training.data import TrainingData
from training.probe import filled
from training.splits import fold, position

FEW_ROWS = 5000
"""Up to so many rows a quarter is held out for calibration, above an eighth."""
CROSS_ROWS = 6000
"""Of few rows so many quarters are held out, each of a model of its own, that these learn about so many rows:
a quarter of some hundred rows certifies nothing."""
VALIDATION_SHARES = (0.15, 0.1)
"""Of the remaining groups, up to FEW_ROWS rows and above: they say when to stop."""
ROWS_READ = 40_000
EPOCHS = (4, 10)
"""Where the number of epochs is not given: so many that ROWS_READ rows are read, between these two."""
PARITY_ROWS = 1500
QUICK_ROWS = 500
QUICK_EPOCHS = 2.0
_NOT_OF_FINE_TUNING = frozenset(
    {
        "backend",
        "class_weight",
        "folds",
        "int8",
        "jobs",
        "refit",
        "resume",
        "selection_rows",
        "target_precision",
        "time_budget",
        "work_dir",
    }
)
"""Options that a resumed training may have other values of: what is fine-tuned on what stays the same."""
FIRST_SHARE = 0.38
"""Of a time budget: for the measured model, when another one is to follow on every row. That one reads up
to 1.6 times the rows in as many epochs; cut short it would not be worth the confidence of the first."""


def train(data: TrainingData, config: TrainingConfig, progress: Callable[[str], None]) -> Fitted:
    """Fine-tune `config.base_model` on these rows and export it.

    A held-out part of the groups gives the scores for calibration and threshold, another one says when to
    stop; of few rows further parts are held out in turn, see CROSS_ROWS. With `config.refit` the exported
    model then learns every row, for as many epochs; otherwise it is the measured one. Raises TrainingRefused
    when the base cannot be had or nothing can be held out.
    """
    ranks.shared(lambda: require_base(config))
    segments = ranks.shared(lambda: _segments(data, config, progress))
    return train_with(data, segments, config, progress)


def require_base(config: TrainingConfig) -> None:
    """Raise TrainingRefused now for what would be missed after minutes of work: a package, or the base."""
    _require_packages()
    if config.base_model != "scratch":
        load_base(config.base_model, ())


def _require_packages() -> None:
    for name in ("accelerate", "onnx", "onnxscript", "safetensors", "torch", "transformers"):
        if util.find_spec(name) is None:
            raise TrainingRefused(
                f"the transformer needs the package {name}: pip install -r requirements-ml.txt"
            )


def train_with(
    data: TrainingData, segments: Segments, config: TrainingConfig, progress: Callable[[str], None]
) -> Fitted:
    """`train` with a recipe that is chosen already. Raises ranks.Finished in all but the first of several
    processes once everything is fitted."""
    _require_packages()
    from training import onnx_export
    from training.backends import encoder

    read = texts(data.rows, segments)
    sample = encoder.Sample(
        texts=read, labels=np.asarray(data.labels, np.int64), shares=np.asarray(data.weights, np.float64)
    )
    held, validation, rest = _parts(data, config)
    if config.quick:
        held, validation, rest = (_some(part, data, QUICK_ROWS) for part in (held, validation, rest))
    epochs = config.epochs or float(np.clip(round(ROWS_READ / len(data.rows)), *EPOCHS))
    epochs = min(epochs, QUICK_EPOCHS) if config.quick else epochs
    refit = config.refit and not config.quick
    folder = _work_folder(data, segments, config, progress)
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
    others = []
    for number in range(1, _quarters(len(read), config) if refit else 1):
        inside = _held(data, config, number)
        progress(
            f"fine-tuning on what lies outside another quarter, {inside.sum():,} rows, for the confidence"
        )
        fitted = encoder.fit(
            sample.part(np.flatnonzero(~inside)),
            None,
            config,
            classes=len(data.classes),
            epochs=measured.epochs,
            deadline=None,
            folder=folder / f"measured-{number + 1}",
            progress=progress,
        )
        others.append((np.flatnonzero(inside), fitted))
    final = None
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
        if final.epochs < 0.95 * measured.epochs:
            # It would answer under bars that were certified for a model that had learned longer.
            progress("the time budget cut that short: the measured model is served")
            final = None
    ranks.leave()
    probe = _probe(data, segments)
    wanted = {"auto": None, "always": True, "never": False}[config.int8]
    exported = onnx_export.export(measured, classes=data.classes, probe=probe, int8=wanted)
    form = exported.header["encoder"]["forms"][0]
    # The others in the form that is served, where they are faithful in it.
    again = wanted if form == "int8" else False
    scored = [(held, exported)] + [
        (out, onnx_export.export(fit, classes=data.classes, probe=probe, int8=again, least_speed=0.0))
        for out, fit in others
    ]
    scores, mask = np.zeros((len(read), len(data.classes)), np.float32), np.zeros(len(read), np.bool_)
    for out, model in scored:
        engine = model.engine(model.header["encoder"]["forms"][0])
        scores[out], mask[out] = engine.scores([read[place] for place in out])
    progress(f"exported, served in {form}; {mask.sum():,} rows are scored by models that did not learn them")
    notes = {
        "measured": exported.notes,
        "epochs": measured.epochs,
        "max_length": measured.max_length,
        "learning_rate": encoder.learning_rate(config, measured.model),
        "precision": "bf16" if encoder.in_bf16(config.precision) else "fp32",
    }
    if final is not None:
        # In the form that was measured, where the final model is faithful in it: no race on a busy machine.
        exported = onnx_export.export(final, classes=data.classes, probe=probe, int8=again, least_speed=0.0)
        notes["final"] = exported.notes
        if exported.header["encoder"]["forms"][0] != form:
            progress("in 8 bits the model of all rows answers otherwise than in full: served in fp32")
    return Fitted(
        segments=tuple(tuple(fields) for fields in segments),
        header={**exported.header, "base_model": base},
        records=exported.records,
        scores=scores,
        held=mask,
        notes=notes,
        checkpoints=folder,
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
    share = VALIDATION_SHARES[len(data.rows) > FEW_ROWS]
    held = _held(data, config, 0)
    salt = f"early stopping {config.seed}"
    stopping = np.array([position(group, salt=salt) < share for group in data.groups])
    # A title that people filed in two ways says nothing about when to stop.
    stopping &= ~np.asarray(data.contradictory, np.bool_)
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


def _held(data: TrainingData, config: TrainingConfig, number: int) -> NDArray[np.bool_]:
    """Which rows are in one of the parts that are held out for calibration."""
    parts = 4 if len(data.rows) <= FEW_ROWS else 8
    return np.array([fold(group, parts, seed=config.seed) == number for group in data.groups])


def _quarters(rows: int, config: TrainingConfig) -> int:
    """How many quarters are held out in turn; one where the time is limited."""
    if config.budget_seconds != math.inf or rows > FEW_ROWS:
        return 1
    return int(np.clip(CROSS_ROWS // rows, 1, 4))


def _some(places: NDArray[np.int64], data: TrainingData, count: int) -> NDArray[np.int64]:
    """At most so many of these rows, from all over: a file may be sorted by category."""
    order = sorted(places.tolist(), key=lambda place: (position(data.groups[place], salt="quick"), place))
    return np.array(sorted(order[:count]), np.int64)


def _work_folder(
    data: TrainingData, segments: Segments, config: TrainingConfig, progress: Callable[[str], None]
) -> Path:
    """Where the checkpoints of this very training lie: other rows are another training, and so is another
    value of an option that fine-tuning depends on."""
    told = {name: value for name, value in config.as_dict().items() if name not in _NOT_OF_FINE_TUNING}
    told["processes"] = ranks.count()
    if config.from_folder:
        # By its place: the header knows but its name, which another folder may have.
        told["base_model"] = str(Path(config.base_model).resolve())
    rows = [[row.fields(), row.category_code] for row in data.rows]
    basis = json.dumps([told, [list(fields) for fields in segments], rows], sort_keys=True)
    folder = config.work_dir / hashlib.sha256(basis.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    if len({*ranks.everybody(folder.name)}) > 1:
        raise TrainingRefused(
            "the processes do not see the same labelled rows and options (a label changed while they "
            "started?): start them again"
        )
    if config.resume and not folder.exists():
        progress(
            f"nothing to go on from in {config.work_dir}: what was begun there had other rows or options, or "
            "was finished; beginning anew"
        )
    if not config.resume and ranks.first():
        shutil.rmtree(folder, ignore_errors=True)
    ranks.wait()
    return folder


def _deadline(started: float, config: TrainingConfig, share: float) -> float | None:
    budget = config.budget_seconds
    return started + share * budget if budget is not None and math.isfinite(budget) else None


def _probe(data: TrainingData, segments: Segments) -> list[str]:
    """The texts that an export is compared on: of rows from all over the list, and odd ones; of a small
    catalogue variations of its rows as well."""
    count = min(PARITY_ROWS, len(data.rows))
    products = [data.rows[place * len(data.rows) // count].fields() for place in range(count)]

    def text(item: str | Mapping[str, str]) -> str:
        return clean(item) if isinstance(item, str) else product_text(item, segments)

    return [*filled([*products, *export.POISON], products, text)]
