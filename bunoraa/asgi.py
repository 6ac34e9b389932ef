"""Entrance for ASGI servers: uvicorn bunoraa.asgi:application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bunoraa.settings")
application = get_asgi_application()

from bunoraa.serve import prepare  # noqa: E402 - the settings and the apps must be ready first

prepare()
