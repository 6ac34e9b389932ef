"""Every training option, with its default; what was used is stored in the artifact's header."""

from dataclasses import dataclass, fields

from apps.categories.inference.text import TEXT_FIELDS

BACKENDS = ("linear",)
CLASS_WEIGHTS = ("auto", "none", "balanced")


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

    backend: str = "linear"
    """Model family: linear."""
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
    """Same seed and same rows: same split, same model, same metrics."""
    jobs: int = 0
    """Fits at a time; 0: one a processor."""

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
        )
        for option, wrong, expected in problems:
            if wrong:
                raise OptionError(option, getattr(self, option), expected)

    def as_dict(self) -> dict[str, object]:
        """The options as plain values, for the header."""
        return {
            field.name: list(value) if isinstance(value := getattr(self, field.name), tuple) else value
            for field in fields(self)
        }
