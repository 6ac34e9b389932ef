"""The live model of this process: loaded once, replaced when its file changes, kept when the new file is
bad."""

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .conf import get_settings
from .inference import artifact
from .inference.errors import ClassifierError, ClassifierUnavailable

if TYPE_CHECKING:
    from .inference.classifier import ProductionClassifier

logger = logging.getLogger(__name__)

_REFUSALS = (ClassifierError, OSError, MemoryError, ImportError)


@dataclass(frozen=True, kw_only=True)
class RuntimeStatus:
    """What this process answers with, and what went wrong last."""

    path: Path
    """The file that ARTIFACT names."""
    version: str | None
    """The version that answers now; None: no model answers."""
    sha256: str | None
    loaded_at: datetime | None
    last_error: str | None
    """Why the file as it is now is not the model that answers; None when it is, or was never looked at."""


@dataclass
class _Slot:
    """One process's model. A forked child starts with an empty one: threads and locks do not survive a
    fork."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    pid: int = field(default_factory=os.getpid)
    path: Path | None = None
    classifier: "ProductionClassifier | None" = None
    identity: artifact.FileIdentity | None = None
    looked_at: float = float("-inf")
    loaded_at: datetime | None = None
    error: str | None = None


_slot = _Slot()


def reset() -> None:
    """Forget the model, as a new process would."""
    global _slot
    _slot = _Slot()


os.register_at_fork(after_in_child=reset)


def get_classifier() -> "ProductionClassifier":
    """The live model. Cost: microseconds; a look at the file every RELOAD_SECONDS; a load when it has
    changed.

    While one thread loads a new file, the others go on with the old model. Raises ClassifierUnavailable when
    there is no model and the file cannot give one.
    """
    settings = get_settings()
    slot = _slot
    if slot.path == settings.artifact and time.monotonic() - slot.looked_at < settings.reload_seconds:
        return _answer(slot, settings.artifact)
    have_one = slot.classifier is not None and slot.path == settings.artifact
    if slot.lock.acquire(blocking=not have_one):
        try:
            if slot.path != settings.artifact or time.monotonic() - slot.looked_at >= settings.reload_seconds:
                _look(slot, settings.artifact)
        finally:
            slot.lock.release()
    return _answer(slot, settings.artifact)


def preload() -> None:
    """Load the live model now, for a worker's start; what is wrong is logged, never raised."""
    try:
        get_classifier()
    except ClassifierUnavailable as error:
        logger.warning("Starting without a model: %s", error)


def status() -> RuntimeStatus:
    """What this process answers with; loads nothing."""
    slot, path = _slot, get_settings().artifact
    live = slot.classifier if slot.path == path else None
    return RuntimeStatus(
        path=path,
        version=live.version if live else None,
        sha256=live.sha256 if live else None,
        loaded_at=slot.loaded_at if live else None,
        last_error=slot.error if slot.path == path else None,
    )


def _answer(slot: _Slot, path: Path) -> "ProductionClassifier":
    if slot.classifier is None:
        reason = (slot.error or f"{path} was not read; train one with `manage.py train_classifier`").rstrip(
            "."
        )
        raise ClassifierUnavailable(
            f"No model answers on this site: {reason}. Until one does, products wait, and saves work."
        )
    return slot.classifier


def _look(slot: _Slot, path: Path) -> None:
    """Load the file if it is not the one that was looked at last. Called with the lock held."""
    from .inference.classifier import ProductionClassifier

    if slot.path != path:
        slot.path, slot.classifier, slot.identity, slot.error = path, None, None, None
    identity: artifact.FileIdentity | None = None
    try:
        identity = artifact.identity(path)
        if identity != slot.identity or (slot.classifier is None and slot.error is None):
            slot.classifier = ProductionClassifier.load(path)
            slot.loaded_at, slot.error = datetime.now(UTC), None
            logger.info("The live model is %s, from %s.", slot.classifier.version, path)
    except _REFUSALS as error:
        # The same bad file is looked at again and again, but reported once.
        if slot.error is None or identity != slot.identity:
            kept = slot.classifier.version if slot.classifier else "no model"
            logger.warning("Keeping %s: %s", kept, error)
        slot.error = str(error)
    slot.identity = identity
    slot.looked_at = time.monotonic()
