"""A file of products into the shop."""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from apps.categories import services
from apps.categories.inference.errors import InputFileError
from apps.categories.inference.files import (
    ProductRow,
    RejectedRow,
    RejectWriter,
    open_reader,
    rejected_path,
)

from ..tables import TablesCommand


class Command(TablesCommand):
    help = (
        "Import products from CSV, JSONL or Parquet, plain or gzip: new skus are created, known updated. "
        "Columns: sku and title (required), description, brand, seller, price, rating, reviews_count, image, "
        "and a label as category_code or category_path. Empty cells change nothing; a label never replaces "
        "what a person decided. Unusable rows go to a file of rejects, each with its reason."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the file of products")
        parser.add_argument(
            "--create-categories",
            action="store_true",
            help="create the categories that the file's category_path names and the tree does not have",
        )
        parser.add_argument(
            "--ignore-labels", action="store_true", help="import the products without the file's labels"
        )
        parser.add_argument(
            "--rejected",
            type=Path,
            metavar="PATH",
            help="where rejected rows go (default: outputs/<name>.rejected.csv)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        source: Path = options["file"]
        labels = not options["ignore_labels"]
        if options["create_categories"] and not labels:
            raise CommandError("--create-categories and --ignore-labels exclude each other.")
        target = options["rejected"] or rejected_path(source, Path(settings.BASE_DIR) / "outputs")
        self.ignored: tuple[str, ...] = ()
        began = time.monotonic()

        def read() -> Iterator[ProductRow | RejectedRow]:
            with open_reader(source, labels=labels) as reader:
                yield from reader
                self.ignored = reader.unknown_columns

        reasons = Counter[str]()
        example: dict[str, str] = {}

        def reject(row: RejectedRow) -> None:
            rejects.write(row)
            # The first words tell one kind of reason from another; what follows is of the row.
            kind = " ".join(row.reason.split()[:2])
            reasons[kind] += 1
            example.setdefault(kind, row.reason)

        try:
            with RejectWriter(target) as rejects:
                summary = services.products_import(
                    read,
                    name=source.name,
                    create_categories=options["create_categories"],
                    on_reject=reject,
                    on_progress=self.progress(quiet=options["verbosity"] == 0),
                )
        except (InputFileError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("\nStopped. What was read is stored; run the command again to finish.")
            sys.exit(130)
        self.report(summary, target, time.monotonic() - began)
        if summary.rejected and not summary.created + summary.updated + summary.unchanged:
            ((kind, count),) = reasons.most_common(1)
            raise CommandError(
                f"nothing was imported: all {summary.rejected:,} rows were rejected, {count:,} of them for "
                f"this reason: {example[kind]}. The rows are in {target}, each with its reason"
            )

    def progress(self, *, quiet: bool) -> Any:
        began = shown = time.monotonic()

        def show(summary: services.ImportSummary) -> None:
            nonlocal shown
            if quiet or time.monotonic() - shown < 1:
                return
            shown = time.monotonic()
            done = summary.created + summary.updated + summary.unchanged + summary.rejected
            self.stdout.write(f"{done:,} rows read, {done / (shown - began):,.0f} a second")

        return show

    def report(self, summary: services.ImportSummary, target: Path, seconds: float) -> None:
        if self.ignored:
            self.stdout.write(f"Ignored columns: {', '.join(self.ignored)}.")
        self.stdout.write(
            self.style.SUCCESS(
                f"Created {summary.created:,} products, updated {summary.updated:,}, "
                f"unchanged {summary.unchanged:,}; {seconds:,.1f} s."
            )
        )
        for count, words in (
            (summary.categories_created, "categories created"),
            (summary.labelled, "products filed by the label in the file"),
            (summary.kept_human, "labels not taken: a person decided otherwise"),
            (summary.left_empty, "values left empty: not a number, or out of range"),
            (summary.rejected, f"rows rejected, with the reasons: {target}"),
        ):
            if count:
                self.stdout.write(f"  {count:>9,}  {words}")
