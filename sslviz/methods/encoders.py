"""Image encoders: a small residual family, written once for every method.

Width, depth and stride set the cost. The default sees CIFAR-10's 50,000 images, two views each, in little more than a
minute of one CPU core; two blocks a stage with strides of 1, 1, 2, 2, 2 are the usual ResNet-18 with the CIFAR stem.
"""

from dataclasses import dataclass, field
from typing import Annotated, Self

import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.methods.config import Bounds, MethodConfig, OutOfBounds, check_bounds

MOST_STAGES = 8


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

    channels: Annotated[int, Bounds(1, 3)] = 3
    widths: Annotated[tuple[int, ...], Bounds(1, 2048)] = (64, 128, 256)
    strides: Annotated[tuple[int, ...], Bounds(1, 4)] = (2, 2, 2)
    depth: Annotated[int, Bounds(0, 8)] = 0
    pool: Annotated[int, Bounds(1, 8)] = 2

    def __post_init__(self) -> None:
        check_bounds(self, prefix="--model.encoder.")
        if not 0 < len(self.widths) == len(self.strides) <= MOST_STAGES:
            raise OutOfBounds(f"An encoder has 1 to {MOST_STAGES} --model.encoder.widths, and as many strides.")

    @property
    def dim(self) -> int:
        """D_h, the width of h."""
        return self.widths[-1] * self.pool**2


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


@dataclass(frozen=True)
class EncoderMethodConfig(MethodConfig):
    """What a method's config has whose h is that of an `Encoder`.

    Attributes:
        encoder: shape of the encoder.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)

    @classmethod
    def for_images(cls, shape: tuple[int, int, int]) -> Self:
        return cls(EncoderConfig(channels=shape[0]))

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.encoder.channels,)

    @property
    def dim_h(self) -> int:
        return self.encoder.dim


@dataclass(frozen=True)
class TwoViewConfig(EncoderMethodConfig):
    """Encoder and projector of a method that compares two views of an image.

    Attributes:
        encoder: shape of the encoder.
        hidden: width of the projector's hidden layer.
        dim: D_z, width of the projection that the loss sees.
    """

    hidden: Annotated[int, Bounds(1, 8192)] = 512
    dim: Annotated[int, Bounds(1, 4096)] = 128
