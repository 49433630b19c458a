"""The model, its optimiser and the device that they are on: what one training step works with."""

import gc
import logging
import os
import time
from typing import Any, Literal, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from sslviz.errors import UserError
from sslviz.methods.base import Losses, StepContext
from sslviz.methods.registry import method_class
from sslviz.training.batches import Batches, generator_for
from sslviz.training.config import TrainConfig

Precision = Literal["32-true", "bf16-mixed"]
WARM, TIMED = 3, 5  # steps in each precision before one is chosen
FASTER = 1.1  # times as fast as float32 that bf16 must be


class Stepper:
    """A model that is trained a step at a time.

    Nothing here reads what the device computes, but where the caller asks for it: on a GPU the host runs ahead.

    Attributes:
        model: on its device.
        fabric: devices and other processes.
        precision: of the forward pass.
        share: of a batch, this process's part.
    """

    def __init__(self, config: TrainConfig, data: Batches, *, precision: Precision) -> None:
        self.config, self.precision = config, precision
        world = int(os.environ.get("WORLD_SIZE", 1))  # set by torchrun and `fabric run`
        local = int(os.environ.get("LOCAL_WORLD_SIZE", world))
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it tells of its own precision
        self.fabric = Fabric(
            accelerator=device_of(config), devices=local, num_nodes=world // local,
            strategy="ddp" if world > 1 else "auto", precision=precision,
        )  # fmt: skip
        if world > 1:
            self.fabric.launch()
        self.share, remainder = divmod(config.batch_size, world)
        if remainder:
            raise UserError(f"A batch of {config.batch_size:,} must divide by {world} processes; choose another size.")
        self.model = method_class(config.method).begin(config.model, seed=config.seed, data=data)
        if config.about.kind == "image":
            self.model.to(memory_format=torch.channels_last)
        trainable = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trainable, lr=config.lr, weight_decay=config.weight_decay, fused=True)
        forward, self.optimizer = self.fabric.setup(self.model, optimizer)
        self._adamw: Any = optimizer
        self.context = StepContext(
            forward=forward, policy=config.views, gather=self._gather, autocast=self.fabric.autocast
        )
        self.on_host = self.fabric.device.type == "cpu"  # what is computed can be read at no cost
        self._finite = torch.ones((), dtype=torch.bool, device=self.fabric.device)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.fabric.device

    @property
    def rank(self) -> int:
        """Number of this process."""
        return self.fabric.global_rank

    @property
    def leads(self) -> bool:
        """Whether this process is the one that tells and saves."""
        return self.fabric.is_global_zero

    def generator(self, step: int) -> torch.Generator:
        """What a step draws from in this process."""
        return generator_for(self.config.seed, step, stream=1 + self.rank)

    def step(self, batch: Any, generator: torch.Generator, *, lr: float, labels: Tensor | None = None) -> Losses:
        """One optimiser step.

        Args:
            batch: as `Method.training_step` takes it.
            generator: of what is random in the step.
            lr: learning rate of the step.
            labels: of the batch, for a method that needs them.

        Returns:
            the losses, on the device and detached.

        Raises:
            FloatingPointError: a loss that is not finite, before it can spoil the weights. Off the CPU the weights are
                kept from it too, and `check_finite` raises.
        """
        self.context.labels = labels
        losses = self.model.training_step(batch, generator, self.context)
        finite = losses["loss"].detach().isfinite()
        if self.on_host:
            if not finite:
                raise FloatingPointError
        else:
            self._finite &= finite
            self._adamw.found_inf = (~finite).float()  # AdamW's kernel leaves the weights alone where this is 1
        for group in self._adamw.param_groups:
            group["lr"] = lr
        self._adamw.zero_grad(set_to_none=True)
        self.fabric.backward(losses["loss"])
        self.optimizer.step()
        self.model.after_step(self.context)
        return {key: value.detach() for key, value in losses.items()}

    def check_finite(self) -> None:
        """Wait for the device, and see whether all losses so far were finite.

        Raises:
            FloatingPointError: one was not.
        """
        if not self._finite:
            raise FloatingPointError

    def leave(self) -> None:
        """Close the connections to other processes; what trained in step would train alone from now.

        Whatever still holds a connection keeps its threads until the interpreter ends, where gloo's now and then abort
        a process that is done (and torchrun then stops the others): so the wrapped model goes before the group.
        """
        if self.fabric.world_size > 1 and torch.distributed.is_initialized():
            self.context.forward = self.model
            gc.collect()
            torch.distributed.destroy_process_group()

    def _gather(self, z: Tensor) -> Tensor:
        if self.fabric.world_size == 1:
            return z
        gathered = cast(Tensor, self.fabric.all_gather(z, sync_grads=z.requires_grad))
        return gathered.flatten(0, 1)


def device_of(config: TrainConfig) -> str:
    """The kind of device that a run takes: "cuda", "mps" or "cpu".

    Raises:
        UserError: the config names one that is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if config.device == "auto":
        return next(name for name, found in there.items() if found)
    if not there[config.device]:
        raise UserError(f"There is no {config.device} device here; use --device cpu or leave it at auto.")
    return config.device


def precision_of(config: TrainConfig, data: Batches) -> tuple[Precision, dict[str, float]]:
    """In which precision a run computes, and how fast each was where it was measured.

    Only processors that compute in bf16 are asked, as others take 7 times as long in it. A model of its own takes a few
    of the run's first steps in each precision, so the run itself begins as it would have. bf16 is less exact, so it is
    taken where it is faster by a tenth.

    Returns:
        the precision, and images a second by precision (empty where nothing was measured).
    """
    if config.precision != "auto":
        return config.precision, {}
    device = device_of(config)
    if not has_bf16(device):
        return "32-true", {}
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:  # processes that measure apart might not agree
        return ("bf16-mixed" if device == "cuda" else "32-true"), {}
    rates = {precision: _rate(config, data, precision) for precision in ("32-true", "bf16-mixed")}
    return ("bf16-mixed" if rates["bf16-mixed"] > FASTER * rates["32-true"] else "32-true"), rates


def has_bf16(device: str) -> bool:
    """Whether a device computes in bf16, and not only stores it."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _rate(config: TrainConfig, data: Batches, precision: Precision) -> float:
    """Images a second of a run's first steps, at a learning rate of 0."""
    stepper = Stepper(config, data, precision=precision)
    data = data.to(stepper.device)
    per_epoch = max(1, len(data) // config.batch_size)
    stepper.model.train()
    started = 0.0
    for step in range(WARM + TIMED):
        if step == WARM:
            _wait(stepper.device)
            started = time.perf_counter()
        place = {"rank": stepper.rank, "share": stepper.share}
        labels = data.labels(0, step % per_epoch, **place) if config.about.labels else None
        stepper.step(data.batch(0, step % per_epoch, **place), stepper.generator(step), lr=0.0, labels=labels)
    _wait(stepper.device)
    return round(TIMED * config.batch_size / (time.perf_counter() - started), 1)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
