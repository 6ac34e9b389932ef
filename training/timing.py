"""How long answers take on this machine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.categories.inference.classifier import ProductionClassifier
from training.data import LabelledRow

ONE_AT_A_TIME = 500
"""Most rows that are asked one by one."""
TOGETHER = 5000
"""Most rows that are asked in batches of `BATCH`."""
BATCH = 1000
PATIENCE = 5.0
"""Seconds after which either kind of asking ends: a large model is measured on fewer rows."""
TOP_K = 3


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Of products as they come, to their best three categories, after a warm-up; one process."""

    rows: int
    """How many were asked one by one."""
    p50_ms: float
    """Half of the single answers took no longer, in milliseconds."""
    p99_ms: float
    """99 of 100 single answers took no longer, in milliseconds."""
    per_second: float
    """Products a second in batches."""


def measure_time(
    classifier: ProductionClassifier,
    rows: Sequence[LabelledRow],
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Ask for some of the rows, spread over all of them; at least one row. Cost: about two `PATIENCE`."""
    items = [row.fields() for row in rows[:: max(1, len(rows) // TOGETHER)]][:TOGETHER]
    single = items[:: max(1, len(items) // ONE_AT_A_TIME)][:ONE_AT_A_TIME]
    classifier.predict(single[:20], top_k=TOP_K)
    took = []
    for item in single:
        began = clock()
        classifier.predict([item], top_k=TOP_K)
        took.append(clock() - began)
        if sum(took) > PATIENCE:
            break
    answered, together = 0, 0.0
    while answered < len(items) and together <= PATIENCE:
        batch = items[answered : answered + BATCH]
        began = clock()
        classifier.predict(batch, top_k=TOP_K)
        together += clock() - began
        answered += len(batch)
    p50, p99 = np.percentile(took, [50, 99]) * 1000
    return Timing(rows=len(took), p50_ms=float(p50), p99_ms=float(p99), per_second=answered / together)
