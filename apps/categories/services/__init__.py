"""Every write, and the model's answers. Import services from here only."""

from ..inference.errors import ClassifierUnavailable
from .alert import QueueAlert, queue_alert
from .answers import Explanation, ModelInfo, SuggestedCategory, classify, explain, model_info, suggest
from .catalogue import ImportSummary, products_import
from .claims import claim_next, claims_release
from .deciding import AlreadyDecided, ReviewError
from .filing import products_classify
from .label_errors import LabelErrors, LabelSuspect, label_errors_fill
from .priorities import priorities_refresh
from .publishing import PublishedModel, model_publish
from .review import (
    BulkOutcome,
    SettleOutcome,
    product_set_category,
    suggestion_approve,
    suggestion_correct,
    suggestion_reject,
    suggestions_approve_top,
    suggestions_reject,
    suggestions_set_category,
    suggestions_settle,
)
from .rows import ClassifySummary
from .runs import model_version_record, run_beat, run_finish, run_start
from .samples import audit_fill
from .seen import ChangedMeanwhile, FilingSeen, Seen, require_filing_seen
from .sweep import SweepOptions, SweepProgress, products_sweep, products_watch
from .tree import TaxonomySummary, taxonomy_import
from .undo import UndoSummary, decision_undo, run_undo

__all__ = [
    "AlreadyDecided",
    "BulkOutcome",
    "ChangedMeanwhile",
    "ClassifierUnavailable",
    "ClassifySummary",
    "Explanation",
    "FilingSeen",
    "ImportSummary",
    "LabelErrors",
    "LabelSuspect",
    "ModelInfo",
    "PublishedModel",
    "QueueAlert",
    "ReviewError",
    "Seen",
    "SettleOutcome",
    "SuggestedCategory",
    "SweepOptions",
    "SweepProgress",
    "TaxonomySummary",
    "UndoSummary",
    "audit_fill",
    "claim_next",
    "claims_release",
    "classify",
    "decision_undo",
    "explain",
    "label_errors_fill",
    "model_info",
    "model_publish",
    "model_version_record",
    "priorities_refresh",
    "product_set_category",
    "products_classify",
    "products_import",
    "products_sweep",
    "products_watch",
    "queue_alert",
    "require_filing_seen",
    "run_beat",
    "run_finish",
    "run_start",
    "run_undo",
    "suggest",
    "suggestion_approve",
    "suggestion_correct",
    "suggestion_reject",
    "suggestions_approve_top",
    "suggestions_reject",
    "suggestions_set_category",
    "suggestions_settle",
    "taxonomy_import",
]
