"""What a training run is: its config, each method's defaults, and the command that repeats it. Imports no torch."""

import dataclasses
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Suppress

from sslviz.data.catalog import ALIASES, DATASETS
from sslviz.data.images import describe
from sslviz.errors import UserError
from sslviz.language import text
from sslviz.methods import registry
from sslviz.methods.config import Bounds, MethodConfig, check_bounds
from sslviz.methods.policies import ViewPolicy, check_blur, policy_for
from sslviz.paths import expand

BUDGETS = ("epochs", "steps", "minutes")


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Attributes:
        dataset: a dataset's name, the path of a person's own images, or for a language model a text file.
        model: config of the method, which also says which method it is.
        views: the random views, where the method learns from views of its images.
        epochs: budget in passes over the training images (or sentences); the first budget reached ends the run, and the
            learning rate follows it.
        steps: budget in steps.
        minutes: budget in minutes of training, monitoring not counted.
        batch_size: images (or sentences) a step, over all processes.
        lr: peak learning rate of AdamW, after a linear warm-up and before a cosine to zero.
        weight_decay: of AdamW.
        seed: of the weights, the order of the images, the views and the noise.
        name: of the model, a new one by default.
        out: folder of the model; by default `name` in the folder of own models.
        resume: go on from the state in the folder.
        device: "auto" takes a GPU (CUDA, MPS) where there is one.
        precision: "auto" measures a few steps in bf16 mixed and in float32 where the processor has bf16, and takes the
            faster; losses and evaluations are float32 always.
        threads: CPU threads of torch, 0 leaves its default.
        log_every: steps between two step events; slow steps are told at least every half second.
        monitors: online evaluations over the whole budget, at least 50 steps apart.
        save_minutes: minutes between two saves of the resumable state.
        live: write what the app shows: pictures at every online evaluation and before the first step, and each time
            the resumable state first, so that little is lost by a stop.
        history: keep the encoder's weights, in eight bits, at a few earlier steps beside the model.
    """

    dataset: Annotated[str, Suppress]  # on the command line it comes before the options
    model: MethodConfig
    views: ViewPolicy = field(default_factory=ViewPolicy)
    epochs: Annotated[float | None, Bounds(1e-4, 1e6)] = None
    steps: Annotated[int | None, Bounds(1, 10**9)] = None
    minutes: Annotated[float | None, Bounds(1e-4, 1e6)] = None
    batch_size: Annotated[int, Bounds(1, 1 << 16)] = 256
    lr: Annotated[float, Bounds(1e-9, 1e6)] = 1e-3
    weight_decay: Annotated[float, Bounds(0, 1e3)] = 0.0
    seed: Annotated[int, Bounds(0, 2**32 - 1)] = 0
    name: str | None = None
    out: Path | None = None
    resume: bool = False
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    threads: Annotated[int, Bounds(0, 1024)] = 0
    log_every: Annotated[int, Bounds(1, 10**6)] = 10
    monitors: Annotated[int, Bounds(0, 10**4)] = 20
    save_minutes: Annotated[float, Bounds(0, 1e6)] = 2.0
    live: bool = False
    history: bool = False

    def __post_init__(self) -> None:
        check_bounds(self)

    @property
    def method(self) -> str:
        """Key of the method in the registry."""
        return self.model.method

    @property
    def about(self) -> registry.MethodInfo:
        """The method's entry in the registry."""
        return registry.info(self.method)


def config_for(method: str, dataset: str, **changes: Any) -> TrainConfig:
    """The default run of a method on a dataset, with the model's shape and the views fitted to its images.

    Args:
        method: key of the registry.
        dataset: a dataset's name, or a path.
        changes: fields of `TrainConfig`; a budget among them replaces the default one.

    Raises:
        UserError: unknown method or dataset, or images of a size that the method can't take.
    """
    about = registry.info(method)
    make = registry.config_class(method)
    defaults = dict(about.defaults)
    if any(changes.get(budget) is not None for budget in BUDGETS):
        defaults.pop("epochs", None)
    if about.kind == "text":
        if few := text.few_sentences(expand(dataset)):  # own sentences may be few
            defaults["batch_size"] = min(defaults.get("batch_size", 256), few)
        return TrainConfig(dataset, **{"model": make(), **defaults, **changes})
    dataset = ALIASES.get(dataset, dataset)
    known = DATASETS.get(dataset)
    if known:
        shape, class_names = known.shape, known.class_names
    else:  # own images may be few
        found = describe(dataset)
        shape, class_names = found.shape, found.class_names
        defaults["batch_size"] = min(defaults.get("batch_size", 256), max(1, found.n_train))
    if refusal := about.label_refusal(class_names):
        raise UserError(refusal)
    model: Any = make.for_images(shape)
    if about.labels and hasattr(model, "classes"):
        model = dataclasses.replace(model, classes=len(class_names))
    views = policy_for(dataset, shape[0]) if about.views else ViewPolicy()
    return TrainConfig(dataset, **{"model": model, "views": views, **defaults, **changes})


def check(config: TrainConfig) -> None:
    """Limits that no single number has.

    Raises:
        UserError: no budget, a batch that the method can't take, or views that can't be drawn.
    """
    about = config.about
    if all(getattr(config, budget) is None for budget in BUDGETS):
        raise UserError("A run needs a budget; give --epochs, --steps or --minutes.")
    if config.live and about.kind == "text":
        raise UserError("--live shows images, and a language model has none; leave it out.")
    smallest, largest = registry.method_class(config.method).smallest_batch, config.model.largest_batch
    if config.batch_size < smallest:
        raise UserError(f"A batch of {about.title} needs at least {smallest} images; raise --batch-size.")
    if largest is not None and config.batch_size > largest:
        raise UserError(f"{about.title} takes at most {largest:,} images a step{config.model.batch_reason}.")
    if about.views:
        check_blur(config.views, side=min(view_size(config)))


def view_size(config: TrainConfig) -> tuple[int, int]:
    """Height and width of what an encoder is trained on, pixels."""
    if config.about.views and config.views.size:
        return config.views.size, config.views.size
    h, w = describe(config.dataset).shape[1:]
    return h, w


def command_for(config: TrainConfig) -> str:
    """The command line that repeats a run: what differs from the defaults of its method and dataset."""
    skip = ("dataset", "resume", "name", "out", "live")
    own, default = flat_of(config), flat_of(config_for(config.method, config.dataset))
    changed = {key for key in own if key.split(".")[0] not in skip and own[key] != default[key]}
    if changed & set(BUDGETS):  # one that is given puts all defaults aside
        changed |= {budget for budget in BUDGETS if own[budget] is not None}
    words = ["sslviz", "train", config.method, config.dataset]
    for key, value in own.items():
        if key in changed and value is not None:
            words += option_words(key, value)
    return shlex.join(words)


def option_words(key: str, value: Any) -> list[str]:
    """A config's value as words of the command line, as tyro takes them."""
    *groups, name = key.replace("_", "-").split(".")
    if isinstance(value, bool):
        return [f"--{'.'.join([*groups, name if value else f'no-{name}'])}"]
    return [f"--{'.'.join([*groups, name])}", *map(str, value if isinstance(value, tuple) else (value,))]


def flat_of(config: Any, prefix: str = "") -> dict[str, Any]:
    """A config's values by dotted option, "model.encoder.widths"."""
    flat: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        nested = dataclasses.is_dataclass(value)
        flat |= flat_of(value, f"{prefix}{item.name}.") if nested else {f"{prefix}{item.name}": value}
    return flat
