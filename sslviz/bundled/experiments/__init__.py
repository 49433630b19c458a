"""Experiments of a few short runs each, whose results come along: a file an experiment, and one entry here.

An experiment is a table of cells: what is changed in the ordinary run of a method on a dataset. `run.py` trains and
evaluates them, `sslviz experiments run NAME DATASET` is its command, and `results.py` reads what it has written without
torch, which nothing here imports before a run.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sslviz.bundled.experiments import grid, shortcut
from sslviz.data.catalog import ALIASES, DATASETS
from sslviz.errors import UserError
from sslviz.jobs.request import TrainingRequest
from sslviz.methods.policies import POLICIES, ViewPolicy
from sslviz.training.config import option_words


@dataclass(frozen=True)
class Experiment:
    """A set of short runs that differ in what is studied, and in nothing else.

    Attributes:
        title: in words.
        question: that the runs answer.
        paper: where it comes from.
        method: key of the registry.
        datasets: on which it is run.
        cells: the runs of a dataset: key of a cell -> what is changed in the method's ordinary run there, by dotted
            option ("views.crop", "steps").
        labels: images of the training set whose labels the probes are fitted on, the same number of each class.
        fixed: what is changed in every cell, by dotted option.
        look: "module:function" of what is kept of a run beside its accuracies: (model, config, moments) -> plain values
            that JSON holds, see `looks.py`; "" for nothing.
    """

    title: str
    question: str
    paper: str
    method: str
    datasets: tuple[str, ...]
    cells: Callable[[str], Mapping[str, Mapping[str, Any]]]
    labels: int = 2000
    fixed: Mapping[str, Any] = field(default_factory=dict)
    look: str = ""


MOMENTA = (0.0, 0.9, 0.99, 0.999)
RUN = {"device": "cpu", "precision": "32-true", "threads": 1, "monitors": 1}  # float32, so that any CPU can repeat it
SHORT = RUN | {"model.encoder.widths": (32, 64, 128)}  # the narrow encoder of the train page

EXPERIMENTS: dict[str, Experiment] = {
    "grid": Experiment(
        title="Pairs of transforms",
        question="Which augmentation does the work?",
        paper="after figure 5 of Chen et al. 2020, arXiv:2002.05709",
        method="simclr",
        datasets=tuple(DATASETS),
        cells=grid.cells,
        fixed=SHORT | {"steps": 300, "batch_size": 128},
    ),
    "shortcut": Experiment(
        title="Random bits as a shortcut",
        question="What if there is an easier way to tell the pairs apart?",
        paper="after Chen, Luo & Li 2021, arXiv:2011.02803",
        method="simclr",
        datasets=("mnist",),
        cells=shortcut.cells,
        fixed=SHORT | {"steps": 400, "batch_size": 256},
    ),
    "collapse": Experiment(
        title="Without negatives",
        question="What if nothing pushes other images apart?",
        paper="after Wang & Isola 2020, arXiv:2005.10242, and Jing et al. 2022, arXiv:2110.09348",
        method="simclr",
        datasets=tuple(DATASETS),
        cells=lambda dataset: {"without": {"model.negatives": False}, "with": {"model.negatives": True}},
        fixed=SHORT | {"steps": 400, "batch_size": 256, "monitors": 8},
        look="sslviz.bundled.experiments.looks:before_and_after",
    ),
    "shared-head": Experiment(
        title="One head in place of two",
        question="What if the mean is taken for the log-variance too?",
        paper="after Kingma & Welling 2014, arXiv:1312.6114, section 3 and appendix C.2",
        method="vae",
        datasets=("mnist",),
        cells=lambda dataset: {"shared": {"model.shared_head": True}, "own": {"model.shared_head": False}},
        fixed=RUN | {"steps": 2000, "monitors": 8, "live": True},
        look="sslviz.bundled.experiments.looks:decoded",
    ),
    "momentum": Experiment(
        title="Momentum of the key encoder",
        question="How fast may the encoder of the keys move?",
        paper="after table 2a of He et al. 2020, arXiv:1911.05722",
        method="moco",
        datasets=("mnist",),
        cells=lambda dataset: {f"{momentum:g}": {"model.momentum": momentum} for momentum in MOMENTA},
        fixed=SHORT | {"steps": 400, "batch_size": 256, "monitors": 8, "live": True},
        look="sslviz.bundled.experiments.looks:queue",
    ),
}


def experiment(name: str, dataset: str) -> tuple[Experiment, str]:
    """An experiment that is run on a dataset, and that dataset's own name.

    Raises:
        UserError: there is no such experiment, or it is not run on this dataset.
    """
    if name not in EXPERIMENTS:
        raise UserError(f"There is no experiment '{name:.60}'; choose one of {', '.join(EXPERIMENTS)}.")
    found, own = EXPERIMENTS[name], ALIASES.get(dataset, dataset)
    if own not in found.datasets:
        raise UserError(
            f"The experiment {name} is not run on '{dataset:.60}'; choose one of {', '.join(found.datasets)}."
        )
    return found, own


def cell(name: str, dataset: str, key: str) -> dict[str, Any]:
    """What a cell of an experiment changes in the ordinary run, by dotted option, what all cells change included.

    Raises:
        UserError: as `experiment`, or there is no such cell.
    """
    about, dataset = experiment(name, dataset)
    cells = about.cells(dataset)
    if key not in cells:
        raise UserError(f"The experiment {name} has no cell '{key:.60}'; choose one of {', '.join(cells)}.")
    return {**about.fixed, **cells[key]}


def policy(name: str, dataset: str, key: str) -> ViewPolicy:
    """The views of a cell.

    Raises:
        UserError: as `cell`.
    """
    changes = {option: value for option, value in cell(name, dataset, key).items() if option.startswith("views.")}
    usual = asdict(POLICIES[experiment(name, dataset)[1]])
    return ViewPolicy(**usual | {option.removeprefix("views."): value for option, value in changes.items()})


def request(name: str, dataset: str, key: str, *, seed: int, minutes: float) -> TrainingRequest:
    """The run of a cell as a page asks for it; it takes its steps, or fewer where `minutes` don't suffice.

    Raises:
        UserError: as `cell`.
    """
    about, dataset = experiment(name, dataset)
    usual = {f"views.{option}": value for option, value in asdict(POLICIES[dataset]).items()}
    words: list[str] = []
    for option, value in {**cell(name, dataset, key), "seed": seed}.items():
        if option not in usual or value != usual[option]:
            words += option_words(option, value)
    return TrainingRequest(about.method, dataset, tuple(words), minutes, "")
