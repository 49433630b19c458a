"""What the app shows of a run while it trains: small arrays of the moment, a file each, and no change to the run.

Models are seen in eval mode without gradients, and whatever is random here has generators of its own, so a run that is
watched and one that is not are the same to the last bit.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sslviz.data import npz
from sslviz.data.images import ImageSet, to_float
from sslviz.errors import UserError
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.maps import fit_map
from sslviz.methods.base import Arrays, Method, Moment
from sslviz.training.monitor import resting

FOLDER = "live"  # of these files beside a model's
MAPPED, SHOWN = 600, 40  # held-out images on the map, and for the method's own pictures


def snapshot(model: Method, test: ImageSet, moment: Moment) -> Arrays:
    """How a model stands, in arrays for the page.

    Args:
        model: on any device and in any mode, which it keeps.
        test: held-out images; some are shown, always the same.
        moment: where the run stands.

    Returns:
        xy (N, 2) float32, the PCA of h of N <= 600 held-out images, left out where there are too few of them; their
        labels y (N,); and what `Method.snapshot` adds.
    """
    pick = torch.randperm(len(test), generator=moment.generator())
    held = pick[:MAPPED]
    found: Arrays = {"y": test.y[held].numpy()} | _map(model, test.x[held])
    with resting(model):
        return found | model.snapshot(to_float(test.x[pick[:SHOWN]]), moment)


def _map(model: Method, x: Tensor) -> Arrays:
    try:
        return {"xy": fit_map(encode(model, x), method="pca").xy.astype(np.float32)}
    except UserError:  # too few, or all alike
        return {}


def step_snapshot(model: Method, x: Tensor, moment: Moment, generator: torch.Generator) -> Arrays:
    """What one step was given, and what the model makes of it after the step; see `Method.step_snapshot`."""
    with resting(model):
        return model.step_snapshot(x, moment, generator)


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """Euclidean norm of the gradient of each part of a model, as the last step has left them."""
    norms = {}
    for name, part in model.named_children():
        gradients = [p.grad for p in part.parameters() if p.grad is not None]
        if gradients:
            norms[name] = float(torch.stack(torch._foreach_norm(gradients)).norm())
    return norms


def write(folder: Path, name: str, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays as `live/<name>.npz` in a run's folder, whole or not at all.

    Raises:
        UserError: no space, or a folder that can't be written to.
    """
    path = folder / FOLDER / f"{name}.npz"
    npz.write(path, {key: np.asarray(value) for key, value in arrays.items()}, compress=True)
    return path
