"""What both server entrances do before the first request."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def prepare() -> None:
    """Refuse a temporary secret key outside DEBUG, then load the classifier, which never stops the start."""
    if settings.SECRET_KEY_IS_TEMPORARY and not settings.DEBUG:
        raise ImproperlyConfigured(
            "BUNORAA_SECRET_KEY is not set, and each worker would sign sessions with its own. Set it to "
            "the output of: python -c 'import secrets; print(secrets.token_urlsafe(50))' — or, on your own "
            "machine, set BUNORAA_DEBUG=1."
        )
    from apps.categories import runtime

    runtime.preload()
