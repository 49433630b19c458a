"""What a run will cost, before it starts: memory by counting, time by a short warm-up of the run's own steps."""

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from sslviz.errors import ErrorCode, UserError
from sslviz.memory import free_memory, peak_memory
from sslviz.methods.base import StepContext
from sslviz.methods.registry import method_class
from sslviz.training.batches import Batches, batches_for, generator_for
from sslviz.training.config import TrainConfig, check, view_size
from sslviz.training.progress import steps_of
from sslviz.training.stepper import Stepper, precision_of

WARM, MEASURED = 2, 2.0  # steps before the clock starts; seconds that are then measured
WORKSPACE = 1.5  # of the activations: what convolutions and the optimiser need besides
COUNTED = 4  # images of the batch whose activations are counted
MB = 2**20


@dataclass(frozen=True)
class Estimate:
    """What a run will cost here.

    Attributes:
        images_per_second: as measured just now, beside whatever else the machine does.
        steps: of the run.
        epochs: passes over the training images.
        seconds: of training, evaluation not counted.
        memory_mb: peak of the process, MiB.
        free_mb: memory that it may take, MiB; None where the system doesn't say.
        precision: that the run computes in.
    """

    images_per_second: float
    steps: int
    epochs: float
    seconds: float
    memory_mb: float
    free_mb: float | None
    precision: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def estimate(config: TrainConfig) -> tuple[TrainConfig, Estimate]:
    """Measure a run's first steps on a model of their own, and turn a budget in minutes into steps.

    A run that counts steps can be repeated exactly; one that watches the clock can't.

    Returns:
        the run with its budget in steps and its precision chosen, and what it will cost.

    Raises:
        UserError: the run does not fit into memory, or `fit` would refuse it.
    """
    check(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    data = batches_for(config)
    needed, free = memory(config, data), free_memory()
    free = None if free is None else peak_memory() + free
    if free is not None and needed > free:
        raise UserError(
            f"This run needs some {needed / MB:,.0f} MiB of memory and {free / MB:,.0f} are free: lower the batch size "
            f"(now {config.batch_size:,}) or choose a smaller encoder.",
            code=ErrorCode.MEMORY,
        )
    precision, _ = precision_of(config, data)
    pace, per_epoch = _pace(Stepper(config, data, precision=precision), data), len(data) // config.batch_size
    budgets = [steps_of(config, per_epoch), config.minutes and max(1, round(60 * config.minutes * pace))]
    steps = int(min(budget for budget in budgets if budget))
    found = Estimate(
        images_per_second=round(pace * config.batch_size, 1),
        steps=steps,
        epochs=round(steps / per_epoch, 2),
        seconds=round(steps / pace, 1),
        memory_mb=round(needed / MB),
        free_mb=free and round(free / MB),
        precision=precision,
    )
    return replace(config, steps=steps, epochs=None, minutes=None, precision=precision), found


def _pace(stepper: Stepper, data: Batches) -> float:
    """Steps a second. The learning rate is 0: it costs the same, and one that is too high shows itself in the run."""
    config, data = stepper.config, data.to(stepper.device)
    per_epoch, step, spent = len(data) // config.batch_size, 0, 0.0
    stepper.model.train()
    while step < WARM + 1 or (spent < MEASURED and step < per_epoch):
        started = time.perf_counter()
        place = {"rank": stepper.rank, "share": stepper.share}
        labels = data.labels(0, step % per_epoch, **place) if config.about.labels else None
        batch = data.batch(0, step % per_epoch, **place)
        losses = stepper.step(batch, stepper.generator(step), lr=0.0, labels=labels)
        float(losses["loss"])  # waits for a GPU
        step += 1
        spent += (time.perf_counter() - started) * (step > WARM)
    stepper.leave()
    return (step - WARM) / spent


def memory(config: TrainConfig, data: Batches) -> float:
    """Bytes that a run on the CPU will hold at its peak, this process as it is (with the images read) included.

    Counted: weights, gradients and AdamW's two averages, and what each layer of a step of a few images hands on for the
    backward pass.
    """
    model = method_class(config.method).begin(config.model, seed=0, data=data).train()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    few = min(COUNTED, config.batch_size)
    handed: list[int] = []

    def count(layer: nn.Module, given: Any, out: Any) -> None:
        if isinstance(out, Tensor) and out.requires_grad and not isinstance(layer, nn.Flatten):
            handed.append(out.numel())

    hooks = [layer.register_forward_hook(count) for layer in model.modules() if not list(layer.children())]
    context = StepContext(forward=model, policy=config.views)
    context.labels = data.labels(0, 0, rank=0, share=few) if config.about.labels else None
    model.training_step(data.batch(0, 0, rank=0, share=few), generator_for(0, 0, stream=1), context)
    for hook in hooks:
        hook.remove()
    activations = 4 * sum(handed) / few * config.batch_size
    images = 0.0
    if config.about.kind == "image":
        h, w = view_size(config)
        images = 4 * 6 * (2 if config.about.views else 1) * config.batch_size * config.model.input_shape[0] * h * w
    return peak_memory() + 4 * trained * 3 + WORKSPACE * activations + images
