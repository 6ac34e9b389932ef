"""evaluate_classifier: without a database (pytest-django refuses it), figures, files, refusals."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.categories.inference.classifier import ProductionClassifier
from tests.tiny import labelled_rows, write_csv
from training import judgement, report
from training.data import LabelledRow

Evaluate = Callable[..., str]


@pytest.fixture
def evaluate(tiny_artifact: Path, tmp_path: Path) -> Evaluate:
    """Run the command on a file; the answer is what it says."""

    def run(data: Path, *arguments: object, **options: Any) -> str:
        out = io.StringIO()
        given = ("--artifact", tiny_artifact, "--rejected", tmp_path / "rejects.csv", *arguments)
        call_command(
            "evaluate_classifier", "--data", str(data), *map(str, given), stdout=out, stderr=out, **options
        )
        return out.getvalue()

    return run


@pytest.fixture
def own(tiny_rows: tuple[LabelledRow, ...], tmp_path: Path) -> Path:
    """The file that the model was trained on."""
    return write_csv(tiny_rows, tmp_path / "own.csv")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A file that the model has never seen."""
    return write_csv(labelled_rows(each=10, seed=99), tmp_path / "new.csv")


def test_the_test_part_gives_the_figures_of_the_training_run(
    evaluate: Evaluate, own: Path, tmp_path: Path, tiny_classifier: ProductionClassifier
) -> None:
    path = tmp_path / "figures" / "all.json"

    text = evaluate(own, "--test-part", "--json", path)

    found = json.loads(path.read_text("utf-8"))
    for name, value in tiny_classifier.header["metrics"]["test"].items():
        assert found["metrics"][name] == pytest.approx(value, abs=1e-6), name
    assert found["artifact"] == {"version": tiny_classifier.version, "sha256": tiny_classifier.sha256}
    assert (found["input"], found["test_part"], found["trained_on_these_rows"]) == ("own.csv", True, False)
    rows = found["metrics"]["rows"]
    assert found["not_judged"] == {"rows outside the frozen test part": len(labelled_rows()) - rows}
    assert found["frozen_test_part"]["top1"] == found["metrics"]["top1"]
    assert sum(category["rows"] for category in found["metrics"]["categories"]) == rows
    assert {"p50_ms", "p99_ms", "per_second", "rows"} == found["timing"].keys()
    assert "the figures are honest" in text
    assert f"{rows} rows judged by {tiny_classifier.version}" in text
    assert not list((tmp_path / "figures").glob(".*"))


def test_on_its_own_rows_the_model_is_called_flattered_and_the_honest_figures_are_said(
    evaluate: Evaluate, own: Path, tmp_path: Path, tiny_classifier: ProductionClassifier
) -> None:
    path = tmp_path / "all.json"

    text = evaluate(own, "--json", path)

    found, recorded = json.loads(path.read_text()), tiny_classifier.header["metrics"]["test"]
    assert "The model was trained on these very rows, so the figures below flatter it." in text
    assert f"{recorded['rows']} rows of its frozen test part: {recorded['top1']:.1%} right at once" in text
    assert found["trained_on_these_rows"] is True
    assert found["frozen_test_part"]["top1"] == pytest.approx(recorded["top1"])
    assert found["metrics"]["rows"] == len(labelled_rows())


