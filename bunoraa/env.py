"""Readers of the environment that refuse typos: a misspelt name or value stops the start, with the cure."""

import difflib
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

PREFIX = "BUNORAA_"

TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off")


def refuse_unknown(known: Iterable[str], environ: Mapping[str, str] = os.environ) -> None:
    """Raise ImproperlyConfigured for a set BUNORAA_… variable that nothing reads, naming the nearest one."""
    names = sorted(known)
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            cure = f"did you mean {near[0]}?" if near else f"known are: {', '.join(names)}."
            raise ImproperlyConfigured(
                f"The environment variable {name} is not one that this site reads: {cure}"
            )


def text(name: str, default: str = "", environ: Mapping[str, str] = os.environ) -> str:
    """The variable's value without surrounding blanks; `default` when unset or blank."""
    return environ.get(name, "").strip() or default


def kept_secret(path: Path) -> str:
    """The secret that the file holds, made with the file (mode 0600) the first time; for development.

    A folder that cannot be written gives a new secret each time.
    """
    made = secrets.token_urlsafe(50)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(made)
            # Of two processes that start at once the first one's counts, and nobody reads half of it.
            try:
                with suppress(FileExistsError):
                    os.link(part, path)
            finally:
                part.unlink()
        return path.read_text("utf-8").strip() or made
    except OSError:
        return made


def boolean(name: str, default: bool, environ: Mapping[str, str] = os.environ) -> bool:
    """True or False; anything but the spellings in TRUE and FALSE is refused."""
    value = text(name, environ=environ).lower()
    if not value:
        return default
    if value in TRUE or value in FALSE:
        return value in TRUE
    raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no: write {name}=1 or {name}=0.")


def choice(name: str, options: Iterable[str], default: str, environ: Mapping[str, str] = os.environ) -> str:
    """One of `options`."""
    value = text(name, default, environ)
    allowed = list(options)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r} is not known: write one of {', '.join(allowed)}.")
    return value


def words(name: str, default: Iterable[str] = (), environ: Mapping[str, str] = os.environ) -> list[str]:
    """A comma-separated list, blanks dropped."""
    value = text(name, environ=environ)
    return [word.strip() for word in value.split(",") if word.strip()] if value else list(default)


def database(url: str) -> dict[str, Any]:
    """Django's DATABASES entry for `sqlite:///file`, or `postgres://user:password@host:port/name?option=value`.

    SQLite runs in WAL mode with IMMEDIATE transactions: with deferred ones, most transactions that read and
    then write fail with "database is locked" as soon as two run at once, whatever the time-out.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        name = unquote(parts.path)[1:]
        if parts.netloc or not name:
            raise ImproperlyConfigured(
                f"The database address {url!r} names no file: write sqlite:///db.sqlite3, or sqlite:////full/path.sqlite3."
            )
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name if name == ":memory:" else str(Path(name).absolute()),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    if parts.scheme in ("postgres", "postgresql"):
        name = unquote(parts.path)[1:]
        if not name:
            raise ImproperlyConfigured("The PostgreSQL address names no database: end it with /name.")
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": dict(parse_qsl(parts.query)),
        }
    raise ImproperlyConfigured(
        f"The database address begins with {parts.scheme or 'nothing'!r}: write sqlite:///FILE or "
        "postgres://USER:PASSWORD@HOST:PORT/NAME in DATABASE_URL."
    )
