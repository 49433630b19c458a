"""Rank correlation of few pairs, with how likely it is by chance. Imports neither torch nor scikit-learn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

LEAST = 4  # pairs below which nothing is said: of three, one order in three has a correlation of 1 or -1


class RankCorrelation(NamedTuple):
    """Spearman's rho of n pairs, and the share of orders by chance whose rho is at least as far from 0."""

    rho: float
    p: float
    n: int


def rank_correlation(a: Any, b: Any, *, draws: int = 10_000) -> RankCorrelation | None:
    """Spearman's rank correlation with a permutation test (Spearman 1904, Am. J. Psychol. 15:72-101).

    Args:
        a, b: values (N,), ties share their mean rank.
        draws: random orders of the test.

    Returns:
        None for fewer than `LEAST` pairs, or where all values of one are the same.
    """
    a, b = _ranks(np.asarray(a, float)), _ranks(np.asarray(b, float))
    if len(a) < LEAST or len(a) != len(b) or not a.std() or not b.std():
        return None
    rho = float(np.corrcoef(a, b)[0, 1])
    generator = np.random.default_rng(0)
    orders = generator.permuted(np.tile(b, (draws, 1)), axis=1)
    chance = (orders - b.mean()) @ (a - a.mean()) / (len(a) * a.std() * b.std())
    return RankCorrelation(rho, float((np.sum(np.abs(chance) >= abs(rho) - 1e-9) + 1) / (draws + 1)), len(a))


def _ranks(values: np.ndarray) -> np.ndarray:
    below = (values[:, None] > values[None]).sum(axis=1)
    same = (values[:, None] == values[None]).sum(axis=1)
    found: np.ndarray = below + (same + 1) / 2
    return found


def words(found: RankCorrelation | None, n: int) -> str:
    """A rank correlation in words, or why there is none."""
    if found is None:
        return f"{n} {'pair' if n == 1 else 'pairs'}: too few, or too equal, for a rank correlation"
    told = f"rank correlation {found.rho:+.2f}".replace("-", "−")
    return f"{told} over {found.n} (by chance as far from 0 with probability {found.p:.3f})".replace("0.000", "< 0.001")
