"""What every model family hands to the rest of training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.engines import Engine, load_engine


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model as it will be served, and its answers to rows that it did not learn from."""

    segments: tuple[tuple[str, ...], ...]
    """The recipe, see `product_text`."""
    header: Mapping[str, Any]
    """What the engine needs in the artifact's header, `engine` among it."""
    records: Mapping[str, bytes]
    """What the engine needs beside the header."""
    scores: NDArray[np.float32]
    """Shape (rows, classes): of the rows that were trained on, by a model that had not seen them."""
    held: NDArray[np.bool_]
    """Shape (rows,): which rows have such scores."""
    notes: Mapping[str, Any]
    """For the record: what was tried, what the export was compared on."""
    checkpoints: Path | None = None
    """Folder that gives a resumed training this model at once; of no use once the artifact is delivered."""

    def engine(self, form: str | None = None) -> Engine:
        """The engine, built as a server builds it, in its first form if none is named."""
        records = {name: memoryview(data) for name, data in self.records.items()}
        return load_engine(self.header, records, form=form)
