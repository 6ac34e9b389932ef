"""The page for merchandisers: whole, harmless, and readable by everyone."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.encoder import EMBEDDING
from tests.rewriting import rewritten
from tests.tiny import labelled_rows
from training import plots_classes, report
from training.data import LabelledRow
from training.evaluation import evaluate, share
from training.outcomes import NO_ANSWER, Outcomes, score
from training.pipeline import TrainingResult
from training.plots import distinct
from training.plots_classes import confusions, embeddings, map_plot
from training.report import ReportInput, build, worst_mistakes
from training.timing import Timing

from .outcomes import ASIDE, FILE, NOTHING, outcomes

DRILLS, SAWS, KITCHEN = "Tools > Drills", "Tools > Saws", "Kitchen"
PNG = b"\x89PNG\r\n\x1a\n"
HOSTILE = "<script>document.title='gone'</script><img src=x onerror=alert(1)>"

Build = Callable[..., dict[str, bytes]]


class Page(HTMLParser):
    """Every tag of a page, with its attributes."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = data.decode()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture
def make(tiny_classifier: ProductionClassifier) -> Build:
    """The files of a report on these outcomes."""

    def run(found: Outcomes, **values: Any) -> dict[str, bytes]:
        given = {
            "source": "shop.csv",
            "classifier": tiny_classifier,
            "outcomes": found,
            "evaluation": evaluate(found, target=0.95),
            "timing": Timing(rows=1, p50_ms=0.25, p99_ms=1.0, per_second=12345.6),
            "familiar": False,
            "notes": ["Read me first."],
            "skipped": {"rows without a label": 3},
            "now": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        }
        return build(ReportInput(**(given | values)))

    return run


@pytest.fixture
def judged(tiny_classifier: ProductionClassifier) -> Outcomes:
    """Rows that the model has never seen, some of them with words from an attacker."""
    rows = list(labelled_rows(each=4, seed=5))
    rows[0] = replace(
        rows[0], title=f"hand saw {HOSTILE}", category_code="", category_path=f"Toys > {HOSTILE}"
    )
    other = next(row for row in rows if row.category_path == "Kitchen > Mugs")
    rows[1] = replace(
        rows[1],
        title=f"linen shirt {HOSTILE}",
        category_code=other.category_code,
        category_path=other.category_path,
    )
    return score(tiny_classifier, rows)


def test_the_page_needs_nothing_else_and_runs_nothing(make: Build, judged: Outcomes) -> None:
    files = make(judged, source=HOSTILE, notes=[HOSTILE])

    page = Page(files["report.html"])
    assert set(files) == set(report.FILES)
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "form", "base"} == set()
    assert HOSTILE not in page.text
    assert page.text.count("&lt;script&gt;") >= 5
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "srcset"):
            assert (attributes.get(name) or "data:image/png;base64,").startswith("data:image/png;base64,")
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|https?:", page.text)
    (policy,) = [found["content"] for found in page.all("meta") if "http-equiv" in found]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_every_picture_is_there_for_light_and_dark_and_in_words(make: Build, judged: Outcomes) -> None:
    files = make(judged)

    page = Page(files["report.html"])
    assert all(data.startswith(PNG) for name, data in files.items() if name.endswith(".png"))
    assert len(page.all("img")) == len(page.all("source")) == 4
    assert all(found["media"] == "(prefers-color-scheme: dark)" for found in page.all("source"))
    for image, dark in zip(page.all("img"), page.all("source"), strict=True):
        assert len(str(image["alt"])) > 60
        assert image["src"] != dark["srcset"]
    assert "95% were asked for" in str(page.all("img")[0]["alt"])
    assert "Placed by the model&#39;s scores for every category." in page.text


def test_headings_links_and_tables_are_usable_without_eyes_or_mouse(make: Build, judged: Outcomes) -> None:
    page = Page(make(judged)["report.html"])

    ids = {found["id"] for found in page.all("section")}
    assert {str(found["href"])[1:] for found in page.all("a")} == ids
    assert len(page.all("h1")) == 1
    assert len(page.all("h2")) == len(ids) == 9
    assert page.all("html") == [{"lang": "en"}]
    scrolled = [found for found in page.all("div") if found.get("class") == "scroll"]
    assert len(scrolled) == len(page.all("table")) == 5
    for found in scrolled:
        assert found["tabindex"] == "0"
        assert found["role"] == "region"
        assert found["aria-label"]
    assert all(found.get("scope") in ("col", "row") for found in page.all("th"))


