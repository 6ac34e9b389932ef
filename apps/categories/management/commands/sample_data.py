"""Write a synthetic catalogue to try everything on."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.categories import sample_catalogue
from apps.categories.inference.errors import InputFileError

from .classify_products import share

MAX_ROWS = 5_000_000


class Command(BaseCommand):
    help = (
        "Write an invented but believable catalogue as CSV: labelled products with typos, near-duplicates, "
        "some Spanish and a few contradictory labels. The same --seed gives the same file; no database."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=10_000, metavar="N", help="products (default: 10000)")
        parser.add_argument(
            "--output",
            type=Path,
            default=Path("outputs/sample.csv.gz"),
            metavar="FILE",
            help="where to write; gzip when it ends in .gz (default: outputs/sample.csv.gz)",
        )
        parser.add_argument(
            "--seed", type=int, default=0, metavar="N", help="another seed, another shop (default: 0)"
        )

        parser.add_argument(
            "--unlabelled",
            type=share,
            default=0.0,
            metavar="SHARE",
            help="about this share of the products, 0 to 1, comes without its category (default: 0)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        rows, output = options["rows"], options["output"]
        if not 1 <= rows <= MAX_ROWS:
            raise CommandError(f"--rows is {rows}, expected 1 to {MAX_ROWS:,}")
        try:
            sample_catalogue.write(output, rows, seed=options["seed"], unlabelled=options["unlabelled"])
        except InputFileError as error:
            raise CommandError(str(error)) from error
        if options["verbosity"] == 0:
            return
        categories = len(sample_catalogue.leaves())
        self.stdout.write(f"{rows:,} products of a shop with {categories} categories: {output}")
        self.stdout.write(
            f"Next: manage.py import_products {output} --create-categories\n"
            "Or, without a database: manage.py train_classifier --backend linear "
            f"--data {output} --no-promote --output outputs/try.pt"
        )
