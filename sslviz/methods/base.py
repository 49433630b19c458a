"""What a method is: a module that encodes, one training step, and what can be seen of it.

`sslviz.training` drives any `Method` by what is declared here: it draws a batch, asks `training_step` for the losses,
runs backward and the optimiser, and calls `after_step`. `forward` and `training_step` never change the module; what a
step leaves behind (MoCo's momentum and queue) is done in `after_step`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.errors import UserError
from sslviz.methods.config import MethodConfig
from sslviz.methods.encoders import Encoder, Projector, TwoViewConfig
from sslviz.methods.policies import ViewPolicy
from sslviz.methods.views import two_views

Losses = dict[str, Tensor]  # "loss", which is descended, and what else is told of a step; each a scalar
Arrays = dict[str, np.ndarray]
SHOWN, SAMPLES, PAIRS = 10, 40, 16  # images, samples and pairs of a snapshot


@dataclass
class StepContext:
    """What a training step is given beside its batch.

    Attributes:
        forward: the model's forward, wrapped for other devices and processes; gradients are averaged through it alone.
        policy: of the random views.
        labels: of the batch, int64 (B,), where the method's entry says that it needs them.
        gather: (B, D) of this process -> (world * B, D) of all, gradients included.
        autocast: the precision of the run, for what does not go through `forward`.
        carried: what `training_step` hands to `after_step`.
    """

    forward: Callable[..., Any]
    policy: ViewPolicy = field(default_factory=ViewPolicy)
    labels: Tensor | None = None
    gather: Callable[[Tensor], Tensor] = lambda z: z
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
    carried: Any = None


@dataclass(frozen=True)
class Moment:
    """Where a run stands, for pictures of it.

    Attributes:
        policy: of the random views.
        seed: of what is random in the pictures: the same at every call, so that the same images change over time.
        step: steps done.
        batch_size: images a step.
        batch_of: an earlier step's number -> its images (B, C, H, W) and the generator that it was given.
    """

    policy: ViewPolicy
    seed: int = 0
    step: int = 0
    batch_size: int = 0
    batch_of: Callable[[int], tuple[Tensor, torch.Generator]] | None = None

    def generator(self) -> torch.Generator:
        """A fresh generator of the seed."""
        return torch.Generator().manual_seed(self.seed)


class Method(nn.Module):
    """A self-supervised model of images: `encode` is what is mapped and probed, the rest is for training it.

    Attributes:
        Config: class of its frozen config.
        smallest_batch: the fewest images that a step makes sense of.
        encoding: beginnings of the names of the tensors that `encode` needs.
        training_only: names of the parts that only training needs; None in a model that was stored without.
    """

    Config: ClassVar[type[MethodConfig]]
    smallest_batch: ClassVar[int] = 1
    encoding: ClassVar[tuple[str, ...]] = ("encoder.",)
    training_only: ClassVar[tuple[str, ...]] = ()
    config: Any

    @classmethod
    def begin(cls, config: Any, *, seed: int, data: Any = None) -> Self:
        """A model to train from; the same seed gives the same weights, and the global generator is left alone.

        Args:
            config: of the class `Config`.
            seed: of the weights.
            data: what it will be trained on (`sslviz.training.batches`), where the beginning depends on it.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(config)

    @property
    def method(self) -> str:
        """Key in `sslviz.methods.registry.METHODS`."""
        return self.Config.method

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def encode(self, x: Tensor) -> Any:
        """Images (B, C, H, W) in [0, 1] -> h (B, D_h), or a tuple that begins with it."""
        raise NotImplementedError

    def output(self, h: Tensor) -> Tensor:
        """What the model makes of h (B, D_h): a projection (B, D_z), or images (B, C, H, W)."""
        return h

    def training_step(self, batch: Any, generator: torch.Generator, context: StepContext) -> Losses:
        """The losses of a batch; the caller descends along "loss".

        Args:
            batch: images (B, C, H, W) in [0, 1], on the model's device.
            generator: of all that is random in the step, on the CPU.
            context: see `StepContext`.

        Returns:
            scalars by name, "loss" among them; only that one needs a gradient.
        """
        raise NotImplementedError

    def after_step(self, context: StepContext) -> None:
        """What is to be done once the optimiser has moved the weights."""

    @torch.no_grad()
    def metrics(self, x: Tensor, h: Tensor, *, seed: int) -> dict[str, float]:
        """Numbers to watch besides the probe, in eval mode.

        Args:
            x: held-out images (N, C, H, W), uint8 or float in [0, 1].
            h: their representation (N, D_h), on the model's device.
            seed: of what is random.
        """
        return {}

    def evaluate(self, x: Tensor, *, seed: int, batch_size: int = 1000) -> dict[str, float]:
        """What the method itself says of images (N, C, H, W), uint8 or float in [0, 1]; see its entry's `evaluation`.

        Raises:
            UserError: it says nothing.
        """
        raise UserError(f"A model of the method {self.method} has no measure of its own; probe it instead.")

    def snapshot(self, x: Tensor, moment: Moment) -> Arrays:
        """Pictures of the model as it stands, in eval mode without gradients: arrays for the page.

        Args:
            x: held-out images (N, C, H, W) in [0, 1], the first of which are shown.
            moment: where the run stands.
        """
        return {}

    def step_snapshot(self, x: Tensor, moment: Moment, generator: torch.Generator) -> Arrays:
        """Pictures of one step, in eval mode without gradients.

        Args:
            x: the step's images (B, C, H, W) in [0, 1].
            moment: where the run stands.
            generator: as the step was given it.
        """
        return {"x": picture(x[:SHOWN])}

    def write_files(self, folder: Path) -> bool:
        """Write the model into a folder in a layout of its own; False where the package's layout is to be used."""
        return False


