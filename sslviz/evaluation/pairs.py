"""A batch as a contrastive loss sees it: two views of each image, their h and z, and the keys of a queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sslviz.data.images import to_float
from sslviz.errors import UserError
from sslviz.evaluation.contrast import Cosines, cosines
from sslviz.evaluation.embedding import encode
from sslviz.methods.policies import ViewPolicy
from sslviz.methods.views import two_views

QUEUE = 1024  # keys that stand in for a queue, or the newest of a model's own


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two views of N images through one model; rows 0..N-1 are first views, rows N..2N-1 second views.

    Attributes:
        views: (2N, C, H, W) uint8.
        h: (2N, D_h).
        z: (2N, D_z).
        keys: (2N, D_z) by the key encoder of the model, its z where it has none.
        queue: (K, D_z), newest first: the newest keys of the model's own queue; K is 0 where it has none.
    """

    views: np.ndarray
    h: np.ndarray
    z: np.ndarray
    keys: np.ndarray
    queue: np.ndarray

    def cosines(self, queue: np.ndarray | None = None) -> Cosines:
        """Cosines of z, with the keys (K, D_z) of a queue: its own by default."""
        n = len(self.z) // 2
        keys = (self.keys[:n], self.keys[n:])
        return cosines(self.z[:n], self.z[n:], keys=keys, queue=self.queue if queue is None else queue)


def draw_batch(y: np.ndarray, n: int, *, seed: int) -> np.ndarray:
    """Choose n of the images with labels y (M,) at random, all where there are fewer: ids (n,), class after class.

    The order within a batch changes no loss; sorted, images of one class stand beside each other.
    """
    ids = np.sort(np.random.default_rng(seed).choice(len(y), min(n, len(y)), replace=False))
    return ids[np.argsort(y[ids], kind="stable")]


def embed_pairs(
    model: Any,
    x: np.ndarray | torch.Tensor,
    policy: ViewPolicy,
    *,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> Pairs:
    """Draw two views of each image and put them through a model, in eval mode.

    Args:
        model: with `encode` and `project`; `keys` and `queue` are used where it was stored with them.
        x: images (N, C, H, W), uint8 or floats in [0, 1].
        policy: of the views.
        seed: of the views.
        progress: called with the fraction done; may raise to cancel.

    Raises:
        UserError: fewer than two images, which leave nothing to push away.
    """
    if len(x) < 2:
        raise UserError(
            "One image makes a pair and nothing to tell it from: a contrastive loss needs two test images or more."
        )
    views = torch.cat(two_views(to_float(x), policy, generator=torch.Generator().manual_seed(seed)))  # (2N, C, H, W)
    own = has_keys(model)
    h = encode(model, views, batch_size=32, progress=lambda done: progress(done / (1 + own)) if progress else None)
    z = project(model, h)
    keys, queue = z, np.empty((0, z.shape[1]), np.float32)
    if own:
        with torch.inference_mode():
            keys = model.keys(views.to(model.device)).float().cpu().numpy()
            order = (int(model.cursor) - 1 - torch.arange(model.queue.shape[1])) % model.queue.shape[1]  # newest first
            queue = model.queue[:, order[:QUEUE].to(model.device)].T.float().cpu().numpy()
    pictures = (views.clamp(0, 1) * 255).round().byte().numpy()
    return Pairs(pictures, h, z, keys, queue)


def has_keys(model: Any) -> bool:
    """Whether a model has a key encoder and a queue, and was stored with them."""
    return all(getattr(model, part, None) is not None for part in ("keys", "encoder_k", "queue", "cursor"))


def project(model: Any, h: np.ndarray) -> np.ndarray:
    """h (N, D_h) -> z (N, D_z), float32, by a model's projector in eval mode."""
    with torch.inference_mode():
        return np.concatenate(
            [model.project(torch.from_numpy(part)).float().cpu().numpy() for part in _parts(h.astype(np.float32))]
        )


def _parts(h: np.ndarray, size: int = 4096) -> list[np.ndarray]:
    return [h[start : start + size] for start in range(0, len(h), size)] or [h]
