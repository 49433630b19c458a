"""Train and evaluate the cells of an experiment, one after the other; what is done is kept."""

import pkgutil
import shlex
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from sslviz.bundled.experiments import cell, experiment
from sslviz.bundled.experiments.results import Results, Run, path_of, read, write
from sslviz.data.images import ImageSet, load_images
from sslviz.data.sampling import stratified_sample
from sslviz.errors import UserError
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.intervals import INTERVAL
from sslviz.evaluation.probes import KNNProbe
from sslviz.evaluation.protocol import evaluate, labelled_images
from sslviz.evaluation.results import ProbeName
from sslviz.jobs.protocol import Done, Moment, Monitored, Started, Stepped
from sslviz.jobs.worker import Report
from sslviz.methods.registry import METHODS
from sslviz.store import bundle, checkpoint
from sslviz.training.config import TrainConfig, command_for, config_for, flat_of
from sslviz.training.loop import fit

PROBES: tuple[ProbeName, ...] = ("knn", "linear")
Events = Generator[Moment, str | None, None]
Follow = Callable[[str, int, Events], Iterable[Moment]]  # a cell, its seed, and the events of its run -> the events


def _unseen(key: str, seed: int, events: Events) -> Iterable[Moment]:
    return events


def config_of(name: str, dataset: str, key: str, *, seed: int = 0) -> TrainConfig:
    """The run of a cell.

    Raises:
        UserError: there is no such cell, or a seed out of bounds.
    """
    about, dataset = experiment(name, dataset)
    return replace(changed(config_for(about.method, dataset, steps=1), cell(name, dataset, key)), seed=seed)


def changed(config: Any, changes: dict[str, Any]) -> Any:
    """A config with other values, by dotted option; all at once, as one alone may not fit the others."""
    here = {key: value for key, value in changes.items() if "." not in key}
    for item in fields(config):
        inner = {k.removeprefix(f"{item.name}."): v for k, v in changes.items() if k.startswith(f"{item.name}.")}
        if inner and is_dataclass(value := getattr(config, item.name)):
            here[item.name] = changed(value, inner)
    return replace(config, **here)


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """What differs from the ordinary run of a method on a dataset, by dotted option."""
    usual = flat_of(config_for(config.method, config.dataset))
    skip = ("seed", "name", "out", "dataset", "live")
    found = {key: value for key, value in flat_of(config).items() if key not in skip and value != usual[key]}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}  # as JSON has it


def measure(model: Any, dataset: str, *, labels: int) -> dict[str, float]:
    """Accuracy in [0, 1] of both probes on the bundled test images, fitted on so many labels of the training images.

    Args:
        model: an encoder.
        dataset: whose bundled images.
        labels: the same number of each class, drawn with seed 0, as everything else here.

    Returns:
        knn, linear, and n_test.
    """
    train, test = (labelled_images(load_images(dataset, split, bundled=True)) for split in ("train", "test"))
    found: dict[str, float] = {"n_test": len(test)}
    drawn = train.take(stratified_sample(train.y, labels, seed=0))
    h = (encode(model, drawn.x), encode(model, test.x))
    for probe in PROBES:
        found[probe] = evaluate({"model": model}, drawn, test, probe=probe, known={"model": h}).score.accuracy
    return found


def train_cell(name: str, dataset: str, key: str, *, seed: int, threads: int = 1, follow: Follow = _unseen) -> Run:
    """Train the run of a cell and evaluate it; the model itself is not kept.

    Args:
        name, dataset, key: the experiment and its cell.
        seed: of the run.
        threads: CPU threads of torch.
        follow: passes the run's events on, to be watched or stopped.
    """
    about, dataset = experiment(name, dataset)
    config, began, started, done = config_of(name, dataset, key, seed=seed), time.perf_counter(), None, None
    moments: list[Moment] = []
    with tempfile.TemporaryDirectory(prefix="sslviz-") as folder:
        for event in follow(key, seed, fit(replace(config, threads=threads, out=Path(folder) / "model"))):
            started = event if isinstance(event, Started) else started
            done = event if isinstance(event, Done) else done
            moments.append(event)
        if started is None or done is None:
            raise UserError(f"The run {key} has not come to its end: start it again.")
        model = checkpoint.load(Path(folder) / "model")
        found = measure(model, dataset, labels=about.labels)
        seen = pkgutil.resolve_name(about.look)(model, config, moments) if about.look else {}
    total = time.perf_counter() - began
    return run_of(key, config, started.info, done.losses, done.seconds, found, total=total, seen=seen)


def run_of(
    key: str, config: TrainConfig, info: dict[str, Any], losses: dict[str, float], seconds: float,
    found: dict[str, float], *, total: float, seen: dict[str, Any] | None = None,
) -> Run:  # fmt: skip
    """A finished and evaluated run, as it is kept.

    Args:
        key: of the cell.
        config: of the run.
        info: of its start.
        losses: of its last step.
        seconds: of its training.
        found: as `measure` gives it.
        total: seconds of all of it.
        seen: as the experiment's `look` gives it.
    """
    return Run(
        cell=key, seed=config.seed, command=command_for(config), settings=settings_of(config),
        n_train=info["n_train"], loss=round(losses["loss"], 4), knn=found["knn"], linear=found["linear"],
        n_test=int(found["n_test"]), seconds=round(seconds, 1), total_seconds=round(total, 1),
        hardware=info["hardware"], revision=info["git_revision"], created=info["created"],
        seen=seen or {},
    )  # fmt: skip


