"""The columns of a suggestion that begins to wait, whoever puts it there."""

ASKED = (
    "product",
    "candidates",
    "status",
    "reason",
    "model_version",
    "text_digest",
    "note",
    "created_at",
    "updated_at",
    "queue",
    "cluster",
    "top_code",
    "top_confidence",
    "priority",
)
REPLACED = (*ASKED[1:], "threshold", "decided_by", "decided_at", "decided_category")
"""What an earlier suggestion of the product loses."""
