"""The bars and their promise: exact bounds, a sequence fixed beforehand, failing closed."""

import numpy as np
import pytest

from apps.categories.inference.decisions import decide
from apps.categories.inference.ranking import Ranked, Tree
from apps.categories.inference.taxonomy import Taxonomy
from training import thresholds
from training.thresholds import Threshold, choose, filed, grouped, precision_bound, precision_ceiling

CODES = ("CAT_A", "CAT_B_X", "CAT_B_Y")
TREE = Tree(Taxonomy.covering({"CAT_A": "A", "CAT_B_X": "B > X", "CAT_B_Y": "B > Y"}), CODES)


def answers(
    confidences: "np.ndarray", first: "np.ndarray | int" = 0, above: "np.ndarray | float" = 0.0
) -> Ranked:
    """Rows with these first candidates."""
    rows = len(confidences)
    classes = np.zeros((rows, 2), np.int64)
    classes[:, 0] = first
    classes[:, 1] = (classes[:, 0] + 1) % 3
    return Ranked(
        classes=classes,
        confidences=np.column_stack([confidences, np.zeros(rows)]).astype(np.float32),
        read=np.ones(rows, bool),
        best=np.ones(rows, np.float32),
        runner=np.zeros(rows, np.float32),
        above=np.full((rows, 1), above, np.float32)
        if np.isscalar(above)
        else np.asarray(above, np.float32)[:, None],
        torn=np.zeros(rows, bool),
    )


def chosen(confidences: "np.ndarray", right: "np.ndarray", target: float = 0.95) -> Threshold:
    """The bars of rows that are all the same category, each a group of its own."""
    labels = np.where(right, 0, 1)
    return choose(answers(confidences), labels, np.arange(len(labels)), TREE, target=target)[0]


@pytest.mark.parametrize(("rows", "target"), [(29, 0.90), (59, 0.95), (299, 0.99)])
def test_the_fewest_error_free_rows_that_certify_a_target(rows: int, target: float) -> None:
    assert precision_bound(rows, 0) >= target
    assert precision_bound(rows - 1, 0) < target


def test_bounds_of_nothing_promise_nothing() -> None:
    assert precision_bound(10, 10) == 0.0
    assert precision_bound(0, 0) == 0.0
    assert precision_ceiling(0, 0) == 1.0
    assert precision_ceiling(40, 0) == 1.0


def test_both_bounds_are_each_other_s_mirror() -> None:
    assert precision_ceiling(50, 8) == pytest.approx(1 - precision_bound(50, 42))


def test_rows_of_one_group_count_as_what_they_say_together() -> None:
    apart = np.arange(100)
    wrong = np.arange(100) % 10 == 0
    pairs, both = apart // 2, np.repeat(np.arange(50) % 10 == 0, 2)

    assert grouped(wrong, apart) == (100, 10)
    # Every second row repeats its neighbour.
    assert grouped(both, pairs) == (pytest.approx(50), pytest.approx(5))
    assert grouped(np.zeros(100, bool), pairs) == (50, 0)
    assert grouped(np.zeros(0, bool), pairs[:0]) == (0, 0)
    # Groups whose rows differ from each other are not worth more than their rows.
    assert grouped(np.arange(100) % 2 == 0, pairs) == (100, 50)


def test_the_bar_is_as_low_as_the_bound_allows() -> None:
    confidences = np.linspace(1, 0.5, 1000)
    right = np.r_[np.ones(400, bool), np.zeros(600, bool)]

    found = chosen(confidences, right)

    # Each step takes in ten rows more; 20 errors of 420 are too many for 0.95, 10 of 410 are not.
    assert (found.rows, found.errors) == (410, 10)
    assert found.value == np.float32(confidences[409])
    assert found.bound == pytest.approx(precision_bound(410, 10, doubt=0.045))
    assert precision_bound(420, 20) < 0.95 <= found.bound
    assert found.coverage == 0.41


def test_too_few_rows_certify_nothing() -> None:
    found = chosen(np.full(58, 0.99), np.ones(58, bool))

    assert found == Threshold(value=None, target=0.95)
    assert (found.rows, found.coverage, found.bound) == (0, 0.0, 0.0)


