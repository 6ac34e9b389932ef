"""The one settings dict, CATEGORY_CLASSIFIER, as a checked, frozen value."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

SETTING = "CATEGORY_CLASSIFIER"
PRODUCT_SETTING = "CATEGORIES_PRODUCT_MODEL"
DEFAULT_PRODUCT_MODEL = "categories.Product"
TASK_MODES = ("inline", "sweep")
BACKENDS = ("distilbert", "linear", "cascade", "mean", "auto")


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings:
    """What the shop decided about its classifier: the keys of CATEGORY_CLASSIFIER are these in capitals."""

    artifact: Path = Path(__file__).parent / "models" / "classifier.pt"
    """The live model's file. A folder that the web worker may only read is fine."""
    enabled: bool = True
    """False: a save classifies nothing (it still marks the row stale, so that a sweep finds it later)."""
    tasks: str = "inline"
    """After a save has committed: "inline" classifies in the same process, "sweep" leaves it to
    `classify_products --watch`."""
    batch_size: int = 1000
    """Rows that `classify_products` reads, scores and writes at a time; 1 to 10,000."""
    top_k: int = 3
    """Candidates kept for a reviewer; 1 to 10."""
    threshold: float | None = None
    """The confidence from which a product is filed without a person, 0 to 1; None: the model's own."""
    target_precision: float = 0.95
    """The share of filed products that must be right, above 0 and below 1; training derives its threshold."""
    backend: str = "distilbert"
    """The model family that `train_classifier` trains when it is told none: "distilbert" (any transformer),
    "linear", "cascade", "mean" (both families) or "auto" (whichever validates best)."""
    reload_seconds: float = 2.0
    """How often, at most, a process looks whether the model's file, or the tree that it searches, has
    changed; 0 looks at every call."""
    claim_minutes: int = 10
    """How long a suggestion that was handed out to one reviewer is not handed to another; 1 to 1,440."""
    review_weight: Any = None
    """What one product weighs in the order of the review queue: the name of a numeric field of the product
    model ("price"), or an ORM expression over its fields. Only its ratio to the mean counts; a row without a
    value is given the mean. None: all weigh the same."""
    queue_alert_size: int | None = None
    """`classify_products` tells somebody when more products than this wait for a person; None: never."""
    queue_alert_hours: float | None = None
    """The same when one of them has waited longer than this."""
    queue_alert_to: tuple[str, ...] = ()
    """E-mail addresses that are told."""
    queue_alert_hook: str | None = None
    """Dotted path of a callable that is told: it gets a `services.QueueAlert`."""


class SettingProblem(ImproperlyConfigured):
    """One wrong setting; as a string, what is wrong and what to write."""

    def __init__(self, message: str, *, hint: str, id: str) -> None:
        super().__init__(f"{message} {hint}")
        self.message = message
        self.hint = hint
        self.id = id


def _path(value: object) -> Path:
    if isinstance(value, (str, Path)) and str(value):
        return Path(value)
    raise ValueError("a path")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("True or False")


def _one_of(names: tuple[str, ...]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if isinstance(value, str) and value in names:
            return value
        raise ValueError(" or ".join(f'"{name}"' for name in names))

    return read


def _whole(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"a whole number from {low:,} to {high:,}")

    return read


def _share(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1:
        return float(value)
    raise ValueError("a number above 0 and below 1, such as 0.95 for 95%")


def _threshold(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise ValueError("None, or a number from 0 to 1, such as 0.9")


def _seconds(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 3600:
        return float(value)
    raise ValueError("a number of seconds from 0 to 3,600")


def _weight(value: object) -> Any:
    if value is None or (isinstance(value, str) and value) or hasattr(value, "resolve_expression"):
        return value
    raise ValueError('None, the name of a field such as "price", or an ORM expression such as F("price")')


def _hours(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 87_600:
        return float(value)
    raise ValueError("None, or a number of hours from 0 to 87,600")


def _size(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("None, or a whole number from 0")


def _addresses(value: object) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        try:
            for one in value:
                validate_email(one)
        except ValidationError as error:
            raise ValueError("a list of e-mail addresses") from error
        return tuple(value)
    raise ValueError('a list of e-mail addresses, such as ["anna@shop.example"]')


def _dotted(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and "." in value and all(part.isidentifier() for part in value.split(".")):
        return value
    raise ValueError('None, or the dotted path of a callable, such as "shop.alerts.tell"')


_READERS: Mapping[str, Callable[[object], Any]] = {
    "ARTIFACT": _path,
    "ENABLED": _flag,
    "TASKS": _one_of(TASK_MODES),
    "BATCH_SIZE": _whole(1, 10_000),
    "TOP_K": _whole(1, 10),
    "THRESHOLD": _threshold,
    "TARGET_PRECISION": _share,
    "BACKEND": _one_of(BACKENDS),
    "RELOAD_SECONDS": _seconds,
    "CLAIM_MINUTES": _whole(1, 1440),
    "REVIEW_WEIGHT": _weight,
    "QUEUE_ALERT_SIZE": _size,
    "QUEUE_ALERT_HOURS": _hours,
    "QUEUE_ALERT_TO": _addresses,
    "QUEUE_ALERT_HOOK": _dotted,
}


def problems(raw: object) -> list[SettingProblem]:
    """Every wrong entry of the dict `raw`, in its own order; empty when it is usable."""
    if not isinstance(raw, Mapping):
        return [
            SettingProblem(
                f"{SETTING} is {type(raw).__name__}, not a dict.",
                hint=f'Write {SETTING} = {{"ARTIFACT": "path/to/classifier.pt"}}, or leave it out.',
                id="categories.E001",
            )
        ]
    found: list[SettingProblem] = []
    for key, value in raw.items():
        if key not in _READERS:
            near = difflib.get_close_matches(str(key).upper(), _READERS, n=1)
            hint = f'Did you mean "{near[0]}"?' if near else f"Known keys: {', '.join(_READERS)}."
            found.append(SettingProblem(f"{SETTING} has no key {key!r}.", hint=hint, id="categories.E001"))
            continue
        try:
            _READERS[key](value)
        except ValueError as expected:
            found.append(
                SettingProblem(
                    f'{SETTING}["{key}"] is {value!r}.', hint=f"Expected {expected}.", id="categories.E002"
                )
            )
    return found


def get_settings() -> ClassifierSettings:
    """The settings in force now. Raises SettingProblem at the first wrong entry. Cost: microseconds."""
    raw = getattr(settings, SETTING, {})
    for problem in problems(raw):
        raise problem
    return ClassifierSettings(**{key.lower(): _READERS[key](value) for key, value in raw.items()})


def product_model_label() -> str:
    """The shop's product model as "app_label.ModelName"."""
    label: str = getattr(settings, PRODUCT_SETTING, DEFAULT_PRODUCT_MODEL)
    return label
