"""A real Chromium on a live server. Skipped, loudly, where there is none."""

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.categories.admin.conftest import make_suggestion, member, tree
from tests.categories.admin.conftest import roles as roles

__all__ = ["make_suggestion", "member", "tree"]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOT_TRIES = 5
SCREENSHOTS = Path(__file__).resolve().parents[2] / "outputs" / "screenshots"

OpenBrowser = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        message = (
            "NO BROWSER: the pages were not tried in Chromium; install it with `apt-get install chromium`"
        )
        warnings.warn(pytest.PytestWarning(message), stacklevel=1)
        pytest.skip(message)
    return found


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright runs an event loop in this thread, which Django would take for an asynchronous caller."""
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    # What a page says comes when it comes: a busy machine is no fault of it.
    expect.set_options(timeout=15_000)
    with sync_playwright() as started:
        yield started
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    else:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """One process with an empty profile; each person gets a context of their own in it."""
    started = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
    yield started
    started.close()


@pytest.fixture(autouse=True)
def _site(settings: Settings, tmp_path: Path) -> Iterator[None]:
    """No model, and files served from where the apps keep them."""
    from apps.categories import runtime

    settings.CATEGORY_CLASSIFIER = {
        "ARTIFACT": str(tmp_path / "none.pt"),
        "ENABLED": False,
        "RELOAD_SECONDS": 0,
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    runtime.reset()
    yield
    runtime.reset()


@pytest.fixture
def open_browser(browser: Browser, live_server: LiveServer) -> Iterator[OpenBrowser]:
    """A browser of its own for a person, logged in, at the first page of the admin."""
    opened: list[BrowserContext] = []

    def start(person: User, *, dark: bool = False, scripts: bool = True, width: int = 1440) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 1000},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        opened.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.goto("/admin/")
        page.fill("#id_username", person.get_username())
        page.fill("#id_password", "secret")
        page.click("[type=submit]")
        return page

    yield start
    for context in opened:
        context.close()


@pytest.fixture
def screenshot() -> Callable[[Page, str], None]:
    """Keeps a picture of the page for people to look at, where CI is set."""

    def take(page: Page, name: str) -> None:
        if not os.environ.get("CI"):
            return
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(SCREENSHOT_TRIES)):
            try:
                page.screenshot(path=SCREENSHOTS / f"{name}.png")
                return
            except Error:
                # On a busy machine Chromium says now and then that it is unable to.
                if not left:
                    raise
                page.wait_for_timeout(500)

    return take
