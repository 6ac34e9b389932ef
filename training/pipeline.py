"""From labelled rows to a sealed artifact: validate, split, select, fit, calibrate, certify, export."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.classifier import TopK, top_classes
from apps.categories.inference.decision import BOTH_LIKELY
from apps.categories.inference.errors import TrainingRefused
from apps.categories.inference.text import product_text
from training import backends, export, thresholds
from training import data as checks
from training.backends.fitted import Fitted
from training.calibration import expected_calibration_error, fit_scale
from training.config import TrainingConfig
from training.data import Finding, LabelledRow, TrainingData
from training.evaluation import Metrics, measure
from training.redact import redact_rows
from training.splits import in_test

KEPT_RANKS = 5


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
    threshold: thresholds.Threshold
    out_of_fold: Metrics
    """Of rows that the scoring model did not train on; behind calibration and threshold."""
    test: Metrics | None
    """Of the frozen test rows, scored once; None without a test part."""


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
    scores, held = fitted.scores, fitted.held
    labels = np.asarray(development.labels, np.int64)
    scale = fit_scale(scores[held], labels[held], np.asarray(development.weights)[held])
    ranked = _rank(scores, scale, KEPT_RANKS)
    right = ranked.classes[:, 0] == labels
    torn = _torn(ranked.confidences)
    # A row that is sent to review whatever its confidence is no evidence for the threshold.
    certain = held & ~torn
    threshold = thresholds.choose(
        ranked.confidences[certain, 0].tolist(), right[certain].tolist(), target=config.target_precision
    )
    threshold = replace(threshold, coverage=threshold.rows / max(1, int(held.sum())))
    out_of_fold = measure(
        ranked.classes[held],
        ranked.confidences[held],
        labels[held],
        threshold=threshold.value,
        hold_back=torn[held],
    )
    before = _rank(scores[held], 1.0, 1).confidences[:, 0].astype(np.float64)
    progress(_say_threshold(threshold))

    tested = _test(fitted, test, scale, threshold.value)
    created = (now or datetime.now(UTC)).astimezone(UTC)
    digest = data_digest(data.rows)
    version = f"{config.backend}-{created:%Y%m%dT%H%M%SZ}-{digest[:8]}"
    header: dict[str, Any] = {
        "version": version,
        "backend": config.backend,
        "created": created.isoformat(),
        "classes": list(data.classes),
        "segments": [list(fields) for fields in fitted.segments],
        "calibration": {
            "method": "temperature",
            "scale": scale,
            "error_before": expected_calibration_error(before, right[held]),
            "error_after": out_of_fold.calibration_error,
        },
        "threshold": {**vars(threshold)},
        "metrics": {
            "out_of_fold": out_of_fold.as_dict(),
            "test": tested.as_dict() if tested else None,
        },
        "split": {"test_fraction": config.test_fraction, "seed": config.seed},
        "data": {
            "rows": len(data.rows),
            "sha256": digest,
            "redacted": redaction.counts(),
            "findings": [finding.text for finding in data.findings],
        },
        "options": config.as_dict(),
        "options_from": dict(origin or {}),
        "training": dict(fitted.notes),
        **fitted.header,
    }
    paths = {row.category_code: row.category_path for row in data.rows}
    step = max(1, len(development.rows) // export.GOLDEN_ROWS)
    sealed = export.build(
        fitted,
        header,
        paths=paths,
        golden_products=[dict(row.fields()) for row in development.rows[::step]],
    )
    return TrainingResult(
        artifact=sealed,
        version=version,
        header=header,
        rows=redaction.rows,
        findings=data.findings,
        threshold=threshold,
        out_of_fold=out_of_fold,
        test=tested,
    )


def data_digest(rows: Sequence[LabelledRow]) -> str:
    """SHA-256 of what the rows say, whatever their order."""
    lines = sorted("\x1f".join((*row.fields().values(), row.category_code)) for row in rows)
    return hashlib.sha256("\x1e".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


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


def _rank(scores: NDArray[np.float32], scale: float, k: int) -> TopK:
    return top_classes(scores.copy(), np.ones(len(scores), bool), scale=scale, k=min(k, scores.shape[1]))


def _torn(confidences: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Rows for which `decide` finds two categories likely."""
    if confidences.shape[1] < 2:
        return np.zeros(len(confidences), bool)
    return np.asarray(confidences[:, 1] >= BOTH_LIKELY * confidences[:, 0])


def _test(fitted: Fitted, test: TrainingData, scale: float, threshold: float | None) -> Metrics | None:
    if not test.rows:
        return None
    scores, read = fitted.engine().scores([product_text(row.fields(), fitted.segments) for row in test.rows])
    ranked = _rank(scores, scale, KEPT_RANKS)
    # What the server does not answer is wrong, and not filed.
    ranked.classes[~read] = -2
    ranked.confidences[~read] = 0
    return measure(
        ranked.classes,
        ranked.confidences,
        test.labels,
        threshold=threshold,
        hold_back=_torn(ranked.confidences),
    )


def _say_threshold(threshold: thresholds.Threshold) -> str:
    if threshold.value is None:
        return (
            f"no confidence reaches {threshold.target:.0%} precision with 95% certainty on these rows: "
            "every product will go to review until there are more labels"
        )
    return (
        f"from a confidence of {threshold.value:.3f} on, {threshold.rows - threshold.errors:,} of "
        f"{threshold.rows:,} held-out answers were right: at least {threshold.bound:.1%} with 95% certainty, "
        f"and {threshold.coverage:.0%} of the products are that sure"
    )
