"""Image encoders: a small residual family, written once for every method.

Width, depth and stride set the cost. The default sees CIFAR-10's 50,000 images, two views each, in little more than a
minute of one CPU core; `RESNET18` is the usual ResNet-18 with the CIFAR stem, for a GPU.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of an encoder.

    Attributes:
        channels: of the images, 1 or 3.
        widths: channels of the stages.
        strides: of the stages' first convolution; the first stage is the stem. 1 keeps the resolution, 2 halves it.
        depth: residual blocks a stage after the stem; 0 is a plain convolution a stage.
        pool: h is the mean over each cell of a pool x pool grid, concatenated; 1 is global average pooling.
    """

    channels: int = 3
    widths: tuple[int, ...] = (64, 128, 256)
    strides: tuple[int, ...] = (2, 2, 2)
    depth: int = 0
    pool: int = 2

    def __post_init__(self) -> None:
        if not self.widths or len(self.widths) != len(self.strides):
            raise ValueError("an encoder needs as many strides as widths, and at least one")
        if self.depth < 0 or min(*self.widths, *self.strides, self.channels, self.pool) < 1:
            raise ValueError("widths, strides, channels and pool of an encoder must be at least 1, depth at least 0")

    @property
    def dim(self) -> int:
        """D_h, the width of h."""
        return self.widths[-1] * self.pool**2


RESNET18 = EncoderConfig(widths=(64, 64, 128, 256, 512), strides=(1, 1, 2, 2, 2), depth=2, pool=1)


class ConvBlock(nn.Sequential):
    """3x3 convolution, batch normalisation, ReLU."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, arXiv:1512.03385, figure 2)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvBlock(c_in, c_out, stride)
        self.conv2 = nn.Sequential(nn.Conv2d(c_out, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out))
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Identity() if same else nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(self.conv1(x)) + self.shortcut(x))


class Encoder(nn.Module):
    """Images -> representation h."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        (c, *widths), (stride, *strides) = config.widths, config.strides
        layers: list[nn.Module] = [ConvBlock(config.channels, c, stride)]
        for width, stride in zip(widths, strides, strict=True):
            if config.depth == 0:
                layers.append(ConvBlock(c, width, stride))
            for i in range(config.depth):
                layers.append(ResidualBlock(c if i == 0 else width, width, stride if i == 0 else 1))
            c = width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> h (B, D_h)."""
        x = self.layers(4 * x - 2)  # about zero mean and unit variance
        return F.adaptive_avg_pool2d(x, self.config.pool).flatten(1)


class Projector(nn.Sequential):
    """h (B, D_h) -> z (B, D_z): the head that the pretext task needs and the probe throws away (SimCLR, figure 8)."""

    def __init__(self, dim: int, hidden: int, out: int) -> None:
        super().__init__(
            nn.Linear(dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out)
        )
