"""The model's own architecture before it has seen an image."""

from __future__ import annotations

from typing import Any

import torch


def untrained(model: Any, *, seed: int) -> Any:
    """The same module with fresh weights, in eval mode; the global generator is left alone.

    Args:
        model: made by `type(model)(model.config)`; "random-NAME" on the command line is the same network.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return type(model)(model.config).eval()


def make(model: Any, seed: int) -> Any:
    """The untrained network of a model."""
    return untrained(model, seed=seed)
