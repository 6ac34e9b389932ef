"""Put labels that are probably wrong in front of people."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ...inference.errors import ClassifierError
from .. import needs
from ..site_labels import MOST_SUSPECTS, SiteLabels
from ..tables import TablesCommand
from .classify_products import positive


class Command(TablesCommand):
    help = (
        "Look for labels that are probably wrong: each labelled product is judged by linear models of the "
        "other labels, and the clearest contradictions wait for a person in the queue of suspected label "
        "errors. No label is changed, and one that a person calls right is not asked about again. Safe to "
        "repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--limit",
            type=positive,
            default=MOST_SUSPECTS,
            metavar="N",
            help=f"suspects that wait at a time, the clearest first (default: {MOST_SUSPECTS})",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        self.silent = options["verbosity"] == 0
        began = time.monotonic()
        try:
            self._find(options["limit"])
        except ModuleNotFoundError as error:
            raise CommandError(needs.package("looking for label errors", error)) from error
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("\nStopped. What waits in the queue is whole; run the command again to go on.")
            sys.exit(130)
        self._say(f"Looked for in {time.monotonic() - began:,.0f} s.")

    def _find(self, limit: int) -> None:
        from training import pipeline
        from training.config import TrainingConfig

        site = SiteLabels()
        # Nothing is kept for a test: every label is looked at, and this model goes nowhere.
        config = TrainingConfig(backend="linear", test_fraction=0)
        result = pipeline.run(site.rows(), config, progress=self._say)
        for line in site.doubt(result, limit=limit).say():
            self._say(self.style.SUCCESS(line))

    def _say(self, line: str) -> None:
        if not self.silent:
            self.stdout.write(line)
            self.stdout.flush()
