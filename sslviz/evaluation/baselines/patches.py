"""Whitened random patches as a representation."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.data.images import to_float
from sslviz.errors import InputError


class WhitenedPatches(nn.Module):
    """Random image patches, whitened, as a dictionary; h is how much of each there is in each quarter of the image.

    The single-layer network of Coates, Ng and Lee (2011, AISTATS, "An analysis of single-layer networks in unsupervised
    feature learning") with random patches for dictionary and the two-sided soft threshold of Coates and Ng (2011, ICML,
    "The importance of encoding versus training with sparse coding and vector quantization"). Nothing is trained.

    Each patch p of an image, less its mean and over its standard deviation, is whitened (ZCA) and compared with each
    dictionary patch d; max(0, d p - alpha) and max(0, -d p - alpha) are averaged over each quadrant.

    Args:
        n_patches: K, the size of the dictionary; h has D = 8 K columns.
        size: of a patch, in pixels.
        alpha: threshold.
        contrast_eps: added to a patch's variance (pixels in [0, 1]), so that noise in flat patches stays small.
        whiten_eps: added to the eigenvalues of the patches' covariance.
        n_samples: patches drawn to estimate mean and covariance.
        seed: draws the patches.
    """

    h_metric = "euclidean"
    filters: Tensor
    offset: Tensor

    def __init__(
        self,
        n_patches: int = 128,
        *,
        size: int = 6,
        alpha: float = 0.25,
        contrast_eps: float = 10 / 255**2,
        whiten_eps: float = 0.1,
        n_samples: int = 100_000,
        seed: int = 0,
    ):
        super().__init__()
        self.n_patches, self.size, self.alpha = n_patches, size, alpha
        self.contrast_eps, self.whiten_eps, self.n_samples, self.seed = contrast_eps, whiten_eps, n_samples, seed
        self.register_buffer("filters", None)  # (K, C, size, size), each of zero mean
        self.register_buffer("offset", None)  # (K,)

    def fit(self, x: Tensor) -> WhitenedPatches:
        """Draws patches from x (N, C, H, W), uint8 or in [0, 1], and whitens them.

        Raises:
            InputError: the images are smaller than a patch, or too flat to hold n_patches patches with contrast.
        """
        if x.ndim != 4 or not len(x):
            raise InputError(f"Images have shape {tuple(x.shape)}: give at least one, as a tensor (N, C, H, W).")
        n, channels, height, width = x.shape
        if min(height, width) < self.size:
            raise InputError(f"Images of {height}x{width} pixels hold no patch of {self.size}: choose a smaller size.")
        generator = torch.Generator().manual_seed(self.seed)
        image, row, column = (
            torch.randint(high, (self.n_samples,), generator=generator)
            for high in (n, height - self.size + 1, width - self.size + 1)
        )
        windows = x.unfold(2, self.size, 1).unfold(3, self.size, 1)  # (N, C, H', W', size, size), a view
        patches = to_float(windows[image, :, row, column]).flatten(1).double()  # (M, P), P = C * size * size
        variance, mean = torch.var_mean(patches, dim=1, correction=0, keepdim=True)
        patches = (patches - mean) / (variance + self.contrast_eps).sqrt()
        centre, whiten = zca(patches, self.whiten_eps)
        rich = patches[(variance > self.contrast_eps).squeeze(1)][: self.n_patches]
        if len(rich) < self.n_patches:
            raise InputError("The images are too flat for whitened patches: use images with more contrast.")
        dictionary = F.normalize((rich - centre) @ whiten, dim=1)  # (K, P)
        filters = dictionary @ whiten
        self.offset = (filters @ centre).float()
        filters = filters - filters.mean(1, keepdim=True)  # takes each patch's mean off its product
        self.filters = filters.float().reshape(-1, channels, self.size, self.size)
        return self

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> h (B, 8 K): per sign, dictionary patch and quadrant."""
        x = x.contiguous(memory_format=torch.channels_last)
        few = 16 if x.device.type == "cpu" else len(x)  # responses that fit the cache: 6 times as fast
        return torch.cat([self._encode(batch) for batch in x.split(few)])

    def _encode(self, x: Tensor) -> Tensor:
        mean = F.avg_pool2d(x.mean(1, keepdim=True), self.size, stride=1)  # (B, 1, H', W')
        variance = F.avg_pool2d(x.square().mean(1, keepdim=True), self.size, stride=1) - mean.square()
        scale = (variance.clamp(min=0) + self.contrast_eps).rsqrt()
        product = F.conv2d(x, self.filters) * scale - self.offset[:, None, None]  # (B, K, H', W')
        sides = (F.relu(product - self.alpha), F.relu(-product - self.alpha))
        return torch.cat([F.adaptive_avg_pool2d(side, 2).flatten(1) for side in sides], dim=1)


def zca(patches: Tensor, eps: float = 0.0) -> tuple[Tensor, Tensor]:
    """Mean (P,) of patches (M, P) and the symmetric matrix (P, P) that whitens them (Bell and Sejnowski 1997).

    (patches - mean) @ matrix has the identity as covariance where eps, added to the eigenvalues, is 0.
    """
    mean = patches.mean(0)
    centred = patches - mean
    variance, axes = torch.linalg.eigh(centred.T @ centred / len(patches))
    return mean, axes * (variance.clamp(min=0) + eps).rsqrt() @ axes.T


def make(model: Any, seed: int) -> WhitenedPatches:
    """128 patches, drawn by the seed; the model does not matter."""
    return WhitenedPatches(seed=seed)
