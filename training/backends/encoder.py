"""Fine-tuning an encoder under a linear head, with Hugging Face's Trainer."""

import gc
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from apps.categories.inference.errors import TrainingRefused
from training.backends import ranks
from training.backends.bases import Base, load_base
from training.backends.loop import (
    STATE_FILE,
    MarkWhole,
    Order,
    Progress,
    best_epoch,
    ended,
    last_checkpoint,
    measure,
)
from training.config import TrainingConfig

HEAD_RATE = 10.0
"""Learning rate of the new head, in those of the topmost layer."""
LAYER_DECAY = 0.9
"""Each layer further down learns at this share of the one above: the words a base knows change least."""
RATE_BY_WIDTH = 1e-4 * 768
"""Learning rate times the encoder's width, where no rate is given: wide matrices need smaller steps (Yang et
al. 2022, "Tensor Programs V"); 1e-4 suits a DistilBERT, 2e-4 a MiniLM of 384."""


class EncoderClassifier(nn.Module):
    """Mean of the encoder's token vectors, dropout, one linear layer."""

    def __init__(self, encoder: Any, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(encoder.config.hidden_size, classes)
        self.class_weights: torch.Tensor | None = None
        self.smoothing = 0.0

    def embed(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The mean over the tokens of each text, shape (texts, width)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean: torch.Tensor = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        return mean

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Logits, and with `labels` the loss; `shares` weigh the rows, see `TrainingData.weights`."""
        logits = self.head(self.dropout(self.embed(input_ids, attention_mask)))
        if labels is None:
            return {"logits": logits}
        weights = None if self.class_weights is None else self.class_weights.to(logits.device)
        losses = functional.cross_entropy(
            logits, labels, weight=weights, label_smoothing=self.smoothing, reduction="none"
        )
        amounts = torch.ones_like(losses) if shares is None else shares.to(losses.dtype)
        if weights is not None:
            return {"loss": (losses * amounts).sum() / (amounts * weights[labels]).sum(), "logits": logits}
        return {"loss": (losses * amounts).sum() / amounts.sum(), "logits": logits}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows as the encoder learns them."""

    texts: Sequence[str]
    labels: NDArray[np.int64]
    shares: NDArray[np.float64]

    def part(self, places: NDArray[np.int64]) -> "Sample":
        """Some of the rows."""
        return Sample(
            texts=[self.texts[place] for place in places],
            labels=self.labels[places],
            shares=self.shares[places],
        )


@dataclass(frozen=True, kw_only=True)
class EncoderFit:
    """A fine-tuned model and what it was made of."""

    model: EncoderClassifier
    base: Base
    max_length: int
    epochs: float
    """That it took: of the best checkpoint."""
    seconds: float

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of each text, cut as the server cuts them."""
        return encode(self.base, texts, self.max_length)

    @torch.no_grad()
    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits of the torch model, shape (texts, classes)."""
        self.model.eval()
        device = next(self.model.parameters()).device
        ids = self.token_ids(texts)
        order = np.argsort([len(tokens) for tokens in ids], kind="stable")
        found = np.empty((len(texts), self.model.head.out_features), np.float32)
        for start in range(0, len(order), 32):
            places = order[start : start + 32]
            batch = collate([{"input_ids": ids[place]} for place in places], self.base.pad_id)
            logits = self.model(batch["input_ids"].to(device), batch["attention_mask"].to(device))["logits"]
            found[places] = logits.float().cpu().numpy()
        return found


def encode(base: Base, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Token ids of each text, at most `max_length` with the marks of beginning and end."""
    base.tokenizer.enable_truncation(max_length)
    return [encoding.ids for encoding in base.tokenizer.encode_batch_fast(list(texts))]


def collate(rows: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """A batch padded to its own longest text."""
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for place, row in enumerate(rows):
        length = len(row["input_ids"])
        ids[place, :length] = torch.tensor(row["input_ids"], dtype=torch.long)
        mask[place, :length] = 1
    batch = {"input_ids": ids, "attention_mask": mask}
    if "labels" in rows[0]:
        batch["labels"] = torch.tensor([row["labels"] for row in rows], dtype=torch.long)
        batch["shares"] = torch.tensor([row["shares"] for row in rows], dtype=torch.float32)
    return batch


def sensible_length(base: Base, texts: Sequence[str], limit: int) -> int:
    """Tokens that hold 99 of 100 texts whole, at most `limit`: padding beyond is wasted on all others."""
    lengths = sorted(len(tokens) for tokens in encode(base, texts, limit))
    return max(8, min(limit, lengths[int(0.99 * (len(lengths) - 1))]))


def fit(
    train: Sample,
    validation: Sample | None,
    config: TrainingConfig,
    *,
    classes: int,
    epochs: float,
    deadline: float | None,
    folder: Path,
    progress: Callable[[str], None],
) -> EncoderFit:
    """Fine-tune the base on `train`, in `folder`, where a killed fit goes on (`config.resume`).

    With `validation`: the checkpoint with the best mean of macro-F1 and top-1 there, and an early end after
    `config.patience` epochs without a better one. `deadline`: time.monotonic() at which it ends with what it
    has. Raises TrainingRefused when the base cannot be had.
    """
    set_seed(config.seed)
    base = ranks.together(lambda: load_base(config.base_model, train.texts))
    max_length = sensible_length(base, train.texts, config.max_length)
    # After the base: loading one may have drawn from the generators.
    set_seed(config.seed)
    model = EncoderClassifier(base.encoder, classes)
    model.smoothing = config.label_smoothing
    if config.balance == "weights":
        model.class_weights = _class_weights(train.labels, classes)
    done = folder / "done.json"
    if done.exists():
        told = json.loads(done.read_text())
        model.load_state_dict(torch.load(folder / "best.bin", weights_only=True))
        progress(f"this part was finished before: {told['epochs']:g} epochs")
        return EncoderFit(model=model, base=base, max_length=max_length, **told)
    started = time.monotonic()
    trainer = _trainer(model, base, train, validation, config, epochs, max_length, folder)
    trainer.add_callback(Progress(progress, deadline))
    last = last_checkpoint(folder)
    if last:
        progress(f"going on from {last.name}")
    if last and ended(last):
        trainer.take_up(last)
    else:
        try:
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        except RuntimeError as error:
            if "No executable batch size" not in str(error):  # the library has no class of its own for it
                raise
            raise TrainingRefused(
                "memory is short of a single row a step: take a smaller --base-model, a shorter "
                "--max-length, or --backend linear"
            ) from error
    taken = best_epoch(trainer) if validation is not None else float(trainer.state.epoch or epochs)
    # Mixed precision wraps the model's forward: what is exported and measured is the model itself.
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    model.cpu().eval()
    told = {"epochs": taken, "seconds": round(time.monotonic() - started, 1)}
    # Until all have read the best checkpoint.
    ranks.wait()
    if ranks.first():
        _finish(model, told, folder)
    del trainer
    gc.collect()
    return EncoderFit(model=model, base=base, max_length=max_length, epochs=taken, seconds=told["seconds"])


def _finish(model: EncoderClassifier, told: dict[str, float], folder: Path) -> None:
    """Put the weights and what is told of them in the place of the checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "best.bin")
    # Last, and by a rename: its presence says that the weights are whole.
    part = folder / "done.part"
    part.write_text(json.dumps(told))
    part.replace(folder / "done.json")
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint, ignore_errors=True)


def _trainer(
    model: EncoderClassifier,
    base: Base,
    train: Sample,
    validation: Sample | None,
    config: TrainingConfig,
    epochs: float,
    max_length: int,
    folder: Path,
) -> "_Trainer":
    on_gpu = torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=max(1, config.batch_size // ranks.count()),
        per_device_eval_batch_size=64,
        learning_rate=learning_rate(config, model),
        weight_decay=0.01,
        warmup_steps=config.warmup,
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        eval_strategy="epoch" if validation is not None else "no",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=validation is not None,
        metric_for_best_model="score" if validation is not None else None,
        greater_is_better=True,
        logging_steps=5,
        report_to="none",
        disable_tqdm=True,
        seed=config.seed,
        # The patience that is used up already belongs to what a resumed fit goes on with.
        restore_callback_states_from_checkpoint=True,
        # One process alone cannot take fewer rows than the others.
        auto_find_batch_size=ranks.count() == 1,
        bf16=in_bf16(config.precision),
        use_cpu=not on_gpu,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=on_gpu,
    )
    # One GPU a process: the library would spread the model over all of them, each with a whole batch.
    arguments._n_gpu = min(1, arguments.n_gpu)
    callbacks: list[TrainerCallback] = [MarkWhole()]
    if validation is not None:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=config.patience))
    rows = _rows(base, train, max_length)
    trainer = _Trainer(
        model=model,
        args=arguments,
        data_collator=lambda rows: collate(rows, base.pad_id),
        train_dataset=rows,
        eval_dataset=_rows(base, validation, max_length) if validation is not None else None,
        compute_metrics=measure,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.lengths = [len(row["input_ids"]) for row in rows]
    trainer.oversampled = (
        _class_weights(train.labels, model.head.out_features)[train.labels]
        if config.balance == "oversample"
        else None
    )
    return trainer


class _Trainer(Trainer):
    """Layer-wise learning rates, and an order of the rows that a kill does not change."""

    lengths: Sequence[int] = ()
    """Tokens of each row."""
    oversampled: torch.Tensor | None = None
    """Weight of each row, where rows are drawn by weight."""

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(
                _groups(self.model, self.args.learning_rate, self.args.weight_decay),
                lr=self.args.learning_rate,
                fused=True,
            )
        return self.optimizer

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        return Order(
            self.lengths,
            batch_size=self._train_batch_size,
            seed=self.args.seed,
            weights=self.oversampled,
        )

    def take_up(self, checkpoint: Path) -> None:
        """Be as after the training that stopped at this checkpoint."""
        self.state = TrainerState.load_from_json(str(checkpoint / STATE_FILE))
        best = self.state.best_global_step
        self._load_from_checkpoint(str(checkpoint.with_name(f"checkpoint-{best}") if best else checkpoint))


def learning_rate(config: TrainingConfig, model: EncoderClassifier) -> float:
    """Of the topmost layer: the one that is asked for, or by the encoder's width."""
    return config.learning_rate or RATE_BY_WIDTH / model.head.in_features


def in_bf16(precision: str) -> bool:
    """Whether to train in bf16: where the processor multiplies it in hardware, unless told otherwise."""
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _groups(model: Any, rate: float, decay: float) -> list[dict[str, Any]]:
    """Parameters by depth: the head at HEAD_RATE, each layer down at LAYER_DECAY of the one above."""
    layers = int(getattr(model.encoder.config, "num_hidden_layers", 1))
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("head."):
            own = rate * HEAD_RATE
        else:
            own = rate * LAYER_DECAY ** (layers - _depth(name, layers))
        weight_decay = 0.0 if parameter.ndim < 2 else decay
        group = groups.setdefault(
            (own, weight_decay), {"params": [], "lr": own, "weight_decay": weight_decay}
        )
        group["params"].append(parameter)
    return list(groups.values())


def _depth(name: str, layers: int) -> int:
    """0 for the embeddings, 1 for the lowest layer, `layers` for the topmost and what lies above."""
    if "embeddings" in name:
        return 0
    for before, part in zip(name.split("."), name.split(".")[1:], strict=False):
        if before in ("layer", "layers", "block") and part.isdigit():
            return int(part) + 1
    return layers


def _rows(base: Base, sample: Sample, max_length: int) -> Any:
    """A dataset: one mapping a row."""
    return [
        {"input_ids": ids, "labels": int(label), "shares": float(share)}
        for ids, label, share in zip(
            encode(base, sample.texts, max_length), sample.labels, sample.shares, strict=True
        )
    ]


def _class_weights(labels: NDArray[np.int64], classes: int) -> torch.Tensor:
    """Inverse square root of each class's rows, 1 in the mean over rows: rare classes count more, not all
    alike."""
    counts = np.bincount(labels, minlength=classes)
    weights = 1 / np.sqrt(np.maximum(counts, 1))
    weights /= float((weights * counts).sum() / counts.sum())
    return torch.tensor(weights, dtype=torch.float32)
