"""The dashboard: who may see it, what it says, its files, and what it costs."""

import csv
import io
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from apps.categories import runtime, services
from apps.categories.admin import sections, tables
from apps.categories.admin.charts import LABEL, WIDTH, Series, bar_chart
from apps.categories.admin.section import Given
from apps.categories.admin.tables import Column, Table, csv_lines, safe_cell
from apps.categories.models import Assignment, Category, ModelVersion, Product, Source, Suggestion

from .conftest import MakeSuggestion
from .pages import QUEUE, page

DASHBOARD = f"{QUEUE}dashboard/"
FILES = tuple(sections.SECTIONS)


def read(response: Any) -> list[list[str]]:
    """The rows of a file, its header first."""
    text = b"".join(response.streaming_content).decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:])))


def file_by_model(place: Category, title: str = "drill", **more: Any) -> Product:
    product = Product.objects.create(
        sku=more.pop("sku", f"F{Product.objects.count()}"),
        title=title,
        category=place,
        category_source=Source.MODEL,
        category_confidence=0.95,
        model_version=more.pop("version", "linear-1"),
        **more,
    )
    Assignment.objects.create(
        product=product,
        to_category=place,
        source=Source.MODEL,
        model_version=product.model_version,
        confidence=0.95,
    )
    return product


@pytest.fixture
def busy(tree: dict[str, Category], make_suggestion: MakeSuggestion, maria: User) -> None:
    """Something in every part."""
    for chosen in ("Drills", "Drills", "Saws"):
        services.product_set_category(file_by_model(tree["Drills"]), tree[chosen], actor=maria)
    file_by_model(tree["Saws"])
    make_suggestion("waits")
    services.suggestion_correct(make_suggestion("confused"), actor=maria, category=tree["Saws"])
    services.suggestion_reject(make_suggestion("rejected"), actor=maria)
    audited = make_suggestion("audited")
    Suggestion.objects.filter(pk=audited.pk).update(queue="audit")
    Product.objects.filter(pk=audited.product_id).update(
        category=tree["Drills"], category_source=Source.MODEL, model_version="linear-1", needs_review=False
    )
    services.suggestion_approve(audited, actor=maria)
    ModelVersion.objects.create(
        version="linear-1",
        sha256="0" * 64,
        backend="linear",
        threshold=0.9,
        metrics={"test": {"rows": 120, "top1": 0.91, "precision": 0.97, "coverage": 0.66}},
        published_at=timezone.now(),
    )


def test_every_part_says_its_figures(busy: None, viewing: Client) -> None:
    html = page(viewing.get(DASHBOARD))

    said = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert "12.5% of 8 products stand where the model filed them" in said
    assert (
        "100.0% of 1 product drawn at random from what the model files were right (2.5% to 100.0%)." in said
    )
    assert "1 product drawn: 1 judged, 0 waiting in the audit queue." in said
    assert "66.6% of 3 products that it filed and people judged were right" in said
    assert "(9.4% to 99.1%); no random sample" in said
    assert "Biased: these products are no random sample." in said
    assert "1 wait for a person." in said
    assert "6 products decided by 1 person in 30 days" in said
    assert "Clothing" not in said
    assert html.count('role="img"') == 7
    assert html.count("<figure") == html.count("</figure>")
    assert html.count("<details>") == 7
    for name in FILES:
        assert f'href="{DASHBOARD}{name}.csv"' in html
        assert f'id="{name}"' in html


def test_an_empty_shop_has_a_dashboard(viewing: Client) -> None:
    html = page(viewing.get(DASHBOARD))

    assert "Nothing waits for a person." in html
    assert html.count("Nothing to show yet.") == len(FILES)
    assert "<figure" not in html
    for name in FILES:
        assert viewing.get(f"{DASHBOARD}{name}.csv").status_code == 200


def test_no_style_and_no_script_of_its_own_stands_in_the_page(busy: None, viewing: Client) -> None:
    html = page(viewing.get(DASHBOARD))
    content = html[html.index('id="content"') : html.index("</main>")]

    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", content)


def test_who_may_see_it(
    busy: None, client: Client, viewing: Client, managing: Client, member: Callable[..., User]
) -> None:
    nobody = Client()
    nobody.force_login(member("nobody"))
    only_review = Client()
    person = member("only_review")
    person.user_permissions.add(permission())
    only_review.force_login(person)
    for address in (DASHBOARD, f"{DASHBOARD}misfiled.csv"):
        assert client.get(address).status_code == 302
        assert nobody.get(address).status_code == 403
        for browser in (viewing, managing, only_review):
            assert browser.get(address).status_code == 200
            assert browser.head(address).status_code == 200
            assert browser.post(address).status_code == 405
    assert viewing.get(f"{DASHBOARD}nonsense.csv").status_code == 404


def permission() -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.get(codename="review_suggestion")


