import pytest

from apps.categories.inference.decision import BOTH_LIKELY, Decision, Prediction, decide, percent


def predictions(*confidences: float) -> list[Prediction]:
    return [
        {"category_code": f"CAT_{number}", "confidence": value} for number, value in enumerate(confidences)
    ]


def test_at_the_threshold_the_first_candidate_is_assigned() -> None:
    assert decide(predictions(0.91, 0.05), threshold=0.91) == Decision(
        action="assign", category_code="CAT_0", confidence=0.91, reason="reaches the 91% that is needed"
    )


def test_under_the_threshold_people_see_it() -> None:
    assert decide(predictions(0.6299, 0.2), threshold=0.905) == Decision(
        action="review",
        category_code="CAT_0",
        confidence=0.6299,
        reason="62% is under the 91% this model needs",
    )


def test_a_bar_asked_for_can_only_be_raised() -> None:
    assert (
        decide(predictions(0.95), threshold=0.9, min_confidence=0.96).reason
        == "95% is under the 96% asked for"
    )
    assert decide(predictions(0.95), threshold=0.9, min_confidence=0.95).action == "assign"
    assert decide(predictions(0.85), threshold=0.9, min_confidence=0.1).action == "review"
    assert (
        decide(predictions(0.97), threshold=0.9, min_confidence=0.1).reason
        == "reaches the 90% that is needed"
    )


@pytest.mark.parametrize("min_confidence", [None, 0.0, 1.0])
def test_nothing_certified_means_that_everything_is_seen(min_confidence: float | None) -> None:
    found = decide(predictions(1.0), threshold=None, min_confidence=min_confidence)
    assert (found.action, found.category_code) == ("review", "CAT_0")
    assert found.reason == "this model is not certified to file anything on its own"


def test_no_predictions_are_no_answer() -> None:
    for threshold in (None, 0.0, 0.9):
        assert decide([], threshold=threshold) == Decision(
            action="none", category_code=None, confidence=None, reason="the text has nothing to go by"
        )


def test_two_likely_categories_go_to_people_whatever_the_threshold() -> None:
    assert decide(predictions(0.6, 0.3), threshold=0.5) == Decision(
        action="review", category_code="CAT_0", confidence=0.6, reason="two categories stay likely"
    )
    assert decide(predictions(0.6, BOTH_LIKELY * 0.6 - 0.001), threshold=0.5).action == "assign"


@pytest.mark.parametrize("confidence", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_confidence_that_is_no_share_is_never_acted_on(confidence: float) -> None:
    found = decide(predictions(confidence), threshold=0.0)
    assert (found.action, found.reason) == ("review", "the model gave no usable confidence")


@pytest.mark.parametrize(
    "bars", [{"threshold": 1.1}, {"threshold": float("nan")}, {"threshold": 0.5, "min_confidence": 95}]
)
def test_a_bar_that_is_no_share_is_refused(bars: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        decide(predictions(0.99), **bars)


def test_percent_never_reads_as_high_as_what_was_missed() -> None:
    assert [percent(share) for share in (0, 0.29, 0.57, 0.9999, 1)] == ["0%", "29%", "57%", "99%", "100%"]
    assert [percent(share, up=True) for share in (0.0001, 0.29, 0.901, 1)] == ["1%", "29%", "91%", "100%"]
