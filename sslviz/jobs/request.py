"""What can be asked of a training run on the page: choices, limits and reasons, turned into words of the command line.

Knows no torch: the defaults below are those of `train.config_for`, which a test holds them to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sslviz.data import images
from sslviz.errors import UserError
from sslviz.store.names import NAME, RANDOM

METHODS = {"vae": "VAE", "simclr": "SimCLR", "moco": "MoCo"}


@dataclass(frozen=True)
class Setting:
    """A number that may be changed: its option, bounds, default by method, and why it is as it is."""

    option: str
    label: str  # with the unit
    low: float
    high: float
    default: dict[str, float]
    reason: str

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are taken."""
        return all(isinstance(value, int) for value in self.default.values())


def _all(value: float) -> dict[str, float]:
    return dict.fromkeys(METHODS, value)


SETTINGS = (
    Setting(
        "--batch-size", "Batch (images a step)", 8, 1024, {"vae": 128, "simclr": 256, "moco": 256},
        "In SimCLR the other images of the batch are the negatives: more make the task harder, and cost memory.",
    ),
    Setting(
        "--lr", "Peak learning rate of AdamW (no unit)", 1e-6, 1e3, {"vae": 2e-3, "simclr": 1.5e-3, "moco": 1.5e-3},
        "Too high and the loss stops being a number; too low and the budget ends before anything is learnt.",
    ),
    Setting(
        "--model.temperature", "Temperature (divides cosines)", 0.02, 2.0, {"simclr": 0.2, "moco": 0.2},
        "Low: only the nearest negatives count. High: all count alike.",
    ),
    Setting(
        "--model.beta", "β (weight of the KL, no unit)", 0.0, 20.0, {"vae": 1.0},
        "Above 1 the latent space is smoother and the pictures are blurrier; 0 is a plain autoencoder.",
    ),
    Setting(
        "--model.queue-size", "Queue (keys)", 64, 65_536, {"moco": 4096},
        "More negatives than a batch holds, but older ones; it must hold at least one batch.",
    ),
    Setting(
        "--model.momentum", "Momentum of the key encoder (share kept a step)", 0.0, 0.9999, {"moco": 0.99},
        "High: the keys in the queue stay comparable. Low: the key encoder runs after the query encoder.",
    ),
    Setting("--seed", "Seed (whole number)", 0, 99_999, _all(0), "Of weights, order, views and noise."),
    Setting(
        "--threads", "CPU threads", 1, 16, _all(1), "One is fastest where several people share the machine."
    ),
)  # fmt: skip


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder by name, and the options that make it."""

    title: str
    options: tuple[str, ...]
    methods: tuple[str, ...]


_CONV = ("--model.architecture", "conv", "--model.hidden", "24", "--model.latent-dim", "64")
_NARROW = ("--model.encoder.widths", "32", "64", "128")
_RESNET: tuple[str, ...] = (
    "--model.encoder.widths",
    "64",
    "64",
    "128",
    "256",
    "512",
    "--model.encoder.strides",
    "1",
    "1",
    "2",
    "2",
    "2",
)
_RESNET += ("--model.encoder.depth", "2", "--model.encoder.pool", "1")
_CONTRASTIVE = ("simclr", "moco")
ENCODERS = {
    "mlp": EncoderChoice("One hidden layer, z of 20", (), ("vae",)),
    "plane": EncoderChoice("One hidden layer, z of 2 (a plane)", ("--model.latent-dim", "2"), ("vae",)),
    "conv": EncoderChoice("Convolutions, z of 64", _CONV, ("vae",)),
    "narrow": EncoderChoice("Three convolutions, 32 to 128 wide", _NARROW, _CONTRASTIVE),
    "medium": EncoderChoice("Three convolutions, 64 to 256 wide", (), _CONTRASTIVE),
    "resnet18": EncoderChoice("ResNet-18 (for a GPU)", _RESNET, _CONTRASTIVE),
}


def encoders_of(method: str) -> list[str]:
    """The encoders that a method can take, the quickest first."""
    return [key for key, choice in ENCODERS.items() if method in choice.methods]


def settings_of(method: str) -> list[Setting]:
    """The settings that a method has."""
    return [setting for setting in SETTINGS if method in setting.default]


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


def make_request(
    *,
    method: str,
    dataset: str,
    encoder: str,
    minutes: float,
    settings: Mapping[str, float] | None = None,
    name: str = "",
    most_minutes: float = math.inf,
) -> TrainingRequest:
    """Check what a page asks for; limits that widgets set hold in the browser only.

    Args:
        method: of `METHODS`.
        dataset: a dataset's name or the path of own images.
        encoder: of `ENCODERS`.
        minutes: budget of training.
        settings: option -> value, of `SETTINGS`; what is left out keeps its default.
        name: of the model; "" chooses one that is free when the run is queued.
        most_minutes: the largest budget.

    Raises:
        UserError: unknown choice, or a number out of bounds.
    """
    if method not in METHODS:
        raise UserError(f"There is no method “{method}” here: choose {', '.join(METHODS.values())}.")
    if encoder not in encoders_of(method):
        raise UserError(f"{METHODS[method]} has no encoder “{encoder}”: choose one from the list.")
    if not 0 < minutes <= most_minutes:
        raise UserError(f"A budget of {minutes:g} minutes is out of bounds: choose up to {most_minutes:g}.")
    if name and (not NAME.fullmatch(name) or name.startswith(RANDOM)):
        raise UserError(f"“{name[:80]}” can't be a model's name: use up to 64 of a-z, 0-9, dot, dash and underscore.")
    about = images.describe(dataset)
    options = list(ENCODERS[encoder].options)
    if method == "vae" and encoder == "conv":
        if any(side % 4 for side in about.shape[1:]):
            raise UserError("Convolutions of a VAE need sides divisible by 4: choose one hidden layer.")
        if about.shape[0] == 3:
            options += ["--model.likelihood", "gaussian"]
    known = {setting.option: setting for setting in settings_of(method)}
    for option, value in (settings or {}).items():
        if option not in known:
            raise UserError(f"{METHODS[method]} has no setting {option}: leave it out.")
        setting = known[option]
        if not setting.low <= value <= setting.high:
            raise UserError(f"{setting.label} must lie in {setting.low:g} to {setting.high:g}, not {value:g}.")
        value = int(value) if setting.whole else float(value)
        if value != setting.default[method] or option == "--threads":
            options += [option, f"{value}"]
    if "--threads" not in options:
        options += ["--threads", "1"]
    return TrainingRequest(method, dataset, tuple(options), minutes, name)