def test_the_figures_are_on_the_page(make: Build) -> None:
    found = outcomes(
        *[(DRILLS, [(DRILLS, 0.9)], FILE, True)] * 19,
        (DRILLS, [(SAWS, 0.9)], FILE, False),
        *[(KITCHEN, [(KITCHEN, 0.6)], ASIDE, False)] * 5,
    )

    text = " ".join(Page(make(found)["report.html"]).text.split())

    assert "It would file 20 of 25 products by itself, 19 of them rightly: 95.0%." in text
    assert '<strong class="good">kept on these products; too few to be certain</strong>.' in text
    assert "<strong>80.0%</strong> of the products would be filed without a person" in text
    assert "<strong>20.0%</strong> are left for people" in text
    assert '<dt>Many answers</dt><dd class="number">12,346/s</dd>' in text
    assert '<dd class="number">3</dd><dd class="soft">rows without a label</dd>' in text
    assert "Read me first." in text
    assert "on 2026-01-02 at 03:04 UTC" in text


def test_the_picture_is_explained_where_products_are_filed_above_their_category(
    make: Build, judged: Outcomes
) -> None:
    words = "the line leaves out what is\nfiled in a parent category"
    whole = evaluate(judged, target=0.95)

    for above, said in ((3, True), (0, False)):
        page = make(judged, evaluation=replace(whole, filed_parent=above))["report.html"].decode()
        assert (words in page) == said


def test_a_model_that_knows_the_rows_is_not_praised(make: Build) -> None:
    found = outcomes(*[(DRILLS, [(DRILLS, 0.9)], FILE, True)] * 100)

    text = Page(make(found, familiar=True)["report.html"]).text

    assert 'class="good"' not in text
    assert "</strong>, on rows that the model has learned from" in text


def test_a_report_on_almost_nothing_says_so(make: Build) -> None:
    files = make(outcomes((DRILLS, [(DRILLS, 0.9)], ASIDE, False), (SAWS, [], NOTHING, False)))

    text = " ".join(files["report.html"].decode().split())
    assert set(files) == {"report.html", "precision_coverage.png", "reliability.png"}
    assert "This model would file nothing by itself" in text
    assert "Nothing: every product that the model could read was answered rightly." in text
    assert "<h2>Worst mistakes</h2> <p>None.</p>" in text
    assert "<p>None found.</p>" in text
    assert "Too few products for a map." in text
    assert '<dt>Unreadable</dt><dd class="number">1</dd>' in text
    assert 'id="unknown"' not in text


def test_categories_with_most_mistakes_come_first_and_none_is_left_out(make: Build, judged: Outcomes) -> None:
    text = make(judged)["report.html"].decode()

    table = text[text.index('id="categories"') : text.index('id="map"')]
    paths = [unescape(path) for path in re.findall(r'<th scope="row">(.*?)(?: <span.*)?</th>', table)]
    figures = {category.path: category for category in evaluate(judged, target=0.95).categories}
    wrong = [figures[path].rows + figures[path].predicted - 2 * figures[path].right for path in paths]
    assert sorted(paths) == sorted(figures)
    assert len(paths) > 20
    assert wrong == sorted(wrong, reverse=True)
    assert wrong[0] > wrong[-1]
    assert "(not known)" in table


def test_worst_mistakes_are_the_surest_and_leave_out_what_no_model_could_know() -> None:
    found = outcomes(
        (DRILLS, [(SAWS, 0.5)], ASIDE, False),
        (DRILLS, [(KITCHEN, 0.9)], FILE, False),
        (DRILLS, [(DRILLS, 0.99)], FILE, True),
        ("Toys", [(DRILLS, 0.95)], FILE, False),
        (SAWS, [], NOTHING, False),
        unknown=["Toys"],
    )
    found = replace(found, rows=[replace(row, title="long " * 100) for row in found.rows])

    worst = worst_mistakes(found, [])

    assert [(one.name, one.label, one.answer, one.filed) for one in worst] == [
        ("line 3", DRILLS, KITCHEN, True),
        ("line 2", DRILLS, SAWS, False),
    ]
    assert len(worst[0].title) == report.TITLE
    assert worst[0].title.endswith("…")


