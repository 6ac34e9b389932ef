"""A taxonomy into the category tree, as one change: all of it or nothing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import router, transaction
from django.utils.text import slugify

from ..inference.errors import InputFileError
from ..inference.taxonomy import ancestor_paths, codes_for_paths, join_path, split_path
from ..inference.taxonomy_file import TaxonomyEntry
from ..models import Category
from ..models.category import MAX_PATH_BYTES
from .bulk import update_rows

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class TaxonomySummary:
    """What an import of categories changed; counts of categories."""

    created: int = 0
    renamed: int = 0
    """Renamed or moved, because their id has another path in the file; only with `follow_ids`."""
    updated: int = 0
    """Had no external id, and were given the file's."""
    unchanged: int = 0
    beside: int = 0
    """Of the created: their id belonged to a category with another path, which stays; see `follow_ids`."""


@dataclass(slots=True, eq=False)
class _Node:
    """A category on its way from what it is to what it shall be."""

    pk: int | None
    parent: "_Node | None"
    name: str
    code: str
    external_id: str
    stored: tuple[int | None, str, str, int, str] | None
    """parent_id, name, path, depth, external_id in the database; None for a new one."""
    path: str = ""
    depth: int = 0

    def now(self) -> tuple[int | None, str, str, int, str]:
        return (self.parent.pk if self.parent else None, self.name, self.path, self.depth, self.external_id)


def taxonomy_import(
    entries: Iterable[TaxonomyEntry], *, follow_ids: bool = False, dry_run: bool = False
) -> TaxonomySummary:
    """Bring these categories, and what lies above them, into the tree; others stay as they are.

    A category is recognised by its path; with `follow_ids` by its external id first, and is then renamed and
    moved to the file's path, keeping its code and its products. New codes are made in sorted order of the
    paths, so that a file and the database agree. Raises InputFileError when the result would have two
    categories with one path or code, or a loop: nothing is changed then. Cost: a few seconds for ten
    thousand; the tree is locked meanwhile.
    """
    using = router.db_for_write(Category)
    with transaction.atomic(using=using):
        nodes = _stored(using)
        summary = _merge(list(entries), nodes, follow_ids=follow_ids)
        _place(nodes)
        if not dry_run:
            _vacate(nodes, using)
            _create([node for node in nodes if node.stored is None], using)
            _update(nodes, using)
    return summary


def _stored(using: str) -> list[_Node]:
    columns = ("pk", "parent_id", "name", "path", "depth", "code", "external_id")
    rows = list(Category.objects.using(using).select_for_update().order_by("depth").values_list(*columns))
    by_pk: dict[int, _Node] = {}
    for pk, parent_id, name, path, depth, code, external_id in rows:
        by_pk[pk] = _Node(
            pk,
            by_pk.get(parent_id),
            name,
            code,
            external_id,
            (parent_id, name, path, depth, external_id),
            path,
        )
    return list(by_pk.values())


def _merge(entries: list[TaxonomyEntry], nodes: list[_Node], *, follow_ids: bool) -> TaxonomySummary:
    """Change `nodes`, and add to them, as the entries say."""
    node: _Node | None
    by_path = {known.path: known for known in nodes}
    by_id: dict[str, list[_Node]] = defaultdict(list)
    for known in nodes:
        if known.external_id:
            by_id[known.external_id].append(known)
    wanted = {entry.path: entry for entry in entries}
    paths = set(wanted).union(*(ancestor_paths(path) for path in wanted))
    target: dict[str, _Node] = {}
    counts = dict.fromkeys(("created", "renamed", "updated", "unchanged", "beside"), 0)
    for path in sorted(paths, key=lambda path: (len(split_path(path)), path)):
        names = split_path(path)
        parent = target[join_path(names[:-1])] if len(names) > 1 else None
        entry = wanted.get(path)
        external_id = entry.external_id if entry else ""
        same_id = by_id.get(external_id, [])
        node = same_id[0] if follow_ids and len(same_id) == 1 else by_path.get(path)
        if node is None:
            node = _Node(None, parent, names[-1], entry.code if entry else "", external_id, None)
            nodes.append(node)
            counts["created"] += 1
            counts["beside"] += bool(same_id)
        else:
            _check_code(node, entry)
            moved = node.path != path
            filled = bool(external_id) and not node.external_id
            counts["renamed" if moved else "updated" if filled else "unchanged"] += 1
            node.parent, node.name = parent, names[-1]
            node.external_id = node.external_id or external_id
        target[path] = node
    return TaxonomySummary(**counts)


def _check_code(node: _Node, entry: TaxonomyEntry | None) -> None:
    if entry is not None and entry.code and entry.code != node.code:
        raise InputFileError(
            f"line {entry.line}: “{entry.path}” has the code {node.code} here, and codes never change; the "
            f"file says {entry.code}: leave the column out, or correct it"
        )


def _place(nodes: list[_Node]) -> None:
    """Set every path, depth and new code. Raises InputFileError where two nodes would be one, or none a
    root."""
    below: dict[int, list[_Node]] = defaultdict(list)
    for node in nodes:
        below[id(node.parent) if node.parent else 0].append(node)
    placed: dict[str, _Node] = {}
    waiting = list(below[0])
    while waiting:
        node = waiting.pop()
        node.path = join_path([node.parent.path, node.name]) if node.parent else node.name
        node.depth = node.parent.depth + 1 if node.parent else 0
        if len(node.path.encode()) > MAX_PATH_BYTES or node.path in placed:
            problem = "would be there twice" if node.path in placed else f"has over {MAX_PATH_BYTES:,} bytes"
            raise InputFileError(f"the path “{node.path[:200]}” {problem}: nothing was imported")
        placed[node.path] = node
        waiting += below[id(node)]
    if len(placed) != len(nodes):
        lost = sorted(node.name for node in nodes if placed.get(node.path) is not node)
        names = ", ".join(lost[:_SHOWN])
        raise InputFileError(f"these would stand below themselves: {names}; nothing was imported")
    known = {path: node.code for path, node in placed.items() if node.code}
    doubled = len(known) - len(set(known.values()))
    if doubled:
        raise InputFileError(
            f"the file gives {doubled} codes that other categories have: nothing was imported"
        )
    for path, code in codes_for_paths((path for path in placed if path not in known), known).items():
        placed[path].code = code


def _vacate(nodes: list[_Node], using: str) -> None:
    """Take every category that moves off its path: another may take it over, and paths are unique."""
    moved = [node for node in nodes if node.stored is not None and node.path != node.stored[2]]
    update_rows(Category, ("path",), ((node.pk, f"\u2026{node.pk}") for node in moved), using=using)


def _update(nodes: list[_Node], using: str) -> None:
    changed = [node for node in nodes if node.stored is not None and node.now() != node.stored]
    columns = ("parent", "name", "path", "depth", "external_id")
    update_rows(Category, columns, ((node.pk, *node.now()) for node in changed), using=using)


def _create(nodes: list[_Node], using: str) -> None:
    levels: Mapping[int, list[_Node]] = defaultdict(list)
    for node in nodes:
        levels[node.depth].append(node)
    for _, level in sorted(levels.items()):
        rows = Category.objects.using(using).bulk_create(
            [
                Category(
                    parent_id=node.parent.pk if node.parent else None,
                    name=node.name,
                    slug=slugify(node.name)[:200],
                    code=node.code,
                    path=node.path,
                    depth=node.depth,
                    external_id=node.external_id,
                )
                for node in level
            ],
            batch_size=1000,
        )
        for node, row in zip(level, rows, strict=True):
            node.pk = row.pk
