"""UMAP (McInnes et al. 2018, arXiv:1802.03426): keeps neighbourhoods in h, and not distances."""

from typing import Any


def estimator(*, seed: int, n_components: int, metric: str, n_neighbors: float = 15, min_dist: float = 0.1) -> Any:
    """umap-learn's UMAP on one thread, which its random state asks for; the seed gives the same map again here.

    On another machine the same seed gives another map: numba compiles for the processor, sums differ in their last
    digits, and the layout amplifies that.
    """
    from umap import UMAP

    return UMAP(
        n_components=n_components,
        n_neighbors=int(n_neighbors),
        min_dist=min_dist,
        metric=metric,
        random_state=seed,
        n_jobs=1,
    )
