"""Options as they were given: the command line wins over the file, the file over the defaults."""

import difflib
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, TypeVar

from apps.categories.inference.errors import TrainingRefused
from training.config import OptionError
from training.option_file import OptionFile, read_option_file
from training.options import options_of

T = TypeVar("T")
WORDS = {int: "N", float: "NUMBER", str: "WORD", Path: "PATH", tuple: "A,B"}
"""What stands for a value in a flag's help."""


def add_flags(parser: ArgumentParser, *classes: type) -> None:
    """`--config FILE`, and a flag for each option of the dataclasses; a flag not given is None."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="options from a TOML or YAML file, such as `folds = 5`; what is given here as well wins over it",
    )
    for cls in classes:
        for option in options_of(cls).values():
            # Values stay texts until `gather` reads them: a wrong one is refused in one way everywhere.
            kind: dict[str, Any] = (
                {"action": BooleanOptionalAction} if option.type is bool else {"metavar": WORDS[option.type]}
            )
            default = ",".join(option.default) if option.type is tuple else option.default
            default = f"{default:g}" if option.type is float and default is not None else default
            plain = option.type is bool or default in (None, "")
            text = option.help.rstrip(".") + ("" if plain else f" (default: {default})")
            parser.add_argument(option.flag, dest=option.name, help=text.replace("%", "%%"), **kind)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What was given, checked for names and types."""

    file: OptionFile | None
    in_file: Mapping[str, Any]
    on_line: Mapping[str, Any]

    def build(self, cls: type[T], **defaults: object) -> T:
        """A dataclass of options; `defaults` stand in for its own. Raises TrainingRefused for a value out of
        range, naming where it was given."""
        values = {**self.in_file, **self.on_line}
        known = options_of(cls)
        try:
            return cls(**{**defaults, **{name: value for name, value in values.items() if name in known}})
        except OptionError as error:
            option = known[error.option]
            where = option.flag if option.name in self.on_line else _key(self.file, option.name)
            raise _refusal(where if option.name in values else option.name, error) from error

    def origin(self) -> dict[str, object]:
        """For the header: the file's name and SHA-256, and which options were given where."""
        return {
            "file": self.file.path.name if self.file else None,
            "sha256": self.file.sha256 if self.file else None,
            "in_file": sorted(self.in_file),
            "on_command_line": sorted(self.on_line),
        }


def gather(line: Mapping[str, Any], *classes: type) -> Given:
    """What the command line (as `add_flags` had it parsed) and its `--config` file give.

    Raises TrainingRefused for a file that cannot be read, an unknown key, or a value of another type.
    """
    known = {name: option for cls in classes for name, option in options_of(cls).items()}
    file = read_option_file(line["config"]) if line["config"] is not None else None
    in_file, on_line = {}, {}
    for key, given in file.values.items() if file else ():
        if key not in known:
            near = difflib.get_close_matches(str(key).replace("-", "_").lower(), known, n=1)
            cure = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            raise TrainingRefused(f"{_key(file, str(key))} is no option: {cure}")
        try:
            in_file[key] = known[key].value(given)
        except OptionError as error:
            raise _refusal(_key(file, key), error) from error
    for name, option in known.items():
        if (given := line.get(name)) is not None:
            try:
                on_line[name] = option.read(given) if isinstance(given, str) else option.value(given)
            except OptionError as error:
                raise _refusal(option.flag, error) from error
    return Given(file=file, in_file=in_file, on_line=on_line)


def _key(file: OptionFile | None, key: str) -> str:
    return f"{file.path}: {key}" if file else key


def _refusal(where: str, error: OptionError) -> TrainingRefused:
    return TrainingRefused(f"{where} is {shortened(error.got)}, expected {error.expected}")
