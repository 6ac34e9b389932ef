"""Labels of a file under the model's codes, and what the model says of each row."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.decision import Action, Decision, Policy
from apps.categories.inference.files import ProductRow, RejectedRow
from apps.categories.inference.taxonomy import Taxonomy
from training import outcomes
from training.data import LabelledRow
from training.outcomes import KEPT, NO_ANSWER, in_place, read_labels, score
from training.redact import redact_rows

DRILLS = "CAT_TOOLS_DRILLS"


def row(line: int, **values: str) -> ProductRow:
    return ProductRow(line=line, title=f"title {line}", **values)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ({"category_path": "Tools > Drills"}, (DRILLS, "Tools > Drills")),
        ({"category_code": DRILLS}, (DRILLS, "Tools > Drills")),
        # Renamed since: the code is the category.
        ({"category_code": DRILLS, "category_path": "Tools > Power drills"}, (DRILLS, "Tools > Drills")),
        # Codes of another system: the path is the category.
        ({"category_code": "4711", "category_path": "Tools > Drills"}, (DRILLS, "Tools > Drills")),
        # The code that this path would be given is taken by another path.
        ({"category_path": "Tools > Drills!"}, ("", "Tools > Drills!")),
        # A node of the tree, but no class.
        ({"category_path": "Kitchen"}, ("", "Kitchen")),
        ({"category_code": "NOWHERE"}, ("", "NOWHERE")),
    ],
)
def test_a_label_is_the_models_category(
    tiny_classifier: ProductionClassifier, label: dict[str, str], expected: tuple[str, str]
) -> None:
    (found,) = read_labels([row(2, **label)], tiny_classifier).rows

    assert (found.category_code, found.category_path) == expected


def test_a_code_given_once_counts_for_the_files_other_rows(tiny_classifier: ProductionClassifier) -> None:
    renamed = "Tools > Power drills"
    labels = read_labels(
        [row(2, category_path=renamed), row(3, category_path=renamed, category_code=DRILLS)], tiny_classifier
    )

    assert [found.category_code for found in labels.rows] == [DRILLS, DRILLS]


def test_personal_data_is_taken_out_as_in_training(tiny_classifier: ProductionClassifier) -> None:
    labels = read_labels(
        [ProductRow(line=2, title="silk shawl, ask ana@example.com", category_path="Clothing > Shawls")],
        tiny_classifier,
    )

    assert labels.rows == redact_rows(labels.rows).rows
    assert labels.rows[0].title == "silk shawl, ask"


def test_rows_that_cannot_be_judged_are_kept_apart(tiny_classifier: ProductionClassifier) -> None:
    labels = read_labels(
        [row(2, category_path="Toys"), row(3), RejectedRow(line=4, reason="the title is empty", raw={})],
        tiny_classifier,
    )

    assert [found.line for found in labels.rows] == [2]
    assert labels.unlabelled == 1
    assert [found.line for found in labels.rejected] == [4]


def test_outcomes_are_what_the_model_answers(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    rows = list(tiny_rows[:150])

    found = score(tiny_classifier, rows)

    answers = tiny_classifier.predict([item.fields() for item in rows], top_k=len(tiny_classifier.codes))
    codes = np.array(tiny_classifier.codes)
    assert codes[found.classes].tolist() == [
        [prediction["category_code"] for prediction in answer[:KEPT]] for answer in answers
    ]
    assert found.confidences.tolist() == [
        [prediction["confidence"] for prediction in answer[:KEPT]] for answer in answers
    ]
    assert found.own.tolist() == [
        next(p["confidence"] for p in answer if p["category_code"] == item.category_code)
        for item, answer in zip(rows, answers, strict=True)
    ]
    assert found.decisions == [
        decision
        for item in rows
        for decision in tiny_classifier.assess([item.fields()], top_k=len(tiny_classifier.codes))[1]
    ]
    assert found.right.tolist() == [
        answer[0]["category_code"] == item.category_code for item, answer in zip(rows, answers, strict=True)
    ]
    assert found.filed_right.tolist() == (found.filed & found.right).tolist()


def test_unknown_labels_and_unreadable_texts_are_wrong(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    drill = next(item for item in tiny_rows if item.category_code == DRILLS and "drill" in item.title)
    toy = replace(drill, category_code="", category_path="Toys")
    empty = replace(drill, title="日本", brand="")

    found = score(tiny_classifier, [drill, toy, empty])

    assert found.right.tolist() == [True, False, False]
    assert found.read.tolist() == [True, True, False]
    assert found.paths[found.known :] == ("Toys",)
    assert [found.paths[label] for label in found.truth] == ["Tools > Drills", "Toys", "Tools > Drills"]
    assert found.own[1:].tolist() == [0, 0]
    assert found.classes[2].tolist() == [NO_ANSWER] * KEPT
    assert found.confidences[2].tolist() == [0] * KEPT
    assert found.decisions[2].action == "none"
    assert not found.filed_right[1:].any()


def test_the_shops_own_threshold_takes_the_place_of_the_models(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    rows = tiny_rows[:50]

    assert not score(tiny_classifier, rows, threshold=1.0).filed.any()
    low = score(tiny_classifier, rows, threshold=0.0)
    assert low.filed.sum() >= score(tiny_classifier, rows).filed.sum() > 0
    # What is still left to people is left for another reason than its confidence.
    reasons = {decision.reason for decision in low.decisions if decision.action == "review"}
    assert reasons <= {"two categories stay likely", "unlike the training data"}


def test_memory_is_bounded_by_scoring_in_batches(
    tiny_classifier: ProductionClassifier,
    tiny_rows: tuple[LabelledRow, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    told: list[int] = []
    real = tiny_classifier.assess

    def counted(items: Sequence[Any], policy: Policy, top_k: int) -> Any:
        sizes.append(len(items))
        return real(items, policy, top_k=top_k)

    whole = score(tiny_classifier, tiny_rows[:100])
    monkeypatch.setattr(tiny_classifier, "assess", counted)
    monkeypatch.setattr(outcomes, "CELLS", 30 * len(tiny_classifier.codes))
    parts = score(tiny_classifier, tiny_rows[:100], on_progress=told.append)

    assert sizes == [30, 30, 30, 10]
    assert told == [30, 60, 90, 100]
    assert np.array_equal(parts.classes, whole.classes)
    assert np.allclose(parts.own, whole.own, atol=1e-6)


def test_a_part_is_the_same_as_scoring_it_alone(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    chosen = np.arange(60) % 3 == 0

    part = score(tiny_classifier, tiny_rows[:60]).part(chosen)
    alone = score(tiny_classifier, tiny_rows[:60:3])

    assert part.rows == list(alone.rows)
    assert part.decisions == alone.decisions
    for name in ("truth", "classes", "filed_right"):
        assert np.array_equal(getattr(part, name), getattr(alone, name))
    assert np.allclose(part.own, alone.own, atol=1e-6)
    assert np.allclose(part.confidences, alone.confidences, atol=1e-6)


TREE = Taxonomy(paths={"T": "Tools", "D": "Tools > Drills", "S": "Tools > Saws", "X": "Tools > Drillsets"})


@pytest.mark.parametrize(
    ("action", "code", "label", "right"),
    [
        ("assign", "D", "Tools > Drills", True),
        ("assign", "D", "Tools > Saws", False),
        # Filed as a leaf, an inner node is right only for what belongs to it itself.
        ("assign", "T", "Tools > Drills", False),
        ("assign_parent", "T", "Tools > Drills", True),
        ("assign_parent", "T", "Tools", True),
        ("assign_parent", "T", "Tools > Drills > Cordless", True),
        ("assign_parent", "D", "Tools", False),
        ("assign_parent", "D", "Tools > Drillsets", False),
        ("assign_parent", "T", "Kitchen", False),
        ("review", "D", "Tools > Drills", False),
        ("none", None, "Tools > Drills", False),
    ],
)
def test_what_is_filed_is_in_place_or_above_it(
    action: Action, code: str | None, label: str, right: bool
) -> None:
    decision = Decision(action=action, category_code=code, confidence=None, reason="")

    assert in_place(decision, TREE, label) is right
