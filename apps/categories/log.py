"""Log lines without personal data."""

import logging

from .inference.redact import redact


class RedactingFormatter(logging.Formatter):
    """Takes e-mail addresses, IBANs, card and phone numbers out of the finished line, its traceback included.

    A formatter, not a filter: what an exception quotes comes into the line only here.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, with "[email]" and the like in place of each find."""
        return redact(super().format(record), mark="[{kind}]")[0]
