"""`sslviz experiments …`: the sets of short runs whose results come along, and the runs themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from sslviz.cli.output import answer
from sslviz.cli.signals import Interrupted, until_interrupted
from sslviz.errors import UserError


def experiments_list(*, json: bool = False) -> None:
    """List the sets of short runs that compare one thing, and how many of each are there.

    Args:
        json: print one JSON object.
    """
    from sslviz.bundled.experiments import EXPERIMENTS
    from sslviz.bundled.experiments.results import shipped

    rows: list[dict[str, Any]] = []
    for name, about in EXPERIMENTS.items():
        for dataset in about.datasets:
            found, cells = shipped(name, dataset), about.cells(dataset)
            rows.append(
                {"name": name, "dataset": dataset, "title": about.title, "question": about.question}
                | {"cells": list(cells), "runs": len(found.runs) if found else 0}
            )

    def show() -> None:
        for row in rows:
            count = f"{row['runs']:3} runs of {len(row['cells'])} cells"
            print(f"{row['name']:10} {row['dataset']:14} {count}: {row['question']}")
        print("`sslviz experiments run NAME DATASET` makes those that are missing.")

    answer({"experiments": rows}, json, show)


def experiments_run(
    name: Positional[str],
    dataset: Positional[str],
    *,
    cell: tuple[str, ...] = (),
    seeds: tuple[int, ...] = (0,),
    out: Path | None = None,
    threads: int = 1,
    json: bool = False,
) -> None:
    """Train and evaluate the runs of an experiment that are not there yet; each is kept as it ends.

    Args:
        name: of the experiment, see `sslviz experiments list`.
        dataset: a name.
        cell: of the experiment; by default all.
        seeds: of each cell.
        out: the folder of the results; by default among what comes along.
        threads: CPU threads of torch; the results that come along are of one.
        json: print one JSON object a line.
    """
    from sslviz.bundled.experiments import run as runs
    from sslviz.bundled.experiments.results import path_of
    from sslviz.jobs.protocol import Stepped

    if not 1 <= threads <= 1024:
        raise UserError(f"--threads must be from 1 to 1,024, not {threads}.")
    if bad := [seed for seed in seeds if not 0 <= seed < 2**32]:
        raise UserError(f"--seeds must be from 0 to {2**32 - 1:,}, not {bad[0]}.")
    path, done = path_of(name, dataset, out), 0

    def follow(key: str, seed: int, events: runs.Events) -> Iterator[Any]:
        for event in until_interrupted(events):
            if isinstance(event, Stepped) and not json:
                print(
                    f"\r{event.progress:4.0%} {key}, seed {seed}: loss {event.losses['loss']:.3f}   ",
                    end="",
                    file=sys.stderr,
                )
            yield event

    try:
        for found in runs.run(name, dataset, cells=cell, seeds=seeds, folder=out, threads=threads, follow=follow):
            done += 1
            if json:
                answer(vars(found), True)
                continue
            print(
                f"\r{found.cell}, seed {found.seed}: loss {found.loss:.2f}, k-NN {found.knn:.1%}, linear "
                f"{found.linear:.1%} of {found.n_test:,} test images, {found.total_seconds:.0f} s", flush=True,
            )  # fmt: skip
    except Interrupted as end:
        words = "run is" if done == 1 else "runs are"
        message = f"stopped; {done} {words} kept in {path}, and the same command goes on from there"
        raise Interrupted(end.number, message) from None
    if not json:
        print(f"{path}: {done} new.")


def experiments_look(
    model: Positional[str], *, labels: int = 2000, out: Path | None = None, json: bool = False
) -> None:
    """Write how h and z of a model lie in their spaces, and what probes read off h: what the page of contrast shows.

    Where no runs without negatives come along of its dataset, the same encoder at initialisation is written too.

    Args:
        model: a name.
        labels: of the training images, for the probes.
        out: the folder of the file; by default among what comes along.
        json: print one JSON object.
    """
    from sslviz.bundled.experiments import EXPERIMENTS
    from sslviz.bundled.experiments.looks import look_at
    from sslviz.bundled.experiments.results import shipped
    from sslviz.bundled.experiments.stored import look_path, write_look
    from sslviz.store import checkpoint

    card, path = checkpoint.load_card(model), look_path(model, out)
    dataset = checkpoint.dataset_of(card)
    if dataset is None:
        raise UserError(f"{model} was trained on images that are not here, so there is nothing to look at it with.")
    if not 10 <= labels <= 10**6:
        raise UserError(f"--labels must be from 10 to 1,000,000, not {labels}.")
    untrained = dataset not in EXPERIMENTS["collapse"].datasets or shipped("collapse", dataset) is None
    found = look_at(model, dataset, labels, untrained, lambda stage, fraction: None)
    write_look(path, card, labels, found)
    scores = found["model"]["scores"]
    answer({"path": str(path)} | scores, json, lambda: print(f"{path}: {scores}"))
