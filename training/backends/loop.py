"""What the training loop is given: the order of the rows, lines of progress, what is measured, whole
checkpoints."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Trainer, TrainerCallback
from transformers.trainer_pt_utils import get_length_grouped_indices

from training.backends import ranks
from training.evaluation import macro_f1

LOGGED_EVERY = 10.0
"""Seconds between two lines of progress."""
STATE_FILE = "trainer_state.json"
"""What the loop knows, in a checkpoint."""
_WHOLE = "whole"
"""File that says of a checkpoint that all of it was written."""


class Order(torch.utils.data.Sampler[int]):
    """Which row comes when: by seed and epoch alone, the same in every process and after a kill."""

    def __init__(
        self, lengths: Sequence[int], *, batch_size: int, seed: int, weights: torch.Tensor | None = None
    ) -> None:
        """Rows of like length together, or, with `weights` (rows,), rows drawn by their weight."""
        self._lengths, self._batch_size, self._weights = list(lengths), batch_size, weights
        self._seed, self._epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the loop before each epoch, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        if self._weights is not None:
            drawn: list[int] = torch.multinomial(
                self._weights.double(), len(self), replacement=True, generator=generator
            ).tolist()
            return iter(drawn)
        grouped: Callable[..., list[int]] = get_length_grouped_indices
        return iter(grouped(self._lengths, self._batch_size, generator=generator))


class Progress(TrainerCallback):
    """Tells how far a fit is, and ends it at its deadline."""

    def __init__(self, say: Callable[[str], None], deadline: float | None) -> None:
        self._say, self._deadline = say, deadline
        self._began = self._said = time.monotonic()
        self._first = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began = self._said = time.monotonic()
        self._first = state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        now, steps = time.monotonic(), state.global_step - self._first
        if not logs or steps < 1:
            return
        if "eval_score" in logs:
            self._say(
                f"after {logs['epoch']:.3g} epochs: top-1 {logs['eval_top1']:.3f}, macro-F1 "
                f"{logs['eval_macro_f1']:.3f} on the validation rows"
            )
        elif "loss" in logs and now - self._said >= LOGGED_EVERY:
            left = (state.max_steps - state.global_step) * (now - self._began) / steps
            self._said = now
            self._say(
                f"step {state.global_step:,} of {state.max_steps:,}, loss {logs['loss']:.3f}, "
                f"about {math.ceil(left / 60)} min left"
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._deadline is not None and ranks.first_says(time.monotonic() >= self._deadline):
            self._say("the time budget is spent: going on with what is learned")
            control.should_evaluate = control.should_save = args.load_best_model_at_end
            control.should_training_stop = True


class MarkWhole(TrainerCallback):
    """Marks each checkpoint once all of it is written: what was killed while it wrote one is passed over."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        ranks.wait()
        if ranks.first():
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _WHOLE).touch()


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written whole."""
    found = [path for path in folder.glob("checkpoint-*") if (path / _WHOLE).exists()]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def ended(checkpoint: Path) -> bool:
    """Whether the training stopped at this whole checkpoint: by its epochs, its patience or its deadline."""
    state = json.loads((checkpoint / STATE_FILE).read_text())
    return bool(state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"])


def measure(evaluated: Any) -> dict[str, float]:
    """Top-1, macro-F1 and their mean, `score`, of what the Trainer has evaluated."""
    logits = evaluated.predictions[0] if isinstance(evaluated.predictions, tuple) else evaluated.predictions
    found = np.asarray(logits).argmax(axis=1)
    labels = evaluated.label_ids[0] if isinstance(evaluated.label_ids, tuple) else evaluated.label_ids
    truth = np.asarray(labels)
    top1, f1 = float((found == truth).mean()), macro_f1(truth, found)
    return {"top1": top1, "macro_f1": f1, "score": (top1 + f1) / 2}


def best_epoch(trainer: Trainer) -> float:
    """The epochs, a fraction of one too, that the best checkpoint had taken."""
    best = trainer.state.best_global_step or trainer.state.global_step
    per_epoch = trainer.state.max_steps / float(trainer.args.num_train_epochs)
    # A fit that a deadline cut short of its first epoch took less than one: another would not fit the budget.
    return max(0.01, round(best / per_epoch, 2))