def test_the_way_to_it(busy: None, viewing: Client, client: Client, member: Callable[..., User]) -> None:
    for address in ("/admin/", "/admin/categories/", QUEUE):
        assert f'href="{DASHBOARD}"' in page(viewing.get(address))
    client.force_login(member("nobody"))
    assert DASHBOARD not in page(client.get("/admin/"))


def test_it_costs_the_same_for_ten_products_and_for_a_thousand(
    tree: dict[str, Category], make_suggestion: MakeSuggestion, viewing: Client, maria: User
) -> None:
    def grow(count: int) -> None:
        for number in range(count):
            version = f"linear-{number % 3}"
            services.product_set_category(
                file_by_model(tree["Drills"], version=version), tree["Saws"], actor=maria
            )
            suggestion = make_suggestion(f"product {number}")
            if number % 2:
                services.suggestion_correct(suggestion, actor=maria, category=tree["Saws"])
        file_by_model(tree["Drills"], version="linear-7")
        services.audit_fill(1)
        for suggestion in Suggestion.objects.filter(status="pending", queue="audit"):
            services.suggestion_correct(suggestion, actor=maria, category=tree["Saws"])
        file_by_model(tree["Drills"], version="linear-8")
        services.audit_fill(1)

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert viewing.get(DASHBOARD).status_code == 200
        return len(queries)

    grow(5)
    few = statements()
    grow(495)
    assert Product.objects.count() == 1004

    assert statements() == few
    assert few <= 20


def test_the_files_hold_the_figures(busy: None, viewing: Client) -> None:
    found = {name: read(viewing.get(f"{DASHBOARD}{name}.csv")) for name in FILES}

    assert [len(found[name]) for name in FILES] == [14, 5, 3, 3, 2, 2, 21, 2, 2]
    assert found["audit"][2] == ["linear-1", "1", "0", "1", "1", "1.0", "0.025", "1.0"]
    assert found["precision"][1] == ["all models together", "3", "2", "0.666667", "0.094299", "0.991596"]
    assert found["misfiled"][1][:6] == ["drill", "F2", "Tools > Drills", "Tools > Saws", "0.95", "linear-1"]
    assert found["confusions"][1] == ["Tools > Drills", "Tools > Saws", "1"]
    assert found["decisions"][1][1:] == ["maria", "5", "1"]
    assert found["models"][1][5:] == ["120", "0.91", "0.66", "0.97"]
    response = viewing.get(f"{DASHBOARD}queue.csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="queue.csv"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.streaming


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\n=x", "'\n=x"),
        ("  =1+1", "'  =1+1"),
        ("＝1+1", "'＝1+1"),
        ("\x00=1", "'=1"),
        ("a=1", "a=1"),
        ("“quoted”, and more", "“quoted”, and more"),
        (-1, -1),
        (-0.5, -0.5),
        (1 / 3, 0.333333),
        (None, ""),
        ("", ""),
        (True, "True"),
    ],
)
def test_a_spreadsheet_runs_nothing(value: Any, cell: Any) -> None:
    assert safe_cell(value) == cell


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0.0%"), (0.0004, "under 0.1%"), (0.9499, "94.9%"), (0.95, "95.0%"), (0.29, "29.0%"), (1, "100.0%")],
)
def test_a_share_is_never_said_to_be_higher_than_it_is(share: float, words: str) -> None:
    assert tables.percent_of(share) == words


def test_a_formula_in_every_text_is_text_in_the_files(
    tree: dict[str, Category], member: Callable[..., User], viewing: Client, make_suggestion: MakeSuggestion
) -> None:
    formula = '=HYPERLINK("http://x","y")'
    evil = Category.objects.create(name=formula)
    person = member("@SUM(1)")
    product = file_by_model(tree["Drills"], formula, sku="+1", version="-2+3")
    services.product_set_category(product, evil, actor=person)
    services.suggestion_correct(
        make_suggestion(formula, [("=CODE", 0.5)]), actor=person, category=evil, note=formula
    )
    ModelVersion.objects.create(
        version=formula, sha256="0" * 64, backend="@linear", published_at=timezone.now()
    )

    cells = [cell for name in FILES for row in read(viewing.get(f"{DASHBOARD}{name}.csv")) for cell in row]

    assert f"'{formula}" in cells
    assert {"'@SUM(1)", "'+1", "'-2+3", "'=CODE", "'@linear"} <= set(cells)
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []


def test_a_file_is_bounded_and_made_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    def rows() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield ["x"]

    monkeypatch.setattr(tables, "MAX_CSV_ROWS", 10)
    lines = csv_lines(Table(columns=[Column(name="=a")], rows=rows()))

    assert [next(lines), next(lines), next(lines)] == ["\ufeff", '"\'=a"\r\n', '"x"\r\n']
    assert taken == 1
    assert len(list(lines)) == 9


