"""Runs a management command that is killed, as `kill -9` does it, before its n-th change of a file or row.

    python -m tests.categories.killed_writing N FOLDER COMMAND [OPTION …]

Changes are those of files under FOLDER that Python makes, and SQL statements. With N = 0 nothing is killed,
and the changes are written to stdout, as a JSON list of a line each.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django
from django.core.management import call_command
from django.db import connection

CHANGES = {
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.utime",
    "os.chmod",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main(at: int, folder: str, command: str, *options: str) -> None:
    changes: list[str] = []

    def change(line: str) -> None:
        changes.append(line)
        if len(changes) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, args: tuple[Any, ...]) -> None:
        writes = event in CHANGES or (event == "open" and args[2] & WRITING)
        if writes and not isinstance(args[0], int) and os.fspath(args[0]).startswith(folder):
            change(f"{event} {os.fspath(args[0])}")

    def execute(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        change(f"sql {sql[:60]}")
        return execute(sql, *args)

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bunoraa.settings")
    django.setup()
    sys.addaudithook(watch)
    with connection.execute_wrapper(execute):
        call_command(command, *options, stdout=sys.stderr)
    json.dump(changes, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
