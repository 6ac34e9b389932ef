"""`export_classifier`: what it says, what it needs, and how it fails."""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.categories import runtime
from apps.categories.inference import artifact
from tests.tiny import write_csv
from training.data import LabelledRow
from training.pipeline import TrainingResult
from training.standalone import export, forms

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def published(tiny_encoder: TrainingResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "classifier.pt"
    artifact.publish(tiny_encoder.artifact, path)
    return path


def say(*words: object) -> str:
    out = StringIO()
    call_command("export_classifier", *map(str, words), stdout=out)
    return out.getvalue()


def test_it_says_what_it_wrote_and_how_far_that_is_from_the_artifact(
    published: Path, tmp_path: Path, tiny_encoder: TrainingResult
) -> None:
    said = say("--format", "onnx", "--artifact", published, "--output", tmp_path / "out")

    assert "comparing its answers with the artifact's on 1,000 texts" in said
    assert "largest difference of a probability from the artifact: " in said
    assert re.search(
        rf"{tiny_encoder.version} as onnx in fp32, \d\.\d MB: {re.escape(str(tmp_path / 'out'))}", said
    )
    assert "linear tier" not in said


def test_it_is_compared_on_the_shops_own_products(
    published: Path, tmp_path: Path, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    data = write_csv(tiny_rows, tmp_path / "rows.csv")
    with data.open("a", encoding="utf-8") as file:
        file.write("X1,,,,\n")
    output = tmp_path / "out"

    said = say(
        "--format", "onnx", "--precision", "int8", "--artifact", published, "--data", data, "--output", output
    )

    assert f"{len(tiny_rows):,} products of {data}, 1 cannot be used" in said
    assert "% of 9" in said
    assert "texts are answered as in full; the confidence differs by 0.00" in said


def test_the_sites_own_artifact_is_the_default(
    published: Path, tmp_path: Path, settings: Settings, tiny_encoder: TrainingResult
) -> None:
    settings.CATEGORY_CLASSIFIER = {"ARTIFACT": published}
    runtime.reset()

    said = say("--format", "onnx", "--precision", "int8", "--output", tmp_path / "out")

    assert tiny_encoder.version in said
    assert f"python {tmp_path / 'out' / 'predict.py'}" in said


def test_what_the_export_lacks_is_said(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = export.Standalone(
        folder=tmp_path,
        size=1,
        checked={"texts": 1000, "largest_difference": 0.0},
        left_out="The linear tier is not in it.",
    )
    monkeypatch.setattr(export, "export", lambda *_, **__: done)

    assert "The linear tier is not in it." in say(
        "--format", "onnx", "--artifact", published, "--output", tmp_path
    )


def test_a_linear_model_a_missing_file_and_a_missing_artifact_are_refused(
    tiny_artifact: Path, published: Path, tmp_path: Path
) -> None:
    asked = ("--format", "torch", "--output", tmp_path / "out")

    with pytest.raises(CommandError, match="is a linear model"):
        say(*asked, "--artifact", tiny_artifact)
    with pytest.raises(CommandError, match=r"no\.csv"):
        say(*asked, "--artifact", published, "--data", tmp_path / "no.csv")
    with pytest.raises(CommandError, match=r"there is no artifact at .*: check the path"):
        say(*asked, "--artifact", tmp_path / "none.pt")
    with pytest.raises(CommandError, match="choose from"):
        say("--format", "pickle", "--artifact", published, "--output", tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("form", "package"), [("torch", "safetensors"), ("torchscript", "torch"), ("torch", "onnx")]
)
def test_a_missing_package_is_named_with_what_to_install(
    published: Path, tmp_path: Path, form: str, package: str
) -> None:
    done = without(package, "--format", form, "--artifact", published, "--output", tmp_path / "out")

    assert done.returncode == 1
    assert f"--format {form} --precision fp32 needs the package {package}" in done.stderr
    assert "pip install -r requirements-ml.txt" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_onnx_needs_nothing_that_the_site_does_not_have(published: Path, tmp_path: Path) -> None:
    for precision in export.PRECISIONS:
        output = tmp_path / precision
        asked = ("--format", "onnx", "--precision", precision, "--artifact", published, "--output", output)
        done = without("torch transformers safetensors onnx sklearn scipy", *asked)

        assert done.returncode == 0, done.stderr
        assert (output / "model.onnx").is_file()


def without(packages: str, *words: object) -> subprocess.CompletedProcess[str]:
    """The command where these packages are not installed."""
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {packages.split()!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"sys.argv = ['manage.py', 'export_classifier', *{[str(word) for word in words]!r}]\n"
        "import runpy; runpy.run_path('manage.py', run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_ctrl_c_leaves_nothing(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(forms.WRITERS, "onnx", interrupt)

    with pytest.raises(SystemExit) as stopped:
        say("--format", "onnx", "--artifact", published, "--output", tmp_path / "out")

    assert stopped.value.code == 130
    assert list(tmp_path.iterdir()) == []


def test_the_formats_of_the_help_are_those_that_can_be_written() -> None:
    from apps.categories.management.commands.export_classifier import FORMATS

    assert tuple(FORMATS) == export.FORMATS
