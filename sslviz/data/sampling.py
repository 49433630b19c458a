"""Labels counted and drawn from: samples with the same number of each class, and the share of the largest one."""

import numpy as np


def stratified_sample(y: np.ndarray, n: int, *, seed: int) -> np.ndarray:
    """Choose n of the labels, the same number from each class, without replacement.

    Where n can't be shared out evenly, classes that a seeded order puts first give one more; a class that has too few
    gives all that it has, and the others share what it lacks.

    Args:
        y: labels (N,), integers.
        n: how many, at least one a class and at most N.
        seed: of `numpy.random.default_rng`; the same labels and seed give the same choice.

    Returns:
        indices (n,) int64 in ascending order.

    Raises:
        ValueError: n is below the number of classes or above N.
    """
    classes, available = np.unique(y, return_counts=True)
    if not len(classes) <= n <= len(y):
        raise ValueError(f"{n} of {len(y)} labels can't be drawn from {len(classes)} classes")
    rng = np.random.default_rng(seed)
    shares = _shares(available, n, rng)
    chosen = [
        rng.choice(np.flatnonzero(y == c), share, replace=False) for c, share in zip(classes, shares, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _shares(available: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """How many each class gives: (K,) that sum to n, as equal as what is available allows."""
    shares = np.zeros(len(available), np.int64)
    while (left := n - shares.sum()) > 0:
        open_ = np.flatnonzero(shares < available)
        each = left // len(open_)
        if each:
            shares[open_] += np.minimum(each, available[open_] - shares[open_])
        else:
            shares[rng.permutation(open_)[:left]] += 1
    return shares


def largest_class_share(y: np.ndarray) -> float:
    """Share of the most frequent label among y (N,), in (0, 1]: the accuracy of always naming that class.

    Raises:
        ValueError: no labels.
    """
    if not len(y):
        raise ValueError("there are no labels")
    return float(np.unique(y, return_counts=True)[1].max() / len(y))
