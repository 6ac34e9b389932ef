"""Options: declared once, read from files and flags, refused by name."""

import sys
from argparse import ArgumentParser
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from apps.categories.inference.errors import TrainingRefused
from apps.categories.management.commands.train_classifier import Delivery
from training.config import OptionError, TrainingConfig
from training.given import Given, add_flags, gather
from training.option_file import MAX_BYTES
from training.options import options_of

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """An option of each type."""

    passes: int = 3
    """How often,
    at 100% load."""
    rate: float = 1e-4
    """How fast."""
    share: float = 0.0
    """Of all."""
    words: tuple[str, ...] = ("a",)
    """Which."""
    base: str = "tiny"
    """From what."""
    quick: bool = False
    """Less of it."""
    budget: float | None = None
    """How long; above 0."""
    folder: Path | None = None
    """Where."""

    def __post_init__(self) -> None:
        if self.budget is not None and self.budget <= 0:
            raise OptionError("budget", self.budget, "above 0")


def given(*flags: str, file: Path | None = None, classes: tuple[type, ...] = (Probe,)) -> Given:
    parser = ArgumentParser()
    add_flags(parser, *classes)
    return gather(vars(parser.parse_args([*(("--config", str(file)) if file else ()), *flags])), *classes)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_field_is_a_flag_with_help_and_a_key(tmp_path: Path) -> None:
    parser = ArgumentParser()
    add_flags(parser, Probe)
    help = " ".join(parser.format_help().split())
    assert "--passes N How often, at 100% load (default: 3)" in help
    assert "--rate NUMBER How fast (default: 0.0001)" in help
    assert "--words A,B Which (default: a)" in help
    assert "--share NUMBER Of all (default: 0)" in help
    assert "--quick, --no-quick Less of it" in help
    assert "--budget NUMBER How long; above 0" in help

    lines = 'passes = 4\nrate = 1\nwords = ["x", "y"]\nbase = "b"\nquick = true\nbudget = 2.5\nfolder = "f"\n'
    wanted = Probe(passes=4, rate=1.0, words=("x", "y"), base="b", quick=True, budget=2.5, folder=Path("f"))
    assert given(file=written(tmp_path, "a.toml", lines)).build(Probe) == wanted
    flags = "--passes 4 --rate 1 --words x,y --base b --quick --budget 2.5 --folder f"
    assert given(*flags.split()).build(Probe) == wanted


def test_every_training_option_is_one() -> None:
    known = options_of(TrainingConfig)

    assert list(known) == [field.name for field in fields(TrainingConfig)]
    assert TrainingConfig(**{name: option.value(option.default) for name, option in known.items()}) == (
        TrainingConfig()
    )
    assert all(len(option.help) > 10 for option in known.values())
    assert {*known}.isdisjoint(options_of(Delivery))


def test_the_command_line_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file = written(tmp_path, "a.toml", "passes = 5\nquick = true\nrate = 0.5\n")

    found = given("--passes", "6", "--no-quick", "--words", "", file=file)

    assert found.build(Probe, rate=0.1, base="other") == Probe(
        passes=6, rate=0.5, words=(), base="other", quick=False
    )
    origin = found.origin()
    assert (origin["file"], origin["in_file"]) == ("a.toml", ["passes", "quick", "rate"])
    assert origin["on_command_line"] == ["passes", "quick", "words"]


