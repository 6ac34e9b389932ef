"""An exact interval of a share, without the libraries of the training side."""

import math

STEPS = 40
"""Halvings of the search: the last one is smaller than any figure that is shown."""
MAX_TERMS = 10_000


def clopper_pearson(rows: int, right: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of a share after `right` of `rows` (Clopper and Pearson, 1934); (0, 1) without rows.

    Raises ValueError unless 0 <= right <= rows and 0 < confidence < 1.
    """
    if not 0 <= right <= rows or not 0 < confidence < 1:
        raise ValueError(f"no interval of {right} of {rows} at {confidence}")
    doubt = (1 - confidence) / 2
    low = _quantile(doubt, right, rows - right + 1) if right else 0.0
    high = _quantile(1 - doubt, right + 1, rows - right) if right < rows else 1.0
    return low, high


def _quantile(chance: float, a: float, b: float) -> float:
    """Where the beta distribution of a and b has this chance below it."""
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _beta_below(middle, a, b) < chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_below(x: float, a: float, b: float) -> float:
    """The chance below x: the continued fraction of the regularised incomplete beta function (DLMF 8.17.22),
    taken from the side on which it converges fast."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_below(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / a * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """That fraction, by the modified method of Lentz."""
    tiny, close = 1e-300, 1e-14
    value, upper, lower = 1.0, 1.0, 0.0
    for term in range(1, MAX_TERMS):
        half = term // 2
        step = -(a + half) * (a + b + half) if term % 2 else half * (b - half)
        step *= x / ((a + term - 1) * (a + term))
        lower = 1 / ((1 + step * lower) or tiny)
        upper = (1 + step / upper) or tiny
        value *= upper * lower
        if abs(upper * lower - 1) < close:
            break
    return 1 / value
