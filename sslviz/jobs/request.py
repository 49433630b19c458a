"""What can be asked of a training run on the page: choices and limits, turned into words of the command line.

Knows no torch, and no method by name: what a method offers stands in `methods.registry`, and the bounds of a number
where its config declares it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sslviz.data import images
from sslviz.errors import UserError
from sslviz.methods import registry
from sslviz.methods.config import Bounds, bounds_of
from sslviz.methods.registry import DEFAULT, EncoderChoice, MethodInfo, image_methods
from sslviz.store.names import NAME, RANDOM
from sslviz.training.config import TrainConfig

__all__ = ["DEFAULT", "Number", "TrainingRequest", "encoders_of", "image_methods", "make_request", "numbers_of"]

MOST_THREADS = 16  # a page's run takes no more of a machine that others use too


@dataclass(frozen=True)
class Number:
    """A number or a switch of a run that may be changed: its option, bounds, default, and why it is as it is.

    Attributes:
        option: on the command line.
        label: in words, with the unit.
        bounds: the least and the most.
        default: what the run has where nothing is said; True or False for a switch.
        reason: what changes with it.
    """

    option: str
    label: str
    bounds: Bounds
    default: float
    reason: str

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are taken."""
        return isinstance(self.default, int)

    @property
    def switch(self) -> bool:
        """Whether it is on or off, and no number."""
        return isinstance(self.default, bool)

    def words(self, value: float) -> list[str]:
        """A value as words of the command line."""
        if not self.switch:
            return [self.option, f"{int(value) if self.whole else float(value)}"]
        head, _, name = self.option.rpartition(".")
        return [self.option if value else f"{head}.no-{name}" if head else f"--no-{name.removeprefix('--')}"]


@dataclass(frozen=True)
class TrainingRequest:
    """A run that was asked for: `sslviz train METHOD DATASET OPTIONS`, within `minutes`, as the model `name`."""

    method: str
    dataset: str
    options: tuple[str, ...]
    minutes: float
    name: str

    def words(self, *, budget: bool = True) -> list[str]:
        """The words of the command line after `sslviz`, with the budget in minutes or without one."""
        words = ["train", self.method, self.dataset, *self.options]
        return [*words, "--minutes", f"{self.minutes:g}"] if budget else words


def encoders_of(method: str) -> Mapping[str, EncoderChoice]:
    """The encoders that a method offers, the quickest first."""
    return registry.info(method).encoders


def numbers_of(method: str, n_train: int) -> list[Number]:
    """The numbers of a method's run that may be changed; a batch is no larger than the training set.

    Args:
        method: key of the registry.
        n_train: training images.
    """
    info, run = registry.info(method), bounds_of(TrainConfig)
    batch = int(info.defaults.get("batch_size", TrainConfig.batch_size))
    most = max(1, min(n_train, int(run["batch_size"].high)))
    return [
        Number(
            "--batch-size", "Batch (images a step)", Bounds(1, most), min(batch, most),
            info.batch_reason,
        ),
        Number(
            "--lr", "Peak learning rate of AdamW (no unit)", run["lr"],
            float(info.defaults.get("lr", TrainConfig.lr)),
            "Too high and the loss stops being a number; too low and the budget ends before anything is learnt.",
        ),
        *(Number(s.option, s.label, s.bounds, s.default, s.reason) for s in info.settings),
        Number("--seed", "Seed (whole number)", run["seed"], 0, "Of weights, order, views and noise."),
        Number(
            "--threads", "CPU threads", Bounds(1, min(MOST_THREADS, run["threads"].high)), 1,
            "One is fastest where several people share the machine.",
        ),
    ]  # fmt: skip


def make_request(
    *,
    method: str,
    dataset: str,
    encoder: str,
    minutes: float,
    numbers: Mapping[str, float] | None = None,
    name: str = "",
    most_minutes: float = math.inf,
) -> TrainingRequest:
    """Check what a page asks for; limits that widgets set hold in the browser only.

    Args:
        method: key of the registry.
        dataset: a dataset's name or the path of own images.
        encoder: of `encoders_of`.
        minutes: budget of training.
        numbers: option -> value, of `numbers_of`; what is left out keeps its default.
        name: of the model; "" chooses one that is free when the run is queued.
        most_minutes: the largest budget.

    Raises:
        UserError: unknown choice, or a number out of bounds.
    """
    if method not in image_methods():
        titles = ", ".join(info.title for info in image_methods().values())
        raise UserError(f"There is no method “{method:.60}” here: choose {titles}.")
    info = registry.info(method)
    if encoder not in info.encoders:
        raise UserError(f"{info.title} has no encoder “{encoder:.60}”: choose one from the list.")
    if not 0 < minutes <= most_minutes:
        raise UserError(f"A budget of {minutes:g} minutes is out of bounds: choose up to {most_minutes:g}.")
    if name and (not NAME.fullmatch(name) or name.startswith(RANDOM)):
        raise UserError(f"“{name[:80]}” can't be a model's name: use up to 64 of a-z, 0-9, dot, dash and underscore.")
    about = images.describe(dataset)
    if refusal := info.label_refusal(about.class_names):
        raise UserError(refusal)
    options = [*_encoder_options(info, encoder, about.shape), *_number_options(method, numbers or {}, about.n_train)]
    return TrainingRequest(method, dataset, tuple(options), minutes, name)


def _encoder_options(info: MethodInfo, encoder: str, shape: tuple[int, int, int]) -> list[str]:
    choice = info.encoders[encoder]
    if any(side % choice.divides for side in shape[1:]):
        others = " or ".join(f"“{other.title}”" for other in info.encoders.values() if other.divides == 1)
        raise UserError(
            f"“{choice.title}” needs images with sides divisible by {choice.divides}, not {shape[1]} x {shape[2]}: "
            f"choose {others}."
        )
    return [*choice.options, *(choice.colour if shape[0] == 3 else ())]


def _number_options(method: str, values: Mapping[str, float], n_train: int) -> list[str]:
    """Options for what differs from the command line's own defaults; and the threads, which differ always."""
    info, known = registry.info(method), {number.option: number for number in numbers_of(method, n_train)}
    options: list[str] = []
    for option in values.keys() - known.keys():
        raise UserError(f"{info.title} has no setting {option:.60}: leave it out.")
    for option, number in known.items():
        value = values.get(option, number.default)
        if not number.bounds.low <= value <= number.bounds.high:
            low, high = number.bounds
            raise UserError(f"{number.label} must lie in {low:g} to {high:g}, not {value:g}.")
        usual = number.default
        if option == "--batch-size":
            usual = int(info.defaults.get("batch_size", TrainConfig.batch_size))
        if value != usual or option == "--threads":
            options += number.words(value)
    return options
