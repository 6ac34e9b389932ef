"""Whether a new model may replace the live one: both answer the frozen test rows that neither has seen."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.text import group_key
from training.data import LabelledRow
from training.splits import in_test


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of one comparison."""

    accepted: bool
    """The challenger is not worse: right at least as often."""
    rows: int
    champion_right: int
    challenger_right: int
    p_value: float
    """Exact McNemar test, two-sided: how easily chance alone parts the two so far."""
    text: str
    """What to tell the person who trained."""


def compare(
    champion: ProductionClassifier, challenger: ProductionClassifier, rows: Sequence[LabelledRow]
) -> Verdict:
    """Compare on those of `rows` that lie in the frozen test part of both models.

    The test part is a function of the title's group and the smaller of two parts lies inside the larger, so
    neither model was trained on any of them. A row whose category a model does not know counts as wrong.
    Without a single common row nothing can be shown, and the challenger is not accepted.
    """
    fraction = min(float(model.header["split"]["test_fraction"]) for model in (champion, challenger))
    held = [row for row in rows if in_test(group_key(row.title), fraction)]
    if not held:
        return Verdict(
            accepted=False,
            rows=0,
            champion_right=0,
            challenger_right=0,
            p_value=1.0,
            text="no row lies in the test part of both models, so they cannot be compared",
        )
    old, new = _right(champion, held), _right(challenger, held)
    gained = sum(b and not a for a, b in zip(old, new, strict=True))
    lost = sum(a and not b for a, b in zip(old, new, strict=True))
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return Verdict(
        accepted=sum(new) >= sum(old),
        rows=len(held),
        champion_right=sum(old),
        challenger_right=sum(new),
        p_value=p_value,
        text=(
            f"on {len(held):,} frozen test rows {challenger.version} has {sum(new):,} right and the live "
            f"{champion.version} {sum(old):,} (gained {gained}, lost {lost}, p = {p_value:.2f})"
        ),
    )


def _right(model: ProductionClassifier, rows: Sequence[LabelledRow]) -> list[bool]:
    answers = model.predict([row.fields() for row in rows], top_k=1)
    return [
        bool(answer) and answer[0]["category_code"] == row.category_code
        for answer, row in zip(answers, rows, strict=True)
    ]
