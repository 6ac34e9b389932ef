"""The dashboard's parts about the model: what it files, how rightly, how surely, and its predecessors."""

from collections.abc import Sequence
from typing import Any

from .. import figures, services
from ..conf import get_settings
from ..inference.decision import percent
from ..models import Source
from ..selectors import product_relations
from .charts import Reach, ReachChart, Series, bar_chart, reach_chart
from .section import Given, Section, count_of
from .tables import MAX_CSV_ROWS, Column, Table, percent_of

MISFILED_SHOWN = 20
VERSIONS_JUDGED = 10
VERSIONS_DRAWN = 8
SOURCES = (
    (Source.MODEL, "the model"),
    (Source.HUMAN, "people"),
    (Source.IMPORT, "imports"),
    (Source.NONE, "nobody"),
)


def coverage_section(given: Given) -> Section:
    """Who has filed how much."""
    present = given.coverage
    points = figures.coverage_history(present, now=given.now)
    names = [point.day.isoformat() if point.day else "now" for point in points]
    totals = [sum(point.by_source.values()) or 1 for point in points]
    series = [
        Series(
            name=name,
            colour=colour,
            values=[point.by_source[source] / total for point, total in zip(points, totals, strict=True)],
        )
        for colour, (source, name) in enumerate(SOURCES, 1)
    ]
    by_model = present.share(Source.MODEL)
    return Section(
        title="Coverage",
        figure="–" if by_model is None else percent_of(by_model),
        about=f"of {count_of(present.total)} stand where the model filed them",
        words=[
            f"{count_of(present.for_people)} wait for a person, {present.for_model:,} for the model.",
            "Of the products that are in the shop today, at the beginning of each week and now. What was "
            "filed past this app’s history counts as filed all along.",
        ],
        chart=bar_chart(
            names,
            series if present.total else [],
            words="Share of products by who filed them, week by week",
            says=percent_of,
            top=1.0,
        ),
        table=Table(
            columns=[
                Column(name="day", kind="day"),
                *(Column(name=f"filed by {name}", kind="number") for _, name in SOURCES),
                *(Column(name=f"share of {name}", kind="share") for _, name in SOURCES),
            ],
            rows=[
                (
                    name,
                    *(point.by_source[source] for source, _ in SOURCES),
                    *(one.values[place] for one in series),
                )
                for place, (name, point) in enumerate(zip(names, points, strict=True))
            ],
            newest_last=True,
        ),
    )


EXACT = (
    "The interval is exact (Clopper and Pearson): with 95% certainty the precision on products such as these "
    "lies in it."
)
JUDGED_COLUMNS = (
    Column(name="judged", kind="number"),
    Column(name="right", kind="number"),
    Column(name="precision", kind="share"),
    Column(name="lower end", kind="share"),
    Column(name="upper end", kind="share"),
)


def audit_section() -> Section:
    """How precise the model is, by a random sample."""
    found = figures.audit_figures(limit=VERSIONS_JUDGED)
    whole = found.whole
    named = [
        ("all models together", whole),
        *((one.judged.version or "unknown", one) for one in found.versions),
    ]
    named = [(name, one) for name, one in named if one.drawn]
    return Section(
        title="Precision, by a random sample",
        figure="–" if whole.judged.share is None else percent_of(whole.judged.share),
        about=(
            f"of {count_of(whole.judged.rows)} drawn at random from what the model files were right "
            f"({_between(whole.judged)})"
            if whole.judged.rows
            else "no product of a random sample is judged yet"
        ),
        words=[
            f"{count_of(whole.drawn)} drawn: {whole.judged.rows:,} judged, {whole.waiting:,} waiting in the "
            "audit queue. manage.py draw_audit_sample draws more.",
            "Right: the person kept the category, or chose one below it. None of these, or no category at "
            "all: wrong. What was undone does not count.",
            EXACT,
        ],
        chart=_judged_chart([(name, one.judged) for name, one in named if one.judged.rows]),
        table=Table(
            columns=[
                Column(name="model"),
                Column(name="drawn", kind="number"),
                Column(name="waiting", kind="number"),
                *JUDGED_COLUMNS,
            ],
            rows=[(name, one.drawn, one.waiting, *_judged_cells(one.judged)) for name, one in named],
        ),
    )


def precision_section() -> Section:
    """How often the model was right about what it filed and people came to see."""
    whole, versions = figures.judged(figures.audited(), limit=VERSIONS_JUDGED)
    named = [("all models together", whole), *((one.version or "unknown", one) for one in versions)]
    named = [(name, one) for name, one in named if one.rows]
    return Section(
        title="Precision of what the model files",
        figure="–" if whole.share is None else percent_of(whole.share),
        about=(
            f"of {count_of(whole.rows)} that it filed and people judged were right "
            f"({_between(whole)}); no random sample"
            if whole.rows
            else "nobody has judged a product that the model filed yet"
        ),
        words=[
            "Measured from products that the model had filed by itself and that a person has decided since, "
            "as long as the person’s answer stands. Right: the person kept the category, or chose one below "
            "it.",
            EXACT,
        ],
        warning="Biased: these products are no random sample. People came to them in the review queue, or "
        "because something looked wrong, so that mistakes are likelier among them than among all that the "
        "model has filed.",
        chart=_judged_chart(named),
        table=Table(
            columns=[Column(name="model"), *JUDGED_COLUMNS],
            rows=[(name, *_judged_cells(one)) for name, one in named],
        ),
    )


