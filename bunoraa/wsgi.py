"""Entrance for WSGI servers: gunicorn bunoraa.wsgi."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bunoraa.settings")
application = get_wsgi_application()

from bunoraa.serve import prepare  # noqa: E402 - the settings and the apps must be ready first

prepare()
