"""Nearest neighbours in h (N, D): of one row, and how many of them a map keeps."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sslviz.errors import UserError

Metric = Literal["cosine", "euclidean"]
KEPT_OF = 10  # neighbours of a row that a map should keep
SAMPLE = 2000  # rows on which a map is measured
ALIKE = 1e-6  # rows that differ by less, in units of the largest entry, are equal up to rounding


def check_h(h: np.ndarray, *, rows: int = 1, width: int | None = None) -> np.ndarray:
    """h as float32 (N, D), if it is one.

    Args:
        h: representations.
        rows: least N.
        width: D, or None for any.

    Raises:
        UserError: another shape or dtype, too few rows, or entries that are not finite.
    """
    h = np.asarray(h)
    if h.ndim != 2 or h.dtype.kind not in "fiu" or not h.shape[1]:
        raise UserError(f"h has shape {h.shape} and dtype {h.dtype}: give numbers (N, D).")
    if len(h) < rows:
        raise UserError(f"{len(h)} rows are too few: give at least {rows}.")
    if width not in (None, h.shape[1]):
        raise UserError(f"h has {h.shape[1]} columns, the map was fitted on {width}: use the same encoder for both.")
    if not np.isfinite(h).all():
        raise UserError("h has NaN or infinite entries: train the encoder again, at a lower learning rate.")
    return h.astype(np.float32, copy=False)


def rows_alike(h: np.ndarray) -> bool:
    """Whether all rows of h (N, D) are equal up to rounding, so that no row is nearer than another."""
    h = np.asarray(h)
    return bool(np.abs(h - h[:1]).max(initial=0) <= ALIKE * np.abs(h).max(initial=0))


def neighbours(h: np.ndarray, index: int, k: int, *, metric: Metric = "cosine") -> tuple[np.ndarray, np.ndarray]:
    """The k rows nearest to row `index` of h (N, D), itself left out, and how near they are.

    Args:
        h: (N, D).
        index: a row.
        k: N - 1 at the most are found.
        metric: "cosine" or "euclidean".

    Returns:
        ids (k,), nearest first, equally near ones in the order of their ids; and float64 (k,): cosine similarities,
        falling, or distances, rising.
    """
    h = check_h(h)
    if metric == "euclidean":
        apart = h.astype(np.float64) - h[index]
        distance = np.sqrt(np.einsum("nd,nd->n", apart, apart)).round(9)
        ids = np.argsort(distance, kind="stable")
        ids = ids[ids != index % len(h)][:k]
        return ids, distance[ids]
    length = np.sqrt(np.einsum("nd,nd->n", h, h, dtype=np.float64))
    dot = np.einsum("nd,d->n", h, h[index], dtype=np.float64)
    similarity = (dot / np.maximum(length * length[index], 1e-30)).round(9)
    ids = np.argsort(-similarity, kind="stable")
    ids = ids[ids != index % len(h)][:k]
    return ids, similarity[ids]


def nearest(h: np.ndarray, rows: np.ndarray, k: int, *, metric: Metric = "cosine") -> np.ndarray:
    """The k nearest of each of some rows of h (N, D), itself left out: ids (len(rows), k), in no order.

    Args:
        h: finite.
        rows: ids of the rows whose neighbours are sought, among all N.
        k: at most N - 1.
        metric: "cosine", or "euclidean" for places and posterior means.
    """
    h = np.asarray(h, np.float32)
    h = h - h.mean(axis=0) if metric == "euclidean" else h / np.maximum(np.linalg.norm(h, axis=1, keepdims=True), 1e-30)
    squares = np.einsum("nd,nd->n", h, h)
    found = []
    for some in np.array_split(rows, max(1, len(rows) // 256)):
        distance = squares - 2 * h[some] @ h.T  # (B, N), less what is equal in a row
        distance[np.arange(len(some)), some] = np.inf
        found.append(np.argpartition(distance, k - 1, axis=1)[:, :k])
    return np.concatenate(found)


def sample_rows(n: int, *, seed: int = 0) -> np.ndarray:
    """The rows on which a map of n rows is measured: all, or a seeded sample of 2,000, sorted."""
    if n <= SAMPLE:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, SAMPLE, replace=False))


def kept_of(n: int) -> int:
    """How many neighbours of a row a map of n rows should keep: 10, or half of the others where rows are few."""
    return min(KEPT_OF, max(1, (n - 1) // 2))


def neighbours_kept(h: np.ndarray, xy: np.ndarray, *, metric: Metric = "cosine", seed: int = 0) -> float:
    """How many of a row's 10 nearest in h are among its 10 nearest on the map, on average: 0 to 10.

    Where rows are few, 10 is `kept_of(N)`. Neighbours are sought among all rows; where there are more than 2,000, the
    mean is over a seeded sample of 2,000.

    Args:
        h: (N, D) representations, N at least 2.
        xy: (N, 2) their places.
        metric: of neighbours in h; on the map it is the distance.
        seed: of the sample.
    """
    rows, k = sample_rows(len(h), seed=seed), kept_of(len(h))
    in_h, on_map = nearest(h, rows, k, metric=metric), nearest(xy, rows, k, metric="euclidean")
    shared = (in_h[:, :, None] == on_map[:, None, :]).any(axis=2).sum(axis=1)
    return float(shared.mean())
