"""PCA: the plane of largest variance, exact, its axes ordered by variance."""

from typing import Any


def estimator(*, seed: int, n_components: int, metric: str) -> Any:
    """scikit-learn's PCA. The largest entry of each axis is positive, so that maps don't flip; nothing is random.

    The metric is that of variance, whatever is asked for.
    """
    from sklearn.decomposition import PCA

    return PCA(n_components, svd_solver="covariance_eigh")
