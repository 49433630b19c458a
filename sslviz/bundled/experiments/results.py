"""What the runs of an experiment have given: one JSON file a dataset, read and written here. Imports no torch."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sslviz.bundled.experiments import experiment
from sslviz.errors import UserError
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.files import atomic, writing
from sslviz.paths import assets_dir

LARGEST = 1 << 20  # bytes of a file


@dataclass(frozen=True)
class Run:
    """One short run, and what its representation is good for.

    Attributes:
        cell: of the experiment.
        seed: of weights, order, views and noise.
        command: that trains the same again.
        settings: what differs from the method's ordinary run, by dotted option.
        n_train: images that it learnt from, without labels.
        loss: of the last step, in nats.
        knn, linear: accuracy in [0, 1] of each probe on the test images.
        n_test: test images.
        seconds: of training; `total_seconds` with what evaluates it.
        hardware, revision, created: where, of what and when it was made.
        seen: what the experiment's `look` has kept of it.
    """

    cell: str
    seed: int
    command: str
    settings: dict[str, Any]
    n_train: int
    loss: float
    knn: float
    linear: float
    n_test: int
    seconds: float
    total_seconds: float
    hardware: str
    revision: str
    created: str
    seen: dict[str, Any] = field(default_factory=dict)

    def interval(self, probe: str) -> tuple[float, float]:
        """95 % interval of an accuracy over the draw of test images (Wilson); it does not cover the seed's chance."""
        return accuracy_interval(getattr(self, probe), self.n_test)


@dataclass(frozen=True)
class Results:
    """The runs of an experiment on a dataset, all evaluated in one way.

    Attributes:
        name, dataset: which.
        command: that makes the file.
        n_labels: labels that the probes were fitted on.
        protocol: of the figures, in words: sources of training and test images, both probes, the interval.
        untrained: accuracy of each probe on h of the same encoder at initialisation, seed 0.
        runs: by cell and seed.
    """

    name: str
    dataset: str
    command: str
    n_labels: int
    protocol: dict[str, str]
    untrained: dict[str, float]
    runs: tuple[Run, ...]

    def of(self, cell: str) -> tuple[Run, ...]:
        """The runs of a cell, by seed."""
        return tuple(sorted((run for run in self.runs if run.cell == cell), key=lambda run: run.seed))

    def interval(self, accuracy: float) -> tuple[float, float]:
        """95 % interval of an accuracy on the same test images as the runs', such as those of `untrained`."""
        return accuracy_interval(accuracy, self.runs[0].n_test)

    def added(self, runs: Iterable[Run]) -> "Results":
        """With more runs; one of the same cell and seed takes the place of an earlier one."""
        kept = {(run.cell, run.seed): run for run in (*self.runs, *runs)}
        return Results(**{**vars(self), "runs": tuple(kept.values())})


def path_of(name: str, dataset: str, folder: Path | None = None) -> Path:
    """The file of an experiment's results: in a folder, by default among what comes along."""
    _, dataset = experiment(name, dataset)
    return (folder or assets_dir() / "experiments") / f"{name}-{dataset}.json"


def write(results: Results, path: Path) -> None:
    """Write results, whole or not at all.

    Raises:
        UserError: the folder can't be written to.
    """
    with writing(path.parent), atomic(path) as temporary:
        temporary.write_text(json.dumps(asdict(results), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> Results | None:
    """The results in a file; None where there is none.

    Raises:
        UserError: the file holds something else.
    """
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError
        content = json.loads(path.read_text(encoding="utf-8"))
        return Results(**content | {"runs": tuple(Run(**run) for run in content["runs"])})
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path.name} does not hold the results of an experiment: delete it, or restore it.") from None


def shipped(name: str, dataset: str) -> Results | None:
    """The results that come along; None where the experiment has none of this dataset.

    Raises:
        UserError: the file is damaged.
    """
    path = path_of(name, dataset)
    return _cached(path, path.stat().st_mtime_ns) if path.is_file() else None


@lru_cache(maxsize=16)
def _cached(path: Path, stamp: int) -> Results | None:
    return read(path)
