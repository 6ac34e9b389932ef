import json
from pathlib import Path
from typing import Any

import pytest

from apps.categories.inference.batch import BatchOptions, BatchSummary, classify_file
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.errors import InputFileError

CONTENT = """title,sku,brand,colour,category_path
cordless drill compact,A1,Norrland,red,Nonsense >  > Label
,A2,Halden,,
qqqq,A3,,,
assorted item,,Brisa,,
silk shawl black,A1,,,Clothing > Shawls
bread knife,A6,,,,too,many
"""


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text("utf-8").splitlines()]


def run(
    tmp_path: Path, classifier: ProductionClassifier, **options: Any
) -> tuple[BatchSummary, list[dict[str, Any]]]:
    source = tmp_path / "in.csv"
    source.write_text(CONTENT, encoding="utf-8")
    summary = classify_file(
        source,
        classifier,
        tmp_path / "out",
        rejects=tmp_path / "rejects.csv",
        options=BatchOptions(**options),
    )
    return summary, lines_of(tmp_path / "out")


@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_one_line_per_row_in_the_order_of_the_input(
    tmp_path: Path, tiny_classifier: ProductionClassifier, batch_size: int
) -> None:
    summary, lines = run(tmp_path, tiny_classifier, batch_size=batch_size)
    assert [line["sku"] for line in lines] == ["A1", "A2", "A3", "", "A1", "A6"]
    assert [len(line["predictions"]) for line in lines] == [3, 0, 0, 3, 3, 0]
    assert [line["decision"]["action"] for line in lines] == [
        "assign",
        "none",
        "none",
        "review",
        "assign",
        "none",
    ]
    assert lines[1]["decision"]["reason"] == "line 3: the title is empty"
    assert lines[2]["decision"]["reason"] == "the text has nothing to go by"
    assert lines[5]["decision"]["reason"].startswith("line 7: 7 cells, but the header has 5 columns")
    assert (summary.rows, summary.assigned, summary.review) == (6, 2, 1)
    assert (summary.unanswered, summary.rejected, summary.assigned_parent) == (1, 2, 0)
    assert summary.unknown_columns == ("colour",)


def test_a_line_is_what_the_classifier_and_the_decision_say(
    tmp_path: Path, tiny_classifier: ProductionClassifier
) -> None:
    _, lines = run(tmp_path, tiny_classifier, top_k=2)
    product = {"title": "cordless drill compact", "brand": "Norrland"}
    (expected,) = tiny_classifier.predict([product], top_k=2)
    assert lines[0]["predictions"] == [
        {
            "category_code": item["category_code"],
            "category_path": tiny_classifier.path(item["category_code"]),
            "confidence": pytest.approx(item["confidence"], abs=1e-4),
        }
        for item in expected
    ]
    decision = lines[0]["decision"]
    assert list(decision) == ["action", "category_code", "category_path", "reason"]
    assert decision["category_path"] == "Tools > Drills"
    assert decision["category_code"] == lines[0]["predictions"][0]["category_code"]
    assert list(lines[0]) == ["sku", "predictions", "decision"]
    assert lines[1] == {
        "sku": "A2",
        "predictions": [],
        "decision": {
            "action": "none",
            "category_code": None,
            "category_path": None,
            "reason": "line 3: the title is empty",
        },
    }


def test_the_metadata_says_which_artifact_and_what_came_out(
    tmp_path: Path, tiny_classifier: ProductionClassifier
) -> None:
    summary, lines = run(tmp_path, tiny_classifier)
    metadata = json.loads((tmp_path / "out" / "run_metadata.json").read_text("utf-8"))
    assert metadata["artifact"]["sha256"] == tiny_classifier.sha256
    assert metadata["artifact"]["version"] == tiny_classifier.version
    assert metadata["artifact"]["threshold"] == tiny_classifier.threshold
    assert metadata["input"] == "in.csv"
    assert metadata["counts"]["rows"] == 6
    assert metadata["counts"]["rejected"] == 2
    assert metadata["counts"]["low_confidence"] == summary.low_confidence == 1
    firsts = [line["predictions"][0]["confidence"] for line in lines if line["predictions"]]
    assert metadata["counts"]["average_confidence"] == pytest.approx(sum(firsts) / len(firsts), abs=1e-5)
    assert set(metadata["timings"]) == {"started_at", "finished_at", "seconds", "rows_per_second"}
    assert metadata["options"] == {
        "top_k": 3,
        "threshold": None,
        "min_confidence": None,
        "batch_size": 1000,
    }


def test_min_confidence_raises_the_bar_and_is_counted(
    tmp_path: Path, tiny_classifier: ProductionClassifier
) -> None:
    summary, lines = run(tmp_path, tiny_classifier, min_confidence=1.0)
    assert summary.assigned == 0
    assert summary.review == summary.low_confidence == 3
    assert lines[0]["decision"]["reason"] == "99% is under the 100% that is needed"


def test_rejects_are_given_back_and_a_wrong_label_is_no_reason(
    tmp_path: Path, tiny_classifier: ProductionClassifier
) -> None:
    run(tmp_path, tiny_classifier)
    rejects = (tmp_path / "rejects.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in rejects] == ["line", "3", "7"]


def test_a_run_that_fails_changes_nothing(tmp_path: Path, tiny_classifier: ProductionClassifier) -> None:
    run(tmp_path, tiny_classifier)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"title\nhammer drill\nTama\xf1o\n")
    with pytest.raises(InputFileError, match="line 3"):
        classify_file(bad, tiny_classifier, tmp_path / "out", rejects=tmp_path / "rejects.csv")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_an_interrupted_run_leaves_no_file(tmp_path: Path, tiny_classifier: ProductionClassifier) -> None:
    source = tmp_path / "in.csv"
    source.write_text(CONTENT, encoding="utf-8")
    told: list[int] = []

    def interrupt(rows: int) -> None:
        told.append(rows)
        if rows >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify_file(
            source,
            tiny_classifier,
            tmp_path / "out",
            rejects=tmp_path / "rejects.csv",
            options=BatchOptions(batch_size=2),
            on_progress=interrupt,
        )
    assert told == [2, 4]
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, tiny_classifier: ProductionClassifier
) -> None:
    source = tmp_path / "in.csv"
    source.write_text(CONTENT, encoding="utf-8")
    with pytest.raises(InputFileError, match="name another --output"):
        classify_file(source, tiny_classifier, source / "out", rejects=tmp_path / "rejects.csv")


@pytest.mark.parametrize("options", [{"top_k": 0}, {"batch_size": 0}])
def test_options_out_of_range_are_refused(
    tmp_path: Path, tiny_classifier: ProductionClassifier, options: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        classify_file(
            tmp_path / "in.csv",
            tiny_classifier,
            tmp_path,
            rejects=tmp_path / "r.csv",
            options=BatchOptions(**options),
        )


def test_a_file_without_rows_is_an_empty_run(tmp_path: Path, tiny_classifier: ProductionClassifier) -> None:
    source = tmp_path / "in.csv"
    source.write_text("title\n")
    summary = classify_file(source, tiny_classifier, tmp_path / "out", rejects=tmp_path / "r.csv")
    assert (summary.rows, summary.average_confidence) == (0, None)
    assert lines_of(tmp_path / "out") == []
