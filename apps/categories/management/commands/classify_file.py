"""Classify a file of products without a database."""

import sys
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.categories.conf import get_settings
from apps.categories.inference.batch import DEFAULT_BATCH, METADATA, PREDICTIONS, BatchOptions, classify_file
from apps.categories.inference.errors import ClassifierError
from apps.categories.inference.files import rejected_path
from apps.categories.management import needs

OUTPUTS = Path("outputs")


class Command(BaseCommand):
    help = (
        "Classify a CSV, JSONL or Parquet file (plain or gzip) with one artifact. Writes predictions.jsonl, "
        "one line per row in the order of the file, and run_metadata.json. Needs no database."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, metavar="FILE", help="products with a column 'title'")
        parser.add_argument(
            "--artifact", type=Path, metavar="PATH", help="default: the artifact and THRESHOLD of this site"
        )
        parser.add_argument(
            "--output",
            type=Path,
            metavar="DIR",
            help="default: outputs/run_<UTC time>; results there are replaced",
        )
        parser.add_argument(
            "--rejected",
            type=Path,
            metavar="PATH",
            help="unusable rows; default: outputs/<name>.rejected.csv",
        )
        parser.add_argument(
            "--top-k", type=int, default=3, metavar="N", help="candidates per row (default: 3)"
        )
        parser.add_argument(
            "--min-confidence",
            type=float,
            metavar="SHARE",
            help="file nothing under this confidence (0 to 1); can only raise the artifact's own bar",
        )
        parser.add_argument(
            "--batch-size", type=int, default=DEFAULT_BATCH, metavar="N", help="rows scored at a time"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        bar = options["min_confidence"]
        if bar is not None and not 0 <= bar <= 1:
            raise CommandError(f"--min-confidence is {bar}, expected a share between 0 and 1")
        if options["top_k"] < 1 or options["batch_size"] < 1:
            raise CommandError("--top-k and --batch-size must be at least 1")
        source: Path = options["source"]
        folder = options["output"] or OUTPUTS / f"run_{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        rejects = options["rejected"] or rejected_path(source, OUTPUTS)
        began = shown = time.monotonic()

        def show(rows: int) -> None:
            nonlocal shown
            if options["verbosity"] and time.monotonic() - shown >= 1:
                shown = time.monotonic()
                self.stdout.write(f"{rows:,} rows, {rows / (shown - began):,.0f} a second")

        try:
            classifier = needs.classifier(options["artifact"])
            summary = classify_file(
                source,
                classifier,
                folder,
                rejects=rejects,
                options=BatchOptions(
                    top_k=options["top_k"],
                    # Another artifact is asked for itself, as by classify_text.
                    threshold=None if options["artifact"] else get_settings().threshold,
                    min_confidence=bar,
                    batch_size=options["batch_size"],
                ),
                on_progress=show,
            )
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("\nStopped; nothing was written.")
            sys.exit(130)
        if summary.unknown_columns:
            self.stdout.write(f"Columns that are not read: {', '.join(summary.unknown_columns)}")
        self.stdout.write(
            self.style.SUCCESS(
                f"{summary.rows:,} rows in {summary.seconds:,.1f} s by {classifier.version}: "
                f"{folder / PREDICTIONS}, {METADATA}"
            )
        )
        for count, words in (
            (summary.assigned, "would be filed"),
            (summary.assigned_parent, "would be filed in a parent category"),
            (summary.review, "would go to a person"),
            (summary.unanswered, "have nothing that the model can read"),
            (summary.rejected, f"could not be used: {rejects}"),
        ):
            if count:
                self.stdout.write(f"  {count:>9,}  {words}")
