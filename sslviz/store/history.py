"""The encoder's weights at a few earlier steps of a model's training: `history/step-NNNNNN.safetensors` in its folder.

They are there to be looked back at, so eight bits a weight will do (float8, three of them mantissa); biases and
statistics keep half precision.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sslviz.files import writing
from sslviz.methods import registry
from sslviz.store.checkpoint import find, load_weights, read_config, save_weights

if TYPE_CHECKING:
    from sslviz.methods.base import Method

HISTORY = "history"


def load_history(name: str | Path) -> "Iterator[tuple[int, Method]]":
    """(step, model) of each saved earlier state of a model, first to last. These models can encode, nothing else."""
    folder = find(name)
    for path in sorted((folder / HISTORY).glob("step-*.safetensors")):
        method, config = read_config(folder)
        model = load_weights(path, method, config, keep=partial(_encodes, method))
        yield int(path.stem.removeprefix("step-")), model.eval()


def save_history(model: "Method", folder: Path, *, step: int) -> None:
    """Keep the encoder's weights of this moment beside the model that is being trained."""
    import torch

    path = folder / HISTORY / f"step-{step:06d}.safetensors"
    with writing(path.parent):
        save_weights(
            model, path, dtype=torch.float16, matrices=torch.float8_e4m3fn, keep=partial(_encodes, model.method)
        )


def _encodes(method: str, key: str) -> bool:
    """Whether a tensor is needed to encode an image."""
    return key.startswith(registry.method_class(method).encoding)
