"""A queue of keys as the pictures that they were made of, drawn again from the order and the seed of its run."""

from typing import Any

import torch

from sslviz.data.packing import pack
from sslviz.methods.base import Moment
from sslviz.training.batches import ImageBatches, generator_for
from sslviz.training.config import TrainConfig

PER_AGE = 10  # keys of each age that are shown


def queue_of(model: Any, config: TrainConfig, *, step: int) -> dict[str, Any]:
    """The first keys of each age in a model's queue, newest first.

    Args:
        model: with its key side and queue.
        config: of the run that it comes from, on the same images.
        step: how many steps the run has done.

    Returns:
        Plain values: age (A,) steps; view, pictures (A, P, C, H, W) packed; kept (A, P), the cosine of each key with
        the key that the key encoder makes of the same view now; drift (A,), its mean; and `apart`, the distance of
        both encoders' weights as a share of the query encoder's length.

    Raises:
        UserError: the model was stored without its queue, or the images are not here.
    """
    data = ImageBatches(config)
    per_epoch = max(1, len(data) // config.batch_size)

    def batch_of(number: int) -> tuple[torch.Tensor, torch.Generator]:
        epoch, position = divmod(number, per_epoch)
        batch = data.batch(epoch, position, rank=0, share=config.batch_size)
        return batch, generator_for(config.seed, number, stream=1)

    moment = Moment(config.views, config.seed, step, config.batch_size, batch_of)
    found = model.queue_pictures(moment, per_age=PER_AGE)
    return {
        "age": found["age"].tolist(),
        "view": pack(found["view"]),
        "kept": [[round(float(value), 4) for value in row] for row in found["kept"]],
        "drift": [round(float(row.mean()), 4) for row in found["kept"]],
        "apart": round(float(model.queue_state(moment)["apart"]), 5),
    }
