"""What a training run looks like: its progress, its curves and its map.

Imports no torch, and names no method: curves and captions stand in `methods.registry`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.data import images
from sslviz.evaluation.maps import MAPS
from sslviz.jobs.record import RunRecord, Snapshot
from sslviz.methods.registry import METHODS, Curve
from sslviz.ui.training import curves

PROGRESS = 64  # pixels of the bar, and of what stands beside it
HEIGHT = 350  # of the three figures beside one another
ENDS = {
    "paused": "Paused at",
    "done": "Trained,",
    "stopped": "Stopped at",
    "failed": "Failed at",
    "cut off": "Cut off at",
}
DASHES = ("solid", "dot", "dash")
Line = tuple[str, list[float], list[float], str, str]  # label, x, y, colour, dash


def progress(now: RunRecord) -> None:
    """One line and a bar, in a place of fixed height."""
    with st.container(height=PROGRESS, border=False):
        st.progress(min(1.0, now.progress if now.state not in ("waiting", "starting") else 0.0), text=doing(now))


def doing(now: RunRecord) -> str:
    """What a run does at this moment, in words."""
    if now.state == "waiting":
        runs = f"{now.place} {'run' if now.place == 1 else 'runs'} before it"
        return f"Waiting: {runs}, some {plots.seconds(now.wait_seconds)}. It starts by itself."
    if now.state == "starting":
        return f"Starting, {plots.seconds(now.elapsed)}: {now.stage or 'a process is started'}."
    at = [f"step {now.step:,} of {now.info.get('steps', 0):,}", f"epoch {now.epoch:.2f}"]
    if now.state == "storing":
        return f"Trained, {at[0]}; storing maps: {_map_title(now.storing) if now.storing else 'encoding test images'}."
    at += [f"{now.images_per_second:,.0f} images/s"] if now.images_per_second and now.state == "running" else []
    at += [f"{plots.seconds(now.seconds_left)} left"] if now.active and now.seconds_left else []
    before = "Stopping," if now.stopping else ENDS.get(now.state, "")
    said = f"{before} {', '.join(at)}".strip()
    return said[0].upper() + said[1:]


def _map_title(name: str) -> str:
    return MAPS[name].title if name in MAPS else name


def course(now: RunRecord) -> None:
    """The curves: of the losses, which grow with every step, and beside them of the evaluation."""
    grid = st.grid(2, min_column_width=300, gap="small")
    with grid.cell():
        _losses(now)
    with grid.cell():
        _evaluated(now)


def chosen(now: RunRecord) -> Snapshot | None:
    """The evaluation whose pictures are shown: the newest, or once the run has ended that of the slider."""
    with st.container(height=PROGRESS, border=False):
        if now.active or len(now.snapshots) < 2:
            if now.snapshots:
                st.caption(f"Evaluation {len(now.snapshots)}, at step {now.snapshots[-1].step:,}.")
            return now.snapshots[-1] if now.snapshots else None
        last = len(now.snapshots) - 1
        index = ui.bound("train_back", last, between=(0, last))
        st.select_slider(
            "Back over the epochs", list(range(last + 1)), key="train_back",
            format_func=lambda i: f"{now.snapshots[i].epoch:.2f}",
        )  # fmt: skip
        return now.snapshots[index]


def _losses(now: RunRecord) -> None:
    if not now.points:
        _empty("The loss appears here with the first step.")
        return
    info = METHODS[now.request.method]
    told = [(point.epoch, point.losses) for point in now.points]
    panels = [("loss (nats)", lines(told, {"loss": "loss"}, colour=info.colour))]
    if info.losses:
        parts = {part.key: part.label for part in info.losses}
        panels.append((info.losses[0].unit, lines(told, parts, colour=info.colour)))
    figure = plots.plot_curves(panels, title="The pretext loss and its parts", x_title="epoch", height=HEIGHT)
    caption = filled(info.loss_caption, now.losses)
    if info.rising and now.losses.get("loss", 0.0) > now.points[0].losses.get("loss", math.inf):
        caption += f" {info.rising}"
    curves.show(figure, key="train_losses", alt="Loss and its parts over the epochs", caption=caption)


def _evaluated(now: RunRecord) -> None:
    """Online k-NN, where there are labels, beside the method's own gauge."""
    if not now.snapshots:
        _empty("The first evaluation comes before the first step; its curve appears here.")
        return
    info = METHODS[now.request.method]
    told = [(snapshot.epoch, snapshot.monitor) for snapshot in now.snapshots]
    first, last = now.snapshots[0].monitor, now.snapshots[-1].monitor
    panels, caption = [], "These images have no labels to evaluate by."
    if "knn" in first and "knn" in last:
        panels.append(("k-NN (%)", lines(told, {"knn": "k-NN"}, colour=info.colour, scale=100)))
        before, after = (plots.percent(value["knn"], half_width=0.02) for value in (first, last))
        caption = f"{after} of test images have the class of their neighbours in h ({before} before training)."
    gauge: Curve | None = info.gauge
    if gauge is not None and gauge.key in last:
        panels.append((gauge.label, lines(told, {gauge.key: gauge.label}, colour=info.colour)))
        caption += f" {filled(info.gauge_caption, last)}"
    if not panels:
        _empty(caption)
        return
    curves.show(
        lambda: plots.plot_curves(panels, title="What it is good for, online", x_title="epoch", height=HEIGHT),
        key="train_evaluated", alt="Online k-NN accuracy and the method's gauge over the epochs", caption=caption,
        once=(now.request.method, *(number for _, curved in panels for _, x, y, *_ in curved for number in (*x, *y))),
    )  # fmt: skip


