"""What a training has cost, counted: floating-point operations of a step, from the layers that it runs."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from sslviz.methods.base import Method, StepContext
from sslviz.methods.policies import ViewPolicy

COUNTED = 16  # images of the step that is counted
HOW = (
    "2 operations a multiply-add of convolutions and matrix products, forward and backward, of every network that a "
    "step runs (encoder, head, key encoder, decoder), counted for a step of {n} images, times images a step and steps; "
    "views, normalisation, optimiser and evaluation left out"
)


def step_flops(model: Method, shape: tuple[int, int, int], policy: ViewPolicy, *, n: int = COUNTED) -> float:
    """Floating-point operations of a training step for each of its images.

    Args:
        model: with all that its training needs; a copy with fresh weights will do, and it is left in training mode.
        shape: of the images (C, H, W).
        policy: of the random views.
        n: images of the step that is counted.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n, *shape, generator=generator)
    classes = getattr(model.config, "classes", 1)
    labels = torch.arange(n) % classes
    model.train()
    with FlopCounterMode(display=False) as counter:
        losses = model.training_step(x, generator, StepContext(forward=model, policy=policy, labels=labels))
        losses["loss"].backward()
    return counter.get_total_flops() / n


def training_pflop(
    model: Method, card: dict[str, Any], shape: tuple[int, int, int], policy: ViewPolicy
) -> float | None:
    """10^15 floating-point operations of the training that a card tells of; None where it does not say how many steps.

    Args:
        model: as the card's.
        card: of the model, with "steps" and "batch_size".
        shape, policy: see `step_flops`.
    """
    if not card.get("steps") or not card.get("batch_size"):
        return None
    fresh = type(model)(model.config)
    return step_flops(fresh, shape, policy) * card["steps"] * card["batch_size"] / 1e15
