"""From ranked candidates to what is done with a product."""

from collections.abc import Sequence

import numpy as np
import pytest

from apps.categories.inference.decision import UNFAMILIAR, Decision, Policy, percent
from apps.categories.inference.decisions import decide
from apps.categories.inference.ranking import Ranked, Tree
from apps.categories.inference.taxonomy import Taxonomy

PATHS = {"CAT_DRILLS": "Tools > Power > Drills", "CAT_SAWS": "Tools > Power > Saws", "CAT_MUGS": "Mugs"}
CODES = ("CAT_DRILLS", "CAT_SAWS", "CAT_MUGS")
TREE = Tree(Taxonomy.covering(PATHS), CODES)


def ranked(
    confidence: float,
    *,
    first: str = "CAT_DRILLS",
    above: Sequence[float] = (0.0, 0.0),
    best: float = 1.0,
    torn: bool = False,
    read: bool = True,
) -> Ranked:
    """One text."""
    place = CODES.index(first)
    return Ranked(
        classes=np.array([[place, (place + 1) % 3]]),
        confidences=np.array([[confidence, 0.01]], np.float32),
        read=np.array([read]),
        best=np.array([best], np.float32),
        runner=np.array([best - 1], np.float32),
        above=np.array([above], np.float32),
        torn=np.array([torn]),
    )


def decided(row: Ranked, policy: Policy) -> Decision:
    return decide(row, policy, TREE)[0]


def test_at_the_threshold_the_first_candidate_is_assigned() -> None:
    assert decided(ranked(0.75), Policy(threshold=0.75)) == Decision(
        action="assign", category_code="CAT_DRILLS", confidence=0.75, reason="reaches the 75% that is needed"
    )


def test_under_the_threshold_people_see_it() -> None:
    found = decided(ranked(0.6299), Policy(threshold=0.905))

    assert (found.action, found.category_code) == ("review", "CAT_DRILLS")
    assert found.reason == "62% is under the 91% that is needed"


def test_a_bar_asked_for_can_only_be_raised() -> None:
    policy = Policy(threshold=0.875, parent=0.9375, raised={"CAT_SAWS": 0.9375})

    assert policy.at_least(None) is policy
    assert policy.at_least(0.5) == policy
    assert policy.at_least(0.9) == Policy(threshold=0.9, parent=0.9375, raised={"CAT_SAWS": 0.9375})
    assert policy.at_least(1.0) == Policy(threshold=1.0, parent=1.0, raised={"CAT_SAWS": 1.0})
    assert decided(ranked(0.875), policy).action == "assign"
    assert decided(ranked(0.875), policy.at_least(0.9)).reason == "87% is under the 90% that is needed"


def test_a_shop_s_own_bar_is_the_bar_of_everything() -> None:
    policy = Policy(threshold=0.9, parent=0.95, familiar=-1.0, raised={"CAT_DRILLS": 1.0})

    fixed = policy.fixed(0.5)

    assert fixed == Policy(threshold=0.5, parent=0.5, familiar=-1.0)
    assert policy.fixed(None) is policy
    assert decided(ranked(0.5), fixed).action == "assign"
    assert Policy(threshold=None).fixed(0.5).threshold == 0.5


@pytest.mark.parametrize("asked", [None, 0.0, 1.0])
def test_nothing_certified_means_that_everything_is_seen(asked: float | None) -> None:
    policy = Policy(threshold=None, parent=0.5).at_least(asked)

    found = decided(ranked(1.0, above=(1.0, 1.0)), policy)

    assert (found.action, found.category_code) == ("review", "CAT_DRILLS")
    assert found.reason == "this model is not certified to file anything on its own"


def test_a_text_that_was_not_read_is_no_answer() -> None:
    for threshold in (None, 0.0, 0.9):
        found = decided(
            ranked(1.0, above=(1.0, 1.0), read=False), Policy(threshold=threshold, parent=threshold)
        )
        assert found == Decision(
            action="none", category_code=None, confidence=None, reason="the text has nothing to go by"
        )