def lines(
    told: Sequence[tuple[float, Mapping[str, float]]], labels: Mapping[str, str], *, colour: str, scale: float = 1.0
) -> list[Line]:
    """Curves over the epochs as `plots.plot_curves` takes them.

    Args:
        told: at which epoch a run told which numbers.
        labels: key of each number that becomes a curve, and what the curve is called.
        colour: of all of them; they differ by their dashes.
        scale: what the numbers are multiplied by. One that was not told leaves a gap.
    """
    x = [epoch for epoch, _ in told]
    return [
        (label, x, [scale * values.get(key, math.nan) for _, values in told], colour, dash)
        for (key, label), dash in zip(labels.items(), itertools.cycle(DASHES), strict=False)
    ]


def filled(caption: str, values: Mapping[str, float]) -> str:
    """A caption with its numbers; without those that the run has not told, nothing."""
    try:
        return caption.format(**values).replace(" -", " −").strip()
    except (KeyError, ValueError):
        return ""


def _empty(said: str) -> None:
    """Words in the place of a figure, as high as the figure will be."""
    with st.container(height=HEIGHT + 24, border=False, vertical_alignment="center"):
        st.caption(said)


def map_of(now: RunRecord, snapshot: Snapshot | None) -> None:
    """The map of held-out images at an evaluation."""
    if snapshot is None:
        _empty("The map of held-out images appears here.")
        return
    paths = tuple(other.path for other in now.snapshots if other.path)
    held = len(arrays(snapshot.path).get("y", ()))
    caption = f"{held} held-out images at epoch {snapshot.epoch:.2f}; "
    caption += "colours are their classes, which training never sees."
    curves.show(
        lambda: _map_figure(paths, snapshot.path, now.request.dataset),
        key="train_map", alt="PCA map of held-out images", caption=caption, once=versions(snapshot.path, *paths),
    )  # fmt: skip


def _map_figure(paths: tuple[str, ...], path: str, dataset: str) -> Any:
    names = images.describe(dataset).class_names or ("images",)
    frames = [arrays(other) for other in paths]
    here = [i for i, frame in enumerate(frames) if "xy" in frame]
    maps = dict(zip(here, plots.aligned([frames[i]["xy"] for i in here]), strict=True))
    i = paths.index(path)
    y = np.maximum(frames[i].get("y", np.zeros(0, int)), 0)
    figure = plots.plot_map(maps.get(i, np.zeros((0, 2))), y, names, title="PCA of h, held-out images", height=HEIGHT)
    reach = 1.2 * max((float(np.quantile(np.abs(xy), 0.98)) for xy in maps.values() if len(xy)), default=1.0) or 1.0
    figure.update_xaxes(range=[-reach, reach])
    figure.update_yaxes(range=[-reach, reach])
    notes = figure.layout.annotations
    for note, place in zip(
        notes, plots.spread(np.array([[n.x, n.y] for n in notes]).reshape(-1, 2), 0.2 * reach), strict=True
    ):
        note.update(x=place[0], y=place[1], font_size=13, borderpad=2)
    return figure


# files that a run has written -----------------------------------------------------------------------------------------


def versions(*paths: str) -> tuple[tuple[str, int], ...]:
    """Files and when they were written: a new run may take the name, and so the files, of one that was deleted."""
    return tuple((path, _written(path)) for path in paths)


def _written(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


def arrays(path: str) -> dict[str, np.ndarray]:
    """The arrays of a file that a run has written; none where it has gone meanwhile."""
    try:
        return _read(path, _written(path))
    except (OSError, ValueError, KeyError, EOFError):
        return {}


@st.cache_data(max_entries=256, show_spinner=False)
def _read(path: str, stamp: int) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}