class TwoViewMethod(Method):
    """What methods share that make the projections z of two views of an image agree.

    A subclass says how in `loss_of`.
    """

    smallest_batch = 2  # each the other's negative

    def __init__(self, config: TwoViewConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder)
        self.projector = Projector(config.encoder.dim, config.hidden, config.dim)

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> representation h (B, D_h), which is mapped and probed."""
        return self.encoder(x)

    def project(self, h: Tensor) -> Tensor:
        """h (B, D_h) -> projection z (B, D_z), which only the loss sees."""
        return self.projector(h)

    def output(self, h: Tensor) -> Tensor:
        return self.project(h)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> z (B, D_z)."""
        return self.project(self.encode(x))

    def loss_of(self, z1: Tensor, z2: Tensor) -> Tensor:
        """The loss of the projections of two views (B, D_z), row i of each of image i: a scalar."""
        raise NotImplementedError

    def training_step(self, batch: Tensor, generator: torch.Generator, context: StepContext) -> Losses:
        x1, x2 = two_views(batch, context.policy, generator=generator)
        z1, z2 = context.forward(torch.cat([x1, x2])).chunk(2)  # one pass, so both views share batch statistics
        z1, z2 = context.gather(z1), context.gather(z2)
        return {"loss": self.loss_of(z1, z2)} | similarities(z1.detach(), z2.detach())

    @torch.no_grad()
    def metrics(self, x: Tensor, h: Tensor, *, seed: int) -> dict[str, float]:
        """z_std: of normalised z, mean over dimensions, times sqrt(D_z).

        About 1 when z fills the sphere, 0 when all images share one z (Chen & He 2021, arXiv:2011.10566).
        """
        z = F.normalize(self.project(h), dim=1)  # (N, D_z)
        return {"z_std": float(z.std(0).mean() * z.shape[1] ** 0.5)} if len(z) > 1 else {}

    def snapshot(self, x: Tensor, moment: Moment) -> Arrays:
        """x1, x2 (16, C, H, W), uint8, and similarity (16, 16), the cosine of z of each x1 (row) and x2 (column)."""
        return self._compared(*two_views(x[:PAIRS], moment.policy, generator=moment.generator()))

    def step_snapshot(self, x: Tensor, moment: Moment, generator: torch.Generator) -> Arrays:
        """x, x1, x2 (10, C, H, W), uint8, and similarity (10, 10) as in `snapshot`."""
        x1, x2 = two_views(x, moment.policy, generator=generator)  # of the whole batch, as the step drew them
        return super().step_snapshot(x, moment, generator) | self._compared(x1[:SHOWN], x2[:SHOWN])

    def _compared(self, x1: Tensor, x2: Tensor) -> Arrays:
        z1, z2 = (F.normalize(self(v.to(self.device)), dim=1) for v in (x1, x2))  # (N, D_z)
        return {"x1": picture(x1), "x2": picture(x2), "similarity": (z1 @ z2.T).float().cpu().numpy()}


def similarities(z1: Tensor, z2: Tensor) -> Losses:
    """Mean cosine similarity of the pairs (positive) and of all other cross-view pairs (negative)."""
    z1, z2, n = F.normalize(z1, dim=1), F.normalize(z2, dim=1), len(z1)
    positive = (z1 * z2).sum() / n
    negative = (z1.sum(0) @ z2.sum(0) - n * positive) / max(1, n * (n - 1))
    return {"positive": positive, "negative": negative}


def picture(x: Tensor) -> np.ndarray:
    """Images in [0, 1] -> uint8 (N, C, H, W)."""
    array: np.ndarray = (x.detach().float().clamp(0, 1) * 255).round().byte().cpu().contiguous().numpy()
    return array
