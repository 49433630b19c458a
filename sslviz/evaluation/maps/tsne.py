"""t-SNE (van der Maaten and Hinton 2008, JMLR 9): keeps neighbourhoods in h; it has no place for new rows."""

from typing import Any


def estimator(*, seed: int, n_components: int, metric: str, perplexity: float = 30.0) -> Any:
    """scikit-learn's t-SNE (Barnes and Hut's approximation), from the principal components."""
    from sklearn.manifold import TSNE

    return TSNE(n_components, perplexity=perplexity, metric=metric, init="pca", random_state=seed, n_jobs=1)
