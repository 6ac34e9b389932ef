"""`ProductionClassifier`: one shape of answer, the recipe, and a model that is proven before it answers."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.decision import Policy
from apps.categories.inference.errors import ArtifactInvalid, ArtifactMissing
from tests.rewriting import Rewrite, rewritten
from tests.tiny import KINDS
from training.data import LabelledRow


def header_with(**changes: object) -> Rewrite:
    def change(records: dict[str, bytes]) -> None:
        records["header"] = json.dumps({**json.loads(records["header"]), **changes}).encode()

    return change


def test_one_shape_always(tiny_classifier: ProductionClassifier) -> None:
    answers = tiny_classifier.predict(["cordless drill", "", "silk shawl"], top_k=2)

    assert [len(answer) for answer in answers] == [2, 0, 2]
    assert answers[0][0]["category_code"] == "CAT_TOOLS_DRILLS"
    assert answers[2][0]["category_code"] == "CAT_CLOTHING_SHAWLS"
    assert set(answers[0][0]) == {"category_code", "confidence"}
    assert all(type(entry["confidence"]) is float for answer in answers for entry in answer)
    assert answers[0][0]["confidence"] > answers[0][1]["confidence"]


def test_top_k_is_capped_at_the_number_of_classes(tiny_classifier: ProductionClassifier) -> None:
    every = tiny_classifier.predict(["cordless drill"], top_k=1000)[0]

    assert len(every) == len(KINDS)
    assert sum(entry["confidence"] for entry in every) == pytest.approx(1, abs=1e-5)
    # The few best are found another way than all of them.
    assert tiny_classifier.predict(["cordless drill"], top_k=3)[0] == every[:3]


def test_wrong_calls_are_refused(tiny_classifier: ProductionClassifier) -> None:
    with pytest.raises(ValueError, match="top_k is 0"):
        tiny_classifier.predict(["x"], top_k=0)
    with pytest.raises(TypeError, match=r"predict\(\[text\]\)"):
        tiny_classifier.predict("cordless drill")
    assert tiny_classifier.predict([]) == []
    assert tiny_classifier.predict_arrays([]).classes.shape == (0, 3)


def test_a_product_is_read_by_the_recipe_and_a_string_as_it_is(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    row = tiny_rows[0]
    assert tiny_classifier.fields == ("title", "brand")

    product = tiny_classifier.predict([{**row.fields(), "description": "not read"}])

    assert product == tiny_classifier.predict([f"{row.title} {row.brand}"])
    assert product != tiny_classifier.predict([row.title])
    assert tiny_classifier.text({"title": " a\nb ", "brand": None}) == "a b"


def test_arrays_and_lists_say_the_same(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    texts = [row.title for row in tiny_rows] + [""]
    lists, arrays = tiny_classifier.predict(texts), tiny_classifier.predict_arrays(texts)

    assert not arrays.read[-1]
    for place, answer in enumerate(lists[:-1]):
        assert [entry["category_code"] for entry in answer] == [
            tiny_classifier.codes[number] for number in arrays.classes[place]
        ]
        assert [entry["confidence"] for entry in answer] == arrays.confidences[place].tolist()


def test_threads_get_their_own_answers(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    texts = [row.title for row in tiny_rows][:200]
    expected = tiny_classifier.predict(texts)
    found: dict[int, object] = {}

    def ask(number: int) -> None:
        found[number] = [tiny_classifier.predict([f"{text} "])[0] for text in texts]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(found[number] == expected for number in range(4))


def test_paths_are_those_trained_on(tiny_classifier: ProductionClassifier) -> None:
    assert {tiny_classifier.path(code) for code in tiny_classifier.codes} == set(KINDS)
    assert tiny_classifier.path("CAT_KITCHEN") == "Kitchen"


def test_what_is_decided_goes_with_what_is_predicted(
    tiny_classifier: ProductionClassifier, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    texts = [row.title for row in tiny_rows[:200]] + ["", "drill shawl"]

    ranked, decisions = tiny_classifier.assess(texts, top_k=2)

    assert tiny_classifier.predictions(ranked) == tiny_classifier.predict(texts, top_k=2)
    assert (decisions[200].action, decisions[201].action) == ("none", "review")
    # One text at a time and all together are one path.
    for place in (0, 1, 2, 201):
        assert tiny_classifier.assess([texts[place]])[1][0] == decisions[place]
    assert len(tiny_classifier.assess([])[1]) == 0


def test_another_policy_decides_otherwise_about_the_same_candidates(
    tiny_classifier: ProductionClassifier,
) -> None:
    def action(policy: Policy) -> str:
        return tiny_classifier.assess(["compact cordless drill"], policy)[1][0].action

    assert action(tiny_classifier.policy) == "assign"
    assert action(tiny_classifier.policy.fixed(1.0)) == "review"
    assert action(Policy(threshold=None)) == "review"


def test_no_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match="train_classifier"):
        ProductionClassifier.load(tmp_path / "classifier.pt")


def test_another_file_than_expected_is_refused(
    tiny_artifact: Path, tiny_classifier: ProductionClassifier
) -> None:
    ProductionClassifier.load(tiny_artifact, expected_sha256=tiny_classifier.sha256.upper())
    with pytest.raises(ArtifactInvalid, match="expected " + "0" * 64):
        ProductionClassifier.load(tiny_artifact, expected_sha256="0" * 64)


def test_a_model_that_answers_otherwise_than_at_export_is_refused(
    tiny_artifact: Path, tmp_path: Path
) -> None:
    def turn(records: dict[str, bytes]) -> None:
        intercept = np.frombuffer(records["intercept"], np.float32)
        records["intercept"] = intercept[::-1].tobytes()

    path = rewritten(tiny_artifact, tmp_path / "classifier.pt", turn)

    with pytest.raises(ArtifactInvalid, match="golden texts otherwise"):
        ProductionClassifier.load(path)


def test_a_model_without_golden_texts_is_refused(tiny_artifact: Path, tmp_path: Path) -> None:
    def empty(records: dict[str, bytes]) -> None:
        records["golden"] = b'{"texts": [], "predictions": {"whole": []}}'

    with pytest.raises(ArtifactInvalid, match="0 golden texts"):
        ProductionClassifier.load(rewritten(tiny_artifact, tmp_path / "classifier.pt", empty))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (header_with(classes=["CAT_NOWHERE"]), "CAT_NOWHERE"),
        (header_with(segments=[["colour"]]), "recipe"),
        (header_with(segments=[]), "recipe"),
        (header_with(version=None, threshold={}), "value"),
        (header_with(arrays={}), "pairs"),
        (header_with(calibration={"scale": "hot"}), "hot"),
        # As an artifact was before back-off and maps.
        (header_with(calibration={"method": "temperature", "scale": 5.0}), "leaf"),
        (header_with(threshold={"value": 0.5, "target": 0.95}), "parent"),
        (lambda records: records.__setitem__("header", b"[]"), "header"),
        (lambda records: records.__setitem__("header", b"\xff"), "header"),
        (lambda records: records.pop("golden"), "golden"),
        (lambda records: records.pop("idf"), "idf"),
        (lambda records: records.__setitem__("golden", b'{"texts": [7]}'), "golden"),
    ],
)
def test_an_intact_file_with_another_content_is_refused(
    tiny_artifact: Path, tmp_path: Path, change: Rewrite, said: str
) -> None:
    path = rewritten(tiny_artifact, tmp_path / "classifier.pt", change)

    with pytest.raises(ArtifactInvalid, match=said):
        ProductionClassifier.load(path)
