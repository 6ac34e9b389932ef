"""Confidences in groups of equal width."""

from typing import Any

from django.db.models import FloatField
from django.db.models.functions import Floor

BINS = 20


def bin_of(confidence: Any) -> Floor:
    """The group of a confidence, 0 to BINS, as the database reckons it; 1.0 is in the one after the last.

    A little is added first, because 0.7 × 20 is a little under 14.
    """
    return Floor(confidence * BINS + 1e-9, output_field=FloatField())


def place_of(found: float | None) -> int | None:
    """The place, 0 to BINS - 1, of what `bin_of` found."""
    return None if found is None else min(max(int(found), 0), BINS - 1)
