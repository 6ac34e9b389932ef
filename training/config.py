"""Every training option, with its default; what was used is stored in the artifact's header."""

from dataclasses import dataclass, fields
from pathlib import Path

from apps.categories.inference.text import TEXT_FIELDS

BACKENDS = ("linear", "distilbert", "cascade", "mean", "auto")
CLASS_WEIGHTS = ("auto", "none", "balanced")
INT8 = ("auto", "always", "never")
BALANCES = ("none", "weights", "oversample")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Options of one training run. Raises ValueError, naming the option, for a value out of range."""

    backend: str = "linear"
    """Model family."""
    target_precision: float = 0.95
    """Share of automatically filed products that must be right, above 0 and below 1."""
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
    """Same seed and same rows: same split, same model, same metrics."""
    jobs: int = 0
    """Fits at a time; 0: one a processor."""
    base_model: str = "distilbert-base-uncased"
    """What the transformer begins with: a hub id, a local folder, minilm (the packaged MiniLM) or scratch."""
    epochs: float = 8.0
    """Most passes over the rows; it ends earlier when the validation rows gain nothing. Above 0."""
    batch_size: int = 16
    """Rows a step; made smaller by itself when memory runs out. At least 1."""
    learning_rate: float = 1e-4
    """Of the encoder's topmost layer, above 0; the layers below learn more slowly, the new head faster."""
    warmup: float = 0.06
    """Share of the steps over which the learning rate rises, 0 to 1."""
    label_smoothing: float = 0.05
    """Share of the target that is spread over all categories, 0 to below 1."""
    balance: str = "none"
    """How the transformer treats rare categories: none, weights (their rows count more) or oversample."""
    patience: int = 2
    """Epochs without a better one on the validation rows before the training ends; at least 1."""
    max_length: int = 64
    """Most tokens of a text that the transformer reads, 8 to 512; less where 99 of 100 texts are shorter."""
    refit: bool = True
    """Train the transformer once more on every row outside the test part: twice the time, all the labels."""
    int8: str = "auto"
    """Whether the transformer is served in 8 bits: auto (where it is faster and agrees), always or never."""
    time_budget: float = 0.0
    """Seconds that training the transformer may take, 0 for no limit; it then goes on with what it has."""
    quick: bool = False
    """A small sample and two epochs, to see that everything runs; not a model to put live."""
    resume: bool = False
    """Go on from the checkpoints of the same training that was killed."""
    work_dir: str = "outputs/training"
    """Where checkpoints lie while a transformer is trained."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.fields if name not in TEXT_FIELDS]
        problems = (
            (self.backend not in BACKENDS, f"backend {self.backend!r}: one of {', '.join(BACKENDS)}"),
            (
                not 0 < self.target_precision < 1,
                f"target-precision {self.target_precision}: above 0, below 1",
            ),
            (not 0 <= self.test_fraction <= 0.5, f"test-fraction {self.test_fraction}: 0 to 0.5"),
            (not 2 <= self.folds <= 10, f"folds {self.folds}: 2 to 10"),
            (bool(unknown), f"fields {', '.join(unknown)}: out of {', '.join(TEXT_FIELDS)}"),
            (bool(self.fields) and "title" not in self.fields, "fields: the title must be among them"),
            (self.class_weight not in CLASS_WEIGHTS, f"class-weight: one of {', '.join(CLASS_WEIGHTS)}"),
            (self.selection_rows < 100, f"selection-rows {self.selection_rows}: at least 100"),
            (self.jobs < 0, f"jobs {self.jobs}: 0 or more"),
            (not self.base_model.strip(), "base-model: a hub id, a folder, minilm or scratch"),
            (not 0 < self.epochs <= 1000, f"epochs {self.epochs}: above 0, at most 1000"),
            (self.batch_size < 1, f"batch-size {self.batch_size}: at least 1"),
            (not 0 < self.learning_rate < 1, f"learning-rate {self.learning_rate}: above 0, below 1"),
            (not 0 <= self.warmup < 1, f"warmup {self.warmup}: 0 to below 1"),
            (not 0 <= self.label_smoothing < 1, f"label-smoothing {self.label_smoothing}: 0 to below 1"),
            (self.balance not in BALANCES, f"balance {self.balance!r}: one of {', '.join(BALANCES)}"),
            (self.patience < 1, f"patience {self.patience}: at least 1"),
            (not 8 <= self.max_length <= 512, f"max-length {self.max_length}: 8 to 512"),
            (self.int8 not in INT8, f"int8 {self.int8!r}: one of {', '.join(INT8)}"),
            (self.time_budget < 0, f"time-budget {self.time_budget}: 0 or more seconds"),
        )
        for wrong, text in problems:
            if wrong:
                raise ValueError(text)

    def as_dict(self) -> dict[str, object]:
        """The options as plain values, for the header: where files lie on this machine is left out."""
        told = {
            field.name: list(value) if isinstance(value := getattr(self, field.name), tuple) else value
            for field in fields(self)
            if field.name not in ("work_dir", "resume", "jobs")
        }
        # A base in a folder goes by the folder's name.
        return {**told, "base_model": Path(self.base_model).name if self.from_folder else self.base_model}

    @property
    def from_folder(self) -> bool:
        """Whether the base model is a folder of this machine."""
        return Path(self.base_model).is_dir()