def check_bundled(dataset: str) -> ImageSet:
    """The bundled training images, which runs of an experiment learn from.

    Raises:
        UserError: a run would learn from others.
    """
    bundled, used = (load_images(dataset, "train", bundled=only) for only in (True, False))
    if bundled.source != used.source:
        raise UserError(
            f"These runs are of the bundled images, and the data folder holds others of {dataset}: set SSLVIZ_DATA to "
            "an empty folder."
        )
    return bundled


def begun(name: str, dataset: str, path: Path) -> Results:
    """The results so far: those in the file, else none, with the encoder as it stands before any step.

    Raises:
        UserError: the file holds something else, or the dataset's full copy is in the data folder.
    """
    about, dataset = experiment(name, dataset)
    bundled = check_bundled(dataset)
    if found := read(path):
        return found
    config = config_of(name, dataset, next(iter(about.cells(dataset))))
    untrained = measure(checkpoint.build(about.method, config.model, seed=0).eval(), dataset, labels=about.labels)
    metric = METHODS[about.method].metric
    protocol = {
        "train": bundled.source,
        "test": load_images(dataset, "test", bundled=True).source,
        "knn": f"{KNNProbe().n_neighbors} neighbours in h by {'cosine' if metric == 'cosine' else 'distance'}",
        "linear": "multinomial logistic regression on standardised h",
        "interval": INTERVAL.format(unit="images"),
        "seed": "labels and validation rows are drawn with seed 0",
    }
    command = shlex.join(["sslviz", "experiments", "run", name, dataset])
    scores = {str(probe): untrained[probe] for probe in PROBES}
    return Results(name, dataset, command, about.labels, protocol, scores, ())


def missing(results: Results, *, cells: Sequence[str] = (), seeds: Sequence[int] = (0,)) -> list[tuple[str, int]]:
    """The cells and seeds that are not there yet, seed by seed.

    Raises:
        UserError: there is no such cell.
    """
    known = experiment(results.name, results.dataset)[0].cells(results.dataset)
    for key in cells:
        cell(results.name, results.dataset, key)
    there = {(run.cell, run.seed) for run in results.runs}
    return [(key, seed) for seed in seeds for key in cells or known if (key, seed) not in there]


def run(
    name: str,
    dataset: str,
    *,
    cells: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    folder: Path | None = None,
    threads: int = 1,
    follow: Follow = _unseen,
) -> Iterator[Run]:
    """Make the runs of an experiment that are not there yet; the file is written anew after each.

    Args:
        name, dataset: which.
        cells: of them; by default all.
        seeds: of each cell.
        folder: of the file; by default among what comes along.
        threads: CPU threads of torch.
        follow: passes the events of each run on, to be watched or stopped.

    Yields:
        each run, once the file has it.

    Raises:
        UserError: there is no such experiment or cell, or the file can't be read or written.
    """
    path = path_of(name, dataset, folder)
    results = begun(name, dataset, path)
    for key, seed in missing(results, cells=cells, seeds=seeds):
        found = train_cell(name, dataset, key, seed=seed, threads=threads, follow=follow)
        results = results.added([found])
        write(results, path)
        yield found


def evaluate_trained(
    name: str, dataset: str, key: str, seed: int, model: str, info: dict[str, Any], losses: dict[str, float],
    seconds: float, report: Report, points: Sequence[Sequence[Any]] = (), snapshots: Sequence[Sequence[Any]] = (),
) -> dict[str, Any]:  # fmt: skip
    """Evaluate the run of a cell that a page had trained as one of one's own models, and delete that model.

    Args:
        name, dataset, key, seed: of the run.
        model: its name.
        info: of its start.
        losses: of its last step.
        seconds: of its training.
        report: told what is being done.
        points: its steps, each with its losses: what is looked at besides the probes, where the experiment looks.
        snapshots: its evaluations, each the step, the measures, and the file of the pictures.

    Returns:
        the fields of a `results.Run`.

    Raises:
        UserError: it is not the run of the cell: it took fewer steps, or learnt from other images.
    """
    config, began = config_of(name, dataset, key, seed=seed), time.perf_counter()
    if info.get("steps") != config.steps:
        raise UserError(
            f"This machine was too slow for all {config.steps:,} steps, so the run is not added here: try again when "
            "it is less busy."
        )
    check_bundled(dataset)
    report("evaluating its representation", 0.3)
    about, trained = experiment(name, dataset)[0], checkpoint.load(model)
    found, seen = measure(trained, dataset, labels=about.labels), {}
    if about.look:
        report("looking at what it has learnt", 0.6)
        seen = pkgutil.resolve_name(about.look)(trained, config, _moments(points, snapshots))
    total = seconds + time.perf_counter() - began
    run = run_of(key, config, info, losses, seconds, found, total=total, seen=seen)
    bundle.delete(model)
    return asdict(run)


def _moments(points: Sequence[Sequence[Any]], snapshots: Sequence[Sequence[Any]]) -> list[Moment]:
    """The events that a page has kept of a run, for its `look`: which steps and what was measured then."""
    none: dict[str, Any] = {"epoch": 0.0, "images": 0, "seconds": 0.0, "progress": 0.0}
    stepped: list[Moment] = [Stepped(step=step, losses=losses, **none) for step, losses in points]
    return stepped + [Monitored(step=step, monitor=monitor, path=path, **none) for step, monitor, path in snapshots]