def test_a_mistake_whose_label_is_suspected_says_so(
    make: Build, tiny_classifier: ProductionClassifier
) -> None:
    rows = [(DRILLS, [(DRILLS, 0.7)], ASIDE, False), (SAWS, [(SAWS, 0.7)], ASIDE, False)] * 5

    text = make(outcomes(*rows, (SAWS, [(DRILLS, 0.9)], ASIDE, False)))["report.html"].decode()
    other = make(outcomes(*rows, (SAWS, [(DRILLS, 0.6)], ASIDE, False)))["report.html"].decode()

    assert '<td class="whole">to check</td>' in text
    assert '<td class="whole"></td>' in other


def test_long_lists_are_cut_and_counted(make: Build) -> None:
    found = outcomes(*[(DRILLS, [(SAWS, 0.5)], ASIDE, False)] * 51)

    text = make(found)["report.html"].decode()

    section = text[text.index('id="mistakes"') : text.index('id="labels"')]
    assert section.count('<th scope="row">') == 50
    assert "The first 50 of 51." in section


def test_confusions_are_counted_by_pair() -> None:
    found = confusions(
        outcomes(
            (DRILLS, [(KITCHEN, 0.5)], ASIDE, False),
            (DRILLS, [(SAWS, 0.5)], ASIDE, False),
            (DRILLS, [(SAWS, 0.5)], ASIDE, False),
            (SAWS, [(DRILLS, 0.5)], ASIDE, False),
            (SAWS, [(SAWS, 0.5)], ASIDE, False),
            (SAWS, [], NOTHING, False),
        )
    )

    assert [(pair.label, pair.answer, pair.rows) for pair in found] == [
        (DRILLS, SAWS, 2),
        (DRILLS, KITCHEN, 1),
        (SAWS, DRILLS, 1),
    ]


def test_many_categories_get_bars_instead_of_a_matrix(
    judged: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = confusions(judged)

    few = plots_classes.confusion_plot(judged, pairs)
    monkeypatch.setattr(plots_classes, "MATRIX", 5)
    many = plots_classes.confusion_plot(judged, pairs)

    assert few is not None
    assert few.alt.startswith("Matrix of ")
    assert many is not None
    assert many.alt.startswith("Bars of the ")


def test_bars_show_what_is_mixed_up_repeatedly_or_else_once(monkeypatch: pytest.MonkeyPatch) -> None:
    once = (DRILLS, [(KITCHEN, 0.5)], ASIDE, False)
    twice = [(DRILLS, [(SAWS, 0.5)], ASIDE, False)] * 2
    monkeypatch.setattr(plots_classes, "MATRIX", 1)

    drawn = [
        plots_classes.confusion_plot(found, confusions(found))
        for found in (outcomes(once, *twice), outcomes(once))
    ]

    assert [picture.alt for picture in drawn if picture] == [
        "Bars of the 1 commonest confusions. "
        "Most often: 2 of Tools > Drills taken for Tools > Saws; 1 of Tools > Drills taken for Kitchen.",
        "Bars of the 1 commonest confusions. Most often: 1 of Tools > Drills taken for Kitchen.",
    ]


@pytest.mark.parametrize("name", ["$5 to $10", r"$\frac{ $", "厨房", "100% _^{", "A" * 190])
def test_a_category_may_have_any_name(make: Build, name: str) -> None:
    """matplotlib would read a formula, lack the letters, or run out of room; none of it may fail or warn."""
    found = outcomes((DRILLS, [(SAWS, 0.5)], ASIDE, False), (SAWS, [(DRILLS, 0.4)], ASIDE, False))
    named = replace(found, paths=(f"Tools > {name}", f"Garden > {name}", name))

    assert "confusion.png" in make(named)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["A > Drills", "A > Saws"], ["Drills", "Saws"]),
        (["A > Saws", "B > Saws", "Pans"], ["A > Saws", "B > Saws", "Pans"]),
        (["X > A > Saws", "Y > A > Saws"], ["X > … > Saws", "Y > … > Saws"]),
        (["Saws", "A > Saws"], ["Saws", "A > Saws"]),
        (["Same", "Same"], ["Same", "Same"]),
        ([], []),
    ],
)
def test_short_names_tell_categories_apart(paths: list[str], names: list[str]) -> None:
    assert distinct(paths) == names


