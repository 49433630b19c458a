"""Whether a model's bound can compare pictures at all, and what a way between two images costs under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sslviz.evaluation.paths import spherical, straight

STEPS, SAMPLES = 7, 16  # pictures of a way; samples of z, over which each picture's bound is averaged


@dataclass(frozen=True, eq=False)
class Ways:
    """Three ways between two images, all from the same decoded end to the same decoded end.

    Attributes:
        names: of the ways.
        x: their pictures (3, K, C, H, W) in [0, 1].
        costs: negative ELBO of each picture (3, K), nats.
        grey: negative ELBO of a uniform grey picture, nats.
        n_samples, seed: of the samples of z.
    """

    names: tuple[str, ...]
    x: np.ndarray
    costs: np.ndarray
    grey: float
    n_samples: int
    seed: int

    def fair(self, typical: float) -> bool:
        """Whether the bound can judge pictures: it must cost more to be grey than to be a typical image (nats).

        Where it does not, smooth pictures are cheap because they are smooth, and a way through blurs looks good.
        """
        return self.grey > typical


@torch.inference_mode()
def ways_between(
    model: Any, a: np.ndarray, b: np.ndarray, *, steps: int = STEPS, n_samples: int = SAMPLES, seed: int = 0
) -> Ways:
    """What ways between two posterior means look like and cost: straight in z, spherical in z, and pixel by pixel.

    The blend mixes the two decoded ends, so that all three ways begin and end with the same pictures.

    Args:
        model: with `decode(z)` and `bound(x, seed, n_samples)`.
        a, b: posterior means (D,).
        steps: K, pictures of a way.
        n_samples: of z a picture.
        seed: of these samples.
    """
    decoded = []
    for z in (straight(a, b, steps), spherical(a, b, steps)):
        decoded.append(model.decode(torch.from_numpy(z.astype(np.float32))).numpy())
    blend = straight(decoded[0][0], decoded[0][-1], steps).astype(np.float32)
    x = np.stack([*decoded, blend])  # (3, K, C, H, W)
    grey = np.full((1, *x.shape[2:]), 0.5, np.float32)
    found = model.bound(torch.from_numpy(np.concatenate([*x, grey])), seed=seed, n_samples=n_samples)
    costs = (found.recon + found.kl.sum(1)).numpy()  # (3 K + 1,)
    names = ("linear z", "spherical z", "blend of x̂")
    return Ways(names, x, costs[:-1].reshape(len(x), steps), float(costs[-1]), n_samples, seed)
