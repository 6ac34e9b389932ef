"""What the dashboard counts: reads only, each a fixed number of statements whatever the size of the shop."""

from .audit import AuditFigures, Sampled, audit_figures
from .bins import BINS
from .coverage import Coverage, CoverageAt, coverage, coverage_history
from .decisions import DAYS, Confusion, DecidedDay, confusions, decided_days
from .interval import clopper_pearson
from .models import ModelFigures, model_history
from .periods import last_days
from .precision import Judged, audited, judged, misfiled, sampled
from .queue import QueueFigures, QueueState, queue_figures, queue_state

__all__ = [
    "BINS",
    "DAYS",
    "AuditFigures",
    "Confusion",
    "Coverage",
    "CoverageAt",
    "DecidedDay",
    "Judged",
    "ModelFigures",
    "QueueFigures",
    "QueueState",
    "Sampled",
    "audit_figures",
    "audited",
    "clopper_pearson",
    "confusions",
    "coverage",
    "coverage_history",
    "decided_days",
    "judged",
    "last_days",
    "misfiled",
    "model_history",
    "queue_figures",
    "queue_state",
    "sampled",
]
