"""Labelled rows, looked at before anything is trained on them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apps.categories.inference.errors import TrainingRefused
from apps.categories.inference.text import TEXT_FIELDS, group_key, title_key

MIN_ROWS = 20
"""Fewer usable rows than this cannot be split into training, validation and test."""
EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class LabelledRow:
    """One product with its true category."""

    title: str
    category_code: str
    category_path: str
    brand: str = ""
    description: str = ""
    seller: str = ""
    sku: str = ""
    line: int = 0
    """Where the row stands in its file, 1 for the first; 0 for a row of the database."""

    def fields(self) -> Mapping[str, str]:
        """The fields that a recipe may read."""
        return {name: getattr(self, name) for name in TEXT_FIELDS}

    def name(self) -> str:
        """How a report refers to this row."""
        return f"line {self.line}" if self.line else f"sku {self.sku}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing the data report says."""

    rule: str
    rows: int
    """How many rows (or categories) it is about."""
    text: str
    """What was found, where, and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Usable rows with what the split and the loss need to know of them."""

    rows: Sequence[LabelledRow]
    classes: tuple[str, ...]
    """Category codes in sorted order; a part of the rows may hold none of some."""
    paths: Mapping[str, str]
    """Of each of `classes`."""
    labels: Sequence[int]
    """Index into `classes`, one a row."""
    groups: Sequence[str]
    """`group_key` of each row's title."""
    weights: Sequence[float]
    """1.0, but the rows of a title with several labels share one: each label weighs its share of the rows."""
    contradictory: Sequence[bool]
    """Whether the row's title is filed under several categories."""
    findings: Sequence[Finding] = field(default=())


def validate(rows: Sequence[LabelledRow]) -> TrainingData:
    """Look at the rows; raise TrainingRefused, naming rows and fixes, where training would be meaningless.

    Rows without text are left out with a finding. Categories with one row and titles with several labels
    are kept and reported. The order of the rows is that of what they say: the order in which they were given
    has no part in what is learned.
    """
    findings: list[Finding] = []
    empty = [row for row in rows if not title_key(row.title)]
    if empty:
        findings.append(
            Finding(
                rule="empty text",
                rows=len(empty),
                text=f"{len(empty)} rows have no word in their title and are left out ({_names(empty)}): "
                "give them a title",
            )
        )
    codeless = [row for row in rows if not row.category_code]
    if codeless:
        raise TrainingRefused(
            f"{len(codeless)} rows have a label without a category code ({_names(codeless)}): "
            "give category_path or category_code in the file, or import the taxonomy first"
        )
    usable = sorted((row for row in rows if title_key(row.title)), key=said)
    if len(usable) < MIN_ROWS:
        raise TrainingRefused(
            f"{len(usable)} usable labelled rows are too few to split into training, validation and test; "
            f"at least {MIN_ROWS} are needed, and about 10 a category are useful: label more products"
        )
    classes = tuple(sorted({row.category_code for row in usable}))
    if len(classes) < 2:
        raise TrainingRefused(
            f"all {len(usable)} rows are filed under {classes[0]}: a classifier needs at least two categories"
        )
    by_title: defaultdict[str, Counter[str]] = defaultdict(Counter)
    by_class: defaultdict[str, list[LabelledRow]] = defaultdict(list)
    for row in usable:
        by_title[title_key(row.title)][row.category_code] += 1
        by_class[row.category_code].append(row)
    if len({group_key(row.title) for row in usable}) < 10:
        raise TrainingRefused(
            f"the {len(usable)} rows are near-duplicates of fewer than 10 titles: nothing could be held back "
            "to measure with; label more different products"
        )
    single = [members[0] for members in by_class.values() if len(members) == 1]
    if single:
        findings.append(
            Finding(
                rule="one-row categories",
                rows=len(single),
                text=f"{len(single)} categories have a single row ({_names(single)}): they are learned but "
                "cannot be measured; label more products there, or merge the categories",
            )
        )
    contradictory = [len(by_title[title_key(row.title)]) > 1 for row in usable]
    if any(contradictory):
        titles = [title for title, labels in by_title.items() if len(labels) > 1]
        shown = "; ".join(
            f"{title!r} under {', '.join(sorted(by_title[title]))}" for title in sorted(titles)[:3]
        )
        findings.append(
            Finding(
                rule="contradictory labels",
                rows=sum(contradictory),
                text=f"{len(titles)} titles are filed under several categories ({shown}): each label is "
                "trained with its share, and such products go to review; decide which category is right",
            )
        )
    index = {code: place for place, code in enumerate(classes)}
    weights = []
    for row in usable:
        labels = by_title[title_key(row.title)]
        weights.append(1 / labels.total() if len(labels) > 1 else 1.0)
    return TrainingData(
        rows=usable,
        classes=classes,
        paths={row.category_code: row.category_path for row in usable},
        labels=[index[row.category_code] for row in usable],
        groups=[group_key(row.title) for row in usable],
        weights=weights,
        contradictory=contradictory,
        findings=findings,
    )


def said(row: LabelledRow) -> str:
    """What a row says, in one line: equal for equal rows, whatever their place in the input."""
    return "\x1f".join((*row.fields().values(), row.category_code))


def _names(rows: Sequence[LabelledRow]) -> str:
    shown = ", ".join(row.name() for row in rows[:EXAMPLES])
    return shown + (", …" if len(rows) > EXAMPLES else "")
