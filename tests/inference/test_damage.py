"""A real artifact, cut and flipped: refused with a reason, or the very same payload."""

import random
from pathlib import Path

import pytest

from apps.categories.inference import artifact
from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.errors import ClassifierError
from benchmarks import catalogues
from benchmarks.throughput import CONFIG
from training import pipeline
from training.pipeline import TrainingResult


def cuts_are_refused(data: bytes, lengths: list[int]) -> None:
    for length in lengths:
        with pytest.raises(ClassifierError, match="not an intact artifact"):
            artifact.unseal(data[:length])


def flips_change_nothing(data: bytes, flips: int, *, seed: int) -> int:
    """How many flips were refused; the others must give the payload byte for byte."""
    payload = {name: bytes(record) for name, record in artifact.unseal(data).items()}
    draw = random.Random(seed)
    refused = 0
    damaged = bytearray(data)
    for _ in range(flips):
        place, bit = draw.randrange(len(data)), 1 << draw.randrange(8)
        damaged[place] ^= bit
        try:
            found = artifact.unseal(bytes(damaged))
        except ClassifierError:
            refused += 1
        else:
            assert found.keys() == payload.keys()
            assert all(record == payload[name] for name, record in found.items())
        damaged[place] ^= bit
    return refused


def test_every_64_bytes_cut_off_a_real_artifact_are_refused(tiny_result: TrainingResult) -> None:
    data = tiny_result.artifact
    assert len(data) <= 2**20

    cuts_are_refused(data, list(range(0, len(data), 64)))


def test_flips_in_a_real_artifact_change_no_prediction(tiny_result: TrainingResult) -> None:
    assert flips_change_nothing(tiny_result.artifact, 2_000, seed=1) > 1_900


def test_a_cut_file_is_refused_by_load(tiny_result: TrainingResult, tmp_path: Path) -> None:
    path = tmp_path / "classifier.pt"
    path.write_bytes(tiny_result.artifact[:-1])

    with pytest.raises(ClassifierError, match="train_classifier"):
        ProductionClassifier.load(path)


@pytest.mark.slow
def test_ten_thousand_flips(tiny_result: TrainingResult) -> None:
    assert flips_change_nothing(tiny_result.artifact, 10_000, seed=2) > 9_900


@pytest.mark.slow
@pytest.mark.usefixtures("shared_data")
def test_a_thousand_cuts_of_a_large_artifact() -> None:
    data = pipeline.run(catalogues.load("flipkart"), CONFIG).artifact
    draw = random.Random(3)

    cuts_are_refused(data, [draw.randrange(len(data)) for _ in range(1_000)])
    flips_change_nothing(data, 500, seed=4)
