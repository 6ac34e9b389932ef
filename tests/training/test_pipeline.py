"""One training run: what it promises about splits, evidence, the artifact and repetition."""

import json
import platform
import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import sklearn

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.errors import TrainingRefused
from apps.categories.inference.linear import LinearModel
from apps.categories.inference.text import group_key
from tests.conftest import TINY
from tests.tiny import labelled_rows
from training import export, pipeline
from training.backends import linear
from training.config import TrainingConfig
from training.data import LabelledRow, validate
from training.evaluation import measure
from training.pipeline import TrainingResult
from training.selection import select, validation_splits
from training.splits import in_test
from training.thresholds import precision_bound

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_version_says_what_when_and_of_which_rows(tiny_result: TrainingResult) -> None:
    assert re.fullmatch(r"linear-20260102T030405Z-[0-9a-f]{8}", tiny_result.version)


def test_the_frozen_test_rows_are_not_learned_from(
    tiny_result: TrainingResult, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    held = [row for row in tiny_rows if in_test(group_key(row.title), TINY.test_fraction)]
    assert tiny_result.test is not None
    assert tiny_result.test.rows == len(held)
    # The model names of the tiny rows are unique, so a word that only test rows have must be unknown to it.
    learned = {word for row in tiny_rows if row not in held for word in row.title.split()}
    serial = next(word for word in held[0].title.split() if word not in learned)

    vocabulary = bytes(artifact.unseal(tiny_result.artifact)["words"]).decode().split("\n")

    assert serial not in vocabulary
    assert next(iter(learned)) in vocabulary


def test_the_threshold_carries_its_evidence(tiny_result: TrainingResult) -> None:
    threshold = tiny_result.threshold

    assert threshold.value is not None
    # The certainty of the bound is 95%, less what is spent on looking for bad categories.
    assert 0.95 <= threshold.bound <= precision_bound(threshold.rows, threshold.errors)
    assert tiny_result.out_of_fold.filed == threshold.rows
    assert tiny_result.header["threshold"]["errors"] == threshold.errors
    assert [item["code"] for item in tiny_result.header["categories"]] == tiny_result.header["classes"]


def test_every_development_row_has_an_out_of_fold_prediction(
    tiny_result: TrainingResult, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    assert tiny_result.test is not None
    assert tiny_result.out_of_fold.rows + tiny_result.test.rows == len(tiny_rows)


def test_the_same_rows_in_any_order_and_seed_give_the_same_bytes(tiny_result: TrainingResult) -> None:
    again = pipeline.run(labelled_rows()[::-1], replace(TINY, jobs=3), now=NOW)

    def records(result: TrainingResult) -> dict[str, bytes]:
        found = {name: bytes(data) for name, data in artifact.unseal(result.artifact).items()}
        header = json.loads(found["header"])
        del header["options"]["jobs"]
        return {**found, "header": json.dumps(header).encode()}

    assert records(again) == records(tiny_result)
    assert pipeline.run(labelled_rows(), TINY, now=NOW).artifact == tiny_result.artifact


def test_the_header_says_with_which_packages(tiny_result: TrainingResult) -> None:
    told = tiny_result.header["packages"]

    assert told["numpy"] == np.__version__
    assert told["scikit-learn"] == sklearn.__version__
    assert told["python"] == platform.python_version()


def test_the_data_digest_ignores_the_order_of_rows() -> None:
    rows = labelled_rows()

    assert pipeline.data_digest(rows) == pipeline.data_digest(rows[::-1])
    assert pipeline.data_digest(rows) != pipeline.data_digest(rows[1:])


def test_metrics_count_what_is_filed_and_what_is_filed_rightly() -> None:
    confidences = np.array([[0.9, 0.05], [0.5, 0.3], [0.6, 0.29]], np.float32)
    filed, rightly = np.array([True, False, True]), np.array([True, True, False])

    metrics = measure(np.zeros((3, 2), np.int64), confidences, [0, 0, 1], filed=filed, rightly=rightly)

    assert (metrics.filed, metrics.precision, metrics.coverage) == (2, 0.5, pytest.approx(2 / 3))
    assert metrics.top1 == pytest.approx(2 / 3)


def test_an_impossible_target_sends_everything_to_review() -> None:
    result = pipeline.run(labelled_rows(), replace(TINY, target_precision=0.9999), now=NOW)

    assert result.threshold.value is None
    assert result.out_of_fold.coverage == 0.0
    assert result.header["threshold"]["value"] is None


def test_without_a_test_part_nothing_is_tested() -> None:
    result = pipeline.run(labelled_rows(), replace(TINY, test_fraction=0.0), now=NOW)

    assert result.test is None
    assert result.header["metrics"]["test"] is None


def test_a_title_under_two_categories_goes_to_review() -> None:
    rows = list(labelled_rows())
    drills = "CAT_TOOLS_DRILLS", "Tools > Drills"
    saws = "CAT_TOOLS_SAWS", "Tools > Saws"
    rows += [
        LabelledRow(title=f"oscillating multitool {word}", category_code=code, category_path=path)
        for word in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
        for code, path in (drills, saws)
    ]

    result = pipeline.run(rows, TINY, now=NOW)

    assert any("filed under several categories" in finding.text for finding in result.findings)
    path = "oscillating multitool beta"
    header = result.header
    assert header["threshold"]["value"] is not None
    model = ProductionClassifier(_artifact(result))
    first, second = model.predict([path], top_k=2)[0]
    assert {first["category_code"], second["category_code"]} == {drills[0], saws[0]}
    assert second["confidence"] > 0.5 * first["confidence"]
    assert model.assess([path])[1][0].action == "review"


def _artifact(result: TrainingResult) -> artifact.Artifact:
    import hashlib
    from pathlib import Path

    return artifact.Artifact(
        path=Path("classifier.pt"),
        sha256=hashlib.sha256(result.artifact).hexdigest(),
        size=len(result.artifact),
        identity=artifact.FileIdentity(device=0, inode=0, size=len(result.artifact), mtime_ns=0),
        records=artifact.unseal(result.artifact),
    )


def test_selection_reads_a_field_that_helps_and_not_one_that_hurts() -> None:
    rows = [
        replace(
            row,
            title=f"{row.title.split()[-1]} article",
            description=row.category_path.replace(" > ", " "),
            brand=row.title.split()[-1],
        )
        for row in labelled_rows()
    ]

    options, trials = select(validate(rows), TrainingConfig(jobs=1), progress=lambda line: None)

    fields = [name for segment in options.segments for name in segment]
    assert fields == ["title", "description"]
    assert len(trials) > 5


def test_selection_compares_on_groups_it_did_not_fit() -> None:
    data = validate(labelled_rows())

    splits = validation_splits(data, TrainingConfig(selection_rows=200))

    assert len(splits) == 4
    for train, validation in splits:
        assert len(train) == 200
        assert not {data.groups[i] for i in train} & {data.groups[i] for i in validation}
    assert len({i for _, validation in splits for i in validation}) > 800


def test_an_export_that_answers_otherwise_is_refused(tiny_rows: tuple[LabelledRow, ...]) -> None:
    data = validate(tiny_rows)
    texts = [row.title for row in data.rows]
    tokens = linear.tokenise(texts)
    fitted = linear.fit(
        tokens,
        np.asarray(data.labels),
        np.asarray(data.weights),
        linear.LinearOptions(),
        classes=len(data.classes),
        seed=0,
    )
    scores = fitted.scores(tokens)
    weights = fitted.export()

    parity = export.check_parity(weights, texts, scores, classes=data.classes)
    assert (parity["texts"], parity["agreement"]) == (len(texts), 1.0)
    assert 0 < parity["largest_difference"] < export.SCORE_TOLERANCE
    with pytest.raises(TrainingRefused, match="became"):
        export.check_parity(weights, texts, -scores, classes=data.classes)
    # The same classes with other scores are other confidences.
    with pytest.raises(TrainingRefused, match=r"scores differ by 0\.2"):
        export.check_parity(
            replace(weights, intercept=weights.intercept + np.float32(0.2)),
            texts,
            scores,
            classes=data.classes,
        )
    nothing = np.full_like(scores, np.nan)
    with pytest.raises(TrainingRefused, match="became"):
        export.check_parity(weights, texts, nothing, classes=data.classes)


def test_two_classes_that_are_all_but_equal_may_change_places(tiny_rows: tuple[LabelledRow, ...]) -> None:
    """A title with two labels: what is left out of the export decides which of them comes first."""
    data = validate(tiny_rows)
    texts = ["drill"]
    fitted = linear.fit(
        linear.tokenise([row.title for row in data.rows]),
        np.asarray(data.labels),
        np.asarray(data.weights),
        linear.LinearOptions(),
        classes=len(data.classes),
        seed=0,
    )
    weights = fitted.export()
    (scores,) = LinearModel(weights).scores(texts)[0]
    best, second = np.argsort(-scores)[:2]
    intercept = weights.intercept.copy()
    intercept[second] += scores[best] - scores[second]
    tied = replace(weights, intercept=intercept)
    trained, _ = LinearModel(tied).scores(texts)

    def ahead(share: float) -> np.ndarray:
        other = trained.copy()
        other[0, second if trained[0].argmax() == best else best] += share * export.LEAD_TOLERANCE
        return other

    assert export.check_parity(tied, texts, ahead(0.5), classes=data.classes)["agreement"] == 0
    with pytest.raises(TrainingRefused, match="became"):
        export.check_parity(tied, texts, ahead(1.5), classes=data.classes)


def test_served_scores_are_the_trained_ones(tiny_rows: tuple[LabelledRow, ...]) -> None:
    data = validate(tiny_rows)
    recipe = (("title",), ("description",))
    options = linear.LinearOptions(segments=recipe, segment_weights=(1.0, 0.8), gram_share=4.0)
    texts = [pipeline.product_text(row.fields(), recipe) for row in data.rows]
    fitted = linear.fit(
        linear.tokenise(texts),
        np.asarray(data.labels),
        np.asarray(data.weights),
        options,
        classes=len(data.classes),
        seed=0,
    )
    asked = [
        *texts[:200],
        "drill drill drill hammer drill",
        "unheard words wherever",
        "\ncordless drill only described",
        "silk",
    ]

    served, read = LinearModel(fitted.export()).scores(asked)

    # Half precision and pruning are all that may part them.
    assert np.abs(served - fitted.scores(linear.tokenise(asked))).max() < 0.05
    assert read.all()


def test_the_header_is_plain_json(tiny_result: TrainingResult) -> None:
    assert json.loads(json.dumps(tiny_result.header)) == json.loads(
        json.dumps({**tiny_result.header}, sort_keys=True)
    )
    assert tiny_result.header["options"]["fields"] == ["title", "brand"]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("backend", "magic", "backend is 'magic', expected one of linear"),
        ("target_precision", 1.0, "target_precision is 1.0, expected a share above 0 and below 1"),
        ("test_fraction", 0.6, "test_fraction is 0.6, expected a share from 0 to 0.5"),
        ("folds", 1, "folds is 1, expected 2 to 10"),
        ("fields", ("title", "colour"), "expected names out of title, brand"),
        ("fields", ("brand",), "expected the title among them"),
        ("class_weight", "heavy", "class_weight is 'heavy', expected one of auto, none"),
        ("selection_rows", 5, "selection_rows is 5, expected at least 100"),
        ("jobs", -1, "jobs is -1, expected 0 or more"),
    ],
)
def test_an_option_out_of_range_is_refused(option: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TrainingConfig(**{option: value})  # type: ignore[arg-type]
