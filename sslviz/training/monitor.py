"""What is watched of an image model while it trains: labels are used here, and never to learn from."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from sslviz.data.images import ImageSet
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.protocol import online_accuracy
from sslviz.methods import registry
from sslviz.methods.base import Method

if TYPE_CHECKING:
    from collections.abc import Iterator


BANK, QUERIES = 4000, 1000  # images of the online k-NN: from the training set, from the test set


def watch(model: Method, train: ImageSet, test: ImageSet, *, seed: int) -> dict[str, float]:
    """What can be seen of a model in a second or two; it never changes the run.

    Args:
        model: on any device and in any mode, which it keeps.
        train, test: up to 4,000 and 1,000 images of them are encoded.
        seed: of the choice of images, and of what the method's own numbers draw.

    Returns:
        knn: accuracy in [0, 1] of a k-NN probe on h, from the training images to the test images; left out without
            labels, with one class, and where all h are alike. Beside it what `Method.metrics` says.
    """
    pick = torch.Generator().manual_seed(seed)
    bank = torch.randperm(len(train), generator=pick)[:BANK]
    queries = torch.randperm(len(test), generator=pick)[:QUERIES]
    h_bank, h = encode(model, train.x[bank]), encode(model, test.x[queries])
    seen: dict[str, float] = {}
    if train.labelled:
        metric, y = registry.info(model.method).metric, (train.y[bank].numpy(), test.y[queries].numpy())
        accuracy = online_accuracy(h_bank, y[0], h, y[1], metric=metric)
        seen |= {} if accuracy is None else {"knn": accuracy}
    with resting(model) as device:
        seen |= model.metrics(test.x[queries], torch.from_numpy(h).to(device), seed=seed)
    return seen


@contextmanager
def resting(model: Method) -> "Iterator[torch.device]":
    """Eval mode and no gradients for a while; gives the model's device."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield model.device
    finally:
        model.train(training)
