"""Every training option, with its default; what was used is stored in the artifact's header."""

import math
import re
from dataclasses import dataclass, fields
from pathlib import Path

from apps.categories.inference.text import TEXT_FIELDS

BACKENDS = ("linear", "distilbert", "cascade", "mean", "auto")
CLASS_WEIGHTS = ("auto", "none", "balanced")
INT8 = ("auto", "always", "never")
BALANCES = ("none", "weights", "oversample")
PRECISIONS = ("auto", "fp32", "bf16")


class OptionError(ValueError):
    """A value that an option does not take."""

    def __init__(self, option: str, got: object, expected: str) -> None:
        super().__init__(f"{option} is {got!r}, expected {expected}")
        self.option, self.got, self.expected = option, got, expected


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Options of one training run. Raises OptionError for a value out of range.

    A field is all that a new option needs: its flag, help and key in a file follow (training.options).
    """

    backend: str = "distilbert"
    """Model family: linear, distilbert (any transformer), cascade or mean (both), auto (the best of them); on
    a site the setting BACKEND is the default."""
    target_precision: float = 0.95
    """Share of automatically filed products that must be right, above 0 and below 1; on a site the setting
    TARGET_PRECISION is the default."""
    test_fraction: float = 0.1
    """Share of title groups kept frozen for the one final test and for comparing models, 0 to 0.5."""
    folds: int = 4
    """Folds of the out-of-fold predictions behind calibration and threshold, 2 to 10."""
    fields: tuple[str, ...] = ()
    """Product fields to read, the title first; empty: chosen on validation rows."""
    class_weight: str = "auto"
    """Whether rows of rare categories count more: none, balanced, or auto (chosen on validation rows)."""
    selection_rows: int = 3000
    """Most rows that each candidate of the selection is fitted on; at least 100."""
    seed: int = 0
    """Same seed and same rows, in any order: same split, same model, same metrics; but whether `int8 = auto`
    serves 8 bits is timed."""
    jobs: int = 0
    """Fits at a time; 0: one a processor."""
    base_model: str = "distilbert-base-uncased"
    """What the transformer begins with: a hub id, a local folder, minilm (the packaged MiniLM) or scratch."""
    epochs: float = 0.0
    """Most passes over the rows; it ends earlier when the validation rows gain nothing. 0: by their number,
    10 for a small catalogue to 4 for a large one."""
    batch_size: int = 16
    """Rows a step, of all processes together; made smaller, in one, when memory runs out. At least 1."""
    learning_rate: float = 0.0
    """Of the encoder's topmost layer, below 1; the layers below learn more slowly, the new head faster. 0: by
    the width of the base, 1e-4 for DistilBERT's 768 and more for a narrower one."""
    warmup: float = 0.06
    """Share of the steps over which the learning rate rises, 0 to 1."""
    label_smoothing: float = 0.05
    """Share of the target that is spread over all categories, 0 to below 1."""
    balance: str = "none"
    """How the transformer treats rare categories: none, weights (their rows count more) or oversample."""
    patience: int = 3
    """Epochs without a better one on the validation rows before the training ends; at least 1."""
    max_length: int = 64
    """Most tokens of a text that the transformer reads, 8 to 512; less where 99 of 100 texts are shorter."""
    refit: bool = True
    """Train the transformer once more on every row outside the test part: twice the time, all the labels."""
    precision: str = "auto"
    """Numbers that the transformer is trained in: auto (bf16 where the processor has it, twice as fast), fp32
    or bf16; another precision is another model."""
    int8: str = "auto"
    """Whether the transformer is served in 8 bits: auto (where it is faster and agrees), always (refused
    where it does not agree) or never."""
    time_budget: str = ""
    """Time that fine-tuning may take, such as 90s, 20m or 2h; it then goes on with what it has."""
    quick: bool = False
    """A small sample and two epochs, to see that everything runs; not a model to put live."""
    resume: bool = False
    """Go on from the checkpoints of the same training that was killed."""
    work_dir: Path = Path("outputs/training")
    """Where checkpoints lie while a transformer is trained."""

    def __post_init__(self) -> None:
        known = all(name in TEXT_FIELDS for name in self.fields)
        problems = (
            ("backend", self.backend not in BACKENDS, f"one of {', '.join(BACKENDS)}"),
            ("target_precision", not 0 < self.target_precision < 1, "a share above 0 and below 1"),
            ("test_fraction", not 0 <= self.test_fraction <= 0.5, "a share from 0 to 0.5"),
            ("folds", not 2 <= self.folds <= 10, "2 to 10"),
            ("fields", not known, f"names out of {', '.join(TEXT_FIELDS)}"),
            ("fields", bool(self.fields) and "title" not in self.fields, "the title among them"),
            ("class_weight", self.class_weight not in CLASS_WEIGHTS, f"one of {', '.join(CLASS_WEIGHTS)}"),
            ("selection_rows", self.selection_rows < 100, "at least 100"),
            ("jobs", self.jobs < 0, "0 or more"),
            ("base_model", not self.base_model.strip(), "a hub id, a folder, minilm or scratch"),
            ("epochs", not 0 <= self.epochs <= 1000, "0 (by the rows) or more, at most 1000"),
            ("batch_size", self.batch_size < 1, "at least 1"),
            ("learning_rate", not 0 <= self.learning_rate < 1, "0 (by the base's width) or more, below 1"),
            ("warmup", not 0 <= self.warmup < 1, "a share from 0 to below 1"),
            ("label_smoothing", not 0 <= self.label_smoothing < 1, "a share from 0 to below 1"),
            ("balance", self.balance not in BALANCES, f"one of {', '.join(BALANCES)}"),
            ("patience", self.patience < 1, "at least 1"),
            ("max_length", not 8 <= self.max_length <= 512, "8 to 512"),
            ("precision", self.precision not in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
            ("int8", self.int8 not in INT8, f"one of {', '.join(INT8)}"),
            ("time_budget", self.budget_seconds is None, "a time such as 90s, 20m or 2h"),
        )
        for option, wrong, expected in problems:
            if wrong:
                raise OptionError(option, getattr(self, option), expected)

    def as_dict(self) -> dict[str, object]:
        """The options as plain values, for the header: where files lie on this machine is left out."""
        told = {
            field.name: list(value) if isinstance(value := getattr(self, field.name), tuple) else value
            for field in fields(self)
            if field.name != "work_dir"
        }
        # A base in a folder goes by the folder's name.
        return {**told, "base_model": Path(self.base_model).name if self.from_folder else self.base_model}

    @property
    def budget_seconds(self) -> float | None:
        """`time_budget` in seconds, infinite when there is none; None when it cannot be read."""
        if not self.time_budget:
            return math.inf
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", self.time_budget.strip())
        return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]] if found else None

    @property
    def from_folder(self) -> bool:
        """Whether the base model is a folder of this machine."""
        return Path(self.base_model).is_dir()
