"""Ask a model on the terminal."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.categories.conf import get_settings
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.errors import ClassifierError
from apps.categories.management import needs

SPOKEN = {
    "assign": "would be filed",
    "assign_parent": "would be filed in the parent",
    "review": "goes to a person",
}


class Command(BaseCommand):
    help = (
        "Classify texts given on the command line; without any, a prompt (or one text per line of the input)."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("texts", nargs="*", metavar="TEXT", help='for instance "cordless drill 18v"')
        parser.add_argument(
            "--artifact", type=Path, metavar="PATH", help="default: the artifact and THRESHOLD of this site"
        )
        parser.add_argument(
            "--top-k", type=int, default=3, metavar="N", help="candidates per text (default: 3)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["top_k"] < 1:
            raise CommandError("--top-k must be at least 1")
        try:
            classifier = needs.classifier(options["artifact"])
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        # Another artifact is asked for itself: only the site's own model files by the site's threshold.
        self.policy = classifier.policy.fixed(None if options["artifact"] else get_settings().threshold)
        texts: Iterable[str] = options["texts"]
        if not texts:
            self.stdout.write(f"{classifier.version}, {len(classifier.codes)} categories.")
            texts = self.asked()
        try:
            for text in texts:
                self.answer(classifier, text, options["top_k"])
        except KeyboardInterrupt:
            self.stdout.write("")

    def asked(self) -> Iterator[str]:
        if not sys.stdin.isatty():
            yield from (line.strip() for line in sys.stdin if line.strip())
            return
        self.stdout.write("Type a product's text; an empty line ends.")
        while True:
            try:
                text = input("> ").strip()
            except EOFError:
                return
            if not text:
                return
            yield text

    def answer(self, classifier: ProductionClassifier, text: str, top_k: int) -> None:
        ranked, (decision,) = classifier.assess([text], self.policy, top_k=top_k)
        self.stdout.write(text)
        for prediction in classifier.predictions(ranked)[0]:
            code = prediction["category_code"]
            self.stdout.write(f"  {prediction['confidence']:6.1%}  {classifier.path(code)}  ({code})")
        spoken = SPOKEN.get(decision.action, "no answer")
        if decision.action == "assign_parent" and decision.category_code is not None:
            spoken += f" {classifier.path(decision.category_code)}"
        self.stdout.write(f"  {spoken}: {decision.reason}")
