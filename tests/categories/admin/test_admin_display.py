"""The small pieces that pages are made of: each escapes what it is given."""

from types import SimpleNamespace

import pytest
from pytest_django import Settings

from apps.categories.admin.display import (
    badge,
    confidence_bar,
    counts_line,
    counts_markup,
    image_url,
    metrics_markup,
    path_markup,
    product_link,
    product_list_link,
    source_badge,
)
from apps.categories.models import Product


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("https://shop.example/a.jpg", "https://shop.example/a.jpg"),
        ("http://shop.example/a b.jpg?x=1&y=2", "http://shop.example/a%20b.jpg?x=1&y=2"),
        ("/media/a.jpg", "/media/a.jpg"),
        ("  /media/a.jpg ", "/media/a.jpg"),
        ("products/a.jpg", "/media/products/a.jpg"),
        ("/media/caña.jpg", "/media/ca%C3%B1a.jpg"),
        ("/media/a%20b.jpg", "/media/a%20b.jpg"),
        ('/a.jpg"><script>alert(1)</script>', "/a.jpg%22%3E%3Cscript%3Ealert(1)%3C/script%3E"),
        ("/a\x01\x00.jpg", "/a%01%00.jpg"),
        ("HTTPS://shop.example/a.jpg", "HTTPS://shop.example/a.jpg"),
    ],
)
def test_an_address_that_may_be_shown(stored: str, shown: str, settings: Settings) -> None:
    settings.MEDIA_URL = "/media/"

    assert image_url(stored) == shown


@pytest.mark.parametrize(
    "stored",
    [
        "",
        None,
        "   ",
        "javascript:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:image/svg+xml,<svg onload=alert(1)>",
        "vbscript:x",
        "file:///etc/passwd",
        "ftp://shop.example/a.jpg",
        "//evil.example/a.jpg",
        "/\\evil.example/a.jpg",
        "\\\\evil.example\\a.jpg",
        "https:///a.jpg",
        "https://[bad/a.jpg",
        "http:a.jpg",
    ],
)
def test_an_address_that_is_not_shown(stored: str | None) -> None:
    assert image_url(stored) is None


def test_a_file_field_gives_its_own_address() -> None:
    assert image_url(SimpleNamespace(url="/media/x.png")) == "/media/x.png"


def test_a_path_without_a_media_folder_is_below_the_site(settings: Settings) -> None:
    settings.MEDIA_URL = ""

    assert image_url("img/a.jpg") == "/img/a.jpg"


def test_a_path_is_shown_level_by_level_with_its_last_level_set_off() -> None:
    assert path_markup("A & B > C") == (
        '<span class="cat-path"><span>A &amp; B</span> <span class="cat-sep" aria-hidden="true">›</span> '
        "<strong>C</strong></span>"
    )
    assert "<script>" not in path_markup("<script>alert(1)</script> > <script>alert(2)</script>")


@pytest.mark.parametrize(("confidence", "width"), [(-1.0, "0.0%"), (0.625, "62.5%"), (7.0, "100.0%")])
def test_a_bar_stays_inside_its_track(confidence: float, width: str) -> None:
    assert f'class="cat-bar-fill" width="{width}"' in confidence_bar(confidence)


def test_a_bar_says_in_colour_whether_it_reaches_its_mark() -> None:
    assert 'class="cat-bar cat-bar-sure"' in confidence_bar(0.9, bar=0.9)
    assert 'class="cat-bar"' in confidence_bar(0.89, bar=0.9)
    assert 'x1="90.0%"' in confidence_bar(0.1, bar=0.9)
    assert "cat-bar-mark" not in confidence_bar(0.1)
    assert 'class="cat-bar cat-bar-sure"' in confidence_bar(0.1, sure=True)


def test_badges_escape() -> None:
    assert badge("done", "<b>", hint='"', href='"') == (
        '<a class="cat-badge cat-done" title="&quot;" href="&quot;">&lt;b&gt;</a>'
    )
    assert source_badge("model", model_version='v"1') == (
        '<span class="cat-badge cat-by-model" title="v&quot;1">the model</span>'
    )


def test_the_figures_of_a_model_are_named_in_words() -> None:
    test = {"rows": 1200, "top1": 0.93456, "precision": None}
    shown = metrics_markup({"test": test, "out_of_fold": {"rows": 9000, "top1": 0.9}})

    assert '<th scope="col">frozen test products</th>' in shown
    assert '<th scope="row">products</th><td>1,200</td><td>9,000</td>' in shown
    assert '<th scope="row">first candidate right</th><td>93.5%</td><td>90.0%</td>' in shown
    assert '<th scope="row">of these rightly</th><td>–</td><td>–</td>' in shown
    assert "<th" not in metrics_markup({"test": None})


def test_counts_are_a_table() -> None:
    shown = counts_markup({"rows_seen": 12345, "share": 0.98765, "<b>": "<i>", "certified": True})

    assert '<th scope="row">rows seen</th><td>12,345</td>' in shown
    assert "<td>0.9877</td>" in shown
    assert "&lt;b&gt;</th><td>&lt;i&gt;</td>" in shown
    assert "<td>True</td>" in shown
    assert counts_markup({}) == "–"
    assert counts_line({"filed": 8199, "to_review": 65, "rejected": 0}) == "8,199 filed · 65 to review"


def test_a_product_without_pages_of_its_own_has_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product(pk=7)
    assert product_link(product, site="admin") == "/admin/categories/product/7/change/"
    assert product_list_link(3, site="admin") == "/admin/categories/product/?under=3"

    monkeypatch.setattr(Product._meta, "model_name", "unregistered")

    assert product_link(product, site="admin") == ""
    assert product_list_link(3, site="admin") == ""
