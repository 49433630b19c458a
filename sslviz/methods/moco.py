"""MoCo: a query finds its key among a queue of keys that a slowly moving copy of the encoder has made."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.errors import UserError
from sslviz.methods.base import Arrays, Losses, Moment, StepContext, TwoViewMethod, picture, similarities
from sslviz.methods.encoders import TwoViewConfig
from sslviz.methods.losses import info_nce
from sslviz.methods.views import two_views

AGES = 4  # of keys whose drift is measured
PER_AGE = 10  # of them shown
Replayed = list[tuple[int, Tensor, Tensor]]  # an age in steps, its views (B, C, H, W), its cosines (B,)


@dataclass(frozen=True)
class MoCoConfig(TwoViewConfig):
    """Shape, queue and momentum of a MoCo model.

    Attributes:
        encoder: shape of the encoder.
        hidden: width of the projector's hidden layer.
        dim: D_z, width of the projection.
        queue_size: K, the number of negatives; batches must not be larger.
        momentum: of the key side, which moves by (1 - momentum) towards the query side a step.
        temperature: divides the cosine similarities in InfoNCE.
    """

    method = "moco"
    queue_size: int = 4096
    momentum: float = 0.99
    temperature: float = 0.2

    @property
    def largest_batch(self) -> int:
        return self.queue_size

    @property
    def batch_reason(self) -> str:
        return ", since its queue must hold at least one batch; raise --model.queue-size or lower --batch-size"


class MoCo(TwoViewMethod):
    """Momentum contrast (He et al. 2020, arXiv:1911.05722).

    Projector and views are those of its second version (Chen et al. 2020, arXiv:2003.04297). Two things are not as in
    the papers: batches are not shuffled between devices before the keys' batch normalisation, as most runs here have
    one device; and each view is a query once and a key once, where the papers have one query and one key an image.
    """

    Config = MoCoConfig
    training_only = ("encoder_k", "projector_k", "queue", "cursor")
    queue: Tensor
    cursor: Tensor

    def __init__(self, config: MoCoConfig) -> None:
        super().__init__(config)
        self.encoder_k = copy.deepcopy(self.encoder).requires_grad_(False)
        self.projector_k = copy.deepcopy(self.projector).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(config.dim, config.queue_size), dim=0))  # (D_z, K)
        self.register_buffer("cursor", torch.zeros((), dtype=torch.long))  # the column that is written next

    def training_step(self, batch: Tensor, generator: torch.Generator, context: StepContext) -> Losses:
        x1, x2 = two_views(batch, context.policy, generator=generator)
        q = context.forward(torch.cat([x1, x2]))  # (2B, D_z)
        with context.autocast():
            k = self.keys(torch.cat([x2, x1]))  # each view is a query once and a key once
        loss = info_nce(q, k, self.queue, temperature=self.config.temperature)
        context.carried = k[: len(batch)]
        return {"loss": loss} | similarities(q.detach(), k)

    def after_step(self, context: StepContext) -> None:
        self.update_momentum()
        self.enqueue(context.gather(context.carried))

    @torch.no_grad()
    def keys(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> keys of unit length (B, D_z), without gradient.

        Raises:
            UserError: the model was stored without its key side.
        """
        if self.encoder_k is None:
            raise UserError(
                "This MoCo was stored without its key side and queue, which only training needs; train a new one with "
                "`sslviz train moco`."
            )
        return F.normalize(self.projector_k(self.encoder_k(x)).float(), dim=1)

    @torch.no_grad()
    def update_momentum(self) -> None:
        """Move the key side a step towards the query side: k <- momentum * k + (1 - momentum) * q."""
        pairs = ((self.encoder, self.encoder_k), (self.projector, self.projector_k))
        for query, key in ((q, k) for a, b in pairs for q, k in zip(a.parameters(), b.parameters(), strict=True)):
            key.lerp_(query, 1 - self.config.momentum)

    @torch.no_grad()
    def enqueue(self, k: Tensor) -> None:
        """Write keys (B, D_z) over the oldest columns of the queue."""
        size = self.queue.shape[1]
        if len(k) > size:
            raise ValueError(f"a batch of {len(k)} keys does not fit into a queue of {size}")
        columns = (self.cursor + torch.arange(len(k), device=k.device)) % size
        self.queue[:, columns] = k.T
        self.cursor.copy_((self.cursor + len(k)) % size)

    def snapshot(self, x: Tensor, moment: Moment) -> Arrays:
        """As `TwoViewMethod.snapshot`, and `queue_state`."""
        return super().snapshot(x, moment) | self.queue_state(moment)

    @torch.no_grad()
    def queue_pictures(self, moment: Moment, *, per_age: int) -> Arrays:
        """The first keys of each age as the pictures that they were made of, drawn again from the run's seed and order.

        Returns:
            age (A,) steps, newest first; view (A, P, C, H, W) uint8; kept (A, P) the cosine of each key with the key
            that the key encoder makes of the same view now.

        Raises:
            UserError: the model was stored without its key side, or nothing can be drawn again.
        """
        if self.encoder_k is None:
            raise UserError("This model was stored without its key side and queue, which only training needs.")
        if moment.batch_of is None or not moment.step:
            raise UserError("The images of this queue can't be drawn again: no step was taken, or they are not here.")
        ages = list(range(min(moment.step, self.queue.shape[1] // moment.batch_size)))
        found = _some(list(self._replayed(moment, ages)), per_age)
        return {"age": np.array(ages, np.int32), "view": found["drift_view"], "kept": found["drift_kept"]}

    def _replayed(self, moment: Moment, ages: list[int]) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Of each age, in steps: its views (B, C, H, W), and the cosines (B,) of their keys with the same made now."""
        if moment.batch_of is None:
            return
        size, batch_size = self.queue.shape[1], moment.batch_size
        key_side = copy.deepcopy(nn.Sequential(self.encoder_k, self.projector_k)).train()  # as when they were made
        for age in ages:
            x, generator = moment.batch_of(moment.step - 1 - age)
            x1, x2 = two_views(x, moment.policy, generator=generator)
            now = F.normalize(key_side(torch.cat([x2, x1]).to(self.device))[: len(x1)], dim=1)  # (B, D_z)
            columns = (int(self.cursor) - (age + 1) * batch_size + torch.arange(batch_size)) % size
            yield age, x2, (now * self.queue[:, columns.to(self.device)].T).sum(1)

    @torch.no_grad()
    def queue_state(self, moment: Moment) -> Arrays:
        """How old the keys are, and how far the key encoder has moved since it made them.

        Returns:
            age (K,) of each column in steps, -1 where it still holds the random numbers that it began with;
            drift_age (A,) steps, and drift (A,) the mean cosine of the keys of that age with the keys that the key
            encoder makes of the same views now: 1 is no drift; drift_view (A, P, C, H, W) uint8 and drift_kept (A, P),
            the first of these views and their own cosines, left out where there are none. `apart`: the distance of both
            encoders' weights, as a share of the query encoder's length.
        """
        size, cursor, batch_size = self.queue.shape[1], int(self.cursor), moment.batch_size
        behind = (cursor - 1 - torch.arange(size)) % size  # 0 for the newest key
        age = torch.where(behind < moment.step * batch_size, behind // max(1, batch_size), -1)  # (K,)
        ages: list[int] = []
        if moment.batch_of is not None and moment.step:
            oldest = min(moment.step, size // batch_size) - 1
            ages = sorted({round(oldest * i / (AGES - 1)) for i in range(AGES)})
        replayed = list(self._replayed(moment, ages))
        drift = [float(kept.mean()) for _, _, kept in replayed]
        pairs = list(zip(self.encoder.parameters(), self.encoder_k.parameters(), strict=True))
        apart = sum(float((q - k).square().sum()) for q, k in pairs)
        length = sum(float(q.square().sum()) for q, _ in pairs)
        return {
            "age": age.numpy().astype(np.int32),
            "drift_age": np.array(ages, np.int32),
            "drift": np.array(drift, np.float32),
            **_some(replayed, PER_AGE),
            "apart": np.array((apart / max(length, 1e-30)) ** 0.5, np.float32),
        }


def _some(replayed: Replayed, count: int) -> Arrays:
    """The first views of each age (A, P, C, H, W) uint8, and their cosines (A, P); {} of no ages."""
    if not replayed:
        return {}
    return {
        "drift_view": np.stack([picture(view[:count]) for _, view, _ in replayed]),
        "drift_kept": np.stack([kept[:count].float().cpu().numpy() for _, _, kept in replayed]),
    }
