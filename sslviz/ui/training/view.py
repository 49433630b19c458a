"""What a training run looks like: its progress, curves, map and pictures, and a step that was asked for alone.

Imports no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots
from sslviz.data import images
from sslviz.jobs.record import RunRecord, Snapshot
from sslviz.methods.registry import METHODS
from sslviz.ui.training import curves

PROGRESS = 64  # pixels of the bar, and of what stands beside it
HEIGHT = 350  # of the three figures beside one another
PICTURES = 340  # and of those below


def progress(now: RunRecord) -> None:
    """One line and a bar, in a place of fixed height."""
    with st.container(height=PROGRESS, border=False):
        if now.state == "waiting":
            st.progress(0.0, text=f"Waiting: {now.place} run{'s' * (now.place != 1)} before it. It starts by itself.")
        elif now.state == "starting":
            told = now.info.get("images_per_second")
            doing = f"measured {told:,.0f} images/s; first look" if told else "reading images and measuring a few steps"
            st.progress(0.0, text=f"Starting: {doing}.")
        else:
            parts = [f"step {now.step:,} of {now.info.get('steps', 0):,}", f"epoch {now.epoch:.2f}"]
            parts += [f"{now.images_per_second:,.0f} images/s"] if now.images_per_second else []
            parts += [f"{plots.seconds(now.seconds_left)} left"] if now.active and now.seconds_left else []
            doing = "stopping; " if now.stopping else "paused; " if now.state == "paused" else ""
            st.progress(min(1.0, now.progress), text=doing + ", ".join(parts))


def course(now: RunRecord) -> None:
    """The curves: of the losses, which grow with every step, and beside them of the judging."""
    grid = st.grid(2, min_column_width=300, gap="small")
    with grid.cell():
        _losses(now)
    with grid.cell():
        _judged(now)


def chosen(now: RunRecord) -> Snapshot | None:
    """The evaluation whose pictures are shown: the newest, or once the run has ended that of the slider."""
    with st.container(height=PROGRESS, border=False):
        if now.active or len(now.snapshots) < 2:
            return now.snapshots[-1] if now.snapshots else None
        index = st.select_slider(
            "Back over the epochs", list(range(len(now.snapshots))), len(now.snapshots) - 1,
            key=f"train_look_{now.request.name}", format_func=lambda i: f"{now.snapshots[i].epoch:.2f}",
        )  # fmt: skip
        return now.snapshots[index]


def _losses(now: RunRecord) -> None:
    colour = METHODS[now.request.method].colour
    x = [point.epoch for point in now.points]
    parts = ("recon", "kl") if now.request.method == "vae" else ("positive", "negative")
    names = {"recon": "recon", "kl": "KL", "positive": "pairs", "negative": "others"}
    below = "nats per image" if now.request.method == "vae" else "cosine"

    def curve(key: str, dash: str) -> tuple[str, list, list, str, str]:
        return names.get(key, key), x, [point.losses.get(key, np.nan) for point in now.points], colour, dash

    panels = [("loss (nats)", [curve("loss", "solid")]), (below, [curve(parts[0], "solid"), curve(parts[1], "dot")])]
    figure = plots.plot_curves(panels, title="The pretext loss and its parts", x_title="epoch", height=HEIGHT)
    caption = "The first step is under way."
    if now.losses and now.request.method == "vae":
        caption = f"Loss {plots.nats(now.losses['loss'])}: {plots.nats(now.losses['recon'])} to reconstruct, "
        caption += f"{plots.nats(now.losses['kl'])} of KL."
    elif now.losses:
        caption = f"Views of one image agree at {now.losses['positive']:.2f}, of two images at "
        caption += f"{now.losses['negative']:.2f}.".replace("-", "−")
        if now.request.method == "moco" and now.losses["loss"] > now.points[0].losses["loss"]:
            caption += " The queue began as random numbers, which are easy to tell from a key: so the loss rises first."
    curves.show(figure, key="train_losses", alt="Loss and its parts over the epochs", caption=caption)


def _judged(now: RunRecord) -> None:
    """Online k-NN beside a gauge of collapse."""
    colour, method = METHODS[now.request.method].colour, now.request.method
    gauge, y_title = ("active_units", "active z") if method == "vae" else ("z_std", "spread of z")
    x = [look.epoch for look in now.snapshots]
    knn = [100 * look.monitor.get("knn", np.nan) for look in now.snapshots]
    width = [look.monitor.get(gauge, np.nan) for look in now.snapshots]
    panels = [("k-NN (%)", [("k-NN", x, knn, colour, "solid")]), (y_title, [(y_title, x, width, colour, "solid")])]
    caption = "The first evaluation comes before the first step."
    if now.snapshots:
        first, last = now.snapshots[0].monitor, now.snapshots[-1].monitor
        caption = "These images have no labels to judge by."
        if "knn" in first and "knn" in last:
            before, after = (plots.percent(value["knn"], half_width=0.02) for value in (first, last))
            caption = f"{after} of test images have the class of their neighbours in h ({before} before training)."
        if gauge not in last:
            pass
        elif gauge == "z_std":
            caption += f" Spread {last['z_std']:.2f}: 1 fills the sphere, 0 is collapse."
        else:
            caption += f" {last['active_units']:.0f} dimensions of z are in use."
    curves.show(
        lambda: plots.plot_curves(panels, title="What it is good for, online", x_title="epoch", height=HEIGHT),
        key="train_judged", alt="Online k-NN accuracy and collapse gauge over the epochs", caption=caption,
        once=(method, *x, *knn, *width),
    )  # fmt: skip


def map_of(now: RunRecord, look: Snapshot | None) -> None:
    """The map of held-out images at an evaluation."""
    if look is None:
        with st.container(height=HEIGHT + 24, border=False, vertical_alignment="center"):
            st.caption("The map of held-out images appears here.")
        return
    paths = tuple(other.path for other in now.snapshots if other.path)
    held = len(_arrays(look.path).get("y", ()))
    caption = f"{held} held-out images at epoch {look.epoch:.2f}; colours are their classes, which training never sees."
    curves.show(
        lambda: _map_figure(paths, look.path, now.request.dataset),
        key="train_map", alt="PCA map of held-out images", caption=caption, once=_versions(look.path, *paths),
    )  # fmt: skip


def _map_figure(paths: tuple[str, ...], path: str, dataset: str) -> Any:
    names = images.describe(dataset).class_names or ("images",)
    frames = [_arrays(other) for other in paths]
    here = [i for i, frame in enumerate(frames) if "xy" in frame]
    maps = dict(zip(here, plots.aligned([frames[i]["xy"] for i in here]), strict=True))
    i = paths.index(path)
    y = np.maximum(frames[i].get("y", np.zeros(0, int)), 0)
    figure = plots.plot_map(maps.get(i, np.zeros((0, 2))), y, names, title="PCA of h, held-out images", height=HEIGHT)
    reach = 1.2 * max((float(np.quantile(np.abs(xy), 0.98)) for xy in maps.values() if len(xy)), default=1.0)
    figure.update_xaxes(range=[-reach, reach])
    figure.update_yaxes(range=[-reach, reach])
    notes = figure.layout.annotations
    for note, place in zip(
        notes, plots.spread(np.array([[n.x, n.y] for n in notes]).reshape(-1, 2), 0.2 * reach), strict=True
    ):
        note.update(x=place[0], y=place[1], font_size=13, borderpad=2)
    return figure


def _versions(*paths: str) -> tuple[tuple[str, int], ...]:
    """Files and when they were written: a new run may take the name, and so the files, of one that was deleted."""
    return tuple((path, _written(path)) for path in paths)


def _written(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


def _arrays(path: str) -> dict[str, np.ndarray]:
    """The arrays of a file that a run has written; none where it has gone meanwhile."""
    try:
        return _read(path, _written(path))
    except (OSError, ValueError, KeyError, EOFError):
        return {}


@st.cache_data(max_entries=256, show_spinner=False)
def _read(path: str, stamp: int) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def pictures(now: RunRecord, look: Snapshot | None) -> None:
    """A step that was asked for alone; then reconstructions and samples, or pairs, similarities and MoCo's queue."""
    with st.container():
        if now.state == "paused" and now.detail_step == now.step:
            _alone(now)
    found = _arrays(look.path) if look else {}
    if not found:
        return
    once = _versions(look.path)
    if now.request.method == "vae":
        grid = st.grid(2, min_column_width=400, gap="small")
        with grid.cell():
            title = "Held-out images and reconstructions"
            curves.show(
                lambda: plots.plot_images(
                    np.concatenate([found["x"][:8], found["x_hat"][:8]]), row_labels=["x", "x̂"], title=title
                ),
                key="train_recon", alt="Images over their reconstructions", once=once,
            )  # fmt: skip
        with grid.cell():
            undecided = f"{100 * plots.undecided(found['samples']):.0f} % of their pixels are undecided."
            curves.show(
                lambda: plots.plot_images(
                    found["samples"][:24], row_labels=[""] * 3, title="Samples: always the same z, decoded"
                ),
                key="train_samples", alt="Decoded samples of the prior", caption=undecided, once=once,
            )  # fmt: skip
        return
    grid = st.grid(3 if "age" in found else 2, min_column_width=290, gap="small")
    with grid.cell():
        pair = [found["x1"][:8], found["x2"][:8], found["x1"][8:16], found["x2"][8:16]]
        labels = ["view 1", "view 2"] * (sum(map(len, pair)) // 16) or ["view 1", "view 2"]
        curves.show(
            lambda: plots.plot_images(
                np.concatenate(pair), row_labels=labels, title="Positive pairs: two views of one image"
            ),
            key="train_pairs", alt="Pairs of views", once=once,
        )  # fmt: skip
    with grid.cell():
        matrix = found["similarity"]
        right = float((matrix.argmax(axis=1) == np.arange(len(matrix))).mean())
        caption = f"{100 * right:.0f} % of the views find their partner among {len(matrix)}; guessing finds "
        caption += f"{100 / len(matrix):.0f} %. Red is 1, white 0, blue −1."
        title = "Cosine of z, every view with every other"
        curves.show(
            lambda: plots.plot_similarity(matrix, title=title, height=PICTURES),
            key="train_similarity", alt="Matrix of cosines of views", caption=caption, once=once,
        )  # fmt: skip
    if "age" in found:
        with grid.cell():
            fresh = float((found["age"] >= 0).mean())
            aged = "Age and drift of the queue's keys"
            caption = f"{100 * fresh:.0f} % of the queue is filled; the weights of both encoders are "
            caption += f"{100 * float(found['apart'].ravel()[0]):.1f} % apart."
            curves.show(
                lambda: plots.plot_queue(
                    found["age"], found["drift_age"], found["drift"], title=aged,
                    colour=METHODS[now.request.method].colour, height=PICTURES,
                ),
                key="train_queue", alt="Age and drift of keys", caption=caption, once=once,
            )  # fmt: skip


def _alone(now: RunRecord) -> None:
    """A step that was asked for alone: its batch, its views, its losses and its gradients."""
    found = _arrays(now.detail)
    rows = {"x": "x", "x1": "view 1", "x2": "view 2", "x_hat": "x̂"}
    shown = [key for key in rows if key in found]
    if not shown:
        return
    st.markdown(f"**Step {now.step:,} alone.** The first {len(found['x'])} images of its batch.")
    grid = st.grid(3, min_column_width=300, gap="small")
    groups = [["x", "x_hat"], ["x1", "x2"]]  # views may be smaller than images
    with grid.cell(column_span=2):
        for keys in ([key for key in keys if key in found] for keys in groups):
            if keys:
                tiles, labels = np.concatenate([found[key] for key in keys]), [rows[key] for key in keys]
                title = "Views" if "x1" in keys else "What the step was given"
                figure = plots.plot_images(tiles, row_labels=labels, title=title)
                curves.show(figure, key=f"train_step_{keys[0]}", alt=f"{title}, of one step")
    with grid.cell():
        table = [{"": name, "value": f"{value:.3f}"} for name, value in now.losses.items()]
        table += [{"": f"gradient of {name}", "value": f"{value:.3g}"} for name, value in now.gradients.items()]
        st.dataframe(table, hide_index=True, alt="Losses and gradient norms of this step")