def test_the_file_of_mistakes_holds_more_than_the_page(
    tree: dict[str, Category], maria: User, viewing: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.categories.admin.model_sections.MISFILED_SHOWN", 2)
    for number in range(5):
        services.product_set_category(
            file_by_model(tree["Drills"], f"mistake {number}"), tree["Saws"], actor=maria
        )

    assert page(viewing.get(DASHBOARD)).count("mistake ") == 2
    assert len(read(viewing.get(f"{DASHBOARD}misfiled.csv"))) == 6


def test_hostile_texts_stay_text(
    tree: dict[str, Category], member: Callable[..., User], viewing: Client, make_suggestion: MakeSuggestion
) -> None:
    script = "<script>alert('{}')</script>\"'><b>"
    evil = Category.objects.create(name=script.format("category"))
    person = member(script.format("person"))
    product = file_by_model(
        evil, script.format("title"), sku=script.format("sku"), version=script.format("v")
    )
    services.product_set_category(product, tree["Saws"], actor=person)
    services.suggestion_correct(
        make_suggestion("x", [(script.format("code"), 0.5)]), actor=person, category=evil
    )
    make_suggestion("y", [(script.format("code"), 0.5)])
    ModelVersion.objects.create(
        version=script.format("model"),
        sha256="0" * 64,
        backend=script.format("kind"),
        metrics={"test": {"coverage": 0.5, "top1": script}},
        published_at=timezone.now(),
    )

    html = page(viewing.get(DASHBOARD))

    for name in ("category", "person", "title", "sku", "v", "code", "model", "kind"):
        assert f"&lt;script&gt;alert(&#x27;{name}&#x27;)&lt;/script&gt;" in html, name
    assert "<script>alert" not in html
    assert "<b>" not in html


def test_the_bar_of_the_model_is_marked(
    busy: None, viewing: Client, settings: Settings, tiny_artifact: Path
) -> None:
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": str(tiny_artifact), "ENABLED": False, "THRESHOLD": 0.905}
    runtime.reset()

    html = page(viewing.get(DASHBOARD))

    assert ">files from 91%</text>" in html
    assert "The dashed line is the 91% from which it files by itself" in html


def test_bars_stand_on_one_another() -> None:
    series = [Series(name="a", values=[1, 0], colour=1), Series(name="b", values=[3, 0], colour=2)]

    chart = bar_chart(["x", "y"], series, words="w", says=lambda number: f"{number:.0f}")

    assert chart is not None
    lower, upper = chart.bars[0].pieces
    assert upper.y + upper.height == pytest.approx(lower.y, abs=0.02)
    assert lower.y + lower.height == pytest.approx(chart.bottom, abs=0.02)
    assert upper.height == pytest.approx(3 * lower.height, abs=0.05)
    assert chart.bars[0].says == "x: a 1, b 3"
    assert chart.bars[1].pieces == []
    assert [tick.label for tick in chart.ticks] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("highest", [1, 3, 4, 5, 7, 11, 99, 101, 2499, 1_000_000])
def test_no_bar_is_higher_than_its_axis(highest: int) -> None:
    chart = bar_chart(["x"], [Series(name="a", values=[highest], colour=1)], words="", says=str)

    assert chart is not None
    assert 2 <= len(chart.ticks) <= 6
    assert chart.bars[0].pieces[0].y >= chart.top - 0.01


@pytest.mark.parametrize("places", [*range(1, 13), 20, 30, 52])
def test_no_name_below_a_bar_covers_another(places: int) -> None:
    series = [Series(name="a", values=[1] * places, colour=1)]

    chart = bar_chart(["2026-11-28"] * places, series, words="", says=str, labels=6)

    assert chart is not None
    shift = {"middle": LABEL / 2, "end": LABEL}
    begins = [bar.label_at - shift[bar.anchor] for bar in chart.bars if bar.label]
    assert chart.bars[-1].label
    assert begins[-1] + LABEL <= WIDTH
    assert all(after - before >= LABEL for before, after in pairwise(begins))


def test_without_values_nothing_is_drawn() -> None:
    assert bar_chart([], [], words="", says=str) is None
    assert bar_chart(["x"], [Series(name="a", values=[0], colour=1)], words="", says=str) is None


def test_every_file_can_be_made_alone(db: None) -> None:
    assert {name for name in FILES if sections.whole_table(name, Given(timezone.now())).columns} == set(FILES)
    with pytest.raises(KeyError):
        sections.whole_table("nonsense", Given(timezone.now()))


def test_a_table_in_time_begins_with_the_newest_on_the_page_and_the_oldest_in_the_file() -> None:
    columns = [Column(name="day", kind="day"), Column(name="filed", kind="number")]
    table = Table(columns=columns, rows=[("2026-11-21", 1), ("now", 2)], newest_last=True)

    assert table.shown() == [
        [('<span class="cat-when">now</span>', False), ("2", True)],
        [('<span class="cat-when">2026-11-21</span>', False), ("1", True)],
    ]
    assert list(csv_lines(table))[2:] == ['"2026-11-21",1\r\n', '"now",2\r\n']
