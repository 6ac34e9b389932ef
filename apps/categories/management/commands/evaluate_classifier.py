"""Judge a model on labelled products, in figures and as a page for people."""

import json
import sys
import time
from argparse import ArgumentParser
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from ...conf import get_settings
from ...inference.classifier import ProductionClassifier
from ...inference.errors import ClassifierError, InputFileError
from ...inference.files import open_reader, rejected_path, set_aside
from .. import needs

if TYPE_CHECKING:
    from training.judgement import Judgement
    from training.labels import Labels

OUTPUTS = Path("outputs")


class Command(BaseCommand):
    help = (
        "Judge a model on a file of labelled products: how much it would file by itself and how much of that "
        "rightly, accuracy, F1, calibration, speed; with --report as a page that needs nothing else. "
        "Needs no database. On the file that the model was trained on, add --test-part."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--data",
            type=Path,
            required=True,
            metavar="FILE",
            help="labelled rows: CSV, JSONL or Parquet, plain or .gz",
        )
        parser.add_argument(
            "--artifact", type=Path, metavar="PATH", help="default: the artifact of this site"
        )
        parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures to this file")
        parser.add_argument(
            "--report",
            type=Path,
            metavar="DIR",
            help="write report.html and its pictures (PNG) there; earlier ones are replaced",
        )
        parser.add_argument(
            "--test-part",
            action="store_true",
            help="judge only on rows of the model's frozen test part, which it has never learned from",
        )
        parser.add_argument(
            "--rejected", type=Path, metavar="PATH", help="where unusable rows go (outputs/NAME.rejected.csv)"
        )

    def handle(self, **options: Any) -> None:
        try:
            self._judge(options)
        except ModuleNotFoundError as error:
            raise CommandError(needs.package("judging a model", error)) from error
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("\nStopped.")
            sys.exit(130)

    def _judge(self, options: dict[str, Any]) -> None:
        from training.judgement import judge

        classifier = needs.classifier(options["artifact"])
        labels = self._labels(options, classifier)
        began = shown = time.monotonic()

        def show(rows: int) -> None:
            nonlocal shown
            if time.monotonic() - shown >= 1:
                shown = time.monotonic()
                self._say(f"{rows:,} rows, {rows / (shown - began):,.0f} a second")

        judgement = judge(
            labels,
            classifier,
            test_part=options["test_part"],
            threshold=get_settings().threshold,
            on_progress=show,
        )
        self._figures(judgement, classifier)
        if path := options["json"]:
            described = {
                "input": options["data"].name,
                "artifact": {"version": classifier.version, "sha256": classifier.sha256},
                "test_part": options["test_part"],
                **judgement.as_dict(),
            }
            _write(path, json.dumps(described, ensure_ascii=False, indent=2).encode() + b"\n")
            self._say(f"all figures: {path}")
        if folder := options["report"]:
            self._report(judgement, classifier, options["data"].name, folder)

    def _labels(self, options: dict[str, Any], classifier: ProductionClassifier) -> "Labels":
        from training.outcomes import read_labels

        path: Path = options["data"]
        with open_reader(path) as reader:
            labels = read_labels(reader, classifier)
            if reader.unknown_columns:
                self._say(f"ignoring the columns {', '.join(reader.unknown_columns)}")
        if told := set_aside(labels.rejected, options["rejected"] or rejected_path(path, OUTPUTS)):
            self._say(told)
        if labels.unlabelled:
            self._say(f"{labels.unlabelled:,} rows have no label and cannot be judged")
        return labels

    def _figures(self, judgement: "Judgement", classifier: ProductionClassifier) -> None:
        from training.evaluation import share

        at, timing = judgement.evaluation, judgement.timing
        for note in judgement.notes:
            self._say(note)
        self._say(f"\n{at.rows:,} rows judged by {classifier.version}")
        parts = f" ({at.filed_parent:,} in a parent category)" if at.filed_parent else ""
        for figure, words in (
            (share(at.coverage), f"would be filed without a person{parts}"),
            (
                share(at.precision, down=True),
                f"of those rightly ({share(at.precision_low)} to {share(at.precision_high)} with 95% "
                f"certainty); asked for {share(at.target)}: {at.verdict}",
            ),
            (share(at.left_for_people), "left for people"),
            (share(at.top1), "right at once (top-1, accuracy)"),
            (share(at.top3), "right among three (top-3)"),
            (f"{at.macro_f1:.3f}", "macro-F1"),
            (f"{at.weighted_f1:.3f}", "weighted F1"),
            (
                f"{at.hierarchical.f1:.3f}",
                f"hierarchical F1 (precision {at.hierarchical.precision:.3f}, "
                f"recall {at.hierarchical.recall:.3f})",
            ),
            (f"{at.calibration_error:.3f}", "calibration error (ECE, 15 bins of equal mass)"),
            (f"{at.brier:.3f}", "Brier score"),
            (f"{timing.p50_ms:.2f} ms", f"for one product (p50); p99 {timing.p99_ms:.2f} ms"),
            (f"{timing.per_second:,.0f}", "products a second in batches"),
        ):
            self._say(f"  {figure:>9}  {words}")

    def _report(
        self, judgement: "Judgement", classifier: ProductionClassifier, source: str, folder: Path
    ) -> None:
        from training import report

        given = report.ReportInput(
            source=source,
            classifier=classifier,
            outcomes=judgement.outcomes,
            evaluation=judgement.evaluation,
            timing=judgement.timing,
            familiar=judgement.familiar,
            notes=judgement.notes,
            skipped=judgement.skipped,
            now=datetime.now(UTC),
        )
        files = report.build(given, progress=self._say)
        for name, data in files.items():
            _write(folder / name, data)
        # A picture of an earlier report must not pass for one of this.
        for name in set(report.FILES) - files.keys():
            (folder / name).unlink(missing_ok=True)
        self._say(f"report: {folder / report.PAGE}")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _write(path: Path, data: bytes) -> None:
    """Put a whole file in place, or nothing."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise InputFileError(f"{path} cannot be written: {error.strerror}; name another place") from error
