"""Every write, and the model's answers. Import services from here only."""

from ..inference.errors import ClassifierUnavailable
from .answers import ModelInfo, classify, model_info
from .catalogue import ImportSummary, products_import
from .filing import products_classify
from .publishing import PublishedModel, model_publish
from .review import (
    AlreadyDecided,
    BulkOutcome,
    ReviewError,
    product_set_category,
    suggestion_approve,
    suggestion_correct,
    suggestion_reject,
    suggestions_approve_top,
)
from .rows import ClassifySummary
from .runs import model_version_record, run_beat, run_finish, run_start
from .sweep import SweepOptions, SweepProgress, products_sweep, products_watch
from .tree import TaxonomySummary, taxonomy_import

__all__ = [
    "AlreadyDecided",
    "BulkOutcome",
    "ClassifierUnavailable",
    "ClassifySummary",
    "ImportSummary",
    "ModelInfo",
    "PublishedModel",
    "ReviewError",
    "SweepOptions",
    "SweepProgress",
    "TaxonomySummary",
    "classify",
    "model_info",
    "model_publish",
    "model_version_record",
    "product_set_category",
    "products_classify",
    "products_import",
    "products_sweep",
    "products_watch",
    "run_beat",
    "run_finish",
    "run_start",
    "suggestion_approve",
    "suggestion_correct",
    "suggestion_reject",
    "suggestions_approve_top",
    "taxonomy_import",
]
