"""How sure an accuracy is, and the difference of two: intervals over the draw of test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sslviz.errors import InputError

Z95 = 1.959963984540054  # of the normal distribution, two-sided 95 %
INTERVAL = "95 %, Wilson, over test {unit}; one training seed"
PAIRED_INTERVAL = "95 %, paired (score interval of Tango), over the same test {unit}; one training seed"


def accuracy_interval(accuracy: float, n: int, *, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval for an accuracy on n test rows, 95 % for the default z (Wilson 1927, JASA 22:209-212).

    It covers the chance of the draw of test rows, not that of training.

    Args:
        accuracy: in [0, 1].
        n: test rows.
        z: quantile of the normal distribution.

    Returns:
        (low, high) in [0, 1].

    Raises:
        InputError: no rows, or an accuracy outside [0, 1].
    """
    if n < 1 or not 0 <= accuracy <= 1:
        raise InputError(f"An accuracy of {accuracy} on {n} rows has no interval: give one in [0, 1] on 1 row or more.")
    centre = (accuracy + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(accuracy * (1 - accuracy) / n + z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


@dataclass(frozen=True)
class Difference:
    """How much more often a is right than b on the same n test rows.

    Attributes:
        value: accuracy of a less accuracy of b, in [-1, 1].
        low, high: its interval.
        n: test rows.
        only_a, only_b: rows that a alone, or b alone, has right; the others say nothing of the difference.
    """

    value: float
    low: float
    high: float
    n: int
    only_a: int
    only_b: int

    @property
    def told(self) -> bool:
        """Whether the rows tell a and b apart: the interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Difference:
        """The difference that `as_dict` has written."""
        low, high = found["interval_95"]
        return cls(found["value"], low, high, found["n"], found["only_a"], found["only_b"])

    def as_dict(self) -> dict[str, Any]:
        """The difference as a JSON object."""
        counts = {"only_a": self.only_a, "only_b": self.only_b}
        return {"value": self.value, "interval_95": [self.low, self.high], "n": self.n, "told": self.told} | counts


def paired_difference(y: np.ndarray, a: np.ndarray, b: np.ndarray, *, z: float = Z95) -> Difference:
    """Difference of two accuracies on the same test rows, with its paired interval.

    The score interval of Tango (1998, Statistics in Medicine 17:891-908): it holds those differences that the score
    test does not refuse, so it leaves 0 out exactly where McNemar's test (1947, Psychometrika 12:153-157, without
    correction) tells the two apart.

    Args:
        y: labels (N,).
        a, b: predictions (N,) of the two.
        z: quantile of the normal distribution, 95 % by default.

    Raises:
        InputError: the arrays are empty or of different lengths.
    """
    y, a, b = np.asarray(y), np.asarray(a), np.asarray(b)
    if y.ndim != 1 or not len(y) or a.shape != y.shape or b.shape != y.shape:
        raise InputError(
            f"Labels {y.shape} and predictions {a.shape}, {b.shape} must be rows of one length, not empty."
        )
    only_a, only_b = int(np.sum((a == y) & (b != y))), int(np.sum((a != y) & (b == y)))
    return _difference(only_a, only_b, len(y), z)


def _difference(only_a: int, only_b: int, n: int, z: float) -> Difference:
    from scipy.optimize import brentq  # here, since pages import this module before anything is computed

    value = (only_a - only_b) / n

    def excess(delta: float) -> float:
        return _score(delta, only_a, only_b, n) - z

    def lack(delta: float) -> float:
        return _score(delta, only_a, only_b, n) + z

    edge = 1 - 1e-12
    low = -1.0 if value <= -1 else brentq(excess, -edge, value, xtol=1e-12)
    high = 1.0 if value >= 1 else brentq(lack, value, edge, xtol=1e-12)
    return Difference(value, float(low), float(high), n, only_a, only_b)


def _score(delta: float, only_a: int, only_b: int, n: int) -> float:
    """Tango's statistic: the observed difference less delta, over its standard error were the true difference delta.

    The share of rows that b alone has right is the most likely one given delta.
    """
    quadratic = 2 * n
    linear = -only_a - only_b + (2 * n - only_a + only_b) * delta
    constant = -only_b * delta * (1 - delta)
    share = (np.sqrt(max(0.0, linear**2 - 4 * quadratic * constant)) - linear) / (2 * quadratic)
    variance = n * (2 * share + delta * (1 - delta))
    difference = only_a - only_b - n * delta
    if variance <= 0:
        return 0.0 if difference == 0 else float(np.copysign(np.inf, difference))
    return float(difference / np.sqrt(variance))
