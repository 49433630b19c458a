"""What commands read: a model, and images that fit it."""

import sys
from typing import Any

from sslviz.errors import UserError


def load_model(name: str) -> Any:
    """A model by its name or path; where an own and a bundled model share the name, say on stderr which one it is."""
    from sslviz.store.checkpoint import CONFIG, load
    from sslviz.store.names import OWN, bundled_path, folders_of

    if bundled_path(name) in folders_of(name) and any((path / CONFIG).is_file() for path in folders_of(f"{OWN}{name}")):
        print(f"{name} is the bundled model; yours is {OWN}{name}.", file=sys.stderr)
    return load(name)


def both_splits(dataset: str) -> tuple[Any, Any]:
    from sslviz.data.images import load_images

    return load_images(dataset, "train"), load_images(dataset, "test")


def encoded(checkpoint: str, dataset: str, split: str, *, bundled: bool = False) -> tuple[Any, Any, Any]:
    """h (N, D) of a dataset's images, these images, and the model."""
    from sslviz.data.images import load_images
    from sslviz.evaluation.embedding import encode

    model, images = load_model(checkpoint), load_images(dataset, split, bundled=bundled)
    check_fits(model, images, checkpoint)
    return encode(model, images.x), images, model


def check_fits(model: Any, images: Any, name: str) -> None:
    """A model takes images of the channels, and some of the size, that it was made for."""
    if refusal := model.config.refusal(images.shape):
        raise UserError(f"{name} {refusal}; choose another model, or other images than {images.name}.")
