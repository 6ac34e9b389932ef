"""Train a model on labelled products, prove it, and put it live."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from ... import runtime, selectors, services
from ...conf import get_settings
from ...inference import artifact
from ...inference.classifier import ProductionClassifier
from ...inference.errors import ClassifierError, ClassifierUnavailable
from ...inference.files import RejectWriter, open_reader, rejected_path
from ...inference.text import TEXT_FIELDS

if TYPE_CHECKING:
    from training.data import LabelledRow
    from training.pipeline import TrainingResult


class Command(BaseCommand):
    help = (
        "Train a model on the labelled products of this site, or of a file (--data), measure it, and put it "
        "live when it is not worse than the live one on the frozen test rows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--data",
            type=Path,
            metavar="FILE",
            help="labelled rows (CSV, JSONL or Parquet, plain or .gz) instead of the site's own products",
        )
        parser.add_argument("--backend", default="linear", choices=["linear"], help="model family (linear)")
        parser.add_argument(
            "--output",
            type=Path,
            metavar="PATH",
            help="write the artifact here as well (with --no-promote: only here)",
        )
        parser.add_argument(
            "--no-promote",
            action="store_true",
            help="leave the live model alone; with --data no database is needed",
        )
        parser.add_argument(
            "--force", action="store_true", help="put it live even if it is worse on the frozen test rows"
        )
        parser.add_argument(
            "--target-precision",
            type=float,
            metavar="SHARE",
            help="share of automatically filed products that must be right (setting TARGET_PRECISION, 0.95)",
        )
        parser.add_argument(
            "--test-fraction", type=float, default=0.1, metavar="SHARE", help="frozen test part (0.1)"
        )
        parser.add_argument("--folds", type=int, default=4, help="folds of the out-of-fold predictions (4)")
        parser.add_argument(
            "--fields",
            default="",
            help=f"fields to read, such as title,brand, out of {', '.join(TEXT_FIELDS)}; chosen if not given",
        )
        parser.add_argument(
            "--class-weight",
            default="auto",
            choices=["auto", "none", "balanced"],
            help="let rows of rare categories count more (auto: if it validates better)",
        )
        parser.add_argument("--seed", type=int, default=0, help="same seed and rows give the same model (0)")
        parser.add_argument("--jobs", type=int, default=0, help="fits at a time; 0 is one a processor (0)")
        parser.add_argument(
            "--rejected", type=Path, metavar="PATH", help="where unusable rows go (outputs/NAME.rejected.csv)"
        )

    def handle(self, **options: Any) -> None:
        try:
            from training import pipeline
            from training.config import TrainingConfig
        except ModuleNotFoundError as error:
            raise CommandError(
                f"training needs the package {error.name}: pip install -r requirements-ml.txt"
            ) from error
        started, target = time.monotonic(), options["target_precision"]
        try:
            config = TrainingConfig(
                backend=options["backend"],
                target_precision=get_settings().target_precision if target is None else target,
                test_fraction=options["test_fraction"],
                folds=options["folds"],
                fields=tuple(name.strip() for name in options["fields"].split(",") if name.strip()),
                class_weight=options["class_weight"],
                seed=options["seed"],
                jobs=options["jobs"],
            )
        except ValueError as error:
            raise CommandError(f"--{error}") from error
        if config.test_fraction == 0 and not options["no_promote"]:
            raise CommandError("--test-fraction 0 leaves nothing to compare models on; add --no-promote")
        if options["no_promote"] and options["data"] and not options["output"]:
            raise CommandError("--no-promote with --data needs --output PATH: where the artifact goes")
        live = get_settings().artifact
        if options["output"] and options["output"].resolve() == live.resolve():
            raise CommandError(
                f"--output {options['output']} is the live model, which only a comparison may replace: name "
                "another file, or leave --output out"
            )
        try:
            rows = self._rows(options)
            result = pipeline.run(rows, config, progress=self._say)
            self._report(result, time.monotonic() - started)
            self._deliver(result, options)
        except ClassifierError as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _rows(self, options: dict[str, Any]) -> "list[LabelledRow]":
        from training.data import LabelledRow
        from training.labels import label_rows

        if options["data"] is None:
            rows = [
                LabelledRow(
                    title=product.text["title"],
                    brand=product.text["brand"],
                    description=product.text["description"],
                    seller=product.text["seller"],
                    sku=product.sku,
                    category_code=product.category_code,
                    category_path=product.category_path,
                )
                for product in selectors.labelled_products()
            ]
            if not rows:
                raise CommandError(
                    "no product has a label yet: import some with "
                    "`manage.py import_products FILE`, or train from a file with --data FILE"
                )
            return rows
        known = None if options["no_promote"] else selectors.category_codes()
        path: Path = options["data"]
        with open_reader(path) as reader:
            labels = label_rows(reader, known=known)
            if reader.unknown_columns:
                self._say(f"ignoring the columns {', '.join(reader.unknown_columns)}")
        rejects = options["rejected"] or rejected_path(path, Path("outputs"))
        with RejectWriter(rejects) as writer:
            for row in labels.rejected:
                writer.write(row)
        if labels.rejected:
            first = labels.rejected[0]
            self._say(
                f"{len(labels.rejected):,} rows cannot be used and are in {rejects}; "
                f"the first: line {first.line}: {first.reason}"
            )
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

    def _deliver(self, result: "TrainingResult", options: dict[str, Any]) -> None:
        if output := options["output"]:
            artifact.publish(result.artifact, output)
            self._say(f"  written to {output}")
        if options["no_promote"]:
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
            if not options["force"]:
                raise CommandError(
                    f"not put live: there is a live model, but nothing can be compared with it: {error} The "
                    f"new one is kept at {kept}; put it live all the same with --force"
                ) from error
        if champion is not None and champion.sha256 != challenger.sha256:
            from training.gate import compare

            verdict = compare(champion, challenger, result.rows)
            self._say(f"  {verdict.text}")
            if not verdict.accepted and not options["force"]:
                raise CommandError(
                    f"not put live: {verdict.text}. It is kept at {kept}; the live model goes on. "
                    "Label more products and train again, or put it live all the same with --force"
                )
        live = services.model_publish(challenger, result.artifact)
        self._say(f"  live at {live.published.path}")
        if live.published.previous:
            self._say(f"  the one before is kept at {live.published.previous}")

    def _keep(self, result: "TrainingResult") -> Path:
        """Every trained model is kept, also one that never goes live."""
        path = get_settings().artifact.parent / "versions" / f"{result.version}.pt"
        artifact.publish(result.artifact, path)
        return path
