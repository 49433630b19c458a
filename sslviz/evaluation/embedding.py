"""Encoder + images -> representation h. The encoder is only looked through, never touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np
import torch
from torch import nn

from sslviz.data.images import to_float
from sslviz.errors import UserError


def encode(
    model,
    x: np.ndarray | torch.Tensor,
    *,
    batch_size: int = 512,
    device: str | torch.device | None = None,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Encodes images in eval mode, without gradients, batch by batch.

    Weights, buffers, the train/eval mode of every submodule and the device are afterwards what they were before, bit
    for bit, also when encoding stops with an error.

    Args:
        model: anything with `encode(x) -> h`, x float32 in [0, 1] of shape (B, C, H, W). A tuple, such as a VAE's
            (mu, logvar), counts as its first part.
        x: images (N, C, H, W), uint8 in 0..255 or floats in [0, 1].
        batch_size: images a forward pass.
        device: where to encode; None is where the model lies already.
        progress: called after each batch with the fraction done, in (0, 1]; may raise to cancel.

    Returns:
        h, float32 (N, D).

    Raises:
        UserError: no images, an array that is not (N, C, H, W), or a dtype that is neither uint8 nor floating.
    """
    x = _check_images(x)
    if batch_size < 1:
        raise UserError(f"batch_size is {batch_size}: choose 1 or more.")
    h: np.ndarray = np.empty(0, np.float32)
    done = 0
    with _frozen(model, device) as device, torch.inference_mode():
        for batch in x.split(batch_size):
            batch = batch.to(device, non_blocking=True)
            h_batch = model.encode(to_float(batch))  # (B, D)
            if isinstance(h_batch, tuple):
                h_batch = h_batch[0]
            if not done:
                h = np.empty((len(x), *h_batch.shape[1:]), np.float32)
            h[done : done + len(batch)] = h_batch.float().cpu().numpy()
            done += len(batch)
            if progress:
                progress(done / len(x))
    return h


def _check_images(x: np.ndarray | torch.Tensor) -> torch.Tensor:
    if isinstance(x, np.ndarray):
        if x.dtype.kind == "f":
            x = x.astype(np.float32, copy=False)
        x = torch.from_numpy(x if x.flags.writeable and min(x.strides, default=0) >= 0 else x.copy())
    if x.ndim != 4 or not len(x):
        raise UserError(f"Images have shape {tuple(x.shape)}: give at least one, as an array (N, C, H, W).")
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise UserError(f"Images have dtype {x.dtype}: give uint8 in 0..255 or floats in [0, 1].")
    return x


@contextmanager
def _frozen(model, device: str | torch.device | None) -> Iterator[torch.device]:
    """Puts a model in eval mode on `device`, and back into every submodule's own mode on the device it came from."""
    if not isinstance(model, nn.Module):
        yield torch.device(device or "cpu")
        return
    home = next((tensor.device for tensor in chain(model.parameters(), model.buffers())), torch.device("cpu"))
    away = torch.device(device) if device is not None else home
    modes = {module: module.training for module in model.modules()}
    try:
        if away != home:
            model.to(away)
        model.eval()
        yield away
    finally:
        if away != home:
            model.to(home)
        for module, mode in modes.items():
            module.training = mode
