"""A browser's steps in the admin."""

import re
from typing import Any

from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client

from apps.categories.models import Suggestion

QUEUE = "/admin/categories/suggestion/"


def decide(browser: Client, suggestion: Suggestion, **data: str) -> Any:
    """Click in the queue's row."""
    return browser.post(f"{QUEUE}{suggestion.pk}/decide/", data)


def told(response: Any) -> list[str]:
    """The messages that wait for the person, the latest last."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def page(response: HttpResponse) -> str:
    """What the browser gets."""
    return response.content.decode()


def bulk(browser: Client, *suggestions: Suggestion) -> Any:
    """Tick the rows, choose "approve the top candidate", press Go."""
    chosen = [suggestion.pk for suggestion in suggestions]
    return browser.post(QUEUE, {"action": "approve_top", "_selected_action": chosen})


def seen(html: str) -> list[str]:
    """What the confirmation page shows, as it posts it."""
    return re.findall(r'name="seen" value="([^"]+)"', html)
