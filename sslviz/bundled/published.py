"""Figures that others have published for the datasets here, each with its source and its protocol.

They were found under other protocols than those of the tables here: other encoders, views, optimisers of the probe,
sometimes the best epoch on the test set. They say where the field stands, and compare with nothing.
"""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A published accuracy.

    Attributes:
        label: what was trained.
        probe: "linear" or "knn".
        accuracy: in [0, 1], as published.
        pflop: of the training, 10^15 operations: of the encoder, from its published shape, epochs and views.
        source: where it stands.
        protocol: what is known of how it was found.
    """

    label: str
    probe: str
    accuracy: float
    pflop: float
    source: str
    protocol: str


_DKOBAK = "github.com/dkobak/simclr-cifar10"
_FROZEN = "frozen encoder, last epoch, full sets"
PUBLISHED: dict[str, tuple[Published, ...]] = {
    "cifar10": (
        Published("SimCLR, ResNet-18, 100 epochs", "linear", 0.856, 33, _DKOBAK, _FROZEN),
        Published("SimCLR, ResNet-18, 1,000 epochs", "linear", 0.917, 333, _DKOBAK, _FROZEN),
        Published("SimCLR, ResNet-18, 100 epochs", "knn", 0.832, 33, _DKOBAK, _FROZEN),
        Published("SimCLR, ResNet-18, 1,000 epochs", "knn", 0.914, 333, _DKOBAK, _FROZEN),
        Published(
            "SimCLR, ResNet-18, 200 epochs", "knn", 0.848, 67, "docs.lightly.ai, CIFAR-10 benchmark",
            "best epoch on the test set",
        ),
        Published(
            "EMP-SSL, ResNet-18, 1 epoch of 20 crops", "linear", 0.842, 3.3, "github.com/tsb0601/EMP-SSL",
            "read out over up to 128 crops of an image",
        ),
        Published(
            "supervised, airbench94", "linear", 0.94, 0.3, "github.com/KellerJordan/cifar10-airbench",
            "trained with all labels, no frozen encoder",
        ),
    )
}  # fmt: skip
