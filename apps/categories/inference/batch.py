"""A file of products in, a folder of predictions out; no database, one batch in memory at a time."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from .classifier import ProductionClassifier
from .decision import Decision, Policy, Prediction
from .errors import InputFileError
from .files import ProductRow, RejectedRow, RejectWriter, open_reader

PREDICTIONS = "predictions.jsonl"
METADATA = "run_metadata.json"
DEFAULT_BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How a file is classified."""

    top_k: int = 3
    """Candidates a row; at least 1, capped at the number of classes."""
    threshold: float | None = None
    """In place of the artifact's own bars; 0 to 1."""
    min_confidence: float | None = None
    """Raises the threshold, never lowers it; 0 to 1."""
    batch_size: int = DEFAULT_BATCH
    """Rows scored at a time; at least 1."""


@dataclass(frozen=True, kw_only=True)
class BatchSummary:
    """What a run did; `run_metadata.json` holds the same."""

    rows: int
    """Rows of the input, unusable ones included: the lines of `predictions.jsonl`."""
    assigned: int
    assigned_parent: int
    review: int
    unanswered: int
    """Usable rows with nothing that the model can read."""
    rejected: int
    """Rows that could not be used."""
    low_confidence: int
    """Answered rows under the bar, or all of them where the model is certified for nothing."""
    average_confidence: float | None
    """Mean confidence of the first candidates; None when no row was answered."""
    unknown_columns: tuple[str, ...]
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Reading, scoring and writing together."""
        return self.rows / self.seconds if self.seconds else 0.0


def classify_file(
    source: Path,
    classifier: ProductionClassifier,
    folder: Path,
    *,
    rejects: Path,
    options: BatchOptions | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> BatchSummary:
    """Classify the rows of `source` into `folder`, as `predictions.jsonl` and `run_metadata.json`.

    One line a row, in the order of the input; unusable rows have a line without predictions and also go to
    `rejects`.

    Both files appear when all is done, the metadata last; a run that fails or is interrupted changes neither.
    `on_progress` is told the number of rows after each batch. Raises InputFileError for a source that cannot
    be read or a folder that cannot be written, and ValueError for options out of range.
    """
    options = options or BatchOptions()
    if options.batch_size < 1 or options.top_k < 1:
        raise ValueError(f"batch_size {options.batch_size} and top_k {options.top_k} must be at least 1")
    began, started_at = time.perf_counter(), datetime.now(UTC)
    policy = _policy(classifier, options)
    tally = _Tally(bar=policy.threshold)
    predictions, metadata = folder / PREDICTIONS, folder / METADATA
    parts = [path.with_name(f".{path.name}.part") for path in (predictions, metadata)]
    with open_reader(source, labels=False) as reader, RejectWriter(rejects) as writer:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with parts[0].open("w", encoding="utf-8") as lines:
                for batch in _batches(reader, options.batch_size):
                    for row, line in zip(
                        batch, _answer(batch, classifier, options, policy, tally), strict=True
                    ):
                        if isinstance(row, RejectedRow):
                            writer.write(row)
                        lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                    if on_progress is not None:
                        on_progress(tally.rows)
            summary = tally.summary(reader.unknown_columns, time.perf_counter() - began)
            described = _metadata(source, classifier, options, summary, started_at)
            parts[1].write_text(json.dumps(described, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            parts[0].replace(predictions)
            parts[1].replace(metadata)
        except OSError as error:
            raise InputFileError(
                f"{folder} cannot be written: {error.strerror}; name another --output"
            ) from error
        finally:
            for part in parts:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
    return summary


def answer_line(
    classifier: ProductionClassifier, sku: str, predictions: Iterable[Prediction], decision: Decision
) -> dict[str, Any]:
    """One object of `predictions.jsonl`."""
    code = decision.category_code
    return {
        "sku": sku,
        "predictions": [
            {
                "category_code": prediction["category_code"],
                "category_path": classifier.path(prediction["category_code"]),
                "confidence": round(prediction["confidence"], 6),
            }
            for prediction in predictions
        ],
        "decision": {
            "action": decision.action,
            "category_code": code,
            "category_path": None if code is None else classifier.path(code),
            "reason": decision.reason,
        },
    }


class _Tally:
    """Counts kept while the rows go by."""

    def __init__(self, *, bar: float | None) -> None:
        self.bar = bar
        self.rows = self.rejected = self.answered = self.low = 0
        self.confidence = 0.0
        self.actions: Counter[str] = Counter()

    def add(self, decision: Decision, predictions: Sequence[Prediction]) -> None:
        self.rows += 1
        self.actions[decision.action] += 1
        if predictions:
            first = predictions[0]["confidence"]
            self.answered += 1
            self.confidence += first
            self.low += self.bar is None or first < self.bar

    def reject(self) -> None:
        self.rows += 1
        self.rejected += 1

    def summary(self, unknown_columns: tuple[str, ...], seconds: float) -> BatchSummary:
        return BatchSummary(
            rows=self.rows,
            assigned=self.actions["assign"],
            assigned_parent=self.actions["assign_parent"],
            review=self.actions["review"],
            unanswered=self.actions["none"],
            rejected=self.rejected,
            low_confidence=self.low,
            average_confidence=round(self.confidence / self.answered, 6) if self.answered else None,
            unknown_columns=unknown_columns,
            seconds=round(seconds, 3),
        )


def _policy(classifier: ProductionClassifier, options: BatchOptions) -> Policy:
    return classifier.policy.fixed(options.threshold).at_least(options.min_confidence)


def _batches(rows: Iterable[ProductRow | RejectedRow], size: int) -> Iterator[list[ProductRow | RejectedRow]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch


def _answer(
    batch: Iterable[ProductRow | RejectedRow],
    classifier: ProductionClassifier,
    options: BatchOptions,
    policy: Policy,
    tally: _Tally,
) -> Iterator[dict[str, Any]]:
    batch = list(batch)
    usable = [row.as_mapping() for row in batch if isinstance(row, ProductRow)]
    ranked, decisions = classifier.assess(usable, policy, top_k=options.top_k)
    answers = zip(classifier.predictions(ranked), decisions, strict=True)
    for row in batch:
        if isinstance(row, RejectedRow):
            tally.reject()
            unusable = Decision(
                action="none", category_code=None, confidence=None, reason=f"line {row.line}: {row.reason}"
            )
            yield answer_line(classifier, row.raw.get("sku", ""), [], unusable)
        else:
            predictions, decision = next(answers)
            tally.add(decision, predictions)
            yield answer_line(classifier, row.sku, predictions, decision)


def _metadata(
    source: Path,
    classifier: ProductionClassifier,
    options: BatchOptions,
    summary: BatchSummary,
    started_at: datetime,
) -> dict[str, Any]:
    counts = asdict(summary)
    seconds = counts.pop("seconds")
    return {
        "input": source.name,
        "artifact": {
            "sha256": classifier.sha256,
            "version": classifier.version,
            "threshold": classifier.threshold,
            "fields": list(classifier.fields),
        },
        "options": asdict(options),
        "counts": counts,
        "timings": {
            "started_at": started_at.isoformat(timespec="seconds"),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": seconds,
            "rows_per_second": round(summary.rows_per_second, 1),
        },
    }