def test_two_likely_categories_go_to_people_whatever_the_threshold() -> None:
    found = decided(ranked(0.6, torn=True), Policy(threshold=0.5))

    assert (found.action, found.reason) == ("review", "two categories stay likely")
    assert decided(ranked(0.6), Policy(threshold=0.5)).action == "assign"


def test_unsure_of_the_category_but_sure_of_one_above_it() -> None:
    policy = Policy(threshold=0.8, parent=0.95)

    found = decided(ranked(0.5, above=(0.96875, 0.9)), policy)

    assert found == Decision(
        action="assign_parent",
        category_code="CAT_TOOLS",
        confidence=0.96875,
        reason="unsure of the exact category; 96% sure of this one above it",
    )
    deepest = decided(ranked(0.5, above=(0.99, 0.96875)), policy)
    assert (deepest.category_code, deepest.confidence) == ("CAT_TOOLS_POWER", 0.96875)
    assert decided(ranked(0.5, above=(0.9, 0.9)), policy).action == "review"
    assert decided(ranked(0.9, above=(0.99, 0.99)), policy).action == "assign"
    # What is torn between two is filed where both lie.
    assert decided(ranked(0.9, above=(0.99, 0.99), torn=True), policy).action == "assign_parent"
    assert decided(ranked(0.5, above=(0.99, 0.99)), Policy(threshold=0.8)).action == "review"


def test_what_has_nothing_above_it_is_not_filed_above_it() -> None:
    found = decided(ranked(0.5, first="CAT_MUGS"), Policy(threshold=0.8, parent=0.0))

    assert (found.action, found.category_code) == ("review", "CAT_MUGS")


def test_a_text_unlike_the_training_data_goes_to_people() -> None:
    policy = Policy(threshold=0.5, parent=0.5, familiar=-0.25)

    found = decided(ranked(1.0, above=(1.0, 1.0), best=-0.375), policy)

    assert (found.action, found.reason) == ("review", UNFAMILIAR)
    assert decided(ranked(1.0, best=-0.25), policy).action == "assign"


def test_a_category_may_need_more_than_the_others_or_be_closed() -> None:
    policy = Policy(threshold=0.5, parent=0.95, raised={"CAT_DRILLS": 0.75, "CAT_SAWS": 1.0})

    assert decided(ranked(0.625, first="CAT_MUGS"), policy).action == "assign"
    assert decided(ranked(0.625), policy).reason == "62% is under the 75% that is needed"
    assert decided(ranked(0.75), policy).action == "assign"
    closed = decided(ranked(1.0, first="CAT_SAWS"), policy)
    assert (closed.action, closed.reason) == (
        "review",
        "not certifiable: this model is wrong too often about this category",
    )
    # Its parent may still be sure enough.
    assert decided(ranked(1.0, first="CAT_SAWS", above=(1.0, 1.0)), policy).action == "assign_parent"


@pytest.mark.parametrize("confidence", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_confidence_that_is_no_share_is_never_acted_on(confidence: float) -> None:
    found = decided(ranked(confidence, above=(1.0, 1.0)), Policy(threshold=0.0, parent=0.0))

    assert (found.action, found.reason) == ("review", "the model gave no usable confidence")


@pytest.mark.parametrize(
    "bars",
    [
        {"threshold": 1.1},
        {"threshold": float("nan")},
        {"threshold": 0.5, "parent": 95},
        {"threshold": 0.5, "raised": {"CAT_SAWS": -1}},
    ],
)
def test_a_bar_that_is_no_share_is_refused(bars: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        Policy(**bars)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="min_confidence is 95"):
        Policy(threshold=0.5).at_least(95)


def test_percent_never_reads_as_high_as_what_was_missed() -> None:
    assert [percent(share) for share in (0, 0.29, 0.57, 0.9999, 1)] == ["0%", "29%", "57%", "99%", "100%"]
    assert [percent(share, up=True) for share in (0.0001, 0.29, 0.901, 1)] == ["1%", "29%", "91%", "100%"]
