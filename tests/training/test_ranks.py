"""Several processes that train one model: what they agree on, what stops them, what they leave behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from apps.categories.inference.classifier import ProductionClassifier
from apps.categories.inference.errors import TrainingRefused
from tests.conftest import TINY_ENCODER
from tests.tiny import labelled_rows, write_csv
from training import pipeline
from training.backends import encoder_family, ranks
from training.data import LabelledRow, validate

ROOT = Path(__file__).parents[2]
ALONE = {"RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}


def two(case: str) -> list[tuple[int, object]]:
    """Exit status and finding of two processes that meet."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.ranked", case],
            cwd=ROOT,
            env={
                **os.environ,
                **{
                    "WORLD_SIZE": "2",
                    "LOCAL_WORLD_SIZE": "2",
                    "MASTER_ADDR": "localhost",
                    "MASTER_PORT": port,
                },
                **{"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in started]
    return [
        (process.returncode, json.loads(line) if line else None)
        for process, line in zip(started, said, strict=True)
    ]


@pytest.mark.parametrize(
    ("case", "first", "second"),
    [
        ("shared", ["by 0", [0, 1]], ["told by 0", [0, 1]]),
        ("refused_by_the_first", "refused: no such base", "refused: no such base"),
        ("refused_by_the_second", "refused: no such base", "refused: no such base"),
        ("clocks", [False, True], [False, True]),
        ("parted", ["alone", ["alone"], True], "finished"),
    ],
)
def test_two_processes_go_the_same_way(case: str, first: object, second: object) -> None:
    assert two(case) == [(0, first), (0, second)]


def test_nobody_waits_for_a_process_that_is_gone() -> None:
    (status, _), (gone, _) = two("gone")

    assert gone == 7
    assert status not in (0, 7)


@pytest.mark.parametrize(
    ("backend", "environment", "said"),
    [
        ("linear", {}, "start it without torchrun"),
        ("distilbert", {}, "RANK, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT is not set"),
        ("cascade", {**ALONE, "MASTER_PORT": "1", "LOCAL_WORLD_SIZE": "1"}, "all on one machine"),
    ],
)
def test_what_several_processes_cannot_train_is_refused_at_once(
    tiny_rows: tuple[LabelledRow, ...],
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    environment: dict[str, str],
    said: str,
) -> None:
    for name in ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**environment, "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(TrainingRefused, match=said):
        pipeline.run(tiny_rows, replace(TINY_ENCODER, backend=backend))


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ALONE, "WORLD_SIZE": "2", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with pytest.raises(TrainingRefused, match="2 processes for 1 GPUs"):
        ranks.meet("distilbert")


def test_processes_that_see_other_rows_are_refused(
    tiny_rows: tuple[LabelledRow, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ranks, "everybody", lambda value: [value, "another"])

    with pytest.raises(TrainingRefused, match="the same labelled rows"):
        pipeline.run(tiny_rows, replace(TINY_ENCODER, work_dir=tmp_path))


def test_another_number_of_processes_is_another_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data, config = validate(labelled_rows(each=5)), replace(TINY_ENCODER, work_dir=tmp_path)
    one = encoder_family._work_folder(data, (("title",),), config, print)
    monkeypatch.setattr(ranks, "count", lambda: 2)

    assert encoder_family._work_folder(data, (("title",),), config, print) != one


def start(folder: Path, backend: str, *options: str) -> subprocess.Popen[str]:
    """`train_classifier` by two processes, which write FOLDER/BACKEND.pt."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *("manage.py", "train_classifier", "--backend", backend, "--base-model", "scratch"),
            *("--data", str(folder / "rows.csv"), "--no-promote", "--output", str(folder / f"{backend}.pt")),
            *("--epochs", "3", "--batch-size", "32", "--learning-rate", "0.002", "--int8", "always"),
            *("--class-weight", "none", "--fields", "title,brand", "--time-budget", "1h"),
            *("--work-dir", str(folder / "work"), "--rejected", str(folder / "rejected.csv"), *options),
        ],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What it said, the whole of it once."""
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return said


@pytest.mark.slow
def test_two_processes_train_one_model_also_after_a_kill(
    tmp_path: Path, tiny_rows: tuple[LabelledRow, ...], tiny_encoder: pipeline.TrainingResult
) -> None:
    """As good as that of one process, and delivered once."""
    with write_csv(tiny_rows, tmp_path / "rows.csv").open("a") as file:
        file.write("X1,,,,Tools\n")  # without a title: set aside, once
    output = tmp_path / "distilbert.pt"

    said = finish(start(tmp_path, "distilbert"))

    for line in ("1 rows cannot be used", "fine-tuning scratch", "fine-tuning again", f"written to {output}"):
        assert said.count(line) == 1, said
    metrics = ProductionClassifier.load(output).header["metrics"]
    assert tiny_encoder.test is not None
    assert metrics["test"]["top1"] > tiny_encoder.test.top1 - 0.05
    assert list((tmp_path / "work").iterdir()) == []
    output.unlink()

    killed = start(tmp_path, "distilbert")
    assert killed.stdout is not None
    while "after 2 epochs" not in killed.stdout.readline():
        assert killed.poll() is None
    # The agent first, which would end what is left; the others are in sessions of their own.
    workers = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
    assert len(workers) == 2
    for pid in (killed.pid, *map(int, workers)):
        os.kill(pid, signal.SIGKILL)
    killed.communicate()
    assert not output.exists()

    said = finish(start(tmp_path, "distilbert", "--resume"))

    assert said.count("going on from checkpoint-") == 1, said
    assert ProductionClassifier.load(output).header["metrics"] == metrics


@pytest.mark.slow
def test_the_first_process_alone_fits_the_linear_tier(
    tmp_path: Path, tiny_rows: tuple[LabelledRow, ...]
) -> None:
    write_csv(tiny_rows, tmp_path / "rows.csv")

    said = finish(start(tmp_path, "cascade"))

    assert said.count("out-of-fold predictions: part 4 of 4") == 1
    assert ProductionClassifier.load(tmp_path / "cascade.pt").header["engine"] == "blend"
