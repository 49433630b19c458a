"""Moments of runs, pretext loss beside what could be read off h: of short runs, and of logs of long ones.

`sslviz moments NAME=FILE …` writes `assets/evidence/moments.json` from the events that `sslviz train --json` has told.
Imports no torch, since pages read it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.bundled.experiments import EXPERIMENTS
from sslviz.bundled.experiments.results import shipped
from sslviz.data.catalog import DATASETS
from sslviz.errors import UserError
from sslviz.evaluation.stored import read_stored, stored_path

LARGEST = 1 << 23  # bytes of a log
NEAR = 25  # steps within which a loss counts as that of a moment


def path_of(folder: Path | None = None) -> Path:
    """Where moments of long runs are kept."""
    return stored_path("moments", folder)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Moments of a log: step, loss (mean over the steps that were told since the moment before), knn.

    Raises:
        UserError: it is no such log, or tells of no moment that has both.
    """
    found: list[dict[str, Any]] = []
    losses: list[float] = []
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        for line in path.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event["event"] == "step":
                losses.append(float(event["losses"]["loss"]))
            elif event["event"] == "monitor" and "knn" in event["monitor"]:
                own = losses or [float(event["losses"]["loss"])]
                moment = {"step": int(event["step"]), "loss": round(float(np.mean(own[-10:])), 4)}
                found.append(moment | {"knn": float(event["monitor"]["knn"])})
                losses = []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no log of a run ({error}): give what `sslviz train … --json` printed.") from error
    if not found:
        raise UserError(f"{path} tells of no moment: train with --monitors.")
    return found


def runs(dataset: str) -> list[dict[str, Any]]:
    """Runs of a dataset: name, method, source, n_knn (in words), and moments, each with step, loss and knn.

    Raises:
        UserError: a file is damaged.
    """
    return [*_long(dataset), *_short(dataset)]


def _long(dataset: str) -> list[dict[str, Any]]:
    def parse(found: dict[str, Any]) -> list[dict[str, Any]]:
        return [run for run in found["runs"] if run["dataset"] == dataset and len(run["moments"]) > 1]

    return read_stored(path_of(), parse) or []


def _short(dataset: str) -> list[dict[str, Any]]:
    """Short runs of experiments whose losses and k-NN were kept over the steps."""
    found = []
    for name, about in EXPERIMENTS.items():
        results = shipped(name, dataset) if dataset in DATASETS and dataset in about.datasets else None
        for run in results.runs if results else ():
            curves = run.seen.get("curves", {})
            if {"loss", "knn"} <= curves.keys() and (moments := _moments(curves["loss"], curves["knn"])):
                found.append(
                    {"name": f"{name}: {run.cell}" + (f", seed {run.seed}" if run.seed else ""), "method": about.method,
                     "dataset": dataset, "source": run.command, "moments": moments}
                )  # fmt: skip
    return found


def _moments(loss: dict[str, Any], knn: dict[str, Any]) -> list[dict[str, Any]]:
    """Where both are known: the mean loss of the steps up to a moment, or nothing where none was told nearby."""
    steps, values = np.array(loss["step"]), np.array(loss["value"], float)
    found = []
    for step, accuracy in zip(knn["step"], knn["value"], strict=True):
        near = values[(steps <= max(step, 1)) & (steps > step - NEAR)]
        if len(near) and step:
            found.append({"step": step, "loss": round(float(near.mean()), 4), "knn": accuracy})
    return found
