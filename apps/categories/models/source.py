"""Who or what filed a product."""

from django.db import models


class Source(models.TextChoices):
    """Who says that a product belongs where it is."""

    NONE = "none", "nobody yet"
    IMPORT = "import", "import"
    HUMAN = "human", "a person"
    MODEL = "model", "the model"


LABELS = (Source.HUMAN, Source.IMPORT)
"""The sources that count as truth: no model overwrites them."""
