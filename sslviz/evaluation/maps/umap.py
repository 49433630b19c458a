"""UMAP (McInnes et al. 2018, arXiv:1802.03426): keeps neighbourhoods in h, and not distances."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


def give_numba_a_cache() -> None:
    """Let numba keep compiled code in the temporary folder where neither umap's own folder nor a home can be written:
    it refuses to compile otherwise."""
    if "NUMBA_CACHE_DIR" in os.environ or (found := find_spec("umap")) is None or found.origin is None:
        return
    home = os.path.expanduser("~")
    if not any(os.access(folder, os.W_OK) for folder in (os.path.dirname(found.origin), home)):
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="sslviz-numba-")


class UMAPMap(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """umap-learn's UMAP on one thread, in the form that scikit-learn asks of an estimator.

    Args:
        n_components: columns of the map.
        n_neighbors: few show detail, many the whole; lowered to the number of other rows.
        min_dist: least distance of points on the map.
        metric: "cosine" or "euclidean".
        random_state: of the layout. The same one gives the same map again on the same machine. On another it gives
            another map: numba compiles for the processor, sums differ in their last digits, and the layout amplifies
            that.

    Attributes:
        embedding_: (N, n_components) the map.
        n_features_in_: columns of h.
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        n_neighbors: float = 15,
        min_dist: float = 0.1,
        metric: str = "cosine",
        random_state: int | None = 0,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.metric = metric
        self.random_state = random_state

    def fit(self, h: Any, y: None = None) -> UMAPMap:
        """Lay h (N, D) out; y is for scikit-learn's pipelines and not looked at."""
        self.fit_transform(h)
        return self

    def fit_transform(self, h: Any, y: None = None) -> np.ndarray:
        """The map (N, n_components) of h (N, D), in h's dtype.

        Raises:
            ValueError: h is no finite matrix of at least two rows.
        """
        give_numba_a_cache()
        from umap import UMAP

        h = validate_data(self, h, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self._umap = UMAP(
            n_components=self.n_components,
            n_neighbors=min(int(self.n_neighbors), len(h) - 1),
            min_dist=self.min_dist,
            metric=self.metric,
            random_state=self.random_state,
            n_jobs=1,
        )
        self.embedding_ = self._umap.fit_transform(h).astype(h.dtype, copy=False)
        self._n_features_out = self.embedding_.shape[1]
        return self.embedding_

    def transform(self, h: Any) -> np.ndarray:
        """Places of new rows h (M, D): (M, n_components). Rows given together depend on each other a little.

        Raises:
            NotFittedError: before `fit`.
            ValueError: h has other columns.
        """
        check_is_fitted(self)
        h = validate_data(self, h, dtype=[np.float64, np.float32], reset=False)
        return np.asarray(self._umap.transform(h)).astype(h.dtype, copy=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def estimator(*, seed: int, n_components: int, metric: str, n_neighbors: float = 15, min_dist: float = 0.1) -> UMAPMap:
    """An unfitted `UMAPMap`."""
    return UMAPMap(n_components, n_neighbors=n_neighbors, min_dist=min_dist, metric=metric, random_state=seed)
