"""The figures of an evaluation, worked out on paper."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from training.calibration import brier_score, expected_calibration_error, reliability
from training.data import LabelledRow
from training.evaluation import CategoryFigures, evaluate
from training.frozen import frozen_part
from training.hierarchy import hierarchical
from training.outcomes import score
from training.pipeline import TrainingResult
from training.thresholds import precision_interval

from .outcomes import ASIDE, FILE, NOTHING, PARENT, outcomes

DRILLS, SAWS, KITCHEN = "Tools > Drills", "Tools > Saws", "Kitchen"

SIX = outcomes(
    (DRILLS, [(DRILLS, 0.9), (SAWS, 0.1)], FILE, True),
    (DRILLS, [(SAWS, 0.8), (DRILLS, 0.2)], FILE, False),
    (SAWS, [(KITCHEN, 0.5), (DRILLS, 0.3), (SAWS, 0.2)], PARENT, False),
    (KITCHEN, [(KITCHEN, 0.6)], ASIDE, False),
    (KITCHEN, [], NOTHING, False),
    ("Toys", [(DRILLS, 0.7)], PARENT, True),
    unknown=["Toys"],
)


def test_the_figures_of_six_rows() -> None:
    found = evaluate(SIX, target=0.95)

    assert (found.rows, found.unread, found.unknown) == (6, 1, 1)
    assert found.top1 == found.accuracy == pytest.approx(2 / 6)
    assert found.top3 == pytest.approx(4 / 6)
    # F1: drills 1 of 2 found, 1 of 2 answers; saws 0; kitchen 1 of 2, 1 of 2; toys 0.
    assert found.macro_f1 == pytest.approx((0.5 + 0 + 0.5 + 0) / 4)
    assert found.weighted_f1 == pytest.approx((2 * 0.5 + 1 * 0 + 2 * 0.5 + 1 * 0) / 6)
    # Shared levels 2 + 1 + 0 + 1 + 0 + 0; predicted 2 + 2 + 1 + 1 + 0 + 2; true 2 + 2 + 2 + 1 + 1 + 1.
    assert found.hierarchical.precision == pytest.approx(4 / 8)
    assert found.hierarchical.recall == pytest.approx(4 / 9)
    assert found.hierarchical.f1 == pytest.approx(2 * 4 / (8 + 9))
    assert found.calibration_error == pytest.approx((0.1 + 0.8 + 0.5 + 0.4 + 0 + 0.7) / 6)
    assert found.brier == pytest.approx((0.1**2 + 0.8**2 + 0.5**2 + 0.4**2 + 0 + 0.7**2) / 6)
    assert (found.filed, found.filed_parent, found.filed_right) == (4, 2, 2)
    assert found.coverage == pytest.approx(4 / 6)
    assert found.left_for_people == pytest.approx(2 / 6)
    assert found.precision == pytest.approx(2 / 4)
    exact = binomtest(2, 4).proportion_ci(0.95, method="exact")
    assert (found.precision_low, found.precision_high) == pytest.approx((exact.low, exact.high))


def test_every_category_has_its_figures() -> None:
    figures = evaluate(SIX, target=0.95).categories

    assert figures == (
        CategoryFigures(
            path=KITCHEN,
            known=True,
            rows=2,
            predicted=2,
            right=1,
            precision=0.5,
            recall=0.5,
            f1=0.5,
            filed=0,
            filed_right=0,
        ),
        CategoryFigures(
            path=DRILLS,
            known=True,
            rows=2,
            predicted=2,
            right=1,
            precision=0.5,
            recall=0.5,
            f1=0.5,
            filed=2,
            filed_right=1,
        ),
        CategoryFigures(
            path=SAWS,
            known=True,
            rows=1,
            predicted=1,
            right=0,
            precision=0.0,
            recall=0.0,
            f1=0.0,
            filed=1,
            filed_right=0,
        ),
        CategoryFigures(
            path="Toys",
            known=False,
            rows=1,
            predicted=0,
            right=0,
            precision=None,
            recall=0.0,
            f1=0.0,
            filed=1,
            filed_right=1,
        ),
    )


def test_a_category_without_row_or_prediction_is_left_out() -> None:
    found = evaluate(outcomes((DRILLS, [(SAWS, 0.9)], ASIDE, False)), target=0.95)

    assert [(category.path, category.recall) for category in found.categories] == [
        (DRILLS, 0.0),
        (SAWS, None),
    ]


@pytest.mark.parametrize(
    ("filed", "right", "verdict", "kept"),
    [
        (0, 0, "nothing would be filed", None),
        (400, 396, "kept", True),
        (20, 19, "kept on these products; too few to be certain", True),
        (20, 18, "short of it on these products, within chance", None),
        (400, 360, "missed", False),
    ],
)
def test_the_verdict_says_what_so_many_rows_can_tell(
    filed: int, right: int, verdict: str, kept: bool | None
) -> None:
    rows = [(DRILLS, [(DRILLS, 0.9)], FILE, place < right) for place in range(filed)]

    found = evaluate(outcomes(*rows, (DRILLS, [(DRILLS, 0.9)], ASIDE, False)), target=0.95)

    assert (found.verdict, found.kept) == (verdict, kept)
    assert found.precision == (right / filed if filed else None)


def test_the_frozen_part_has_the_figures_of_the_training_run(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    """Two roads to the same numbers: the training run's arrays, and the sealed model and `decide`."""
    recorded = tiny_classifier.header["metrics"]["test"]
    inside = frozen_part(tiny_classifier, tiny_rows)

    whole = evaluate(score(tiny_classifier, tiny_rows).part(inside), target=0.95)

    for name, value in recorded.items():
        assert getattr(whole, name) == pytest.approx(value, abs=1e-6), name


