"""File what waits: the sweep behind every save, and the worker that does it all day."""

import signal
import sys
import time
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import CommandError

from apps.categories import services

from ..tables import TablesCommand


def share(value: str) -> float:
    """A confidence of the command line, 0 to 1."""
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError(value)
    return number


def positive(value: str) -> int:
    """A count of the command line, at least 1."""
    number = int(value)
    if number < 1:
        raise ValueError(value)
    return number


class Command(TablesCommand):
    help = (
        "Classify the products that wait for it. Products filed by a person or an import are never touched. "
        "Safe to interrupt, to kill and to run several times at once: the next run goes on where it stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--stale",
            action="store_true",
            help="what changed since it was classified, found by comparing texts (this is the default)",
        )
        which.add_argument(
            "--all",
            action="store_true",
            help="every product without a label, as after a new model; continues an unfinished run",
        )
        parser.add_argument("--limit", type=positive, metavar="N", help="stop after N products")
        parser.add_argument(
            "--min-confidence",
            type=share,
            metavar="SHARE",
            help="file nothing under this confidence (0 to 1); can only raise the model's own bar",
        )
        parser.add_argument(
            "--batch-size", type=positive, metavar="N", help="products a transaction (default: the setting)"
        )
        parser.add_argument("--dry-run", action="store_true", help="score and count, write nothing")
        parser.add_argument(
            "--watch", action="store_true", help="go on for ever, as the worker of TASKS = sweep"
        )
        parser.add_argument(
            "--interval",
            type=float,
            default=2.0,
            metavar="SECONDS",
            help="pause between two looks (with --watch)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["watch"] and (options["all"] or options["dry_run"] or options["limit"]):
            raise CommandError("--watch goes with none of --all, --dry-run and --limit.")
        wanted = services.SweepOptions(
            everything=options["all"],
            limit=options["limit"],
            min_confidence=options["min_confidence"],
            batch_size=options["batch_size"],
            dry_run=options["dry_run"],
        )
        # A polite stop by a process manager ends as Ctrl-C does: after rolling back the batch under way.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            if options["watch"]:
                self.watch(wanted, options["interval"])
            self.sweep(wanted, quiet=options["verbosity"] == 0)
        except services.ClassifierUnavailable as error:
            # The queue grows old without a model too.
            services.queue_alert()
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("\nStopped. What was done is stored; run the command again to go on.")
            sys.exit(130)

    def sweep(self, wanted: services.SweepOptions, *, quiet: bool) -> None:
        began = shown = time.monotonic()

        def show(progress: services.SweepProgress) -> None:
            nonlocal shown
            if quiet or time.monotonic() - shown < 1:
                return
            shown = time.monotonic()
            done = progress.summary
            found = (
                f"{done.filed:,} filed, {done.review + done.unanswered:,} to review, "
                f"{done.seen / (shown - began):,.0f} a second"
            )
            self.stdout.write(
                f"{progress.read:,} of {progress.total:,} products looked at: "
                f"{found if done.seen else 'none due yet'}"
            )

        summary = services.products_sweep(wanted, on_progress=show)
        if not wanted.dry_run:
            services.queue_alert()
        self.report(summary, dry_run=wanted.dry_run, seconds=time.monotonic() - began)

    def report(self, summary: services.ClassifySummary, *, dry_run: bool, seconds: float) -> None:
        if not summary.seen:
            self.stdout.write("Nothing to do: every product without a label has been classified as it is.")
            return
        self.stdout.write(
            self.style.SUCCESS(
                f"{'Would have classified' if dry_run else 'Classified'} {summary.seen:,} products "
                f"in {seconds:,.1f} s by {services.model_info().version}:"
            )
        )
        for count, words in (
            (summary.filed, "filed by the model"),
            (summary.above, "of these above their category (admin: Review queue, To refine)"),
            (summary.review, "wait for a person, with candidates (admin: Review queue)"),
            (summary.unanswered, "wait for a person: nothing in their text that the model can read"),
            (summary.passed_over, "passed over: labelled or changed meanwhile, or rejected with this model"),
        ):
            if count:
                self.stdout.write(f"  {count:>9,}  {words}")

    def watch(self, wanted: services.SweepOptions, interval: float) -> NoReturn:
        self.stdout.write(f"Watching for products to classify, every {interval:g} s. Ctrl-C stops.")

        def done(summary: services.ClassifySummary) -> None:
            if summary.seen:
                self.stdout.write(
                    f"{summary.seen:,} classified: {summary.filed:,} filed, "
                    f"{summary.review + summary.unanswered:,} to review"
                )

        services.products_watch(wanted, interval=interval, on_pass=done, on_trouble=self.stderr.write)
