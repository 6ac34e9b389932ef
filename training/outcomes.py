"""Each labelled row beside what a model says of it and what would be done with it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.decision import Action, Decision
from apps.categories.inference.decisions import Decisions
from apps.categories.inference.files import ProductRow, RejectedRow
from apps.categories.inference.ranking import Ranked
from apps.categories.inference.taxonomy import SEPARATOR, Taxonomy
from training.data import LabelledRow
from training.labels import Labels, label_rows
from training.redact import redact_rows

KEPT = 10
"""Candidates kept of a row; the smallest confidence that is kept is above that of any other category."""
CELLS = 2**20
"""Confidences held at a time (rows × classes), so that a thousand categories need no more memory than ten."""

NO_ANSWER = -1
FILED: frozenset[Action] = frozenset({"assign", "assign_parent"})
"""What is done without a person."""


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Labelled rows with predictions and decisions; every array has a place a row."""

    rows: Sequence[LabelledRow]
    paths: tuple[str, ...]
    """The paths of the model's classes, then those of the file that are none of its classes."""
    known: int
    """How many of `paths` are classes of the model."""
    truth: NDArray[np.int64]
    """The label, an index into `paths`."""
    classes: NDArray[np.int64]
    """Shape (rows, k ≤ KEPT): the best classes by falling confidence; NO_ANSWER where nothing was read."""
    confidences: NDArray[np.float32]
    """Shape (rows, k), 0 to 1; 0 where there is no answer."""
    own: NDArray[np.float32]
    """The confidence in the label itself; 0 where the model does not know it or has no answer."""
    decisions: Sequence[Decision]
    filed_right: NDArray[np.bool_]
    """Where the product would be filed without a person, and where it belongs."""

    @property
    def read(self) -> NDArray[np.bool_]:
        """Where the model had an answer."""
        return np.not_equal(self.classes[:, 0], NO_ANSWER)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Where the best class is the label."""
        return np.equal(self.classes[:, 0], self.truth)

    @property
    def filed(self) -> NDArray[np.bool_]:
        """Where the product would be filed without a person, in a class or above one."""
        return np.array([decision.action in FILED for decision in self.decisions], bool)

    def part(self, chosen: NDArray[np.bool_]) -> "Outcomes":
        """Some of the rows."""
        places = np.flatnonzero(chosen).tolist()
        return replace(
            self,
            rows=[self.rows[place] for place in places],
            truth=self.truth[places],
            classes=self.classes[places],
            confidences=self.confidences[places],
            own=self.own[places],
            decisions=[self.decisions[place] for place in places],
            filed_right=self.filed_right[places],
        )


def read_labels(rows: Iterable[ProductRow | RejectedRow], classifier: ProductionClassifier) -> Labels:
    """The labelled rows of a file under the model's own codes and paths.

    A code of the file that the model knows is that category, whatever it is called by now; otherwise the path
    tells. A label that is no class of the model has an empty `category_code` and keeps its path. Texts are
    without personal data, as in training: the frozen part is a function of that title, and a report shows it.
    """
    given: set[str] = set()

    def watched() -> Iterator[ProductRow | RejectedRow]:
        for row in rows:
            if isinstance(row, ProductRow):
                given.add(row.category_code)
            yield row

    labels = label_rows(watched())
    tree, answered = classifier.taxonomy, frozenset(classifier.codes)

    def known(row: LabelledRow) -> LabelledRow:
        # A code that was only made from the path says nothing that the path does not say better.
        code = row.category_code if row.category_code in given and row.category_code in tree else None
        try:
            code = code or tree.code(row.category_path)
        except KeyError:
            return replace(row, category_code="")
        return replace(row, category_code=code if code in answered else "", category_path=tree.path(code))

    return replace(labels, rows=redact_rows([known(row) for row in labels.rows]).rows)


def score(
    classifier: ProductionClassifier,
    rows: Sequence[LabelledRow],
    *,
    threshold: float | None = None,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Outcomes:
    """What the model says of these rows, labelled as by `read_labels`.

    `threshold`: the shop's own in place of the model's. `on_progress` is told the number of rows after each
    batch. Memory: `KEPT` candidates a row, and `CELLS` confidences while they are made.
    """
    place = {code: index for index, code in enumerate(classifier.codes)}
    foreign = sorted({row.category_path for row in rows if not row.category_code})
    other = {path: index for index, path in enumerate(foreign, len(place))}
    paths = (*map(classifier.path, classifier.codes), *foreign)
    truth = np.array(
        [place[row.category_code] if row.category_code else other[row.category_path] for row in rows],
        np.int64,
    )
    k = min(KEPT, len(place))
    classes = np.full((len(rows), k), NO_ANSWER, np.int64)
    confidences = np.zeros((len(rows), k), np.float32)
    own = np.zeros(len(rows), np.float32)
    decisions: list[Decision] = []
    step = max(1, min(1000, CELLS // len(place)))
    for start in range(0, len(rows), step):
        batch = slice(start, min(start + step, len(rows)))
        # Every class, not only the best: the label's own confidence is wanted wherever it ranks.
        top, decided = _decide(classifier, rows[batch], threshold)
        classes[batch] = np.where(top.read[:, None], top.classes[:, :k], NO_ANSWER)
        confidences[batch] = np.where(top.read[:, None], top.confidences[:, :k], 0)
        label = (top.classes == truth[batch, None]) & top.read[:, None]
        own[batch] = np.where(label, top.confidences, 0).sum(axis=1)
        decisions += decided
        on_progress(batch.stop)
    return Outcomes(
        rows=rows,
        paths=paths,
        known=len(place),
        truth=truth,
        classes=classes,
        confidences=confidences,
        own=own,
        decisions=decisions,
        filed_right=np.array(
            [
                in_place(decision, classifier.taxonomy, paths[label])
                for decision, label in zip(decisions, truth.tolist(), strict=True)
            ],
            bool,
        ),
    )


def _decide(
    classifier: ProductionClassifier, rows: Sequence[LabelledRow], threshold: float | None
) -> tuple[Ranked, Decisions]:
    """Every class of each row, ranked, and what would be done: the one door to the rule in an evaluation."""
    return classifier.assess(
        [row.fields() for row in rows], classifier.policy.fixed(threshold), top_k=len(classifier.codes)
    )


def in_place(decision: Decision, tree: Taxonomy, label: str) -> bool:
    """Whether a product is filed where its label (a path) says, or in a parent that the label lies below.

    The label need not be in the tree: a category that the model has never seen may have a parent it knows.
    """
    if decision.category_code is None or decision.action not in FILED:
        return False
    filed = tree.path(decision.category_code)
    return filed == label or (decision.action == "assign_parent" and label.startswith(f"{filed}{SEPARATOR}"))