def test_an_encoder_is_judged_as_a_linear_model_is(
    tiny_encoder: TrainingResult, tiny_rows: tuple[LabelledRow, ...], tmp_path: Path
) -> None:
    path = tmp_path / "encoder.pt"
    artifact.publish(tiny_encoder.artifact, path)
    classifier = ProductionClassifier.load(path)
    inside = frozen_part(classifier, tiny_rows)

    found = evaluate(score(classifier, tiny_rows).part(inside), target=0.95)

    recorded = classifier.header["metrics"]["test"]
    assert {name: getattr(found, name) for name in recorded} == pytest.approx(recorded, abs=1e-3)


@pytest.mark.parametrize(("rows", "errors"), [(0, 0), (1, 0), (1, 1), (40, 0), (40, 3), (40, 40)])
def test_the_interval_is_the_exact_one(rows: int, errors: int) -> None:
    exact = binomtest(rows - errors, rows).proportion_ci(0.95, method="exact") if rows else None

    assert precision_interval(rows, errors) == pytest.approx((exact.low, exact.high) if exact else (0.0, 1.0))


def test_bins_have_equal_mass_and_none_is_empty() -> None:
    confidences = np.arange(32) / 32
    right = confidences >= 0.5

    bins = reliability(confidences, right)

    assert [part.rows for part in bins] == [3, 3] + [2] * 13
    assert sum(part.right for part in bins) == 16
    assert [part.rows for part in reliability(confidences[:4], right[:4])] == [1, 1, 1, 1]
    assert expected_calibration_error(confidences[:0], right[:0]) == 0.0
    assert brier_score(confidences[:0], right[:0]) == 0.0


def test_the_tree_forgives_what_is_near() -> None:
    far = hierarchical([("A > B > C", "X > Y > Z")])
    near = hierarchical([("A > B > C", "A > B > Z")])
    # A level of the same name under another one is not shared.
    elsewhere = hierarchical([("A > B > C", "X > B > C")])

    assert (far.f1, elsewhere.f1) == (0.0, 0.0)
    assert near.f1 == pytest.approx(2 / 3)
    assert hierarchical([("A > B", None)]) == replace(far, precision=0.0)
    assert hierarchical([("A > B", "A")]).precision == 1.0
    assert hierarchical([("A > B", "A")]).recall == 0.5