def test_no_rows_certify_nothing() -> None:
    assert chosen(np.zeros(0), np.zeros(0, bool)).value is None


def test_equal_confidences_are_never_parted() -> None:
    # Cut inside the tie, the first 100 rows would certify; the tie as a whole does not.
    assert chosen(np.full(200, 0.9), np.arange(200) < 100).value is None


def test_what_is_likelier_wrong_than_right_is_never_filed() -> None:
    found = chosen(np.r_[np.full(1000, 0.99), np.full(10, 0.4)], np.ones(1010, bool))

    assert found.value == thresholds.LEAST_CONFIDENCE
    assert found.rows == 1000


def test_a_noisy_strict_end_does_not_stop_the_sequence() -> None:
    confidences = np.linspace(1, 0.9, 2000)
    right = np.ones(2000, bool)
    right[:10] = False

    assert chosen(confidences, right).rows == 2000


def test_the_sequence_stops_at_the_first_failure() -> None:
    """Further down, the rows as a whole would pass again; that would be a second look."""
    confidences = np.linspace(1, 0.97, 3000)
    right = np.ones(3000, bool)
    right[1500:1700] = False
    policies = list(thresholds._sequence(answers(confidences), TREE, 0.95))

    found = chosen(confidences, right, target=0.9)

    assert found.value is not None
    starts = (confidences.astype(np.float32) >= policies[0].threshold).sum()
    assert starts >= 1700 or found.rows <= 1700


def test_no_label_is_looked_at_before_the_sequence_is_fixed() -> None:
    draw = np.random.default_rng(0)
    rows = answers(draw.beta(8, 1, 500))

    bars = [policy.threshold for policy in thresholds._sequence(rows, TREE, 0.95)]

    assert all(bar is not None for bar in bars)
    assert bars == sorted(bars, reverse=True)  # type: ignore[type-var]


def test_rows_that_are_filed_above_count_for_the_promise() -> None:
    """Right about the parent, wrong about the category: filed there, and rightly."""
    sure, unsure = np.full(500, 0.99), np.full(300, 0.6)
    first = np.r_[np.zeros(500, int), np.ones(300, int)]
    above = np.r_[np.zeros(500), np.full(300, 0.98)]
    labels = np.r_[np.zeros(500, int), np.full(300, 2)]
    groups = np.arange(800)

    found, evidence = choose(answers(np.r_[sure, unsure], first, above), labels, groups, TREE, target=0.95)

    assert (found.value, found.parent) == (np.float32(0.99), np.float32(0.99))
    found, evidence = choose(
        answers(np.r_[np.full(500, 0.9), unsure], first, above), labels, groups, TREE, target=0.95
    )
    assert (found.value, found.parent, found.rows, found.parents, found.errors) == (
        np.float32(0.9),
        0.95,
        800,
        300,
        0,
    )
    assert [(item.code, item.basis) for item in evidence] == [
        ("CAT_A", "CAT_A"),
        ("CAT_B_X", "CAT_B"),
        ("CAT_B_Y", "CAT_B"),
    ]


def test_a_category_that_is_mostly_wrong_is_closed() -> None:
    confidences = np.full(1060, 0.9)
    first = np.r_[np.zeros(1000, int), np.ones(60, int)]
    labels = np.r_[np.zeros(1000, int), np.where(np.arange(60) < 30, 1, 2)]

    found, evidence = choose(answers(confidences, first), labels, np.arange(1060), TREE, target=0.95)

    assert found.raised == {"CAT_B_X": 1.0}
    assert (found.rows, found.errors) == (1000, 0)
    assert [item.bar for item in evidence] == [pytest.approx(0.9), None, pytest.approx(0.9)]


def test_a_category_is_not_closed_by_bad_luck() -> None:
    confidences = np.full(1060, 0.9)
    first = np.r_[np.zeros(1000, int), np.ones(60, int)]
    labels = np.r_[np.zeros(1000, int), np.where(np.arange(60) < 54, 1, 2)]

    found, _ = choose(answers(confidences, first), labels, np.arange(1060), TREE, target=0.95)

    assert found.raised == {}


