"""Draw a random sample of what the model has filed, for people to judge."""

from argparse import ArgumentParser
from typing import Any

from apps.categories import services

from ..tables import TablesCommand
from .classify_products import positive

SIZE = 200


class Command(TablesCommand):
    help = (
        "Let a random sample of the products that the model has filed wait in the audit queue. What people "
        "decide there measures the model's precision, with an exact interval, on the dashboard. Repeated, it "
        "adds nothing while the sample waits, and draws others in the place of those that were judged."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--size", type=positive, default=SIZE, metavar="N", help=f"products to draw (default: {SIZE})"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        new = services.audit_fill(options["size"])
        if options["verbosity"] == 0:
            return
        if new:
            self.stdout.write(self.style.SUCCESS(f"{new:,} more products wait in the audit queue."))
        else:
            self.stdout.write(
                "Nothing more to draw: the sample waits or is judged already, or the model has filed nothing "
                "(see `manage.py classify_products`)."
            )
