"""The README's commands run, its settings check, its examples work."""

import logging.config
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from apps.categories import conf
from apps.categories.conf import ClassifierSettings
from apps.categories.log import RedactingFormatter
from training.config import TrainingConfig
from training.given import gather

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


def test_the_commands_run_one_after_the_other(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'shop.sqlite3'}",
        "BUNORAA_ARTIFACT": str(tmp_path / "models" / "classifier.pt"),
    }
    outputs: dict[str, str] = {}
    for command in COMMANDS:
        program, script, *words = shlex.split(command)
        assert (program, script) == ("python", "manage.py")
        done = subprocess.run(
            [sys.executable, str(ROOT / script), *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        outputs[words[0]] = done.stdout
    assert "live at" not in outputs["train_classifier"]  # the last one was told not to
    assert (tmp_path / "models" / "classifier.pt").is_file()
    assert "CAT_" in outputs["classify_text"]
    # What the sentence before them promises: something is filed, something waits.
    filed, waits = (
        int(re.search(rf"(\d+)  {words}", outputs["classify_products"])[1])  # type: ignore[index]
        for words in ("filed by the model", "wait for a person, with candidates")
    )
    assert 0.35 < filed / (filed + waits) < 0.65
    assert len((tmp_path / "outputs/run/predictions.jsonl").read_text().splitlines()) == 600


def test_every_command_of_the_app_is_named() -> None:
    folder = ROOT / "apps" / "categories" / "management" / "commands"
    commands = {path.stem for path in folder.glob("[a-z]*.py")}

    assert commands == {name for name in commands if name in README}


def test_the_settings_table_is_the_settings() -> None:
    table = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))

    assert table == {name.upper() for name in ClassifierSettings.__dataclass_fields__}
    size = re.search(r"`BATCH_SIZE` \| `(\d+)`", README)
    assert size is not None
    assert int(size[1]) == ClassifierSettings().batch_size


def test_the_settings_example_is_accepted(settings: object, tmp_path: Path) -> None:
    block = next(
        text for text in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "INSTALLED_APPS" in text
    )
    names: dict[str, object] = {"INSTALLED_APPS": [], "BASE_DIR": tmp_path, "DATABASES": {"default": {}}}
    exec(block, names)
    settings.CATEGORY_CLASSIFIER = names["CATEGORY_CLASSIFIER"]  # type: ignore[attr-defined]

    assert conf.get_settings().artifact == tmp_path / "models" / "classifier.pt"


def test_the_option_file_is_accepted(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "shop.toml").write_text(block)

    given = gather({"config": tmp_path / "shop.toml"}, TrainingConfig)

    assert given.build(TrainingConfig).selection_rows == 4000


def test_the_logging_example_is_accepted() -> None:
    (block,) = (text for text in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "LOGGING" in text)
    names: dict[str, dict[str, dict[str, dict[str, str]]]] = {"LOGGING": {"formatters": {"line": {}}}}
    exec(block, names)

    formatter = logging.config.DictConfigurator({}).configure_formatter(
        names["LOGGING"]["formatters"]["line"]
    )
    assert isinstance(formatter, RedactingFormatter)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^)make ([a-z-]+)", README, re.MULTILINE))))
def test_make_has_the_targets_that_are_named(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:docs|bunoraa|apps)/[\w./]+)`", README))))
def test_files_that_are_named_are_there(path: str) -> None:
    assert (ROOT / path).exists() or path.endswith("classifier.pt")
