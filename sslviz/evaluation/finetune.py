"""Fine-tuning: the encoder is trained on the probe's labels too, which is a protocol of its own."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from sslviz.data.images import to_float
from sslviz.evaluation.embedding import encode

STEPS, BATCH, LR = 200, 50, 1e-3


def fine_tune(
    model: Any,
    x: Any,
    y: np.ndarray,
    x_test: Any,
    *,
    steps: int = STEPS,
    batch_size: int = BATCH,
    lr: float = LR,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Train a copy of an encoder with a linear layer on h, then classify the test images.

    AdamW on the cross-entropy, the learning rate rising over a tenth of the steps and falling to 0 by a cosine, without
    random views and without a choice by any validation; the layer starts at 0 and is given h of unit variance, as
    measured once before.

    Args:
        model: anything with `encode(x)` that has parameters; it stays as it is.
        x, y: labelled images (N, C, H, W) uint8, labels (N,).
        x_test: images to classify (M, C, H, W).
        steps, batch_size, lr: of the training; the batch is smaller where there are fewer images.
        seed: of the order of images.
        progress: told the fraction of the steps that is done.

    Returns:
        predictions (M,) int64.
    """
    tuned, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    images, labels = torch.as_tensor(x), torch.as_tensor(y).long()
    h = encode(model, images)
    mean, scale = torch.from_numpy(h.mean(0)), torch.from_numpy(np.maximum(h.std(0), 1e-3))
    layer = nn.Linear(h.shape[1], int(labels.max()) + 1)
    for part in (layer.weight, layer.bias):
        nn.init.zeros_(part)
    optimizer = torch.optim.AdamW([*tuned.parameters(), *layer.parameters()], lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share_of_lr(step, steps))
    tuned.train()
    batch, order = min(batch_size, len(labels)), torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        if len(order) < batch:
            order = torch.cat([order, torch.randperm(len(labels), generator=generator)])
        rows, order = order[:batch], order[batch:]
        loss = F.cross_entropy(layer((_h(tuned, to_float(images[rows])) - mean) / scale), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress:
            progress((step + 1) / steps)
    with torch.no_grad():
        logits = layer((torch.from_numpy(encode(tuned.eval(), x_test)) - mean) / scale)
    y_pred: np.ndarray = logits.argmax(1).numpy()
    return y_pred


def _h(model: Any, x: torch.Tensor) -> torch.Tensor:
    found = model.encode(x)
    return found[0] if isinstance(found, tuple) else found


def _share_of_lr(step: int, steps: int) -> float:
    rise = max(1, steps // 10)
    return (step + 1) / rise if step < rise else 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
