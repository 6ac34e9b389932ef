"""Log lines pass the redactor, tracebacks included; what an operator needs stays."""

import logging
import logging.config

import pytest
from django.conf import settings

from apps.categories.log import RedactingFormatter


def line(message: str, *arguments: object, error: BaseException | None = None) -> str:
    formatter = logging.config.DictConfigurator(settings.LOGGING).configure_formatter(
        dict(settings.LOGGING["formatters"]["line"])
    )
    info = (type(error), error, error.__traceback__) if error else None
    return formatter.format(logging.LogRecord("shop", logging.INFO, "f.py", 1, message, arguments, info))


def test_the_site_s_console_redacts() -> None:
    assert settings.LOGGING["handlers"]["console"]["formatter"] == "line"
    assert settings.LOGGING["root"]["handlers"] == ["console"]
    said = line("order of %s by %s", "ana@example.com", "4111 1111 1111 1111")
    assert said.endswith(" INFO shop: order of [email] by [card]")


def test_django_writes_past_nothing() -> None:
    for name in ("django", "django.server", "django.request", "django.db.backends", "apps.categories"):
        logger = logging.getLogger(name)
        assert (logger.handlers, logger.propagate) == ([], True)
        assert not logger.isEnabledFor(logging.DEBUG) or name == "apps.categories"


def test_what_an_exception_quotes_is_redacted() -> None:
    try:
        raise ValueError("duplicate key (email)=(ana@example.com), call +34 600 123 456")
    except ValueError as error:
        said = line("failed", error=error)
    assert "ValueError: duplicate key (email)=([email]), call [phone]" in said
    assert "ana" not in said


@pytest.mark.parametrize(
    "text",
    [
        "The live model is linear-20260102T030405Z-0a1b2c3d, from models/classifier.pt.",
        "2026-01-02T03:04:05.123456+02:00 GET /?page=4111111111111112 200 127.0.0.1:8000 [::1]:8000",
        "sha256 4111111111111111aa00ff4111111111111111 rows 1700000000123456 pk 600123456",
        "1000 saved products wait for a model: there is no artifact",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert (
        RedactingFormatter("{message}", style="{").format(
            logging.LogRecord("shop", logging.INFO, "f.py", 1, text, (), None)
        )
        == text
    )
