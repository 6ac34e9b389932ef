"""classify_file, classify_text, sample_data: none of them opens a database (pytest-django refuses it)."""

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.files import ProductRow, read_rows
from apps.categories.inference.text import group_key


def said(command: str, *arguments: object, **options: object) -> str:
    out = io.StringIO()
    call_command(command, *map(str, arguments), stdout=out, stderr=out, **options)
    return out.getvalue()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "shop.csv"
    path.write_text("title,sku,colour\ncordless drill compact,A1,red\n,A2,\nsilk shawl black,A3,\n")
    return path


def test_classify_file_writes_both_files_and_sums_up(
    tmp_path: Path, source: Path, tiny_artifact: Path
) -> None:
    out, rejects = tmp_path / "out", tmp_path / "rejects.csv"
    text = said("classify_file", source, "--artifact", tiny_artifact, "--output", out, "--rejected", rejects)
    assert [json.loads(line)["sku"] for line in (out / "predictions.jsonl").read_text().splitlines()] == [
        "A1",
        "A2",
        "A3",
    ]
    assert json.loads((out / "run_metadata.json").read_text())["counts"]["rows"] == 3
    assert "Columns that are not read: colour" in text
    assert "2  would be filed" in text
    assert f"1  could not be used: {rejects}" in text


def test_classify_file_without_output_makes_a_folder_named_by_the_time(
    tmp_path: Path, source: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    said("classify_file", source, "--artifact", tiny_artifact)
    (folder,) = (elsewhere / "outputs").glob("run_*Z")
    assert sorted(path.name for path in folder.iterdir()) == ["predictions.jsonl", "run_metadata.json"]
    assert (elsewhere / "outputs" / "shop.rejected.csv").is_file()
    assert [path.name for path in source.parent.iterdir() if path.is_file()] == ["shop.csv"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--artifact", "missing.pt"),
            "there is no artifact at missing.pt: check the path",
        ),
        (("--min-confidence", "95"), "expected a share between 0 and 1"),
        (("--top-k", "0"), "must be at least 1"),
        (("--batch-size", "0"), "must be at least 1"),
    ],
)
def test_classify_file_refuses_with_the_reason(
    tmp_path: Path, source: Path, arguments: tuple[str, ...], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        said("classify_file", source, "--output", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_classify_file_refuses_a_file_that_is_not_there(tmp_path: Path, tiny_artifact: Path) -> None:
    with pytest.raises(CommandError, match="cannot be opened"):
        said(
            "classify_file", tmp_path / "none.csv", "--artifact", tiny_artifact, "--output", tmp_path / "out"
        )


def test_classify_text_answers_each_text(tiny_artifact: Path, tiny_classifier: ProductionClassifier) -> None:
    text = said("classify_text", "cordless drill compact", "qqqq", "--artifact", tiny_artifact, "--top-k", 2)
    drill, nothing = text.split("qqqq")
    code = tiny_classifier.taxonomy.code("Tools > Drills")
    assert drill.splitlines()[0] == "cordless drill compact"
    assert f"Tools > Drills  ({code})" in drill.splitlines()[1]
    assert len(drill.splitlines()) == 4
    assert "would be filed: " in drill
    assert nothing.strip() == "no answer: the text has nothing to go by"


def test_classify_text_reads_the_input_when_no_text_is_given(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("cordless drill\n\nsilk shawl\n"))
    text = said("classify_text", "--artifact", tiny_artifact)
    assert "20 categories." in text
    assert [line for line in text.splitlines() if not line.startswith(" ")][1:] == [
        "cordless drill",
        "silk shawl",
    ]


def test_classify_text_is_a_prompt_on_a_terminal(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked = iter(["silk shawl", ""])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", lambda prompt: next(asked))
    text = said("classify_text", "--artifact", tiny_artifact)
    assert "an empty line ends" in text
    assert "Clothing > Shawls" in text


def test_classify_text_refuses_without_an_artifact(tmp_path: Path, settings: Settings) -> None:
    """A mistyped path is looked at again; only a site without a model is told to train one."""
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": tmp_path / "none.pt"}
    with pytest.raises(CommandError, match=r"there is no artifact at .*train_classifier"):
        said("classify_text", "drill")
    with pytest.raises(CommandError) as refused:
        said("classify_text", "drill", "--artifact", tmp_path / "missing.pt")
    assert str(refused.value) == (
        f"there is no artifact at {tmp_path / 'missing.pt'}: check the path given to --artifact"
    )


def test_the_site_s_artifact_is_the_default(
    tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.categories import runtime

    real = runtime.status()
    monkeypatch.setattr(runtime, "status", lambda: real.__class__(**(vars(real) | {"path": tiny_artifact})))
    assert "Tools > Drills" in said("classify_text", "cordless drill")


@pytest.mark.parametrize(("threshold", "spoken"), [(1.0, "under the 100%"), (0.0, "reaches the 0%")])
def test_the_site_s_threshold_holds_for_the_site_s_artifact_only(
    tiny_artifact: Path,
    tiny_classifier: ProductionClassifier,
    tmp_path: Path,
    settings: Settings,
    threshold: float,
    spoken: str,
) -> None:
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": tiny_artifact, "THRESHOLD": threshold}
    source, text = tmp_path / "one.csv", "cordless drill compact"
    source.write_text(f"title\n{text}\n")

    def filed(*arguments: object) -> list[str]:
        said("classify_file", source, "--output", tmp_path, "--rejected", tmp_path / "r.csv", *arguments)
        (line,) = (tmp_path / "predictions.jsonl").read_text().splitlines()
        return [said("classify_text", text, *arguments), json.loads(line)["decision"]["reason"]]

    assert [spoken in answer for answer in filed()] == [True, True]
    assert tiny_classifier.threshold not in (None, threshold)
    assert [spoken in answer for answer in filed("--artifact", tiny_artifact)] == [False, False]


def test_sample_data_writes_a_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv.gz"
    text = said("sample_data", "--rows", 120, "--output", path, "--seed", 5)
    assert "120 products" in text
    rows = list(read_rows(path))
    assert len(rows) == 120
    assert all(isinstance(row, ProductRow) and row.category_path for row in rows)


def test_sample_data_leaves_the_label_of_whole_title_groups_away(tmp_path: Path) -> None:
    said("sample_data", "--rows", 2000, "--output", tmp_path / "all.csv")
    said("sample_data", "--rows", 2000, "--output", tmp_path / "part.csv", "--unlabelled", 0.25)
    with (tmp_path / "all.csv").open() as whole, (tmp_path / "part.csv").open() as part:
        rows, found = list(csv.DictReader(whole)), list(csv.DictReader(part))
    bare = {row["sku"] for row in found if not row["category_path"]}
    assert 0.2 < len(bare) / 2000 < 0.3
    assert found == [row | ({"category_path": ""} if row["sku"] in bare else {}) for row in rows]
    groups = {group_key(row["title"]) for row in rows if row["sku"] in bare}
    assert {row["sku"] for row in rows if group_key(row["title"]) in groups} == bare


def test_sample_data_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="expected 1 to"):
        said("sample_data", "--rows", 0, "--output", tmp_path / "a.csv")
    with pytest.raises(CommandError, match="cannot be written"):
        said("sample_data", "--rows", 1, "--output", "/dev/null/a.csv")
