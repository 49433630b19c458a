"""h -> xy: a map of the representation, with measures of how far to trust it."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sslviz.errors import UserError
from sslviz.evaluation.maps.registry import MAPS, MapInfo, Setting, maps_for
from sslviz.evaluation.neighbours import (
    SAMPLE,
    Metric,
    check_h,
    kept_of,
    neighbours_kept,
    rows_alike,
    sample_rows,
)

__all__ = ["MAPS", "Map", "MapInfo", "Quality", "Setting", "fit_map", "maps_for", "measure", "stored_quality", "trust"]
TRUST_NEIGHBOURS = 15


@dataclass(frozen=True)
class Quality:
    """How many of its neighbours a map keeps; `str` writes it with its sample.

    Attributes:
        total: N, rows of the map.
        trustworthiness: in [0, 1]; 1 where all neighbours on the map are neighbours in h (see `trust`); None where
            there is none to measure.
        neighbours_kept: of the 10 nearest in h, see `sslviz.evaluation.neighbours.neighbours_kept`; None as before.
        note: why there is no number, or what else to know of it.
    """

    total: int
    trustworthiness: float | None = None
    neighbours_kept: float | None = None
    note: str = ""

    @property
    def n(self) -> int:
        """Rows in the sample that both measures are of."""
        return min(self.total, SAMPLE)

    @property
    def k(self) -> int:
        """Neighbours that trustworthiness looks at."""
        return _trust_neighbours(self.total)

    def __str__(self) -> str:
        return self.words("rows")

    def words(self, noun: str) -> str:
        """Both measures with their sample, of "rows", "images" or "sentences"."""
        said = []
        if self.trustworthiness is not None:
            sample = f"{self.n:,} of {self.total:,} {noun}" if self.n < self.total else f"all {self.n:,} {noun}"
            said.append(f"trustworthiness {self.trustworthiness:.2f} (k = {self.k}, {sample})")
        if self.neighbours_kept is not None:
            said.append(f"{self.neighbours_kept:.1f} of {kept_of(self.total)} nearest neighbours kept")
        return "; ".join([*said, self.note] if self.note else said)


@dataclass(frozen=True, eq=False)
class Map:
    """A map; `np.asarray(map)` is its xy.

    Attributes:
        xy: (N, 2) or (N, 3) float32, no unit.
        quality: how far to trust it.
        method: a key of MAPS.
        params: what it was made with, besides h.
        explained: for PCA the share of variance along each axis.
        width: D, columns of the h that it was fitted on.
        reducer: the fitted estimator; None where rows are alike.
    """

    xy: np.ndarray
    quality: Quality
    method: str
    params: dict[str, Any]
    explained: tuple[float, ...] | None
    width: int
    reducer: Any = field(repr=False)

    @property
    def trustworthiness(self) -> float | None:
        return self.quality.trustworthiness

    @property
    def neighbours_kept(self) -> float | None:
        return self.quality.neighbours_kept

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self.xy, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.xy)

    def transform(self, h: np.ndarray) -> np.ndarray:
        """Places new rows h (M, D) on the map: xy (M, 2) float32. UMAP takes some seconds for its first call.

        Raises:
            UserError: h is not finite or has other columns than the map was fitted on, or the map has no `transform`.
        """
        h = check_h(h, width=self.width)
        if self.reducer is None:
            raise UserError("This map has no place for new rows: all rows that it was fitted on are alike.")
        if not MAPS[self.method].places_new_rows:
            can = ", ".join(info.title for info in MAPS.values() if info.places_new_rows)
            raise UserError(f"{MAPS[self.method].title} has no place for new rows: choose one of {can}.")
        with _quiet():
            return np.asarray(self.reducer.transform(_columns(h, self.xy.shape[1])), np.float32)


def fit_map(
    h: np.ndarray,
    method: str = "pca",
    seed: int = 0,
    *,
    metric: Metric = "cosine",
    n_components: int = 2,
    **settings: float,
) -> Map:
    """Lays h (N, D) out in two or three dimensions.

    Where all rows of h are alike, or fewer than the map's dimensions, there is nothing to lay out: every row is placed
    at 0, and the map's quality says so in place of numbers.

    Args:
        h: representations, finite.
        method: a key of MAPS: "pca", "umap", "tsne".
        seed: of the method, and of the rows on which the map is measured.
        metric: of neighbours in h; "euclidean" suits posterior means, "cosine" what was trained with cosines.
        n_components: 2 or 3.
        settings: of the method, by the names in `MAPS[method].settings`. Numbers of neighbours are lowered to fit N.

    Raises:
        UserError: unknown method or setting, a setting out of bounds, too few rows, or entries that are not finite.
    """
    if method not in MAPS:
        raise UserError(f"There is no map {method!r}: choose one of {', '.join(MAPS)}.")
    if n_components not in (2, 3):
        raise UserError(f"A map of {n_components} dimensions can't be drawn: choose 2 or 3.")
    if not 0 <= seed < 2**32:
        raise UserError(f"The seed {seed} is out of bounds: give a whole number from 0 to {2**32 - 1}.")
    h = check_h(h, rows=MAPS[method].least_rows)
    settings = _settings(method, settings, len(h))
    params = {"seed": seed, "n_components": n_components, "metric": metric} | settings
    if rows_alike(h) or len(h) < n_components:
        xy, explained, reducer = np.zeros((len(h), n_components), np.float32), None, None
    else:
        file = importlib.import_module(f"{__name__}.{method}")
        with _quiet():
            reducer = file.estimator(seed=seed, n_components=n_components, metric=metric, **settings)
            xy = np.asarray(reducer.fit_transform(_columns(h, n_components)), np.float32)
        ratio = getattr(reducer, "explained_variance_ratio_", None)
        explained = None if ratio is None else tuple(map(float, ratio))
    return Map(xy, measure(h, xy, metric=metric, seed=seed), method, params, explained, h.shape[1], reducer)


def _settings(method: str, asked: dict[str, float], n: int) -> dict[str, float]:
    """The settings of a map: defaults, then what was asked for, within bounds; counts of neighbours lowered to n."""
    info = MAPS[method]
    known = {setting.name: setting for setting in info.settings}
    if unknown := sorted(asked.keys() - known.keys()):
        has = ", ".join(known) or "none"
        raise UserError(f"{info.title} has no setting {unknown[0]!r}: it has {has}.")
    found: dict[str, float] = {}
    for name, setting in known.items():
        value = asked.get(name, setting.default)
        if not setting.low <= value <= setting.high:
            raise UserError(f"{name} = {value:g} is out of bounds: give {setting.low:g} to {setting.high:g}.")
        found[name] = value
    if "n_neighbors" in found:
        found["n_neighbors"] = min(int(found["n_neighbors"]), n - 1)
    if "perplexity" in found:
        found["perplexity"] = min(found["perplexity"], (n - 1) / 3)  # scikit-learn looks at three times as many
    return found


def measure(h: np.ndarray, xy: np.ndarray, *, metric: Metric = "cosine", seed: int = 0) -> Quality:
    """How many of its neighbours in h (N, D) a map xy (N, 2) keeps, or a note that says why this can't be measured."""
    different = len(np.unique(h[: 10 * TRUST_NEIGHBOURS], axis=0))  # enough to know whether neighbours are defined
    if len(h) < 3:
        return Quality(len(h), note=f"{len(h)} of 3 rows that a measure needs")
    if rows_alike(h):
        return Quality(len(h), note="all rows are alike, so no row is nearer than another")
    if different <= min(TRUST_NEIGHBOURS, len(h) // 2):
        different = len(np.unique(h, axis=0))
    if different <= min(TRUST_NEIGHBOURS, len(h) // 2):
        return Quality(len(h), note=f"only {different} different rows, so neighbours are not defined")
    kept = neighbours_kept(h, xy, metric=metric, seed=seed)
    return Quality(len(h), trust(h, xy, metric=metric, seed=seed), kept)


def stored_quality(arrays: Mapping[str, np.ndarray], method: str, *, metric: Metric = "cosine") -> Quality:
    """The quality of a map that a model's folder keeps, from `sslviz.store.embeddings.load_embeddings`.

    What the file does not say is measured from its h, which has 256 levels a column.
    """
    h, xy = arrays["h"], arrays[f"{method}_xy"]
    stored = [arrays.get(f"{method}_{name}") for name in ("trustworthiness", "neighbours_kept")]
    trustworthiness, kept = (None if value is None else float(np.ravel(value)[0]) for value in stored)
    if trustworthiness is None or rows_alike(h):
        return measure(h, xy, metric=metric)
    return Quality(len(h), trustworthiness, neighbours_kept(h, xy, metric=metric) if kept is None else kept)


def trust(h: np.ndarray, xy: np.ndarray, *, metric: Metric = "cosine", seed: int = 0) -> float:
    """Trustworthiness (Venna and Kaski 2001): 1 less a penalty for neighbours on the map that are none in h.

    By `metric` in h and distance in xy; with 15 neighbours, or fewer where rows are few. Where there are more than
    2,000 rows, a seeded sample of 2,000 is taken and neighbours are looked up among these.
    """
    from sklearn.manifold import trustworthiness

    rows = sample_rows(len(h), seed=seed)
    return float(trustworthiness(h[rows], xy[rows], n_neighbors=_trust_neighbours(len(h)), metric=metric))


def _trust_neighbours(n: int) -> int:
    return min(TRUST_NEIGHBOURS, (min(n, SAMPLE) - 1) // 2)


def _columns(h: np.ndarray, least: int) -> np.ndarray:
    """h in float64, with columns of zeros until it has as many as the map: a lone column is drawn on a line."""
    return np.pad(h.astype(np.float64), [(0, 0), (0, max(0, least - h.shape[1]))])


def _quiet() -> warnings.catch_warnings:
    return warnings.catch_warnings(action="ignore")
