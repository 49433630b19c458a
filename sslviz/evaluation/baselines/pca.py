"""Principal components of the pixels as a representation."""

from __future__ import annotations

from typing import Any

import torch
from sklearn import decomposition
from torch import Tensor, nn

from sslviz.data.images import to_float
from sslviz.errors import InputError


class PCA(nn.Module):
    """h is the image along the directions of largest variance: the best linear encoder for squared error.

    scikit-learn's PCA, exact, on flat images.

    Args:
        n_components: D; fewer where the images have fewer pixels or are fewer.
    """

    h_metric = "euclidean"
    mean: Tensor
    components: Tensor

    def __init__(self, n_components: int = 128):
        super().__init__()
        self.n_components = n_components
        self.register_buffer("mean", None)  # (C * H * W,)
        self.register_buffer("components", None)  # (D, C * H * W), orthonormal rows

    def fit(self, x: Tensor) -> PCA:
        """Finds mean and components of x (N, C, H, W), uint8 or in [0, 1].

        Raises:
            InputError: no images.
        """
        if x.ndim != 4 or not len(x):
            raise InputError(f"Images have shape {tuple(x.shape)}: give at least one, as a tensor (N, C, H, W).")
        flat = to_float(x).flatten(1).numpy()  # (N, P)
        solver = "covariance_eigh" if len(flat) >= flat.shape[1] else "full"
        n_components = min(self.n_components, *flat.shape)
        found = decomposition.PCA(n_components, svd_solver=solver, copy=False).fit(flat)
        self.mean = torch.from_numpy(found.mean_).float()
        self.components = torch.from_numpy(found.components_).float()
        return self

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> h (B, D)."""
        return (x.flatten(1) - self.mean) @ self.components.T


def make(model: Any, seed: int) -> PCA:
    """PCA of 128 components; neither the model nor the seed matters."""
    return PCA()
