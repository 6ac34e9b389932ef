"""Train a model on labelled products, prove it, and put it live."""

import time
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from ... import runtime, selectors, services
from ...conf import get_settings
from ...inference import artifact
from ...inference.classifier import ProductionClassifier
from ...inference.errors import ClassifierError, ClassifierUnavailable
from ...inference.files import open_reader, rejected_path, set_aside
from .. import needs
from ..site_labels import MOST_SUSPECTS, SiteLabels
from ..tables import TablesCommand

if TYPE_CHECKING:
    from training.config import TrainingConfig
    from training.data import LabelledRow
    from training.pipeline import TrainingResult


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Where the rows come from and where the model goes."""

    data: Path | None = None
    """Labelled rows (CSV, JSONL or Parquet, plain or .gz) instead of the site's own products."""
    output: Path | None = None
    """Write the artifact here as well (with --no-promote: only here)."""
    promote: bool = True
    """Put it live if it is not worse; --no-promote leaves the live model alone, and with --data needs no
    database."""
    force: bool = False
    """Put it live even if it is worse on the frozen test rows."""
    rejected: Path | None = None
    """Where unusable rows go, as they are in the data; without it outputs/NAME.rejected.csv."""


class Command(TablesCommand):
    help = (
        "Train a model on the labelled products of this site, or of a file (--data), measure it, and put it "
        "live when it is not worse than the live one on the frozen test rows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        try:
            from training.config import TrainingConfig
            from training.given import add_flags
        except ModuleNotFoundError as error:
            # Its options are those of the training: without it even --help has nothing to say.
            parser.error(needs.package("training", error))
        add_flags(parser, Delivery, TrainingConfig)

    def handle(self, **options: Any) -> None:
        try:
            from training import pipeline
            from training.backends import ranks
            from training.config import TrainingConfig
            from training.given import gather
        except ModuleNotFoundError as error:
            raise CommandError(needs.package("training", error)) from error
        started = time.monotonic()
        self.silent = not ranks.first()
        try:
            given = gather(options, Delivery, TrainingConfig)
            site = get_settings()
            config = given.build(TrainingConfig, target_precision=site.target_precision, backend=site.backend)
            self.delivery, self.site = given.build(Delivery), SiteLabels()
            self._check(config)
            rows = self._rows()
            result = pipeline.run(rows, config, origin=given.origin(), progress=self._say)
            self._report(result, time.monotonic() - started)
            try:
                self._deliver(result)
            except CommandError:
                # Refused, but kept as a file.
                result.forget_checkpoints()
                raise
            result.forget_checkpoints()
            self._doubt(result)
        except ranks.Finished:
            return
        except ClassifierError as error:
            raise CommandError(str(error)) from error

    def _check(self, config: "TrainingConfig") -> None:
        plan = self.delivery
        if config.test_fraction == 0 and plan.promote:
            raise CommandError("--test-fraction 0 leaves nothing to compare models on; add --no-promote")
        if config.quick and plan.promote:
            raise CommandError(
                "--quick trains on a small sample, to see that everything runs; no shop should file by that "
                "model: add --no-promote"
            )
        if not plan.promote and plan.data and not plan.output:
            raise CommandError("--no-promote with --data needs --output PATH: where the artifact goes")
        if plan.output and plan.output.resolve() == get_settings().artifact.resolve():
            raise CommandError(
                f"--output {plan.output} is the live model, which only a comparison may replace: name "
                "another file, or leave --output out"
            )

    def _say(self, line: str) -> None:
        if not self.silent:
            self.stdout.write(line)
            self.stdout.flush()

    def _rows(self) -> "list[LabelledRow]":
        from training.labels import label_rows

        plan = self.delivery
        path = plan.data
        if path is None:
            return self.site.rows()
        known = selectors.category_codes() if plan.promote else None
        with open_reader(path) as reader:
            labels = label_rows(reader, known=known)
            if reader.unknown_columns:
                self._say(f"ignoring the columns {', '.join(reader.unknown_columns)}")
        if not self.silent and (
            told := set_aside(labels.rejected, plan.rejected or rejected_path(path, Path("outputs")))
        ):
            self._say(told)
        if labels.unlabelled:
            self._say(f"{labels.unlabelled:,} rows have no label and are not learned from")
        return labels.rows

    def _report(self, result: "TrainingResult", seconds: float) -> None:
        test, threshold = result.test, result.threshold
        self._say("")
        self._say(f"{result.version}, trained in {seconds:.0f} s, {len(result.artifact) / 1e6:.1f} MB")
        if test is not None and test.rows:
            self._say(
                f"  on {test.rows:,} test rows it had not seen: {test.top1:.1%} right at once, "
                f"{test.top3:.1%} among three, macro-F1 {test.macro_f1:.3f}"
            )
            if test.precision is not None:
                self._say(
                    f"  it would file {test.coverage:.0%} of them by itself, {test.precision:.1%} of those "
                    f"rightly (asked for: {threshold.target:.0%})"
                )

    def _deliver(self, result: "TrainingResult") -> None:
        output, force = self.delivery.output, self.delivery.force
        if output:
            artifact.publish(result.artifact, output)
            self._say(f"  written to {output}")
        if not self.delivery.promote:
            if not output:
                self._say(f"  written to {self._keep(result)}; the live model stays as it was")
            return
        kept = self._keep(result)
        challenger = ProductionClassifier.load(kept)
        champion = None
        try:
            if get_settings().artifact.exists():
                champion = runtime.get_classifier()
        except ClassifierUnavailable as error:
            if not force:
                raise CommandError(
                    f"not put live: there is a live model, but nothing can be compared with it: {error} The "
                    f"new one is kept at {kept}; put it live all the same with --force"
                ) from error
        if champion is not None and champion.sha256 != challenger.sha256:
            from training.gate import compare

            verdict = compare(champion, challenger, result.rows)
            self._say(f"  {verdict.text}")
            if not verdict.accepted and not force:
                raise CommandError(
                    f"not put live: {verdict.text}. It is kept at {kept}; the live model goes on. "
                    "Label more products and train again, or put it live all the same with --force"
                )
        live = services.model_publish(challenger, result.artifact)
        self._say(f"  live at {live.published.path}")
        if live.published.previous:
            self._say(f"  the one before is kept at {live.published.previous}")

    def _doubt(self, result: "TrainingResult") -> None:
        """What a model that went live made of the site's own labels."""
        if self.delivery.promote and not self.delivery.data:
            for line in self.site.doubt(result, limit=MOST_SUSPECTS).say():
                self._say(f"  {line}")

    def _keep(self, result: "TrainingResult") -> Path:
        """Every trained model is kept, also one that never goes live."""
        path = get_settings().artifact.parent / "versions" / f"{result.version}.pt"
        artifact.publish(result.artifact, path)
        return path
