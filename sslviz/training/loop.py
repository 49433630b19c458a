"""Training: one loop for all methods, a generator of events.

    for event in fit(config_for("simclr", "mnist", minutes=5)):
        print(event)

A method says what one step is (`sslviz.methods.base`); `fit` does the rest: data order, budget, learning rate,
monitoring, saving. Every random number of step s comes from the seed and s, so that a run that was killed goes on as if
nothing had happened. Nothing is chosen by what the monitor shows: it only watches.
"""

import math
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sslviz.errors import ErrorCode, UserError
from sslviz.files import writing
from sslviz.jobs.protocol import Moment as Event
from sslviz.methods.base import Moment
from sslviz.paths import expand
from sslviz.store import checkpoint, history
from sslviz.store.names import run_folder
from sslviz.training import snapshots
from sslviz.training.batches import ImageBatches, PairBatches, TextBatches, batches_for
from sslviz.training.config import TrainConfig, check, command_for
from sslviz.training.progress import Progress
from sslviz.training.provenance import describe_hardware, describe_origin
from sslviz.training.state import STATE, read_state, restore, save_state
from sslviz.training.stepper import Stepper, precision_of

HISTORY_AT = (0.02, 0.1, 0.3)  # shares of the budget after which the encoder's weights are kept, where asked for


