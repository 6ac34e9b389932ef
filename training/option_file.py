"""A file of options: TOML, or YAML where PyYAML is installed."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.categories.inference.errors import TrainingRefused

MAX_BYTES = 64 * 1024
"""Of an option file: a page of text; what is larger is another file named by mistake."""


@dataclass(frozen=True, kw_only=True)
class OptionFile:
    """What a file of options says, names and types unchecked."""

    path: Path
    sha256: str
    values: Mapping[Any, Any]


def read_option_file(path: Path) -> OptionFile:
    """Read the file by its ending. Raises TrainingRefused, naming the file and what is wrong with it."""
    readers = {".toml": _toml, ".yaml": _yaml, ".yml": _yaml}
    if (reader := readers.get(path.suffix.lower())) is None:
        raise TrainingRefused(f"{path}: expected a file that ends in {', '.join(readers)}")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TrainingRefused(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise TrainingRefused(f"{path} is larger than {MAX_BYTES // 1024} KiB, expected a file of options")
    try:
        values = reader(data.decode("utf-8"))
    except ModuleNotFoundError as error:
        raise TrainingRefused(
            f"{path}: YAML needs the package PyYAML: pip install -r requirements-ml.txt, or write TOML"
        ) from error
    except ValueError as error:
        raise TrainingRefused(f"{path} cannot be read: {error}") from error
    return OptionFile(path=path, sha256=hashlib.sha256(data).hexdigest(), values=values)


def _toml(text: str) -> Mapping[Any, Any]:
    return tomllib.loads(text)


def _yaml(text: str) -> Mapping[Any, Any]:
    import yaml

    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    if tree is None:
        return {}
    if not isinstance(tree, yaml.MappingNode):
        raise ValueError("expected lines such as `folds: 5`")  # noqa: TRY004  # the file's fault, not a caller's
    # YAML keeps the last of two equal keys and says nothing; TOML refuses the second.
    keys = [key.value for key, _ in tree.value]
    if doubled := [key for key in keys if keys.count(key) > 1]:
        raise ValueError(f"{doubled[0]} is given twice")
    return dict(values)
