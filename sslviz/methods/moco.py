"""MoCo: a query finds its key among a queue of keys that a slowly moving copy of the encoder has made."""

import copy
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.errors import UserError
from sslviz.methods.encoders import Encoder, EncoderConfig, Projector


@dataclass(frozen=True)
class MoCoConfig:
    """Shape, queue and momentum of a MoCo model.

    Attributes:
        encoder: shape of the encoder.
        hidden: width of the projector's hidden layer.
        dim: D_z, width of the projection.
        queue_size: K, the number of negatives; batches must not be larger.
        momentum: of the key side, which moves by (1 - momentum) towards the query side a step.
        temperature: divides the cosine similarities in InfoNCE.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    hidden: int = 512
    dim: int = 128
    queue_size: int = 4096
    momentum: float = 0.99
    temperature: float = 0.2


class MoCo(nn.Module):
    """Momentum contrast, version 2 (He et al. 2020, arXiv:1911.05722; Chen et al. 2020, arXiv:2003.04297)."""

    method = "moco"
    training_only = ("encoder_k", "projector_k", "queue", "cursor")  # None in a model that was stored to be used only
    queue: Tensor
    cursor: Tensor

    def __init__(self, config: MoCoConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder)
        self.projector = Projector(config.encoder.dim, config.hidden, config.dim)
        self.encoder_k = copy.deepcopy(self.encoder).requires_grad_(False)
        self.projector_k = copy.deepcopy(self.projector).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(config.dim, config.queue_size), dim=0))  # (D_z, K)
        self.register_buffer("cursor", torch.zeros((), dtype=torch.long))  # the column that is written next

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> representation h (B, D_h), which is mapped and probed."""
        return self.encoder(x)

    def project(self, h: Tensor) -> Tensor:
        """h (B, D_h) -> query z (B, D_z), which only the loss sees."""
        return self.projector(h)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> queries (B, D_z)."""
        return self.project(self.encode(x))

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