def fit(config: TrainConfig) -> Generator[Event, str | None, None]:
    """Train a model, yielding an event for each thing worth telling.

    The first event is "start", the last "done" with the folder of the finished model. Closing the generator stops the
    run after the step in progress and keeps its state, so that `resume=True` can go on from the step of the event that
    came last. Between two events the run waits. Sending "step" in place of asking for the next event has the next step
    told whatever `log_every` says, with its images and views in the file that its `path` names.

    Raises:
        UserError: bad config or data, a folder that can't be written, or a loss that is not finite (the state saved
            last is kept).
    """
    check(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    data, folder = batches_for(config), folder_for(config)
    run = _Run(config, data, folder)
    stepper, progress = run.stepper, run.progress
    stepper.model.train()
    try:
        wish = yield progress.event("start", info=run.info)
        run.data = data = data.to(stepper.device)
        if config.live and progress.step == 0 and stepper.leads:
            wish = yield from run.watch()
        while progress.share < 1:
            asked, wish, lr = wish == "step", None, progress.lr
            started = time.perf_counter()
            batch, losses = run.step(lr)
            progress.advance(time.perf_counter() - started)
            run.agree_on_time()
            if asked or progress.is_due():
                wish = yield run.told(batch, losses, lr, asked=asked)
            if not stepper.leads:
                continue
            if progress.monitor_is_due():
                wish = (yield from run.watch()) or wish
            run.keep_history()
            if progress.save_is_due():
                wish = (yield run.save()) or wish
        stepper.check_finite()
    except FloatingPointError as error:
        raise run.diverged() from error
    except GeneratorExit:
        if stepper.leads:
            with suppress(FloatingPointError):  # then the state saved last is the last that is worth going on from
                run.save()
        raise
    finally:
        stepper.leave()
    if stepper.leads:
        run.finish()
    yield progress.event("done", losses=run.losses, monitor=run.seen, path=str(folder))


class _Run:
    """What `fit` keeps of a run between its events."""

    def __init__(self, config: TrainConfig, data: ImageBatches | TextBatches | PairBatches, folder: Path) -> None:
        self.config, self.data, self.folder = config, data, folder
        state = read_state(config, folder / STATE) if config.resume else {}
        precision, self.rates = (state["precision"], {}) if "precision" in state else precision_of(config, data)
        self.stepper = Stepper(config, data, precision=precision)
        self.progress = Progress(config, len(data))
        self.losses: dict[str, float] = {}
        self.seen: dict[str, float] = {}
        if state:
            self.progress.begin(*restore(self.stepper, state, folder / STATE))

    @cached_property
    def info(self) -> dict[str, Any]:
        """What is said of the run as it begins, and in the model's card as it ends."""
        config, stepper, data = self.config, self.stepper, self.data
        again = replace(config, precision=stepper.precision) if self.rates else config
        trained = sum(p.numel() for p in stepper.model.parameters() if p.requires_grad)
        info: dict[str, Any] = {"name": config.name or self.folder.name, "method": config.method, "dataset": data.name}
        info |= {"source": data.source, "n_train": len(data), "parameters": trained}
        if config.about.labels:
            info["labels"] = f"learnt from the labels of all {len(data):,} training {data.things}"
        info |= {"hardware": describe_hardware(stepper.device), "command": command_for(again)} | describe_origin()
        info |= {"precision": stepper.precision} | ({"precision_rates": self.rates} if self.rates else {})
        if self.progress.total_steps < math.inf:
            info["steps"] = self.progress.total_steps
        return info

    def step(self, lr: float) -> tuple[Any, dict[str, Tensor]]:
        """Take the next step; its batch and its losses, on the device."""
        step = self.progress.step
        batch, labels = self._batch(step)
        return batch, self.stepper.step(batch, self.stepper.generator(step), lr=lr, labels=labels)

    def agree_on_time(self) -> None:
        """All processes must end at the same step, whatever their clocks say."""
        if self.config.minutes and self.stepper.fabric.world_size > 1:
            self.progress.seconds = float(self.stepper.fabric.broadcast(self.progress.seconds))

    def told(self, batch: Any, losses: dict[str, Tensor], lr: float, *, asked: bool) -> Event:
        """The event of the step that is done, and its pictures where they were asked for; this waits for a GPU."""
        started, stepper = time.perf_counter(), self.stepper
        stepper.check_finite()
        self.losses = {key: float(value) for key, value in losses.items()}
        if not stepper.on_host:  # else it has been counted
            self.progress.seconds += time.perf_counter() - started
        path = None
        if asked and self.config.about.kind == "image":
            generator = stepper.generator(self.progress.step - 1)
            pictures = snapshots.step_snapshot(stepper.model, batch, self._moment(), generator)
            path = str(snapshots.write(self.folder, "step", pictures))
        norms = snapshots.gradient_norms(stepper.model)
        rate = self.progress.rate()
        return self.progress.event(
            "step", losses=self.losses, gradients=norms, path=path, lr=lr, images_per_second=rate
        )

    def watch(self) -> Generator[Event, str | None, str | None]:
        """Evaluate the model as it stands; whatever stops the run meanwhile finds the state saved."""
        path = None
        if self.config.live:
            yield self.save()
        self.seen = self.data.monitor(self.stepper.model)
        if isinstance(self.data, ImageBatches) and self.config.live:
            pictures = snapshots.snapshot(self.stepper.model, self.data.test, self._moment())
            path = str(snapshots.write(self.folder, f"step-{self.progress.step:06d}", pictures))
        return (yield self.progress.event("monitor", monitor=self.seen, path=path))

    def save(self) -> Event:
        """Save the state; the event that says so."""
        path, progress = self.folder / STATE, self.progress
        save_state(self.stepper, path, step=progress.step, seconds=progress.seconds)
        progress.saved()
        return progress.event("saved", path=str(path))

    def keep_history(self) -> None:
        """Keep the encoder's weights of this moment, where the config asks for it."""
        due = self.config.history and any(map(self.progress.passed, HISTORY_AT)) and self.progress.share < 1
        if due and self.config.about.kind == "image":
            history.save_history(self.stepper.model, self.folder, step=self.progress.step)

    def finish(self) -> None:
        """Write the model and its card; the state is no longer needed."""
        config, progress = self.config, self.progress
        totals = {"seed": config.seed, "steps": progress.step, "epochs": round(progress.step / progress.per_epoch, 2)}
        totals |= {"minutes": round(progress.seconds / 60, 2), "batch_size": config.batch_size}
        results = {"results": {"losses": self.losses, "monitor": self.seen}}
        checkpoint.save(self.stepper.model, self.folder, card=self.info | totals | results)
        (self.folder / STATE).unlink(missing_ok=True)

    def diverged(self) -> UserError:
        """What is said of a loss that is not finite."""
        return UserError(
            f"The loss is no longer a finite number after {self.progress.step} steps; train again with a lower --lr "
            f"than {self.config.lr:g} (the state saved last, if any, is kept in {self.folder}).",
            code=ErrorCode.LOSS_NOT_FINITE,
        )

    def _batch(self, step: int) -> tuple[Any, Tensor | None]:
        epoch, position = divmod(step, self.progress.per_epoch)
        place = {"rank": self.stepper.rank, "share": self.stepper.share}
        labels = self.data.labels(epoch, position, **place) if self.config.about.labels else None
        return self.data.batch(epoch, position, **place), labels

    def _moment(self) -> Moment:
        def batch_of(step: int) -> tuple[Tensor, torch.Generator]:
            return self._batch(step)[0], self.stepper.generator(step)

        config = self.config
        return Moment(config.views, config.seed, self.progress.step, config.batch_size, batch_of)


def folder_for(config: TrainConfig) -> Path:
    """Where the model goes; a finished model is never overwritten.

    Raises:
        UserError: there is a finished model, or no state to resume from, or the folder can't be written to.
    """
    if config.out:
        folder = expand(config.out)
    else:
        folder = run_folder(config.method, config.dataset, name=config.name, resume=config.resume, state=STATE)
    if (folder / checkpoint.WEIGHTS).exists():
        raise UserError(f"{folder} already holds a finished model; choose another --name or --out.")
    if config.resume and not (folder / STATE).exists():
        raise UserError(
            f"There is no run to resume in {folder}; name its folder with --name or --out.", code=ErrorCode.STATE
        )
    with writing(folder):
        pass
    return folder
