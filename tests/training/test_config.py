"""The options' ranges: each wrong value is refused by the name of its option."""

import math
from dataclasses import replace

import pytest

from apps.categories.inference.errors import TrainingRefused
from tests.conftest import TINY_ENCODER
from training.backends import encoder_family
from training.config import OptionError, TrainingConfig
from training.data import LabelledRow, validate


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("backend", "bert"),
        ("base_model", " "),
        ("epochs", -1.0),
        ("epochs", 1001.0),
        ("batch_size", 0),
        ("learning_rate", -1e-4),
        ("learning_rate", 1.0),
        ("warmup", 1.0),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("balance", "both"),
        ("patience", 0),
        ("max_length", 7),
        ("max_length", 513),
        ("int8", "maybe"),
        ("precision", "fp16"),
        ("time_budget", "soon"),
        ("time_budget", "20"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(option: str, value: object) -> None:
    with pytest.raises(OptionError) as refused:
        replace(TrainingConfig(), **{option: value})  # type: ignore[arg-type]

    assert (refused.value.option, refused.value.got) == (option, value)


@pytest.mark.parametrize(
    ("told", "seconds"), [("", math.inf), ("90s", 90), ("20m", 1200), ("1.5 h", 5400), ("0s", 0)]
)
def test_a_time_budget_has_a_unit(told: str, seconds: float) -> None:
    assert TrainingConfig(time_budget=told).budget_seconds == seconds


def test_two_models_share_a_time_budget() -> None:
    config = TrainingConfig(time_budget="100s")

    assert encoder_family._deadline(1000.0, config, 0.45) == pytest.approx(1045.0)
    assert encoder_family._deadline(1000.0, TrainingConfig(), 0.45) is None


def test_too_few_rows_for_a_transformer_name_the_way_out(tiny_rows: tuple[LabelledRow, ...]) -> None:
    data = validate(tiny_rows[:24])
    of_one_group = replace(data, groups=["one"] * len(data.rows))

    with pytest.raises(TrainingRefused, match="or train --backend linear"):
        encoder_family._parts(of_one_group, TINY_ENCODER)
