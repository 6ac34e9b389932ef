"""Suspected labels: planted ones are found, and nothing is suspected without a reason."""

from dataclasses import replace

import numpy as np
import pytest

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.ranking import Calibration
from tests.conftest import TINY
from training import label_errors, pipeline
from training.data import LabelledRow
from training.label_errors import held_out_suspects, suspected_labels
from training.outcomes import score

from .outcomes import ASIDE, NOTHING, outcomes

PLAIN = Calibration(scale=1.0)
DRILLS, SAWS, KITCHEN = "Tools > Drills", "Tools > Saws", "Kitchen"


def test_a_belief_counts_from_the_average_of_its_category() -> None:
    found = suspected_labels(
        outcomes(
            # Drills average (0.9 + 0.7 + 0.1) / 3 = 0.57, saws (0.8 + 0.6) / 2 = 0.7.
            (DRILLS, [(DRILLS, 0.9), (SAWS, 0.1)], ASIDE, False),
            (DRILLS, [(DRILLS, 0.7), (SAWS, 0.3)], ASIDE, False),
            (SAWS, [(SAWS, 0.8), (DRILLS, 0.2)], ASIDE, False),
            (SAWS, [(SAWS, 0.6), (DRILLS, 0.4)], ASIDE, False),
            # Saws at 0.75 reaches 0.7: suspected.
            (DRILLS, [(SAWS, 0.75), (DRILLS, 0.1)], ASIDE, False),
            (KITCHEN, [(KITCHEN, 0.1)], ASIDE, False),
        )
    )

    assert [label.row for label in found] == [4]
    assert found[0].margin == pytest.approx(0.65)


def test_a_wrong_answer_under_the_average_is_no_suspicion() -> None:
    found = suspected_labels(
        outcomes(
            (SAWS, [(SAWS, 0.8), (DRILLS, 0.2)], ASIDE, False),
            (DRILLS, [(DRILLS, 0.8), (SAWS, 0.2)], ASIDE, False),
            (DRILLS, [(SAWS, 0.6), (DRILLS, 0.4)], ASIDE, False),
        )
    )

    assert found == []


def test_another_candidate_than_the_best_is_not_believed() -> None:
    found = suspected_labels(
        outcomes(
            (SAWS, [(SAWS, 0.9)], ASIDE, False),
            (DRILLS, [(DRILLS, 0.9)], ASIDE, False),
            (DRILLS, [(DRILLS, 0.9)], ASIDE, False),
            # Saws average 0.9 and are not reached; kitchens average 0.3, but are not the likeliest.
            (KITCHEN, [(KITCHEN, 0.3), (SAWS, 0.2)], ASIDE, False),
            (DRILLS, [(SAWS, 0.5), (KITCHEN, 0.4), (DRILLS, 0.1)], ASIDE, False),
        )
    )

    assert found == []


def test_what_is_likelier_wrong_is_not_believed_of_a_category_that_is_never_recognised() -> None:
    def found(sure: float) -> list[int]:
        suspected = suspected_labels(
            outcomes(
                (DRILLS, [(DRILLS, 0.9)], ASIDE, False),
                (KITCHEN, [(DRILLS, 0.8), (KITCHEN, 0.0)], ASIDE, False),
                (DRILLS, [(KITCHEN, sure), (DRILLS, 0.1)], ASIDE, False),
            )
        )
        return [label.row for label in suspected]

    assert 2 not in found(0.49)
    assert 2 in found(0.5)


def test_the_label_is_not_suspected_where_the_model_believes_it_more() -> None:
    """A category that the model never recognises is reached by any confidence."""
    found = suspected_labels(
        outcomes(
            (DRILLS, [(DRILLS, 0.9)], ASIDE, False),
            (KITCHEN, [(SAWS, 0.1), (KITCHEN, 0.0)], ASIDE, False),
            (DRILLS, [(DRILLS, 0.5), (KITCHEN, 0.2)], ASIDE, False),
        )
    )

    assert found == []


def test_a_row_without_answer_and_an_unknown_label_are_not_suspected() -> None:
    found = suspected_labels(
        outcomes(
            (DRILLS, [(DRILLS, 0.5)], ASIDE, False),
            (SAWS, [], NOTHING, False),
            ("Toys", [(DRILLS, 0.9)], ASIDE, False),
            unknown=["Toys"],
        )
    )

    assert found == []


