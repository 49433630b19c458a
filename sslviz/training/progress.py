"""How far a run is: its budget, its clock, the learning rate that follows them, and what is due."""

import math
from typing import Any

from sslviz.jobs.protocol import EVENTS, Moment
from sslviz.training.config import TrainConfig

WARMUP = 0.05  # share of the budget in which the learning rate rises
APART = 50  # steps between two evaluations, at least
SLOW = 0.5  # seconds after which a step is told whatever `log_every` says


class Progress:
    """Steps and seconds of a run against its budget; the first budget reached ends it.

    Attributes:
        per_epoch: steps an epoch.
        total_steps: budget in steps, infinite where minutes alone end the run.
        step, seconds: done so far.
    """

    def __init__(self, config: TrainConfig, n: int) -> None:
        self.config, self.per_epoch = config, n // config.batch_size
        self.total_steps = steps_of(config, self.per_epoch)
        self.step, self.seconds = 0, 0.0
        self._monitors = max(1, min(float(config.monitors), self.total_steps // APART))
        self._told, self._saved, self._before = (0, 0.0), 0.0, 0.0

    def begin(self, step: int, seconds: float) -> None:
        """Where a resumed run goes on."""
        self.step, self.seconds = step, seconds
        self._told, self._saved, self._before = (step, seconds), seconds, self.share

    @property
    def share(self) -> float:
        """Of the budget, in [0, 1]."""
        minutes = self.seconds / (60 * self.config.minutes) if self.config.minutes else 0.0
        return min(1.0, max(self.step / self.total_steps, minutes))

    @property
    def place(self) -> tuple[int, int]:
        """Epoch of the next step, and its position in it."""
        return divmod(self.step, self.per_epoch)

    @property
    def lr(self) -> float:
        """Of the next step: linear warm-up, then a cosine to zero."""
        return self.config.lr * schedule(self.share)

    def advance(self, seconds: float) -> None:
        """A step is done, and took so long."""
        self._before = self.share
        self.step += 1
        self.seconds += seconds

    def is_due(self) -> bool:
        """Whether the step that is done is to be told."""
        first_or_last = self.step == 1 or self.share == 1
        return first_or_last or self.step % self.config.log_every == 0 or self.seconds - self._told[1] > SLOW

    def rate(self) -> float:
        """Images a second since this was asked last."""
        rate = (self.step - self._told[0]) * self.config.batch_size / max(1e-9, self.seconds - self._told[1])
        self._told = (self.step, self.seconds)
        return round(rate, 1)

    def monitor_is_due(self) -> bool:
        """Whether an evaluation falls on the step that is done."""
        count = int(self._monitors)
        return any(self.passed(i / count) for i in range(1, count + 1))

    def passed(self, mark: float) -> bool:
        """Whether the step that is done has reached this share of the budget."""
        return self._before < mark <= self.share

    def save_is_due(self) -> bool:
        """Whether the state was saved long ago."""
        return self.seconds - self._saved > 60 * self.config.save_minutes

    def saved(self) -> None:
        """The state is saved."""
        self._saved = self.seconds

    def event(self, kind: str, **more: Any) -> Moment:
        """An event of this moment."""
        share, images = self.share, self.step * self.config.batch_size
        left = round(self.seconds * (1 - share) / share, 1) if share else None
        epoch, seconds = round(self.step / self.per_epoch, 3), round(self.seconds, 3)
        make: Any = EVENTS[kind]
        event: Moment = make(self.step, epoch, images, seconds, share, left, **more)
        return event


def steps_of(config: TrainConfig, per_epoch: int) -> float:
    """The budget in steps of a run with so many steps an epoch, infinite where only minutes are given."""
    budgets = [config.steps, config.epochs and max(1, round(config.epochs * per_epoch))]
    return min((budget for budget in budgets if budget), default=math.inf)


def schedule(progress: float) -> float:
    """Share of the peak learning rate at a share of the budget."""
    if progress < WARMUP:
        return (progress + 1e-3) / (WARMUP + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))