def test_values_that_are_no_texts_already_are_taken() -> None:
    """As `call_command(passes=4)` gives them."""
    line: dict[str, Any] = {"config": None, "passes": 4, "words": ("x",), "folder": Path("f"), "quick": None}

    assert gather(line, Probe).build(Probe) == Probe(passes=4, words=("x",), folder=Path("f"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "pases = 4", "{file}: pases is no option: did you mean passes?"),
        ("a.toml", "no-quick = 4", "{file}: no-quick is no option: did you mean quick?"),
        ("a.toml", "[training]\npasses = 4", "{file}: training is no option: known are base, budget, folder"),
        ("a.toml", "passes = '4'", "{file}: passes is '4', expected a whole number"),
        ("a.toml", "passes = 4.0", "{file}: passes is 4.0, expected a whole number"),
        ("a.toml", "passes = true", "{file}: passes is True, expected a whole number"),
        ("a.toml", "rate = true", "{file}: rate is True, expected a number"),
        ("a.toml", "rate = nan", "{file}: rate is nan, expected a number"),
        ("a.toml", "words = 'x'", "{file}: words is 'x', expected a list of texts"),
        ("a.toml", "words = [1]", r"{file}: words is \[1\], expected a list of texts"),
        ("a.toml", "base = 1", "{file}: base is 1, expected a text"),
        ("a.toml", "quick = 1", "{file}: quick is 1, expected true or false"),
        ("a.toml", "folder = ''", "{file}: folder is '', expected a path"),
        ("a.toml", "budget = -1", "{file}: budget is -1.0, expected above 0"),
        ("a.toml", "passes 4", r"{file} cannot be read: .*line 1"),
        ("a.toml", "passes = 4\npasses = 5", "{file} cannot be read: Cannot overwrite a value"),
        ("a.toml", "base = '" + "x" * MAX_BYTES + "'", "{file} is larger than 64 KiB"),
        ("a.yaml", "passes: 4\npasses: 5", "{file} cannot be read: passes is given twice"),
        ("a.yaml", "- passes", "{file} cannot be read: expected lines such as `folds: 5`"),
        ("a.yaml", "passes: [", "{file} cannot be read: while parsing .* line 1"),
        ("a.yaml", "rate: 1e-4", "{file}: rate is '1e-4', expected a number, such as 0.5 or 1.0e-4"),
        ("a.yaml", "passes:", "{file}: passes is None, expected a whole number"),
        ("a.yaml", "1: 2", "{file}: 1 is no option: known are"),
        ("a.yml", "base: !!python/object/apply:os.getcwd []", "{file} cannot be read: could not determine"),
        ("a.json", "{}", "{file}: expected a file that ends in .toml, .yaml, .yml"),
    ],
)
def test_a_wrong_file_is_refused_by_file_key_and_cure(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    file = written(tmp_path, name, text)

    with pytest.raises(TrainingRefused, match="^" + said.format(file=file)):
        given(file=file).build(Probe)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--passes", "x"], "^--passes is 'x', expected a whole number$"),
        (["--rate", "inf"], "^--rate is 'inf', expected a number"),
        (["--budget", "0"], "^--budget is 0.0, expected above 0$"),
    ],
)
def test_a_wrong_flag_is_refused_even_beside_a_file(tmp_path: Path, flags: list[str], said: str) -> None:
    file = written(tmp_path, "a.toml", "passes = 5\nrate = 0.5\nbudget = 3\n")

    with pytest.raises(TrainingRefused, match=said):
        given(*flags, file=file).build(Probe)


def test_a_wrong_default_is_not_put_on_the_file(tmp_path: Path) -> None:
    with pytest.raises(TrainingRefused, match=r"^budget is -1, expected above 0$"):
        given(file=written(tmp_path, "a.toml", "passes = 4")).build(Probe, budget=-1)


def test_yaml_reads_the_same_and_may_leave_an_option_open(tmp_path: Path) -> None:
    file = written(tmp_path, "a.yml", "passes: 4\nwords: [x, y]\nbase: none\nquick: true\nbudget:\n")

    assert given(file=file).build(Probe) == Probe(passes=4, words=("x", "y"), base="none", quick=True)
    assert given(file=written(tmp_path, "b.yaml", "# nothing\n")).build(Probe) == Probe()


def test_without_pyyaml_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(
        TrainingRefused, match=r"needs the package PyYAML: pip install -r requirements-ml.txt"
    ):
        given(file=written(tmp_path, "a.yaml", "passes: 4"))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingRefused, match=r"nowhere\.toml cannot be read: No such file or directory"):
        given(file=tmp_path / "nowhere.toml")


def test_a_field_that_can_be_no_flag_is_refused() -> None:
    @dataclass(frozen=True)
    class Wrong:
        silent: int = 1

    @dataclass(frozen=True)
    class Deep:
        table: dict[str, int] | None = None
        """A table."""

    for cls, name in ((Wrong, "silent"), (Deep, "table")):
        with pytest.raises(TypeError, match=f"{cls.__name__}.{name} is no option"):
            options_of(cls)


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_the_examples_are_accepted(path: Path) -> None:
    found = given(file=path, classes=(Delivery, TrainingConfig))

    config = found.build(TrainingConfig)
    assert isinstance(found.build(Delivery), Delivery)
    assert found.in_file.keys() & options_of(TrainingConfig).keys()
    assert all(
        getattr(config, name) == value for name, value in found.in_file.items() if hasattr(config, name)
    )


def test_there_is_an_example_for_each_size() -> None:
    assert [path.name for path in sorted(EXAMPLES.iterdir())] == [
        "gpu-box.yaml",
        "large-shop.toml",
        "small-shop.toml",
    ]
