"""Runs a management command that is killed, as `kill -9` does it, at its n-th SQL statement.

    python -m tests.categories.killed N {before,after} COMMAND [OPTION …]

With N = 0 nothing is killed, and the number of statements and what the shop looks like are written to stdout,
as JSON.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

import django
from django.core.management import call_command
from django.db import connection


def main(at: int, side: str, command: str, *options: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bunoraa.settings")
    django.setup()
    numbers = count(1)

    def deadly(execute: Callable[..., Any], *args: Any) -> Any:
        number = next(numbers)
        if number == at and side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = execute(*args)
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    with connection.execute_wrapper(deadly):
        call_command(command, *options, verbosity=0, stdout=sys.stderr)
    json.dump({"statements": next(numbers) - 1, "shop": look()}, sys.stdout)


def look() -> dict[str, Any]:
    """Everything that an interruption must not change."""
    from apps.categories.models import Assignment, ClassificationRun, Product, Suggestion

    product = ("sku", "category__code", "category_source", "category_confidence", "needs_review", "is_stale")
    suggestion = ("product__sku", "status", "reason", "candidates", "text_digest")
    history = ("product__sku", "from_category__code", "to_category__code", "source")
    return {
        "products": list(Product.objects.order_by("sku").values_list(*product)),
        "suggestions": list(Suggestion.objects.order_by("product__sku").values_list(*suggestion)),
        "history": list(Assignment.objects.order_by("product__sku", "pk").values_list(*history)),
        "seen": sum(run.counts.get("seen", 0) for run in ClassificationRun.objects.all()),
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