def test_a_row_without_answer_does_not_lower_the_average() -> None:
    found = suspected_labels(
        outcomes(
            (SAWS, [(SAWS, 0.8)], ASIDE, False),
            (SAWS, [], NOTHING, False),
            (DRILLS, [(SAWS, 0.6), (DRILLS, 0.4)], ASIDE, False),
        )
    )

    assert found == []


def test_planted_errors_are_found_and_no_others(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    rows = [row for row in tiny_rows if "assorted" not in row.title]
    other = {rows[place].category_code: rows[place] for place in range(len(rows))}
    planted = [place for place in range(0, len(rows), 40) if rows[place].category_path != "Kitchen > Mugs"]
    for place in planted:
        wrong = other["CAT_KITCHEN_MUGS"]
        rows[place] = replace(
            rows[place], category_code=wrong.category_code, category_path=wrong.category_path
        )

    found = suspected_labels(score(tiny_classifier, rows))

    assert len(planted) > 10
    assert {label.row for label in found} <= {*planted}
    # About half of all right answers are above their average, so as many planted ones are.
    assert len(found) * 2 >= len(planted)


def test_held_out_rows_are_judged_by_the_same_rule_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = [
        ([0.9, 0.04, 0.06], 0),
        ([0.7, 0.2, 0.1], 0),
        ([0.1, 0.8, 0.1], 1),
        ([0.3, 0.6, 0.1], 1),
        ([0.15, 0.75, 0.1], 0),
        ([0.3, 0.3, 0.4], 2),
    ]
    scores = np.log(np.array([share for share, _ in shares], np.float32))
    before, labels = scores.copy(), [label for _, label in shares]
    monkeypatch.setattr(label_errors, "CELLS", 7)

    (found,) = held_out_suspects(scores, labels, ["D", "S", "K"], PLAIN)

    assert found.row == 4
    assert [code for code, _ in found.candidates] == ["S", "D", "K"]
    assert [sure for _, sure in found.candidates] == pytest.approx([0.75, 0.15, 0.1], abs=1e-6)
    assert found.margin == pytest.approx(0.6, abs=1e-6)
    assert np.array_equal(scores, before), "they are certified with as well"


def test_the_label_is_a_candidate_however_low_it_ranks() -> None:
    sure = np.full((6, 4), -9.0, np.float32)
    sure[[0, 1, 2], [0, 0, 1]] = sure[3, 2] = 9.0
    sure[0] = [2.0, 0.0, 0.0, 0.0]
    sure[4] = [9.0, -9.5, 1.0, 2.0]
    sure[5, 3] = 9.0

    found = held_out_suspects(sure, [0, 0, 1, 2, 1, 3], ["A", "B", "C", "D"], PLAIN)

    assert [(one.row, [code for code, _ in one.candidates]) for one in found] == [(4, ["A", "D", "B"])]


def test_a_training_names_the_planted_errors_by_their_place_in_its_rows(
    tiny_rows: tuple[LabelledRow, ...],
) -> None:
    rows = list(tiny_rows)
    rows[0] = replace(rows[0], title="  ")
    mug = next(row for row in rows if row.category_code == "CAT_KITCHEN_MUGS")
    planted = [
        place
        for place, row in enumerate(rows)
        if place and row.category_code == "CAT_TOOLS_SAWS" and "assorted" not in row.title
    ][:5]
    for place in planted:
        rows[place] = replace(
            rows[place],
            category_code=mug.category_code,
            category_path=mug.category_path,
            seller="a@b.example",
        )

    found = pipeline.run(rows, replace(TINY, test_fraction=0)).suspects

    first = found[:3]
    assert {suspect.row for suspect in first} <= {*planted}
    assert {suspect.candidates[0][0] for suspect in first} == {"CAT_TOOLS_SAWS"}
    assert all("CAT_KITCHEN_MUGS" in dict(suspect.candidates) for suspect in first)
    assert [suspect.margin for suspect in found] == sorted((one.margin for one in found), reverse=True)
