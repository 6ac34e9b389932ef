"""Intact artifacts that say something else."""

from collections.abc import Callable
from pathlib import Path

from apps.categories.inference import artifact
from training import export

Rewrite = Callable[[dict[str, bytes]], None]
"""Changes the records in place."""


def rewritten(source: Path, path: Path, change: Rewrite) -> Path:
    """The artifact at `source` with other records, published at `path`."""
    records = {name: bytes(data) for name, data in artifact.read(source).records.items()}
    change(records)
    artifact.publish(artifact.seal(*export.torch_archive(records)), path)
    return path
