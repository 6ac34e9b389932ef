"""The page of evaluate_classifier in a real browser: light, dark, narrow, and nothing runs."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, Page, expect

from tests.tiny import labelled_rows, write_csv

pytestmark = pytest.mark.browser

HOSTILE = "<script>document.title='gone'</script><img src=x onerror=\"document.title='gone'\">"
CONTRAST = """element => {
  const light = rgb => { const [r, g, b] = rgb.match(/[\\d.]+/g).slice(0, 3).map(v => {
    v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  let below = element;
  while (getComputedStyle(below).backgroundColor === 'rgba(0, 0, 0, 0)') below = below.parentElement;
  const pair = [light(getComputedStyle(element).color), light(getComputedStyle(below).backgroundColor)];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}"""


@pytest.fixture(scope="module")
def report(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about new products, one of them and its category named by an attacker."""
    folder = tmp_path_factory.mktemp("report")
    rows = list(labelled_rows(each=8, seed=5))
    rows[0] = replace(rows[0], title=f"hand saw {HOSTILE}", category_path=f"Toys > {HOSTILE}")
    call_command(
        "evaluate_classifier",
        *("--data", str(write_csv(rows, folder / "new.csv")), "--artifact", str(tiny_artifact)),
        *("--report", str(folder), "--rejected", str(folder / "rejects.csv")),
        stdout=io.StringIO(),
    )
    return folder / "report.html"


@contextmanager
def opened(browser: Browser, report: Path, *, dark: bool = False, width: int = 1280) -> Iterator[Page]:
    context = browser.new_context(
        color_scheme="dark" if dark else "light", viewport={"width": width, "height": 900}
    )
    page = context.new_page()
    page.goto(report.as_uri())
    yield page
    context.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_reads_well_and_nothing_runs(
    browser: Browser, report: Path, screenshot: Callable[[Page, str], None], dark: bool
) -> None:
    asked: list[str] = []
    with opened(browser, report, dark=dark) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text(
            "How well does the model file these products?"
        )
        headings = page.get_by_role("heading", level=2).all_text_contents()
        assert headings[:3] == [
            "Does it keep its promise?",
            "Is it as often right as it says?",
            "What does it mix up?",
        ]
        expect(page.get_by_text(HOSTILE).first).to_be_visible()
        expect(page).to_have_title("How well products are filed: new.csv")
        images = page.get_by_role("img")
        expect(images).to_have_count(4)
        for image in images.all():
            assert image.evaluate("image => image.naturalWidth") > 300
        chosen = images.first.evaluate("image => image.currentSrc")
        assert (chosen == page.locator("source").first.get_attribute("srcset")) is dark
        for name in (
            "h1",
            "h2",
            "p.soft",
            ".note",
            "nav a",
            ".tiles li",
            "thead th",
            "tbody th",
            "td",
            "dd.soft",
        ):
            assert page.locator(name).first.evaluate(CONTRAST) >= 4.5, name
        screenshot(page, f"report-{'dark' if dark else 'light'}")
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]


def test_a_narrow_screen_scrolls_tables_and_not_the_page(browser: Browser, report: Path) -> None:
    with opened(browser, report, width=360) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        table = page.get_by_role("region", name="Every category")
        assert table.evaluate("region => region.scrollWidth > region.clientWidth")
        table.focus()
        page.keyboard.press("ArrowRight")
        for _ in range(100):
            # The page's policy forbids the script that Playwright would wait with.
            page.wait_for_timeout(50)
            if moved := table.evaluate("region => region.scrollLeft"):
                break
        assert moved > 0
