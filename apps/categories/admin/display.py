"""How the admin's pages show a confidence, a path, an image, a badge. All of it escapes what it is given."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from django.conf import settings
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from ..inference.decision import percent
from ..inference.taxonomy import SEPARATOR
from ..models import ClassifiableProduct, Source, get_product_model

METRIC_WORDS = {
    "rows": "products",
    "top1": "first candidate right",
    "top3": "among the first three",
    "macro_f1": "macro-F1",
    "calibration_error": "calibration error",
    "coverage": "filed without a person",
    "precision": "of these rightly",
    "filed": "that is, products",
}
METRIC_PARTS = {"test": "frozen test products", "out_of_fold": "products held out of training"}
"""What a model is measured on; the words of the columns."""
SOURCE_WORDS = {
    Source.NONE: "nobody yet",
    Source.IMPORT: "import",
    Source.HUMAN: "a person",
    Source.MODEL: "the model",
}
# Kept as they are in an address; anything else is percent-encoded, quotes and angle brackets above all.
_URL_SAFE = "/:?#[]@!$&()*+,;=%-._~"


def confidence_bar(confidence: float, *, bar: float | None = None, sure: bool = False) -> SafeString:
    """A bar for a confidence of 0 to 1, with a mark at `bar`, the confidence it has to reach.

    In the colour of what is sure when it reaches the bar, or when `sure` says that it did.

    Hidden from screen readers: write the number beside it.
    """
    width = min(max(confidence, 0.0), 1.0) * 100
    reached = sure or (bar is not None and confidence >= bar)
    mark = SafeString("")
    if bar is not None and 0 <= bar <= 1:
        at = f"{bar * 100:.1f}%"
        mark = format_html('<line class="cat-bar-mark" x1="{}" x2="{}" y1="0" y2="100%"/>', at, at)
    return format_html(
        '<svg class="cat-bar{}" aria-hidden="true" focusable="false">'
        '<rect class="cat-bar-track" width="100%" height="100%" rx="3"/>'
        '<rect class="cat-bar-fill" width="{}" height="100%" rx="3"/>{}</svg>',
        SafeString(" cat-bar-sure") if reached else "",
        f"{width:.1f}%",
        mark,
    )


def confidence_words(confidence: float) -> str:
    """A confidence of 0 to 1 in whole percents; never nothing for what is only nearly nothing."""
    return "<1%" if 0 < confidence < 0.01 else percent(confidence)


def path_markup(path: str) -> SafeString:
    """A category path with its last level set off; the levels above may wrap, separators are not read out."""
    *above, leaf = path.split(SEPARATOR)
    levels = format_html_join(
        "", '<span>{}</span> <span class="cat-sep" aria-hidden="true">›</span> ', ((name,) for name in above)
    )
    return format_html('<span class="cat-path">{}<strong>{}</strong></span>', levels, leaf)


def badge(kind: str, words: str, *, hint: str = "", href: str = "") -> SafeString:
    """A coloured label; `kind` is a fixed word of the style sheet, never data."""
    if href:
        return format_html('<a class="cat-badge cat-{}" title="{}" href="{}">{}</a>', kind, hint, href, words)
    return format_html('<span class="cat-badge cat-{}" title="{}">{}</span>', kind, hint, words)


def source_badge(source: str, *, model_version: str = "", since: datetime | None = None) -> SafeString:
    """Who says so: a person, an import, the model, nobody yet; and for how long, where `since` is known.

    The model's version and the date are its hint.
    """
    words, hints = SOURCE_WORDS[Source(source)], [model_version]
    if since is not None:
        words = f"{words}, {age(since)}"
        hints.append(f"{timezone.localtime(since):%Y-%m-%d %H:%M}")
    return badge(f"by-{Source(source).value}", words, hint=", ".join(filter(None, hints)))


def age(when: datetime) -> str:
    """How long ago that was, in its largest unit: "3 days ago", "just now"."""
    now = timezone.now()
    if now - when < timedelta(minutes=1):
        return "just now"
    return f"{timesince(when, now, depth=1)} ago".replace("\xa0", " ")


def when_markup(when: datetime) -> SafeString:
    """A date with the time after it; neither breaks, and a narrow column puts one below the other."""
    local = timezone.localtime(when)
    return format_html(
        '<time datetime="{}">{} {}</time>',
        local.isoformat(timespec="minutes"),
        whole(f"{local:%Y-%m-%d}"),
        whole(f"{local:%H:%M}"),
    )


def whole(words: str) -> SafeString:
    """A date or a time, which no line may break at its hyphens."""
    return format_html('<span class="cat-when">{}</span>', words)


def image_url(value: Any) -> str | None:
    """The address of a product's image if it may be shown: http(s), or a path of this site. None otherwise.

    `value` is what the product holds: an address, a path (without a leading slash: below MEDIA_URL), or the
    value of Django's own file field.
    """
    try:
        text = str(getattr(value, "url", value) if value else "").strip()
        parts = urlsplit(text)
    except ValueError:
        return None
    if not text or "\\" in text:
        return None
    if parts.scheme:
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
    elif parts.netloc or text.startswith("//"):
        return None
    elif not text.startswith("/"):
        text = urljoin(settings.MEDIA_URL or get_script_prefix(), text)
        if urlsplit(text).scheme not in ("", "http", "https"):
            return None
    return quote(text, safe=_URL_SAFE)


def product_list_link(branch: int, *, site: str) -> str:
    """The address of the product list of one branch in the admin site `site`; empty when it has none."""
    meta = get_product_model()._meta
    try:
        address = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist", current_app=site)
    except NoReverseMatch:
        return ""
    return f"{address}?under={branch}"


def product_link(product: ClassifiableProduct, *, site: str) -> str:
    """The address of the product's own page in the admin site `site`; empty when it has none there."""
    meta = product._meta
    try:
        return reverse(
            f"admin:{meta.app_label}_{meta.model_name}_change", args=(product.pk,), current_app=site
        )
    except NoReverseMatch:
        return ""


def counts_markup(counts: Mapping[str, Any]) -> SafeString:
    """A small table of a run's counts or options."""
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td>{}</td></tr>',
        ((str(name).replace("_", " "), _figure(value)) for name, value in counts.items()),
    )
    return (
        format_html('<table class="cat-counts"><tbody>{}</tbody></table>', rows) if rows else SafeString("–")
    )


def metrics_markup(metrics: Mapping[str, Any]) -> SafeString:
    """A model's figures, a column for each part of the products that it was measured on."""
    parts = [(words, metrics[name]) for name, words in METRIC_PARTS.items() if metrics.get(name)]
    if not parts:
        return SafeString("–")
    names = [name for name in METRIC_WORDS if any(name in figures for _, figures in parts)]
    head = format_html_join("", '<th scope="col">{}</th>', ((words,) for words, _ in parts))
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th>{}</tr>',
        (
            (
                METRIC_WORDS[name],
                format_html_join("", "<td>{}</td>", ((_metric(figures.get(name)),) for _, figures in parts)),
            )
            for name in names
        ),
    )
    return format_html(
        '<table class="cat-counts"><thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table>', head, rows
    )


def _metric(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1%}"
    return "–" if value is None else _figure(value)


def counts_line(counts: Mapping[str, Any]) -> str:
    """The same in one line; what is zero is left out."""
    return " · ".join(
        f"{_figure(value)} {str(name).replace('_', ' ')}" for name, value in counts.items() if value
    )


def _figure(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