def test_a_category_s_bar_is_raised_no_further_than_proven() -> None:
    """All its errors lie in its lower half."""
    confidences = np.r_[np.full(1000, 0.8), np.full(60, 0.8), np.full(100, 0.99)]
    first = np.r_[np.zeros(1000, int), np.ones(160, int)]
    labels = np.r_[np.zeros(1000, int), np.full(60, 2), np.ones(100, int)]

    found, _ = choose(answers(confidences, first), labels, np.arange(1160), TREE, target=0.9)

    assert found.value == np.float32(0.8)
    assert 0.8 < found.raised["CAT_B_X"] <= 0.99
    assert (found.rows, found.errors) == (1100, 0)


@pytest.mark.parametrize(
    ("rows", "shape", "spread", "least"), [(300, 20, 1, 20), (2500, 6, 1, 190), (2500, 20, 3, 40)]
)
def test_the_promise_holds_in_as_many_draws_as_it_says(
    rows: int, shape: int, spread: int, least: int
) -> None:
    """Confidences that know the chance of being right, or overrate it; precision is then known exactly."""
    draw = np.random.default_rng(5)
    broken = drawn = 0
    for _ in range(200):
        sure = draw.beta(shape, 1, rows)
        found = chosen(sure, draw.random(rows) < np.clip(1 - spread * (1 - sure), 0, 1))
        if found.value is None:
            continue
        drawn += 1
        many = draw.beta(shape, 1, 20_000)
        many = many[many >= found.value]
        broken += float(np.clip(1 - spread * (1 - many), 0, 1).mean()) < 0.95
    assert drawn >= least
    assert broken / 200 <= 0.05


def test_the_promise_holds_for_rows_that_come_in_groups() -> None:
    draw = np.random.default_rng(6)
    broken = 0
    for _ in range(200):
        sure = draw.beta(6, 1, 500)
        right = draw.random(500) < np.clip(1 - 1.5 * (1 - sure), 0, 1)
        groups = np.repeat(np.arange(500), 4)
        labels = np.where(right, 0, 1)[groups]
        found, _ = choose(answers(sure[groups]), labels, groups, TREE, target=0.95)
        if found.value is None:
            continue
        many = draw.beta(6, 1, 20_000)
        many = many[many >= found.value]
        broken += float(np.clip(1 - 1.5 * (1 - many), 0, 1).mean()) < 0.95
    assert broken / 200 <= 0.05


def test_the_gate_costs_no_more_than_its_share_of_what_could_be_filed() -> None:
    """What is too unsure to be filed at all, and likely to score low, does not set it."""
    rows = answers(np.r_[np.full(1000, 0.99), np.full(500, 0.3)])
    rows.best[:] = np.r_[np.linspace(0, 1, 1000), np.full(500, -1)]

    found, _ = choose(rows, np.zeros(1500, int), np.arange(1500), TREE, target=0.95)

    held = filed(decide(rows, found.policy(), TREE))
    assert (~held[:1000]).sum() == round(1000 * thresholds.UNFAMILIAR_SHARE) - 1
    assert found.coverage == held.mean()


def test_without_back_off_the_bars_are_certified_for_categories_alone() -> None:
    """Rows that are right above their category make up for others only where they are filed there."""
    rng = np.random.default_rng(0)
    confidences = np.r_[np.full(1000, 0.96), np.full(1000, 0.6)]
    labels = np.ones(2000, int)
    labels[:1000][rng.random(1000) > 0.94] = 0
    labels[1000:] = 2
    rows = answers(confidences, 1, above=np.r_[np.full(1000, 0.96), np.full(1000, 0.99)])

    with_it, _ = choose(rows, labels, np.arange(2000), TREE, target=0.95)
    alone, _ = choose(rows, labels, np.arange(2000), TREE, target=0.95, back_off=False)

    assert with_it.parents == 1000
    assert with_it.value is not None
    assert alone.value is None
