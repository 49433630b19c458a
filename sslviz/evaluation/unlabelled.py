"""How a representation lies in its space, measured without a label.

Each of these follows a run from outside: it says whether views agree, whether the space is filled, and how many
directions are in use. None says what the directions stand for, so a high value proves nothing by itself. RankMe and
LiDAR in particular order runs of one method on one dataset, and say nothing across methods, widths or datasets.
Functions of NumPy arrays alone, computed in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sslviz.errors import InputError

ROWS = 4096  # rows whose pairs are compared at once: 128 MiB of float64


def alignment(z1: np.ndarray, z2: np.ndarray, *, alpha: float = 2.0) -> float:
    """How far apart two views of one image lie on the sphere: the mean of |z1 - z2|^alpha, 0 where all pairs agree.

    Wang & Isola 2020 (arXiv:2005.10242), section 4.1.1. For alpha = 2 this is 2 - 2 cos: 2 for directions drawn at
    random in many dimensions, 4 at most.

    Args:
        z1, z2: (N, D) of two views, row i of each of image i. Any length: normalised here.
        alpha: power of the distance.

    Raises:
        InputError: other shapes, no rows, or values that are not finite.
    """
    a, b = _on_sphere(z1), _on_sphere(z2)
    if a.shape != b.shape:
        raise InputError(f"Two views of shapes {a.shape} and {b.shape} can't be paired: give a row an image in both.")
    return float(np.mean(np.linalg.norm(a - b, axis=1) ** alpha))


def uniformity(z: np.ndarray, *, t: float = 2.0) -> float:
    """How evenly z covers the sphere: log of the mean of exp(-t |z_i - z_j|^2) over pairs i < j.

    Wang & Isola 2020 (arXiv:2005.10242), section 4.1.2. 0 where all rows are alike, the lower the more even; -2t were
    all rows at right angles, and about that for rows spread evenly in many dimensions.

    Args:
        z: (N, D). Any length: normalised here.
        t: sharpness of the Gaussian potential.

    Raises:
        InputError: fewer than two rows, or values that are not finite.
    """
    rows = _on_sphere(z, at_least=2)
    total = 0.0
    for start in range(0, len(rows), ROWS):
        cosine = rows[start : start + ROWS] @ rows.T  # (R, N)
        total += float(np.exp(2 * t * (cosine - 1)).sum())  # |a - b|^2 = 2 - 2 cos
    return float(np.log((total - len(rows)) / (len(rows) * (len(rows) - 1))))  # a row is no pair with itself


def singular_values(z: np.ndarray) -> np.ndarray:
    """Singular values of the covariance of z, largest first, (D,): how much it varies along each principal direction.

    Jing et al. 2022 (arXiv:2110.09348), section 3, who draw their logarithms: where they fall to 0, the representation
    has collapsed in those dimensions. Their sum is the total variance, in the square of z's unit.

    Args:
        z: (N, D), taken as it is: normalise it first to see the sphere.

    Raises:
        InputError: fewer than two rows, or values that are not finite.
    """
    rows = _checked(z, at_least=2)
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2 / len(rows)  # (min(N, D),)
    return np.pad(values, (0, rows.shape[1] - len(values)))


def rankme(z: np.ndarray, *, eps: float = 1e-7) -> float:
    """RankMe, the effective rank of z: the exponential of the entropy of its singular values' shares, from 1 to D.

    Garrido et al. 2023 (arXiv:2210.02885), equation 2, after Roy & Vetterli 2007. It orders runs of one method that
    differ in their settings; across methods, widths or datasets it says nothing (section 5 of the paper).

    Args:
        z: (N, D), taken as it is and not centred, as in the paper. With fewer rows than D it is N at most.
        eps: added to each share.

    Raises:
        InputError: fewer than two rows, or values that are not finite.
    """
    return _effective_rank(np.linalg.svd(_checked(z, at_least=2), compute_uv=False), eps)


def lidar(z: np.ndarray, *, delta: float = 1e-4, eps: float = 1e-8) -> float:
    """LiDAR: the effective rank of what tells images apart, seen in units of what views of one image differ by.

    Thilak et al. 2024 (arXiv:2312.04000), section 4: each image is a class of its own, and the eigenvalues are those of
    its linear discriminant matrix. As for RankMe, only runs of one method can be compared. At most D, and N - 1.

    Args:
        z: (N, V, D), of V views of each of N images.
        delta: added to the diagonal of the scatter within images; like z's variance, in the square of z's unit.
        eps: added to each share.

    Raises:
        InputError: fewer than two images or two views, another shape, or values that are not finite.
    """
    views = np.asarray(z, np.float64)
    if views.ndim != 3 or min(views.shape[:2], default=0) < 2 or not np.isfinite(views).all():
        raise InputError(
            f"LiDAR needs finite numbers (images, views, D), two images and two views at least, not {views.shape}."
        )
    n, count, width = views.shape
    means = views.mean(1)  # (N, D)
    between = np.cov(means.T, bias=True).reshape(width, width)
    inside = (views - means[:, None]).reshape(-1, width)
    within = inside.T @ inside / (n * count) + delta * np.eye(width)
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values) @ vectors.T  # within ** (-1/2)
    return _effective_rank(np.linalg.eigvalsh(whiten @ between @ whiten).clip(min=0), eps)


def z_std(z: np.ndarray) -> float:
    """The standard deviation of z on the sphere, mean over dimensions, times sqrt(D): 1 fills it, 0 is collapse.

    Chen & He 2021 (arXiv:2011.10566), section 4.1; what `TwoViewMethod.metrics` watches while training.

    Args:
        z: (N, D). Any length: normalised here.

    Raises:
        InputError: fewer than two rows, or values that are not finite.
    """
    rows = _on_sphere(z, at_least=2)
    return float(rows.std(0, ddof=1).mean() * rows.shape[1] ** 0.5)


def _effective_rank(values: np.ndarray, eps: float) -> float:
    """The exponential of the entropy of the shares of values (D,), none below 0; 1 where all are 0."""
    total = values.sum()
    if total <= 0:
        return 1.0
    shares = values / total + eps
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _checked(z: Any, *, at_least: int = 1) -> np.ndarray:
    """z (N, D) in float64."""
    rows = np.asarray(z, np.float64)
    if rows.ndim != 2 or len(rows) < at_least or not rows.shape[1]:
        raise InputError(f"A representation (N, D) of {at_least} rows or more is needed, not {rows.shape}.")
    if not np.isfinite(rows).all():
        raise InputError("Some numbers of the representation are not finite: train again with a lower learning rate.")
    return rows


def _on_sphere(z: Any, *, at_least: int = 1) -> np.ndarray:
    """z (N, D) with rows of unit length; a row of zeros, which has no direction, stays where it is."""
    rows = _checked(z, at_least=at_least)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)
