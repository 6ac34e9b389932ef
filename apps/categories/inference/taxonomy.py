"""The category tree by paths and codes; one pure function names a category, for files and database alike.

A path is the names from the top to the node, joined by `SEPARATOR`. A code is the node's identity: it is
derived from the path once, when the node is first seen, and does not change when the node is renamed or
moved.
"""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from .errors import ArtifactInvalid

SEPARATOR = " > "
CODE_PREFIX = "CAT"
MAX_CODE = 100
MAX_PATH = 1000
MAX_NAME = 200

_DIGEST_DIGITS = 8
_NOT_A_WORD = re.compile(r"[^A-Z0-9]+")
_REPLACEMENT = "\ufffd"


def split_path(path: str) -> list[str]:
    """The names of a path from the top down, each without outer whitespace; at least one.

    Raises ValueError for a level without a name, a name over `MAX_NAME` or a path over `MAX_PATH` characters,
    and for control characters and lone surrogates, which no database and no file format carries faithfully.
    """
    names = [name.strip() for name in path.strip().split(SEPARATOR)]
    if not all(names):
        raise ValueError(f"the category path {path!r} has a level without a name; expected 'A{SEPARATOR}B'")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path.strip()):
        raise ValueError(f"the category path {path!r} contains control characters")
    if len(longest := max(names, key=len)) > MAX_NAME:
        raise ValueError(
            f"the category name {longest[:40]!r}… has {len(longest)} characters; at most {MAX_NAME}"
        )
    if len(SEPARATOR.join(names)) > MAX_PATH:
        raise ValueError(f"the category path {path[:40]!r}… has {len(path)} characters; at most {MAX_PATH}")
    return names


def join_path(names: Iterable[str]) -> str:
    """The path of these names, from the top down."""
    return SEPARATOR.join(names)


def ancestor_paths(path: str) -> Iterator[str]:
    """The paths above this one, from the top down, without the path itself."""
    names = split_path(path)
    for depth in range(1, len(names)):
        yield join_path(names[:depth])


def _slug(names: Iterable[str]) -> tuple[str, bool]:
    """`CAT_` and the names in upper snake case, and whether that spells every letter and digit of them."""
    words = [CODE_PREFIX]
    faithful = True
    for name in names:
        # An accent is dropped and its letter kept; every other mark separates words.
        plain = [
            character
            for character in unicodedata.normalize("NFKD", name)
            if not unicodedata.combining(character)
        ]
        faithful &= all(
            character.isascii()
            or (unicodedata.category(character)[0] not in "LN" and character != _REPLACEMENT)
            for character in plain
        )
        word = _NOT_A_WORD.sub("_", "".join(plain).upper()).strip("_")
        faithful &= bool(word)
        words.append(word)
    return "_".join(word for word in words if word), faithful


def code_for_path(path: str, taken: Container[str] = ()) -> str:
    """The code of a path: `CAT_` and the names in upper snake case; ≤ `MAX_CODE` long, never in `taken`.

    Eight hex digits of the path's SHA-256 are appended when that would be too long, when a name has letters
    or digits that ASCII cannot spell, or when another path already has the slug. Raises ValueError as
    `split_path` does.
    """
    names = split_path(path)
    slug, faithful = _slug(names)
    if faithful and len(slug) <= MAX_CODE and slug not in taken:
        return slug
    seed = join_path(names)
    while True:
        digest = hashlib.sha256(seed.encode()).hexdigest()[:_DIGEST_DIGITS].upper()
        code = f"{slug[: MAX_CODE - _DIGEST_DIGITS - 1].rstrip('_')}_{digest}"
        if code not in taken:
            return code
        # Two paths whose digests agree too: the next seed is as stable as the first.
        seed += "\n"


def codes_for_paths(paths: Iterable[str], known: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Path to code for these paths and everything above them, in sorted order of the paths.

    `known` (path to code) are categories that already have their code, in a database for instance: they keep
    it and are part of the answer only where asked for. The order of `paths` does not matter. Raises
    ValueError as `split_path`.
    """
    wanted: set[str] = set()
    for path in paths:
        wanted.add(join_path(split_path(path)))
        wanted.update(ancestor_paths(path))
    taken = set(known.values())
    codes: dict[str, str] = {}
    for path in sorted(wanted):
        codes[path] = known[path] if path in known else code_for_path(path, taken)
        taken.add(codes[path])
    return codes


@dataclass(frozen=True, kw_only=True)
class Taxonomy:
    """The tree as a model saw it: every class and everything above a class.

    Raises ValueError when a path is empty or belongs to two codes, or when a node above another one is
    missing.
    """

    paths: Mapping[str, str]
    """Code to path."""
    _codes_by_path: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_path = {path: code for code, path in self.paths.items()}
        if len(by_path) != len(self.paths):
            doubled = sorted(path for path, times in Counter(self.paths.values()).items() if times > 1)
            raise ValueError(f"these paths have two codes: {', '.join(doubled[:5])}")
        missing = sorted({above for path in by_path for above in ancestor_paths(path)} - by_path.keys())
        if missing:
            raise ValueError(f"these paths lie above others but have no code: {', '.join(missing[:5])}")
        object.__setattr__(self, "paths", MappingProxyType(dict(self.paths)))
        object.__setattr__(self, "_codes_by_path", MappingProxyType(by_path))

    @classmethod
    def covering(cls, classes: Mapping[str, str]) -> "Taxonomy":
        """The tree over these classes (code to path): what lies above them and has no code is given one."""
        known = {path: code for code, path in classes.items()}
        if len(known) != len(classes):
            return cls(paths=classes)
        codes = codes_for_paths(classes.values(), known)
        return cls(paths={code: path for path, code in codes.items()})

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Every code, in sorted order of the paths: a node comes before what lies below it."""
        return tuple(sorted(self.paths, key=self.paths.__getitem__))

    def __len__(self) -> int:
        return len(self.paths)

    def __contains__(self, code: object) -> bool:
        return code in self.paths

    def path(self, code: str) -> str:
        """The path of a code. Raises KeyError when the tree has no such code."""
        return self.paths[code]

    def code(self, path: str) -> str:
        """The code of a path, byte for byte. Raises KeyError when the tree has no such path."""
        return self._codes_by_path[path]

    def parent(self, code: str) -> str | None:
        """The code one level up; None at the top. Raises KeyError when the tree has no such code."""
        above = self.ancestors(code)
        return above[-1] if above else None

    def ancestors(self, code: str) -> tuple[str, ...]:
        """The codes above this one, from the top down. Raises KeyError when the tree has no such code."""
        return tuple(self._codes_by_path[path] for path in ancestor_paths(self.paths[code]))

    def is_within(self, code: str, above: str) -> bool:
        """Whether `code` is `above` itself or lies below it."""
        return code == above or above in self.ancestors(code)

    def to_json(self) -> bytes:
        """The tree as UTF-8 JSON; the same tree gives the same bytes."""
        ordered = {code: self.paths[code] for code in self.codes}
        return json.dumps({"paths": ordered}, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes | bytearray | memoryview | str) -> "Taxonomy":
        """The tree that `to_json` wrote. Raises ArtifactInvalid for anything else."""
        try:
            text = data if isinstance(data, str) else bytes(data).decode()
            paths = json.loads(text)["paths"]
            if not all(isinstance(code, str) and isinstance(path, str) for code, path in paths.items()):
                raise TypeError("a code or a path is not text")
            return cls(paths=paths)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ArtifactInvalid(f"the artifact's taxonomy cannot be read: {error}") from error
