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
    """Ask for some of the rows, spread over all of them; at least one row. Cost: a second or so."""
    items = [row.fields() for row in rows[:: max(1, len(rows) // TOGETHER)]][:TOGETHER]
    single = items[:: max(1, len(items) // ONE_AT_A_TIME)][:ONE_AT_A_TIME]
    classifier.predict(single[:20], top_k=TOP_K)
    took = []
    for item in single:
        began = clock()
        classifier.predict([item], top_k=TOP_K)
        took.append(clock() - began)
    began = clock()
    for start in range(0, len(items), BATCH):
        classifier.predict(items[start : start + BATCH], top_k=TOP_K)
    together = clock() - began
    p50, p99 = np.percentile(took, [50, 99]) * 1000
    return Timing(rows=len(single), p50_ms=float(p50), p99_ms=float(p99), per_second=len(items) / together)
