"""h -> xy: a map of the representation, with a measure of how far to trust it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy.linalg import eigh

from sslviz.errors import UserError

TRUST_ROWS = 2000
TRUST_NEIGHBOURS = 15


@dataclass(frozen=True, eq=False)
class Map:
    """A map; `np.asarray(map)` is its xy.

    Attributes:
        xy: (N, 2) or (N, 3) float32, no unit.
        trustworthiness: in [0, 1]; 1 where all neighbours on the map are neighbours in h (see `trust`).
        method: "pca" or "umap".
        params: what it was made with, besides h.
        explained: for PCA the share of variance along each axis.
        width: D, columns of the h that it was fitted on.
        reducer: what `transform` uses.
    """

    xy: np.ndarray
    trustworthiness: float
    method: str
    params: dict[str, Any]
    explained: tuple[float, ...] | None
    width: int
    reducer: Any = field(repr=False)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self.xy, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.xy)

    def transform(self, h: np.ndarray) -> np.ndarray:
        """Places new rows h (M, D) on the map: xy (M, 2) float32. UMAP takes some seconds for its first call.

        Raises:
            UserError: h is not finite or has other columns than the map was fitted on.
        """
        h = _check(h, rows=1, width=self.width)
        with _quiet():
            return np.asarray(self.reducer.transform(h), np.float32)


def fit_map(
    h: np.ndarray,
    *,
    method: Literal["pca", "umap"] = "pca",
    seed: int = 0,
    n_components: int = 2,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
) -> Map:
    """Lays h (N, D) out in two or three dimensions.

    Args:
        h: representations, finite.
        method: "pca", linear, exact, its axes ordered by variance; or "umap" (McInnes et al. 2018, arXiv:1802.03426),
            which keeps cosine neighbourhoods in h and not distances.
        seed: of UMAP, and of the rows on which trust is measured.
        n_components: 2 or 3.
        n_neighbors: for UMAP; small values show detail, large ones the whole.
        min_dist: for UMAP; how close points may lie on the map.

    Raises:
        UserError: unknown method, too few rows, or entries that are not finite.
    """
    if method not in ("pca", "umap"):
        raise UserError(f"There is no map {method!r}: choose pca or umap.")
    if n_components not in (2, 3):
        raise UserError(f"A map of {n_components} dimensions can't be drawn: choose 2 or 3.")
    h = _check(h, rows=4 if method == "pca" else n_neighbors + 2)
    params: dict[str, Any] = {"seed": seed, "n_components": n_components}
    if method == "pca":
        reducer = _PCA(n_components).fit(h)
        xy = reducer.transform(h)
    else:
        shape = {"n_components": n_components, "n_neighbors": n_neighbors, "min_dist": min_dist, "metric": "cosine"}
        params |= shape
        with _quiet():
            from umap import UMAP

            reducer = UMAP(**shape, random_state=seed, n_jobs=1)
            xy = reducer.fit_transform(h)
    xy = np.ascontiguousarray(xy, np.float32)
    explained = getattr(reducer, "explained_", None)
    return Map(xy, trust(h, xy, seed=seed), method, params, explained, h.shape[1], reducer)


def trust(h: np.ndarray, xy: np.ndarray, *, seed: int = 0) -> float:
    """Trustworthiness (Venna and Kaski 2001): 1 less a penalty for neighbours on the map that are none in h.

    By cosine in h, as everywhere in sslviz, and distance in xy; with 15 neighbours, or fewer where rows are few. Where
    there are more than 2,000 rows, a seeded sample of 2,000 is taken and neighbours are looked up among these.
    """
    from sklearn.manifold import trustworthiness

    rows = np.arange(len(h))
    if len(h) > TRUST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(len(h), TRUST_ROWS, replace=False))
    n_neighbors = min(TRUST_NEIGHBOURS, (len(rows) - 1) // 2)
    return float(trustworthiness(h[rows], xy[rows], n_neighbors=n_neighbors, metric="cosine"))


def neighbours(h: np.ndarray, index: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k rows most like row `index` of h (N, D), itself left out: ids (k,) and cosine similarities (k,), float64.

    Equal similarities come in the order of their ids; k is at most N - 1.
    """
    h = _check(h, rows=2)
    length = np.sqrt(np.einsum("nd,nd->n", h, h, dtype=np.float64))
    dot = np.einsum("nd,d->n", h, h[index], dtype=np.float64)
    similarity = (dot / np.maximum(length * length[index], 1e-30)).round(9)
    ids = np.argsort(-similarity, kind="stable")
    ids = ids[ids != index % len(h)][:k]
    return ids, similarity[ids]


class _PCA:
    """Principal components by the covariance matrix; each has its largest entry positive, so that maps don't flip."""

    def __init__(self, n_components: int):
        self.n_components = n_components

    def fit(self, h: np.ndarray) -> _PCA:
        self.mean_ = h.mean(axis=0, dtype=np.float64)
        centred = h - self.mean_
        covariance = centred.T @ centred / (len(h) - 1)
        n = min(self.n_components, h.shape[1])
        variance, axes = eigh(covariance, subset_by_index=(h.shape[1] - n, h.shape[1] - 1))
        axes = np.pad(axes[:, ::-1], [(0, 0), (0, self.n_components - n)])  # a lone column of h is drawn on a line
        self.components_ = (axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])).T
        total = max(float(np.trace(covariance)), 1e-30)
        self.explained_ = tuple(float(max(v, 0) / total) for v in variance[::-1])
        return self

    def transform(self, h: np.ndarray) -> np.ndarray:
        return (h - self.mean_) @ self.components_.T


def _check(h: np.ndarray, *, rows: int, width: int | None = None) -> np.ndarray:
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


def _quiet() -> warnings.catch_warnings:
    return warnings.catch_warnings(action="ignore")
