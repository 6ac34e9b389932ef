"""Runs a management command that is killed, as `kill -9` does it, at its n-th SQL statement.

    python -m tests.categories.killed N {before,after} COMMAND [OPTION …]

With N = 0 nothing is killed, and the number of statements is printed last.
"""

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
        call_command(command, *options)
    print(next(numbers) - 1)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
