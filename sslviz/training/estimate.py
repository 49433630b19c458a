"""What a run will cost, before it starts: memory by counting, time by a short warm-up of the run's own steps."""

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from sslviz.errors import ErrorCode, UserError
from sslviz.memory import free_memory, peak_memory
from sslviz.store.checkpoint import build
from sslviz.training import loop
from sslviz.training.loop import STEPS, ImageBatches, TrainConfig, generator_for

WARM, MEASURED = 2, 2.0  # steps before the clock starts; seconds that are then measured
WORKSPACE = 1.5  # of the activations: what convolutions and the optimiser need besides
MB = 2**20


@dataclass(frozen=True)
class Forecast:
    """What a run will cost here.

    Attributes:
        images_per_second: as measured just now, beside whatever else the machine does.
        steps: of the run.
        epochs: passes over the training images.
        seconds: of training, evaluation not counted.
        memory_mb: peak of the process, MiB.
        free_mb: memory that it may take, MiB; None where the system doesn't say.
    """

    images_per_second: float
    steps: int
    epochs: float
    seconds: float
    memory_mb: float
    free_mb: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def plan(config: TrainConfig) -> tuple[TrainConfig, Forecast]:
    """Measure a run's first steps on a model of their own, and turn a budget in minutes into steps.

    A run that counts steps can be repeated exactly; one that watches the clock can't.

    Raises:
        UserError: the run does not fit into memory, or `fit` would refuse it.
    """
    loop._check(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    data = ImageBatches(config)
    needed, free = memory(config), free_memory()
    free = None if free is None else peak_memory() + free
    if free is not None and needed > free:
        raise UserError(
            f"This run needs some {needed / MB:,.0f} MiB of memory and {free / MB:,.0f} are free: lower the batch size "
            f"(now {config.batch_size:,}) or choose a smaller encoder.",
            code=ErrorCode.MEMORY,
        )
    run = loop._prepare(config, data)
    for group in run.optimizer.param_groups:
        group["lr"] = 0.0  # costs the same, and a rate that is too high shows itself in the run
    data = data.to(run.fabric.device)
    per_epoch, step, spent = max(1, len(data) // config.batch_size), 0, 0.0
    while step < WARM + 1 or (spent < MEASURED and step < per_epoch):
        started = time.perf_counter()
        batch = data.batch(0, step % per_epoch, rank=0, share=config.batch_size)
        for value in STEPS[config.method](run, batch, generator_for(config.seed, step, stream=1)).values():
            value.item()  # waits for a GPU
        step += 1
        spent += (time.perf_counter() - started) * (step > WARM)
    pace = (step - WARM) / spent  # steps a second
    budgets = [config.steps, config.epochs and round(config.epochs * per_epoch)]
    budgets += [config.minutes and round(60 * config.minutes * pace)]
    steps = max(1, min(budget for budget in budgets if budget))
    told = Forecast(
        images_per_second=round(pace * config.batch_size, 1),
        steps=steps,
        epochs=round(steps / per_epoch, 2),
        seconds=round(steps / pace, 1),
        memory_mb=round(needed / MB),
        free_mb=free and round(free / MB),
    )
    return replace(config, steps=steps, epochs=None, minutes=None), told


def memory(config: TrainConfig) -> float:
    """Bytes that a run on the CPU will hold at its peak, this process as it is (with the images read) included.

    Counted: weights, gradients and AdamW's two averages, and what each layer hands on for the backward pass.
    """
    shape = config.model.shape if config.method == "vae" else (config.model.encoder.channels, *_side(config))
    with torch.device("cpu"):
        model = build(config.method, config.model, seed=0).train()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    passes = 1 if config.method == "vae" else 2 if config.method == "simclr" else 3  # MoCo's keys keep no gradients
    handed: list[int] = []
    hooks = [
        layer.register_forward_hook(lambda layer, given, out: handed.append(out.numel()))
        for layer in model.modules()
        if not list(layer.children()) and not isinstance(layer, nn.Flatten)
    ]
    with torch.no_grad():
        model(torch.zeros(2, *shape))
    for hook in hooks:
        hook.remove()
    activations = 4 * sum(handed) / 2 * config.batch_size * passes
    images = 4 * 6 * passes * config.batch_size * shape[0] * shape[1] * shape[2]
    return peak_memory() + 4 * trained * 3 + WORKSPACE * activations + images


def _side(config: TrainConfig) -> tuple[int, int]:
    if config.views.size:
        return config.views.size, config.views.size
    h, w = loop.describe(config.dataset).shape[1:]
    return h, w
