"""From labelled rows to a sealed artifact: validate, split, select, fit, calibrate, certify, export."""

import hashlib
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.errors import TrainingRefused
from apps.categories.inference.text import product_text
from training import backends, export
from training import data as checks
from training.backends.fitted import Fitted
from training.certification import Certification, certify_held
from training.config import TrainingConfig
from training.data import Finding, LabelledRow, TrainingData
from training.evaluation import Metrics
from training.label_errors import Suspect, held_out_suspects
from training.redact import redact_rows
from training.splits import in_test
from training.thresholds import Threshold

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "tokenizers", "onnx", "onnxruntime")


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """A trained, exported and measured model."""

    artifact: bytes
    """A sealed `classifier.pt`."""
    version: str
    header: dict[str, Any]
    rows: Sequence[LabelledRow]
    """Those of the input, without the personal data in them: what any comparison is to be made on."""
    findings: Sequence[Finding]
    """What was noticed about the rows."""
    threshold: Threshold
    out_of_fold: Metrics
    """Of rows that the scoring model did not train on; behind calibration and threshold."""
    test: Metrics | None
    """Of the frozen test rows, scored once; None without a test part."""
    suspects: Sequence[Suspect]
    """Labels of `rows` outside the test part that are probably wrong, the clearest first."""
    checkpoints: Path | None
    """What a resumed training would begin with, see `Fitted`."""

    def forget_checkpoints(self) -> None:
        """To be called once the artifact is delivered: until then a kill costs no training."""
        if self.checkpoints is not None:
            shutil.rmtree(self.checkpoints, ignore_errors=True)


def run(
    rows: Sequence[LabelledRow],
    config: TrainingConfig,
    *,
    origin: Mapping[str, object] | None = None,
    progress: Callable[[str], None] = lambda _: None,
    now: datetime | None = None,
) -> TrainingResult:
    """Train on `rows`. Raises TrainingRefused when they cannot train a meaningful model.

    `origin` says for the header where the options came from; `progress` is called with one line a step. Same
    rows, options and seed: the same model but for `now`.
    """
    redaction = redact_rows(rows)
    data = checks.validate(redaction.rows)
    data = replace(data, findings=[*redaction.findings(), *data.findings])
    for finding in data.findings:
        progress(f"note: {finding.text}")
    test_side = np.array([in_test(group, config.test_fraction) for group in data.groups])
    development, test = _part(data, ~test_side), _part(data, test_side)
    if len({*development.labels}) < 2:
        raise TrainingRefused(
            "outside the frozen test part the rows have a single category; label more different products"
        )
    progress(
        f"{len(data.rows):,} rows, {len(data.classes):,} categories; "
        f"{len(development.rows):,} to learn from, {len(test.rows):,} kept for the final test"
    )
    fitted = backends.train(development, config, progress)
    held = _part(development, fitted.held)
    certified = certify_held(
        fitted.scores,
        fitted.held,
        development,
        target=config.target_precision,
        # What an export of it files by, which has no back-off.
        alone=fitted.header["engine"] == "encoder",
    )
    for line in certified.say():
        progress(line)
    tested = _test(fitted, test, certified)
    created = (now or datetime.now(UTC)).astimezone(UTC)
    digest = data_digest(data.rows)
    version = f"{config.backend}-{created:%Y%m%dT%H%M%SZ}-{digest[:8]}"
    header: dict[str, Any] = {
        "version": version,
        "backend": config.backend,
        "created": created.isoformat(),
        "classes": list(data.classes),
        "segments": [list(fields) for fields in fitted.segments],
        **certified.header(),
        "metrics": {
            "out_of_fold": certified.out_of_fold.as_dict(),
            "test": tested.as_dict() if tested else None,
        },
        "split": {"test_fraction": config.test_fraction, "seed": config.seed},
        "data": {
            "rows": len(data.rows),
            "sha256": digest,
            "redacted": redaction.counts(),
            "findings": [finding.text for finding in data.findings],
        },
        "packages": packages(),
        "options": config.as_dict(),
        "options_from": dict(origin or {}),
        "training": dict(fitted.notes),
        **fitted.header,
    }
    step = max(1, len(development.rows) // export.GOLDEN_ROWS)
    sealed = export.build(
        fitted,
        header,
        paths=data.paths,
        golden_products=[dict(row.fields()) for row in development.rows[::step]],
    )
    return TrainingResult(
        artifact=sealed,
        version=version,
        header=header,
        rows=redaction.rows,
        findings=data.findings,
        threshold=certified.threshold,
        out_of_fold=certified.out_of_fold,
        test=tested,
        suspects=_suspects(redaction.rows, held, fitted.scores[fitted.held], certified),
        checkpoints=fitted.checkpoints,
    )


def packages() -> dict[str, str]:
    """The versions that a training depends on, of those that are installed: with them, the same rows, options
    and seed give the same model again."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def data_digest(rows: Sequence[LabelledRow]) -> str:
    """SHA-256 of what the rows say, whatever their order."""
    lines = sorted(map(checks.said, rows))
    return hashlib.sha256("\x1e".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _suspects(
    given: Sequence[LabelledRow], held: TrainingData, scores: NDArray[np.float32], certified: Certification
) -> list[Suspect]:
    # The same object twice is the same row: either place names it.
    places = {id(row): place for place, row in enumerate(given)}
    calibration = certified.calibrated.calibration
    found = held_out_suspects(scores, held.labels, held.classes, calibration)
    return [replace(suspect, row=places[id(held.rows[suspect.row])]) for suspect in found]


def _part(data: TrainingData, side: NDArray[np.bool_]) -> TrainingData:
    chosen = np.flatnonzero(side).tolist()
    return replace(
        data,
        rows=[data.rows[i] for i in chosen],
        labels=[data.labels[i] for i in chosen],
        groups=[data.groups[i] for i in chosen],
        weights=[data.weights[i] for i in chosen],
        contradictory=[data.contradictory[i] for i in chosen],
    )


def _test(fitted: Fitted, test: TrainingData, certified: Certification) -> Metrics | None:
    if not test.rows:
        return None
    texts = [product_text(row.fields(), fitted.segments) for row in test.rows]
    return certified.test(*fitted.engine().scores(texts), test.labels)