def test_rows_that_merely_look_familiar_are_said_to(
    evaluate: Evaluate, tiny_rows: tuple[LabelledRow, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exported again with a price changed somewhere, the file has another digest."""
    again = write_csv([replace(tiny_rows[0], brand="Other"), *tiny_rows[1:]], tmp_path / "again.csv")
    asked: list[int] = []

    def familiar(right: Any, frozen: Any) -> bool:
        asked.append(len(right))
        return True

    monkeypatch.setattr(judgement, "seems_familiar", familiar)

    assert "The model seems to have been trained on many of these rows" in evaluate(again)
    assert asked == [len(tiny_rows)]


def test_new_rows_are_no_reason_for_a_warning(evaluate: Evaluate, new: Path) -> None:
    text = evaluate(new)

    assert "Nothing suggests that the model was trained on these rows" in text
    assert "flatter" not in text


def test_easy_or_known_rows_are_pointed_out(evaluate: Evaluate, tmp_path: Path) -> None:
    """Titles that say their category plainly; the model's own test had some that do not."""
    easy = [row for row in labelled_rows(each=45, seed=99) if "assorted" not in row.title]

    text = evaluate(write_csv(easy, tmp_path / "easy.csv"))

    assert "The model is right far more often here than on its own frozen test part (" in text
    assert "Nothing suggests" not in text


def test_every_figure_is_said(evaluate: Evaluate, new: Path) -> None:
    text = evaluate(new)

    for words in (
        "would be filed without a person",
        "of those rightly (",
        "asked for 95.0%: ",
        "left for people",
        "right at once (top-1, accuracy)",
        "right among three (top-3)",
        "macro-F1",
        "weighted F1",
        "hierarchical F1 (precision ",
        "calibration error (ECE, 15 bins of equal mass)",
        "Brier score",
        "ms  for one product (p50); p99 ",
        "products a second in batches",
    ):
        assert words in text


def test_what_cannot_be_judged_is_rejected_counted_or_wrong(evaluate: Evaluate, tmp_path: Path) -> None:
    data = tmp_path / "odd.csv"
    data.write_text(
        "title,category_path,colour\n"
        "cordless drill compact,Tools > Drills,red\n"
        ",Tools > Saws,\n"
        "silk shawl black,,\n"
        "wooden train,Toys > Trains,\n"
        "日本,Tools > Saws,\n"
    )

    text = evaluate(data, "--json", tmp_path / "all.json")

    found = json.loads((tmp_path / "all.json").read_text())
    assert "ignoring the columns colour" in text
    assert "1 rows cannot be used and are in" in text
    assert "line 3: the title is empty" in text
    assert "1 rows have no label and cannot be judged" in text
    assert "1 rows have a label that the model does not know (1 categories); they count as wrong." in text
    assert "line,reason,title" in (tmp_path / "rejects.csv").read_text()
    assert found["not_judged"] == {"rows that cannot be used": 1, "rows without a label": 1}
    assert [found["metrics"][name] for name in ("rows", "unread", "unknown")] == [3, 1, 1]
    assert found["metrics"]["top1"] == pytest.approx(1 / 3)


def test_the_shops_threshold_is_obeyed_and_said(
    evaluate: Evaluate, new: Path, tmp_path: Path, settings: Settings
) -> None:
    settings.CATEGORY_CLASSIFIER = {"THRESHOLD": 1.0}

    text = evaluate(new, "--json", tmp_path / "all.json")

    assert "Products are filed from the shop's own threshold, 1, not from the model's." in text
    assert json.loads((tmp_path / "all.json").read_text())["metrics"]["filed"] == 0
    assert "nothing would be filed" in text


def test_the_report_is_written_and_takes_the_place_of_the_last_one(
    evaluate: Evaluate, new: Path, tmp_path: Path, tiny_classifier: ProductionClassifier
) -> None:
    folder = tmp_path / "reports" / "today"

    text = evaluate(new, "--report", folder)

    assert f"report: {folder / 'report.html'}" in text
    assert sorted(path.name for path in folder.iterdir()) == sorted(report.FILES)
    assert f"judged by {tiny_classifier.version}" in (folder / "report.html").read_text("utf-8")
    (folder / "mine.txt").write_text("kept")
    one = tmp_path / "one.csv"
    one.write_text("title,category_path\ncordless drill compact,Tools > Drills\n")
    evaluate(one, "--report", folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "mine.txt",
        "precision_coverage.png",
        "reliability.png",
        "report.html",
    ]


def test_the_rejects_have_a_place_of_their_own(
    tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "shop.csv"
    data.write_text("title,category_path\ncordless drill,Tools > Drills\n,Tools > Saws\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    call_command(
        "evaluate_classifier", "--data", str(data), "--artifact", str(tiny_artifact), stdout=io.StringIO()
    )

    assert [path.name for path in (elsewhere / "outputs").iterdir()] == ["shop.rejected.csv"]


def test_the_sites_artifact_is_the_default(
    new: Path, tiny_artifact: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": tiny_artifact}
    out = io.StringIO()

    call_command("evaluate_classifier", "--data", str(new), "--rejected", str(tmp_path / "r.csv"), stdout=out)

    assert "rows judged by linear-" in out.getvalue()


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        ("title\ndrill\n", (), r"no row with a label to judge by.*1 rows without a label"),
        ("title,category_path\n", (), "but the file is empty"),
        ("name\ndrill\n", (), "expected a column 'title'"),
        ("title,category_path\ncordless drill 3,A\n", ("--artifact", "missing.pt"), "check the path"),
        ("title,category_path\ncordless drill 3,A\n", ("--json", "/dev/null/a.json"), "cannot be written"),
    ],
)
def test_it_refuses_with_the_reason(
    evaluate: Evaluate, tmp_path: Path, content: str, arguments: tuple[str, ...], words: str
) -> None:
    data = tmp_path / "data.csv"
    data.write_text(content)

    with pytest.raises(CommandError, match=words):
        evaluate(data, *arguments)


def test_a_file_without_a_frozen_row_has_no_test_part(
    evaluate: Evaluate,
    tiny_rows: tuple[LabelledRow, ...],
    tmp_path: Path,
    tiny_classifier: ProductionClassifier,
) -> None:
    from training.frozen import frozen_part

    inside = frozen_part(tiny_classifier, tiny_rows).tolist()
    learned = [row for row, frozen in zip(tiny_rows, inside, strict=True) if not frozen]

    with pytest.raises(CommandError, match=r"none of the .* rows lies in the frozen test part of linear-"):
        evaluate(write_csv(learned, tmp_path / "learned.csv"), "--test-part")


def test_a_model_without_a_test_part_has_no_honest_figures_on_its_rows(
    evaluate: Evaluate, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    monkeypatch.setattr(judgement, "frozen_part", lambda _, rows: np.zeros(len(rows), bool))

    assert "kept no test part of them: the figures flatter it, and none is honest" in evaluate(own)


def test_an_interruption_leaves_nothing_behind(
    evaluate: Evaluate, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "build", interrupted)

    with pytest.raises(SystemExit) as stopped:
        evaluate(new, "--report", tmp_path / "report")
    assert stopped.value.code == 130
    assert not (tmp_path / "report").exists()


def test_a_missing_package_names_the_requirements(
    evaluate: Evaluate, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(CommandError, match=r"the package matplotlib: pip install -r requirements-ml.txt"):
        evaluate(new, "--report", tmp_path / "report")


def test_figures_alone_load_no_plotting() -> None:
    """matplotlib is imported for a report only."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, training.judgement; print({'matplotlib', 'jinja2', 'torch'} & {*sys.modules})",
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
