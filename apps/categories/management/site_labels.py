"""The labels of this site's products: what training learns from, and which of them it doubts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.management.base import CommandError

from .. import selectors, services
from ..inference.text import text_digest

if TYPE_CHECKING:
    from training.data import LabelledRow
    from training.pipeline import TrainingResult

MOST_SUSPECTS = 500
"""Suspected label errors that wait for people at a time, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Doubted:
    """What became of the labels that a training doubts."""

    found: int
    errors: services.LabelErrors

    def say(self) -> list[str]:
        """The same, for the person at the terminal."""
        errors = self.errors
        if not self.found:
            return ["no label looks wrong"]
        looked = errors.new + errors.waiting + errors.answered + errors.changed
        lines = [
            f"{self.found:,} labels look wrong; {errors.new:,} of them now wait for a person "
            f"(admin: Review queue, suspected label errors), {errors.waiting:,} waited there already"
        ]
        for count, words in (
            (errors.answered, "left alone: a person has said that the label is right"),
            (errors.changed, "left alone: changed meanwhile, or better placed in no active category"),
            (self.found - looked, "less clear ones left for later"),
        ):
            if count:
                lines.append(f"{count:,} {words}")
        return lines


class SiteLabels:
    """Every product with a label, as it is read first."""

    def __init__(self) -> None:
        self._products: list[selectors.LabelledProduct] = []

    def rows(self) -> "list[LabelledRow]":
        """The labelled products as training takes them. Raises CommandError when there is none."""
        from training.data import LabelledRow

        self._products = list(selectors.labelled_products())
        if not self._products:
            raise CommandError(
                "no product has a label yet: import some with "
                "`manage.py import_products FILE`, or train from a file with --data FILE"
            )
        return [
            LabelledRow(
                title=product.text["title"],
                brand=product.text["brand"],
                description=product.text["description"],
                seller=product.text["seller"],
                sku=product.sku,
                category_code=product.category_code,
                category_path=product.category_path,
            )
            for product in self._products
        ]

    def doubt(self, result: "TrainingResult", *, limit: int) -> Doubted:
        """Put the clearest `limit` suspects of a training on `rows()` in front of people."""
        suspects = []
        for suspect in result.suspects:
            product = self._products[suspect.row]
            suspects.append(
                services.LabelSuspect(
                    product=product.pk,
                    category_code=product.category_code,
                    text_digest=text_digest(product.text),
                    candidates=suspect.candidates,
                    margin=suspect.margin,
                )
            )
        errors = services.label_errors_fill(suspects, model_version=result.version, limit=limit)
        return Doubted(found=len(suspects), errors=errors)
