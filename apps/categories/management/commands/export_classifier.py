"""Write the transformer of a model in a form for other servers."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...inference.errors import ClassifierError
from ...inference.files import ProductRow, read_rows
from .. import needs

FORMATS = {
    "onnx": "for ONNX Runtime, Triton and others",
    "torchscript": "one file for libtorch, on a processor",
    "torch": "for transformers; in fp32 also a base for train_classifier --base-model",
}


class Command(BaseCommand):
    help = (
        "Write the transformer of a classifier.pt as a folder that other servers can run: the model, its "
        "tokenizer, labels.json (categories, recipe of the text, calibration), a README and predict.py, "
        "which shows all of it at work. The folder is put in place only after it has answered a thousand "
        "texts as the artifact does. Formats: "
        + "; ".join(f"{name}, {use}" for name, use in FORMATS.items())
        + ". Needs no database."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", required=True, choices=FORMATS, help="see above")
        parser.add_argument(
            "--precision",
            choices=("fp32", "int8"),
            default="fp32",
            help="int8: matrices in 8 bits, smaller and faster on a processor, refused where its answers "
            "differ too much (default: fp32)",
        )
        parser.add_argument(
            "--artifact", type=Path, metavar="FILE", help="default: the artifact of this site"
        )
        parser.add_argument(
            "--output",
            type=Path,
            required=True,
            metavar="DIR",
            help="a folder that is not there yet, or is empty",
        )
        parser.add_argument(
            "--data",
            type=Path,
            metavar="FILE",
            help="products to compare its answers on: CSV, JSONL or Parquet, plain or .gz, labels not needed "
            "(default: the artifact's golden texts, its categories' names, and variations of them)",
        )

    def handle(self, **options: Any) -> None:
        try:
            self._export(options)
        except ModuleNotFoundError as error:
            asked = f"--format {options['format']} --precision {options['precision']}"
            raise CommandError(needs.package(asked, error)) from error
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("\nStopped; nothing was written.")
            sys.exit(130)

    def _export(self, options: dict[str, Any]) -> None:
        from training.standalone.export import export

        classifier = needs.classifier(options["artifact"])
        products = self._products(options["data"])
        done = export(
            classifier,
            options["output"],
            form=options["format"],
            precision=options["precision"],
            products=products,
            progress=self._say,
        )
        if done.left_out:
            self._say(self.style.WARNING(done.left_out))
        figures = done.checked
        self._say(
            "largest difference of a probability from the artifact: "
            f"{figures['largest_difference']:.1e}, on {figures['texts']:,} texts"
            if options["precision"] == "fp32"
            else f"{figures['agreement']:.1%} of {figures['texts']:,} texts are answered as in full; the "
            f"confidence differs by {figures['confidence_difference']:.4f} in the mean"
        )
        self._say(
            self.style.SUCCESS(
                f"{classifier.version} as {options['format']} in {options['precision']}, "
                f"{done.size / 1e6:,.1f} MB: {done.folder}"
            )
        )
        self._say(f'to see it answer: python {done.folder / "predict.py"} "a title"')

    def _products(self, path: Path | None) -> list[dict[str, str]]:
        if path is None:
            return []
        rows = [*read_rows(path, labels=False)]
        products = [row.as_mapping() for row in rows if isinstance(row, ProductRow)]
        self._say(f"{len(products):,} products of {path}, {len(rows) - len(products):,} cannot be used")
        return products

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
