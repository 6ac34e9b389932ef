"""Rows of a file into labelled rows: every label gets its code and its path."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apps.categories.inference.files import ProductRow, RejectedRow
from apps.categories.inference.taxonomy import codes_for_paths
from training.data import LabelledRow


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What a file holds for training."""

    rows: list[LabelledRow]
    rejected: list[RejectedRow]
    """Rows that cannot be used, with the reason."""
    unlabelled: int
    """Rows without a label: nothing to learn from, and no fault of theirs."""


def label_rows(rows: Iterable[ProductRow | RejectedRow], *, known: Mapping[str, str] | None = None) -> Labels:
    """Labelled rows of a file, in its order.

    A label is a path or a code; what it lacks is found in the file's other rows, in `known` (path to code:
    the shop's categories), and for a path seen nowhere else by `codes_for_paths`. With `known` given, a label
    outside it is rejected.
    """
    usable: list[ProductRow] = []
    rejected: list[RejectedRow] = []
    unlabelled = 0
    for row in rows:
        if isinstance(row, RejectedRow):
            rejected.append(row)
        elif row.category_path or row.category_code:
            usable.append(row)
        else:
            unlabelled += 1
    # A code that stands beside a path is that path's code, for this file's other rows too.
    given = dict(known or {})
    if known is None:
        used: set[str] = set()
        for row in usable:
            pair = row.category_path, row.category_code
            if all(pair) and row.category_path not in given and row.category_code not in used:
                given[row.category_path] = row.category_code
                used.add(row.category_code)
    codes = codes_for_paths({row.category_path for row in usable if row.category_path}, given)
    paths = {code: path for path, code in {**given, **codes}.items()}
    labelled: list[LabelledRow] = []
    code_of: dict[str, str] = dict(codes)
    for row in usable:
        code = row.category_code or codes[row.category_path]
        path = row.category_path or paths.get(code, code)
        reason = ""
        if known is not None and paths.get(code) != path:
            reason = f"the shop has no category {path!r} ({code}): import it with import_taxonomy"
        elif known is not None and code not in known.values():
            reason = (
                f"the shop has no category {path!r}: import it with import_taxonomy, or correct the label"
            )
        elif paths.get(code, path) != path:
            reason = f"the code {code} stands for {paths[code]!r} in an earlier row and for {path!r} here"
        elif (first := code_of.setdefault(path, code)) != code:
            reason = f"{path!r} has the code {first} in another row and {code} here"
        if reason:
            rejected.append(RejectedRow(line=row.line, reason=reason, raw=row.as_mapping()))
            continue
        labelled.append(
            LabelledRow(
                title=row.title,
                brand=row.brand,
                description=row.description,
                seller=row.seller,
                sku=row.sku,
                line=row.line,
                category_code=code,
                category_path=path,
            )
        )
    return Labels(rows=labelled, rejected=rejected, unlabelled=unlabelled)
