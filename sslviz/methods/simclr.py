"""SimCLR: two views of an image agree, views of other images do not."""

from dataclasses import dataclass

from torch import Tensor

from sslviz.methods.base import TwoViewMethod
from sslviz.methods.encoders import TwoViewConfig
from sslviz.methods.losses import attraction, nt_xent


@dataclass(frozen=True)
class SimCLRConfig(TwoViewConfig):
    """Shape and temperature of a SimCLR model.

    Attributes:
        encoder: shape of the encoder.
        hidden: width of the projector's hidden layer.
        dim: D_z, width of the projection that the loss sees.
        temperature: divides the cosine similarities in NT-Xent.
        negatives: whether other images are pushed apart; without them only NT-Xent's numerator is left, and z
            collapses, which is there to be seen.
    """

    method = "simclr"
    temperature: float = 0.2
    negatives: bool = True


class SimCLR(TwoViewMethod):
    """A simple framework for contrastive learning (Chen et al. 2020, arXiv:2002.05709)."""

    Config = SimCLRConfig

    def loss_of(self, z1: Tensor, z2: Tensor) -> Tensor:
        loss = nt_xent if self.config.negatives else attraction
        return loss(z1, z2, temperature=self.config.temperature)
