"""What the live model thinks about a product that it may not file by itself, and what a person made of it."""

from typing import Any, TypedDict

from django.conf import settings
from django.db import models

from ..conf import product_model_label
from ..inference.text import group_key

NO_CLUSTER = "-"
"""The cluster of products without a title: they are not alike."""


def cluster_of_title(title: object) -> str:
    """What near-duplicates share: the key by which training keeps them on one side of a split."""
    text = str(title or "")
    return group_key(text) if text.strip() else NO_CLUSTER


class Candidate(TypedDict):
    """One of a suggestion's candidates, as stored; `confidence` is 0 to 1."""

    category_code: str
    category_path: str
    confidence: float


class Suggestion(models.Model):
    """The one live suggestion of a product. Written by services only."""

    class Status(models.TextChoices):
        PENDING = "pending", "waiting"
        APPROVED = "approved", "approved"
        CORRECTED = "corrected", "corrected"
        REJECTED = "rejected", "rejected"

    class Queue(models.TextChoices):
        REVIEW = "review", "to review"
        AUDIT = "audit", "audit sample"
        LABEL = "label", "suspected label errors"

    product = models.OneToOneField(product_model_label(), on_delete=models.CASCADE, related_name="suggestion")
    candidates = models.JSONField(default=list, help_text="By falling confidence.")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    reason = models.CharField(max_length=200, blank=True, help_text="Why a person is asked.")
    threshold = models.FloatField(
        null=True, help_text="The bar it had to reach; empty: nothing was certified."
    )
    model_version = models.CharField(max_length=80)
    text_digest = models.CharField(max_length=32)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_category = models.ForeignKey(
        "categories.Category", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    note = models.TextField(blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    # What the queue filters and sorts by, so that it never has to open the candidates.
    queue = models.CharField(
        max_length=6, choices=Queue.choices, default=Queue.REVIEW, db_default=Queue.REVIEW
    )
    cluster = models.CharField(
        max_length=16, default="", db_default="", help_text="Shared by near-duplicates; empty: not yet known."
    )
    top_code = models.CharField(
        max_length=100, default="", db_default="", help_text="The first candidate's category."
    )
    top_confidence = models.FloatField(default=0.0, db_default=0.0, help_text="0 without a candidate.")
    priority = models.FloatField(default=0.0, db_default=0.0, help_text="What deciding it first is worth.")
    # Handed out to somebody: never a lock on deciding.
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    claimed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["status", "id"], name="suggestion_status"),
            # Whole, not partial: SQLite does not see that a bound value is the one of a partial index.
            models.Index(fields=["status", "cluster", "priority"], name="suggestion_cluster"),
            models.Index(fields=["status", "queue", "-priority", "id"], name="suggestion_value"),
            models.Index(fields=["status", "queue", "-top_confidence", "id"], name="suggestion_sure"),
            models.Index(
                fields=["status", "queue", "top_code", "-top_confidence", "id"], name="suggestion_place"
            ),
            models.Index(
                fields=["claimed_until"],
                name="suggestion_claimed",
                condition=models.Q(claimed_until__isnull=False),
            ),
        ]
        verbose_name_plural = "review queue"
        permissions = [("review_suggestion", "Can decide suggestions")]

    def __str__(self) -> str:
        return f"suggestion for product {self.product_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Also fills the columns that follow from the candidates and the title, where it stores them all."""
        if kwargs.get("update_fields") is None:
            top = self.top
            self.top_code = top["category_code"] if top else ""
            self.top_confidence = top["confidence"] if top else 0.0
            self.cluster = self.cluster or cluster_of_title(self.product.classifier_value("title"))
        super().save(*args, **kwargs)

    @property
    def top(self) -> Candidate | None:
        """The most likely candidate."""
        return self.candidates[0] if self.candidates else None

    @property
    def is_pending(self) -> bool:
        return self.status == self.Status.PENDING