def _judged_cells(one: figures.Judged) -> tuple[Any, ...]:
    """What JUDGED_COLUMNS hold."""
    return (one.rows, one.right, one.share, *(one.interval if one.rows else (None, None)))


def _between(one: figures.Judged) -> str:
    low, high = one.interval
    return f"{percent_of(low)} to {percent_of(high)}"


def _judged_chart(named: Sequence[tuple[str, figures.Judged]]) -> ReachChart | None:
    """Each precision with its interval, beside the one that is asked for; None without any."""
    goal = get_settings().target_precision
    return reach_chart(
        [
            Reach(
                name=name,
                low=one.interval[0],
                middle=one.share or 0,
                high=one.interval[1],
                says=f"{name}: {one.right:,} of {one.rows:,} right, {percent_of(one.share or 0)}; "
                + _between(one),
            )
            for name, one in named
        ],
        goal=goal,
        words=f"Measured precision with its interval, by model, beside the {percent(goal)} asked for",
    )


def misfiled_section(*, limit: int | None = None) -> Section:
    """What the model had filed wrongly: the latest MISFILED_SHOWN, or, for the file, the latest `limit`."""
    joined = ("product", *product_relations(prefix="product__"))
    found: Any = figures.misfiled(figures.audited()).select_related(*joined)
    lines: Any = found[:limit].iterator(chunk_size=1000) if limit else found[:MISFILED_SHOWN]
    return Section(
        title="What it filed wrongly",
        figure="",
        about="",
        words=[f"The latest {MISFILED_SHOWN} here, up to {MAX_CSV_ROWS:,} in the file."],
        table_open=True,
        table=Table(
            columns=[
                Column(name="product"),
                Column(name="sku"),
                Column(name="the model filed it under", kind="path"),
                Column(name="it belongs to", kind="path"),
                Column(name="confidence", kind="share"),
                Column(name="model"),
                Column(name="filed at"),
            ],
            rows=(
                (
                    line.product.classifier_text()["title"],
                    str(line.product.classifier_value("sku") or ""),
                    line.to_category.path,
                    "" if line.sent_away else line.product.category.path,
                    line.confidence,
                    line.model_version,
                    line.created_at,
                )
                for line in lines
            ),
        ),
    )


def confidences_section(given: Given) -> Section:
    """How sure the model is."""
    filed, waiting = given.coverage.confidences, given.queue.confidences
    bins = [(place / figures.BINS, (place + 1) / figures.BINS) for place in range(figures.BINS)]
    info = services.model_info()
    bar = info.threshold
    names = [f"{low:.0%} to {high:.0%}" for low, high in bins]
    words = ["Of the first candidate: products that the model has filed, and those that wait for a person."]
    if info.version is not None:
        words.append(
            "The model that answers now files nothing by itself from a confidence on."
            if bar is None
            else f"The dashed line is the {percent(bar, up=True)} from which it files by itself; some "
            "categories need more, and a category above may be sure where the candidate is not."
        )
    return Section(
        title="Confidence",
        figure="",
        about="",
        words=words,
        chart=bar_chart(
            names,
            [
                Series(name="filed by the model", values=filed, colour=1),
                Series(name="waiting for a person", values=waiting, colour=2),
            ],
            words="Products by the confidence of the first candidate, in steps of 5%",
            says=lambda number: f"{number:,.0f}",
            mark=None if bar is None else (bar, f"files from {percent(bar, up=True)}"),
        ),
        table=Table(
            columns=[
                Column(name="from", kind="share"),
                Column(name="to", kind="share"),
                Column(name="filed by the model", kind="number"),
                Column(name="waiting for a person", kind="number"),
            ],
            rows=[(*bins[place], filed[place], waiting[place]) for place in range(figures.BINS)],
        ),
    )


def models_section() -> Section:
    """The models that were live here."""
    history = figures.model_history()
    drawn = [one for one in history[:VERSIONS_DRAWN] if one.coverage is not None][::-1]
    return Section(
        title="Models",
        figure="",
        about="",
        words=["Measured on frozen test rows before each went live; the latest first."],
        chart=bar_chart(
            [one.version for one in drawn],
            [
                Series(name="precision", values=[one.precision or 0 for one in drawn], colour=1),
                Series(name="filed without a person", values=[one.coverage or 0 for one in drawn], colour=2),
                Series(name="first candidate right", values=[one.top1 or 0 for one in drawn], colour=3),
            ],
            words="Test figures of the latest models, the oldest of them first",
            says=percent_of,
            top=1.0,
            beside=True,
            labels=3,
        ),
        table=Table(
            columns=[
                Column(name="model"),
                Column(name="kind"),
                Column(name="live from"),
                Column(name="until"),
                Column(name="files from", kind="share"),
                Column(name="test rows", kind="number"),
                Column(name="first candidate right", kind="share"),
                Column(name="filed without a person", kind="share"),
                Column(name="precision", kind="share"),
            ],
            rows=[
                (
                    one.version,
                    one.backend,
                    one.published_at,
                    one.retired_at,
                    one.threshold,
                    one.rows,
                    one.top1,
                    one.coverage,
                    one.precision,
                )
                for one in history
            ],
        ),
    )
