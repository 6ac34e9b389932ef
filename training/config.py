"""Every training option, with its default; what was used is stored in the artifact's header."""

from dataclasses import dataclass, fields

from apps.categories.inference.text import TEXT_FIELDS

BACKENDS = ("linear",)
CLASS_WEIGHTS = ("auto", "none", "balanced")


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
        )
        for wrong, text in problems:
            if wrong:
                raise ValueError(text)

    def as_dict(self) -> dict[str, object]:
        """The options as plain values, for the header."""
        return {
            field.name: list(value) if isinstance(value := getattr(self, field.name), tuple) else value
            for field in fields(self)
        }
