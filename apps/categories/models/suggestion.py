"""What the live model thinks about a product that it may not file by itself, and what a person made of it."""

from typing import TypedDict

from django.conf import settings
from django.db import models

from ..conf import product_model_label


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

    class Meta:
        indexes = [models.Index(fields=["status", "id"], name="suggestion_status")]
        verbose_name_plural = "review queue"
        permissions = [("review_suggestion", "Can decide suggestions")]

    def __str__(self) -> str:
        return f"suggestion for product {self.product_id}"

    @property
    def top(self) -> Candidate | None:
        """The most likely candidate."""
        return self.candidates[0] if self.candidates else None

    @property
    def is_pending(self) -> bool:
        return self.status == self.Status.PENDING
