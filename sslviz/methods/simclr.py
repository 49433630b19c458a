"""SimCLR: two views of an image agree, views of other images do not."""

from dataclasses import dataclass

from torch import Tensor

from sslviz.methods.base import TwoViewMethod
from sslviz.methods.encoders import TwoViewConfig
from sslviz.methods.losses import nt_xent


@dataclass(frozen=True)
class SimCLRConfig(TwoViewConfig):
    """Shape and temperature of a SimCLR model.

    Attributes:
        encoder: shape of the encoder.
        hidden: width of the projector's hidden layer.
        dim: D_z, width of the projection that the loss sees.
        temperature: divides the cosine similarities in NT-Xent.
    """

    method = "simclr"
    temperature: float = 0.2


class SimCLR(TwoViewMethod):
    """A simple framework for contrastive learning (Chen et al. 2020, arXiv:2002.05709)."""

    Config = SimCLRConfig

    def loss_of(self, z1: Tensor, z2: Tensor) -> Tensor:
        return nt_xent(z1, z2, temperature=self.config.temperature)