def test_embeddings_are_the_models_scores(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    rows = tiny_rows[:40]

    found, basis = embeddings(tiny_classifier, rows)

    assert basis == "the model's scores for every category"
    scores, _ = tiny_classifier._engine.scores([tiny_classifier.text(row.fields()) for row in rows])
    np.testing.assert_allclose(found, scores - scores.mean(axis=1, keepdims=True), atol=1e-6)


def test_a_transformer_is_drawn_by_its_own_vectors_and_an_older_one_by_its_scores(
    tiny_encoder: TrainingResult, tiny_rows: tuple[LabelledRow, ...], tmp_path: Path
) -> None:
    path, older = tmp_path / "classifier.pt", tmp_path / "older.pt"
    artifact.publish(tiny_encoder.artifact, path)

    def without_vectors(records: dict[str, bytes]) -> None:
        for name in ("onnx_fp32", "onnx_int8"):
            graph = onnx.load_model_from_string(records[name])
            assert graph.graph.output.pop().name == EMBEDDING
            records[name] = graph.SerializeToString()

    rewritten(path, older, without_vectors)
    classifier, rows = ProductionClassifier.load(path), tiny_rows[:40]

    found, basis = embeddings(classifier, rows)
    before, scores = embeddings(ProductionClassifier.load(older), rows)

    assert (found.shape, basis) == ((40, 192), "the text encoder's own vectors")
    assert (before.shape, scores) == ((40, 20), "the model's scores for every category")
    drawn = map_plot(score(classifier, rows), classifier)
    assert drawn is not None
    assert drawn.caption == "Placed by the text encoder's own vectors."
    assert "by the text encoder's own vectors, coloured" in drawn.alt


def test_a_map_of_one_branch_shows_its_categories(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    rows = [row for row in tiny_rows if row.category_path.startswith("Kitchen > ")][:40]

    branch = map_plot(score(tiny_classifier, rows), tiny_classifier)
    branches = map_plot(score(tiny_classifier, tiny_rows[:40]), tiny_classifier)

    assert branch is not None
    assert "Kitchen > Mugs" in branch.alt
    assert branches is not None
    assert "Kitchen > Mugs" not in branches.alt


def test_the_map_is_a_sample_that_does_not_change(
    tiny_classifier: ProductionClassifier,
    tiny_rows: tuple[LabelledRow, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plots_classes, "MAP_ROWS", 40)
    found = score(tiny_classifier, tiny_rows[:80])

    first, second = map_plot(found, tiny_classifier), map_plot(found, tiny_classifier)

    assert first is not None
    assert first.alt.startswith("Scatter of 40 products ")
    assert second == first


def test_the_map_leaves_out_what_the_model_cannot_read(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    rows = [replace(row, title="日本", brand="") for row in tiny_rows[:10]]
    found = score(tiny_classifier, [*rows, *tiny_rows[10:45]])

    drawn = map_plot(found, tiny_classifier)

    assert (found.classes[:, 0] == NO_ANSWER).sum() == 10
    assert drawn is not None
    assert drawn.alt.startswith("Scatter of 35 products ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0.0%"),
        (1.0, "100.0%"),
        (0.9499, "95.0%"),
        (0.99951, "> 99.9%"),
        (0.0004, "< 0.1%"),
        (0.001, "0.1%"),
        (0.999, "99.9%"),
    ],
)
def test_a_share_never_claims_all_or_nothing(value: float | None, text: str) -> None:
    assert share(value) == text


def test_a_precision_that_missed_its_target_does_not_read_like_it() -> None:
    assert share(0.9499, down=True) == "94.9%"
    assert share(0.95, down=True) == "95.0%"
    assert share(0.29, down=True) == "29.0%"
    assert share(None, down=True) == "–"
