"""Supervised learning: a linear classifier on h, trained with the labels together with the encoder.

What an encoder of the same shape reaches where every label is used: the ceiling beside methods that use none.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.methods.base import PAIRS, SHOWN, Arrays, Losses, Method, Moment, StepContext, picture
from sslviz.methods.config import Bounds
from sslviz.methods.encoders import Encoder, EncoderMethodConfig
from sslviz.methods.views import augment, two_views


@dataclass(frozen=True)
class SupervisedConfig(EncoderMethodConfig):
    """Shape of an encoder with a classifier.

    Attributes:
        encoder: shape of the encoder.
        classes: K, how many classes the labels name; the dataset's number by default.
    """

    method = "supervised"
    classes: Annotated[int, Bounds(2, 10_000)] = 10


class Supervised(Method):
    """Encoder and linear classifier, cross-entropy of the labels, one random view of each image.

    The recipe of LeNet-5 (LeCun et al. 1998, Proceedings of the IEEE 86(11)) with the views of the other methods.
    """

    Config = SupervisedConfig
    smallest_batch = 2  # one image alone is of one class

    def __init__(self, config: SupervisedConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder)
        self.classifier = nn.Linear(config.encoder.dim, config.classes)

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> representation h (B, D_h), which is mapped and probed."""
        return self.encoder(x)

    def output(self, h: Tensor) -> Tensor:
        """h (B, D_h) -> logits of the classes (B, K)."""
        return self.classifier(h)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> logits of the classes (B, K)."""
        return self.output(self.encode(x))

    def training_step(self, batch: Tensor, generator: torch.Generator, context: StepContext) -> Losses:
        if context.labels is None:
            raise ValueError("a supervised step needs the labels of its batch")
        logits = context.forward(augment(batch, context.policy, generator=generator))  # (B, K)
        right = (logits.detach().argmax(1) == context.labels).float().mean()
        return {"loss": F.cross_entropy(logits.float(), context.labels), "accuracy": right}

    def snapshot(self, x: Tensor, moment: Moment) -> Arrays:
        """x1, x2 (16, C, H, W), uint8: two of the views that a step might see of an image."""
        x1, x2 = two_views(x[:PAIRS], moment.policy, generator=moment.generator())
        return {"x1": picture(x1), "x2": picture(x2)}

    def step_snapshot(self, x: Tensor, moment: Moment, generator: torch.Generator) -> Arrays:
        """x and x1 (10, C, H, W), uint8: images and the view that the step saw of each."""
        x1 = augment(x, moment.policy, generator=generator)  # of the whole batch, as the step drew them
        return super().step_snapshot(x, moment, generator) | {"x1": picture(x1[:SHOWN])}
