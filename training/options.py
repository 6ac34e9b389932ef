"""What an option is: a field of a frozen dataclass, with a type, a default and a docstring.

Nothing else lists the options: flags, help texts and the keys of a file are made of the fields.
"""

import ast
import inspect
import math
import textwrap
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from training.config import OptionError

EXPECTED: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    # YAML reads 1e-4 as a text.
    float: "a number, such as 0.5 or 1.0e-4",
    str: "a text",
    Path: "a path",
    tuple: "a list of texts",
}
"""The types that an option may have (tuple: of texts), each also with `| None`."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One field of a dataclass of options."""

    name: str
    """Its key in a file."""
    type: type
    """One of EXPECTED."""
    nullable: bool
    default: Any
    help: str

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return "--" + self.name.replace("_", "-")

    def value(self, given: object) -> Any:
        """What was given, in the option's type. Raises OptionError for another type."""
        if given is None and self.nullable:
            return None
        if isinstance(given, self.type) and (self.type is bool or not isinstance(given, bool)):
            right = given
        elif self.type is float and isinstance(given, int) and not isinstance(given, bool):
            right = float(given)
        elif self.type is Path and isinstance(given, str) and given:
            right = Path(given)
        elif self.type is tuple and isinstance(given, list):
            right = tuple(given)
        else:
            raise OptionError(self.name, given, EXPECTED[self.type])
        if isinstance(right, float) and not math.isfinite(right):
            raise OptionError(self.name, given, EXPECTED[float])
        if isinstance(right, tuple) and not all(isinstance(item, str) for item in right):
            raise OptionError(self.name, given, EXPECTED[tuple])
        return right

    def read(self, text: str) -> Any:
        """A word of the command line in the option's type; a tuple has commas. Raises OptionError."""
        if self.type is tuple:
            return self.value([part.strip() for part in text.split(",") if part.strip()])
        try:
            return self.value(self.type(text) if self.type in (int, float) else text)
        except ValueError as error:
            raise OptionError(self.name, text, EXPECTED[self.type]) from error


def options_of(cls: type) -> Mapping[str, Option]:
    """The options that a dataclass declares, by name. Raises TypeError for a type that no flag can have."""
    docs, hints, found = _docstrings(cls), get_type_hints(cls), {}
    for field in fields(cls):
        arms = [arm for arm in _arms(hints[field.name]) if arm is not types.NoneType]
        kind = get_origin(arms[0]) or arms[0]
        if len(arms) != 1 or kind not in EXPECTED or field.default is MISSING or field.name not in docs:
            raise TypeError(
                f"{cls.__name__}.{field.name} is no option: expected a docstring, a default, and one of the "
                f"types {', '.join(kind.__name__ for kind in EXPECTED)}"
            )
        found[field.name] = Option(
            name=field.name,
            type=kind,
            nullable=types.NoneType in _arms(hints[field.name]),
            default=field.default,
            help=docs[field.name],
        )
    return found


def _arms(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _docstrings(cls: type) -> dict[str, str]:
    """The string below each field, on one line. Python keeps it in the source only."""
    statements = list(ast.iter_child_nodes(ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]))
    found = {}
    for field, below in pairwise(statements):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found
