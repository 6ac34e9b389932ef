"""What happened: every assignment, every bulk run, every model that was live."""

from typing import Any, NoReturn

from django.conf import settings
from django.db import models

from ..conf import product_model_label
from .source import Source


class HistoryIsAppendOnly(TypeError):
    """A row of the history was to be changed or deleted."""


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    """Refuses what would rewrite the history."""

    def update(self, **_: Any) -> NoReturn:
        raise HistoryIsAppendOnly(
            "The history of assignments only grows: add an assignment that says what is true now."
        )

    def delete(self) -> NoReturn:
        raise HistoryIsAppendOnly("The history of assignments only grows; it goes with its product.")


class ClassificationRun(models.Model):
    """One bulk pass, or one reviewer's bulk action. The unit that can be undone."""

    class Kind(models.TextChoices):
        CLASSIFY = "classify_products", "classify products"
        IMPORT = "import_products", "import products"
        REVIEW = "review", "bulk review"
        UNDO = "undo", "undo"

    class Status(models.TextChoices):
        RUNNING = "running", "running"
        FINISHED = "finished", "finished"
        INTERRUPTED = "interrupted", "interrupted"
        FAILED = "failed", "failed"

    kind = models.CharField(max_length=30, choices=Kind.choices)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.RUNNING)
    options = models.JSONField(default=dict, blank=True)
    counts = models.JSONField(default=dict, blank=True)
    model_version = models.CharField(max_length=80, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(
        help_text="The last sign of life; an old one on a running row: it was killed."
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    undoes = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="undone_by",
        help_text="The run that this one takes back.",
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            # The alert about the queue stands in one row, which no two processes may make at once.
            models.UniqueConstraint(
                fields=["kind"], condition=models.Q(kind="queue_alert"), name="run_one_queue_alert"
            )
        ]

    def __str__(self) -> str:
        return f"run {self.pk}: {self.kind}, {self.status}"


class Assignment(models.Model):
    """One act upon one product: what it was, and what it became. Rows are added, never changed."""

    class Act(models.TextChoices):
        FILE = "file", "filed"
        REJECT = "reject", "rejected all candidates"
        ASK = "ask", "asked a person"
        UNDO = "undo", "undone"

    act = models.CharField(max_length=6, choices=Act.choices, default=Act.FILE, db_default=Act.FILE)
    product = models.ForeignKey(product_model_label(), on_delete=models.CASCADE, related_name="assignments")
    # Written by the thousand: no index that only the rare deletion of a category would use.
    from_category = models.ForeignKey(
        "categories.Category",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    to_category = models.ForeignKey(
        "categories.Category", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    source = models.CharField(max_length=10, choices=Source.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    model_version = models.CharField(max_length=80, blank=True)
    run = models.ForeignKey(
        ClassificationRun, null=True, blank=True, on_delete=models.PROTECT, related_name="assignments"
    )
    confidence = models.FloatField(null=True, blank=True)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # What the product was, so that the act can be taken back; its category then is `from_category`.
    from_source = models.CharField(
        max_length=10,
        choices=Source.choices,
        blank=True,
        default="",
        db_default="",
        help_text="Empty: unknown, from before the history kept it.",
    )
    from_confidence = models.FloatField(null=True, blank=True)
    from_model_version = models.CharField(max_length=80, blank=True, default="", db_default="")
    from_review = models.BooleanField(default=False, db_default=False, help_text="It waited for a person.")
    queue = models.CharField(
        max_length=6,
        blank=True,
        default="",
        db_default="",
        help_text="The queue it was decided from.",
    )
    suggestion_before = models.JSONField(
        null=True, blank=True, help_text="Its suggestion as it was; empty: it had none."
    )
    undoes = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.RESTRICT,
        related_name="undone_by",
        db_index=False,
        help_text="The act that this one takes back.",
    )

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "assignment history"
        ordering = ["-id"]
        constraints = [
            # Also the index by which an act's undo is found; the thousands that undo nothing are not in it.
            models.UniqueConstraint(
                fields=["undoes"], condition=models.Q(undoes__isnull=False), name="assignment_undone_once"
            )
        ]

    def __str__(self) -> str:
        return f"product {self.product_id}: {self.from_category_id} → {self.to_category_id} by {self.source}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raises HistoryIsAppendOnly for a row that is stored already."""
        if not self._state.adding:
            raise HistoryIsAppendOnly(
                f"Assignment {self.pk} is history: add a new one instead of changing it."
            )
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        raise HistoryIsAppendOnly(f"Assignment {self.pk} is history; it goes with its product.")


class ModelVersion(models.Model):
    """One model that was published on this site. The one without `retired_at` is live."""

    version = models.CharField(max_length=80, unique=True)
    sha256 = models.CharField(max_length=64)
    backend = models.CharField(max_length=40)
    metrics = models.JSONField(default=dict, blank=True)
    threshold = models.FloatField(null=True, blank=True)
    source = models.CharField(max_length=500, blank=True, help_text="The file it was published to.")
    published_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-published_at"]

    def __str__(self) -> str:
        return self.version
