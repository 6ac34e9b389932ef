"""A file of categories into the tree."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from apps.categories import services
from apps.categories.inference.errors import InputFileError
from apps.categories.inference.taxonomy_file import read_taxonomy

from ..tables import TablesCommand


class Command(TablesCommand):
    help = (
        "Import a category tree. Reads Shopify's taxonomy ('gid : A > B'), Google's ('12 - A > B'), plain "
        "lines 'A > B', a CSV with a column 'path' (perhaps 'external_id', 'code'), or nested JSON; plain "
        "or gzip. All or nothing; again, it changes nothing; categories that the file does not name stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the file of categories")
        parser.add_argument(
            "--follow-ids",
            action="store_true",
            help="rename and move categories whose external id has another path in the file (a new version, "
            "another language of a taxonomy imported before); codes, labels and products stay",
        )
        parser.add_argument("--dry-run", action="store_true", help="check and count, change nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        began = time.monotonic()
        try:
            file = read_taxonomy(options["file"])
            self.stdout.write(f"{len(file.entries):,} categories read from {options['file']}.")
            if file.repeated:
                self.stdout.write(f"{file.repeated:,} lines repeat a path; the first of each counts.")
            summary = services.taxonomy_import(
                file.entries, follow_ids=options["follow_ids"], dry_run=options["dry_run"]
            )
        except InputFileError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            self.style.SUCCESS(
                f"{'Would have created' if options['dry_run'] else 'Created'} {summary.created:,}, "
                f"renamed or moved {summary.renamed:,}, given an id {summary.updated:,}, "
                f"unchanged {summary.unchanged:,}; {time.monotonic() - began:,.1f} s."
            )
        )
        if summary.beside:
            self.stdout.write(
                f"{summary.beside:,} of the created have the id of a category with another path. To rename "
                "those instead of adding to them: --follow-ids."
            )
