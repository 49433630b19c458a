"""SimCLR: two views of an image agree, views of other images do not."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from sslviz.methods.encoders import Encoder, EncoderConfig, Projector


@dataclass(frozen=True)
class SimCLRConfig:
    """Shape and temperature of a SimCLR model.

    Attributes:
        encoder: shape of the encoder.
        hidden: width of the projector's hidden layer.
        dim: D_z, width of the projection that the loss sees.
        temperature: divides the cosine similarities in NT-Xent.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    hidden: int = 512
    dim: int = 128
    temperature: float = 0.2


class SimCLR(nn.Module):
    """A simple framework for contrastive learning (Chen et al. 2020, arXiv:2002.05709)."""

    method = "simclr"

    def __init__(self, config: SimCLRConfig) -> None:
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

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> z (B, D_z)."""
        return self.project(self.encode(x))
