#!/usr/bin/env python
"""Django's command line for this site."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bunoraa.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django cannot be imported: activate the virtual environment, "
            "or create it with: python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"
        ) from error
    from django.core.exceptions import ImproperlyConfigured

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if "--traceback" in sys.argv:
            raise
        # Its sentence says what is wrong and what to write; the way there helps nobody.
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
