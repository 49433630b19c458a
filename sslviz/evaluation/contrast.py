"""What a contrastive loss makes of a batch, from its cosines alone: candidates, probabilities, losses, gradients.

Rows 0..N-1 of a batch are the first views of N images, rows N..2N-1 the second views in the same order; row i and its
partner are a positive pair. These functions say what `sslviz.methods.losses` computes, a row at a time and without
torch; `sslviz/ui/contrast/info_nce.js` computes the same in the browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Objective = Literal["nt_xent", "cross_view", "queue"]
OBJECTIVES: tuple[Objective, ...] = ("nt_xent", "cross_view", "queue")


@dataclass(frozen=True, eq=False)
class Cosines:
    """Cosines of a batch of N pairs with each other, and with K keys of other images.

    Attributes:
        views: (2N, 2N), of each view with each view.
        own: (2N,), of each view as a query with its own key, the key of its partner.
        queue: (2N, K), of each view as a query with the keys in the queue.
    """

    views: np.ndarray
    own: np.ndarray
    queue: np.ndarray

    @property
    def n(self) -> int:
        """N, images."""
        return len(self.views) // 2

    def as_floats(self) -> bytes:
        """views, own and queue one after the other as little-endian float32, row by row."""
        parts = (self.views, self.own, self.queue)
        return b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in parts)


def unit(z: np.ndarray) -> np.ndarray:
    """z (N, D) at length 1, float64; a row of zeros stays one, as in `F.normalize`."""
    z = np.asarray(z, np.float64)
    length: np.ndarray = np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    return z / length


def cosines(
    z1: np.ndarray,
    z2: np.ndarray,
    *,
    keys: tuple[np.ndarray, np.ndarray] | None = None,
    queue: np.ndarray | None = None,
) -> Cosines:
    """Cosines of a batch.

    Args:
        z1, z2: projections of the two views (N, D); row i of each belongs to image i. Any length: normalised here.
        keys: projections of the two views by a key encoder, each (N, D); without, z1 and z2 are the keys.
        queue: keys of other images (K, D), a row each; none by default.
    """
    z = unit(np.concatenate([z1, z2]))  # (2N, D)
    k = z if keys is None else unit(np.concatenate(keys))
    others = np.empty((0, z.shape[1])) if queue is None else unit(queue)
    return Cosines(z @ z.T, (z * np.roll(k, len(z1), axis=0)).sum(axis=1), z @ others.T)


def candidates(batch: Cosines, objective: Objective, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Among what a row must find its positive: which columns, and their cosines.

    - "nt_xent": the other 2N - 1 views of the batch (Chen et al. 2020, arXiv:2002.05709), 2N - 2 of them negatives.
    - "cross_view": the N views of the other side (van den Oord et al. 2018, arXiv:1807.03748), N - 1 of them negatives.
    - "queue": its own key and the K keys of the queue (He et al. 2020, arXiv:1911.05722).

    Returns:
        columns (C,) int64 of (views | queue), the positive first, the others in order: 2N + j is key j of the queue;
        and their cosines with the row (C,).
    """
    n = batch.n
    positive = (row + n) % (2 * n)
    if objective == "queue":
        columns = np.r_[positive, 2 * n + np.arange(batch.queue.shape[1])]
        return columns.astype(np.int64), np.r_[batch.own[row], batch.queue[row]]
    start, end = (0, 2 * n) if objective == "nt_xent" else (n, 2 * n) if row < n else (0, n)
    others = np.array([column for column in range(start, end) if column not in (row, positive)], np.int64)
    columns = np.r_[positive, others].astype(np.int64)
    return columns, batch.views[row, columns]


def probabilities(similarity: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of a row's cosines (C,) over a temperature: p_k of each candidate to be the partner."""
    logits = np.asarray(similarity, np.float64) / temperature
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def row_loss(similarity: np.ndarray, temperature: float) -> float:
    """-log p of the positive, which stands first in a row's cosines (C,); nats."""
    logits = np.asarray(similarity, np.float64) / temperature
    top = logits.max()
    return float(top + np.log(np.exp(logits - top).sum()) - logits[0])


def loss(batch: Cosines, objective: Objective, temperature: float) -> float:
    """Mean of `row_loss` over all 2N rows, each view a query once; nats a view.

    It is `nt_xent(z1, z2)`; the mean of `info_nce(z1, z2)` and `info_nce(z2, z1)`; or the mean of `info_nce(z1, k2,
    queue)` and `info_nce(z2, k1, queue)`.
    """
    rows = range(2 * batch.n)
    return float(np.mean([row_loss(candidates(batch, objective, row)[1], temperature) for row in rows]))


def gradient_shares(similarity: np.ndarray, temperature: float) -> np.ndarray:
    """How a row's push is shared out among its negatives (C - 1,); sums to 1.

    For the loss l of a row with cosines s, the positive at 0,

        d l / d s_0 = -(1 - p_0) / temperature,    d l / d s_k = p_k / temperature,

    so the pull on the positive is as large as all pushes together, and of these negative k has the share
    p_k / (1 - p_0), the softmax over the negatives alone: the "relative penalty" of Wang & Liu 2021
    (arXiv:2012.09740), section 3. A low temperature gives it all to the nearest negative.
    """
    similarity = np.asarray(similarity, np.float64)
    return probabilities(similarity[1:], temperature) if len(similarity) > 1 else np.empty(0)


def forces(anchor: np.ndarray, others: np.ndarray, temperature: float) -> np.ndarray:
    """What each candidate does to an anchor of unit length: -d l / d anchor, split by candidate.

    The loss sees the anchor's direction alone, so what changes its length is taken out:

        f_0 = (1 - p_0) (c_0 - (c_0 . a) a) / temperature,    f_k = -p_k (c_k - (c_k . a) a) / temperature.

    Args:
        anchor: a (D,), unit length.
        others: candidates c (C, D), unit length, the positive first.
        temperature: divides the cosines.

    Returns:
        (C, D); the sum over candidates is the direction in which gradient descent moves the anchor.
    """
    similarity = others @ anchor  # (C,)
    weight = -probabilities(similarity, temperature)
    weight[0] += 1
    tangent: np.ndarray = others - similarity[:, None] * anchor  # (C, D)
    return weight[:, None] * tangent / temperature


def largest_negatives(similarity: np.ndarray, count: int) -> np.ndarray:
    """Columns of the largest cosines of each row (R, K), largest first: (R, count), or (R, K) where K is less."""
    return np.argsort(-similarity, axis=1, kind="stable")[:, :count]
