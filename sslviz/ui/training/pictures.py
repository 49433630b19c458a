"""Pictures of a run's evaluations, and of a step that was asked for alone; what there is to see, its arrays say.

Imports no torch, and names no method.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import numpy as np
import streamlit as st

from sslviz import plots
from sslviz.jobs.record import RunRecord, Snapshot
from sslviz.methods.registry import METHODS
from sslviz.ui.training import curves, view

HEIGHT = 340
ROW = 8  # images a row
Arrays = Mapping[str, np.ndarray]
STEP_ROWS = {"x": "x", "x1": "view 1", "x2": "view 2", "x_hat": "x̂"}


def show(now: RunRecord, snapshot: Snapshot | None) -> None:
    """A step that was asked for alone; then whatever the evaluation has kept: each picture that its arrays allow."""
    with st.container():
        if now.state == "paused" and now.detail_step == now.step:
            _alone(now)
    found = view.arrays(snapshot.path) if snapshot else {}
    drawings = [draw for needs, draw in PICTURES if needs <= found.keys()]
    if snapshot is None or not drawings:
        return
    once = view.versions(snapshot.path)
    grid = st.grid(len(drawings), min_column_width=290, gap="small")
    for draw in drawings:
        with grid.cell():
            draw(found, once, METHODS[now.request.method].colour)


def _reconstructions(found: Arrays, once: tuple[Hashable, ...], colour: str) -> None:
    n = min(ROW, len(found["x"]))
    curves.show(
        lambda: plots.plot_images(
            np.concatenate([found["x"][:n], found["x_hat"][:n]]), row_labels=["x", "x̂"],
            title="Held-out images and reconstructions",
        ),
        key="train_recon", alt="Images over their reconstructions", once=once,
    )  # fmt: skip


def _samples(found: Arrays, once: tuple[Hashable, ...], colour: str) -> None:
    curves.show(
        lambda: plots.plot_images(
            found["samples"][: 3 * ROW], row_labels=[""] * 3, title="Samples: always the same z, decoded"
        ),
        key="train_samples", alt="Decoded samples of the prior", once=once,
    )  # fmt: skip


def _pairs(found: Arrays, once: tuple[Hashable, ...], colour: str) -> None:
    n = min(ROW, len(found["x1"]))
    rows = [found[key][at : at + n] for at in range(0, len(found["x1"]) - n + 1, n)[:2] for key in ("x1", "x2")]
    curves.show(
        lambda: plots.plot_images(
            np.concatenate(rows), row_labels=["view 1", "view 2"] * (len(rows) // 2),
            title="Positive pairs: two views of one image",
        ),
        key="train_pairs", alt="Pairs of views", once=once,
    )  # fmt: skip


def _similarity(found: Arrays, once: tuple[Hashable, ...], colour: str) -> None:
    matrix = found["similarity"]
    right = float((matrix.argmax(axis=1) == np.arange(len(matrix))).mean())
    caption = f"{100 * right:.0f} % of the views find their partner among {len(matrix)}; guessing finds "
    caption += f"{100 / len(matrix):.0f} %. Red is 1, white 0, blue −1."
    curves.show(
        lambda: plots.plot_similarity(matrix, title="Cosine of z, every view with every other", height=HEIGHT),
        key="train_similarity", alt="Matrix of cosines of views", caption=caption, once=once,
    )  # fmt: skip


def _queue(found: Arrays, once: tuple[Hashable, ...], colour: str) -> None:
    fresh = float((found["age"] >= 0).mean())
    caption = f"{100 * fresh:.0f} % of the queue is filled; the weights of both encoders are "
    caption += f"{100 * float(found['apart'].ravel()[0]):.1f} % apart."
    curves.show(
        lambda: plots.plot_queue(
            found["age"], found["drift_age"], found["drift"], title="Age and drift of the queue's keys", colour=colour,
            height=HEIGHT,
        ),
        key="train_queue", alt="Age and drift of keys", caption=caption, once=once,
    )  # fmt: skip


# the arrays that a picture needs, and the picture
PICTURES: tuple[tuple[set[str], Callable[[Arrays, tuple[Hashable, ...], str], None]], ...] = (
    ({"x", "x_hat"}, _reconstructions),
    ({"samples"}, _samples),
    ({"x1", "x2"}, _pairs),
    ({"similarity"}, _similarity),
    ({"age", "drift_age", "drift", "apart"}, _queue),
)


def _alone(now: RunRecord) -> None:
    """A step that was asked for alone: its batch, its views, its losses and its gradients."""
    found = view.arrays(now.detail)
    if not found.keys() & STEP_ROWS.keys():
        return
    st.markdown(f"**Step {now.step:,} alone.** The first {len(found.get('x', ()))} images of its batch.")
    grid = st.grid(3, min_column_width=300, gap="small")
    groups = [["x", "x_hat"], ["x1", "x2"]]  # views may be smaller than images
    with grid.cell(column_span=2):
        for keys in ([key for key in keys if key in found] for keys in groups):
            if keys:
                tiles, labels = np.concatenate([found[key] for key in keys]), [STEP_ROWS[key] for key in keys]
                title = "Views" if "x1" in keys else "What the step was given"
                figure = plots.plot_images(tiles, row_labels=labels, title=title)
                curves.show(figure, key=f"train_step_{keys[0]}", alt=f"{title}, of one step")
    with grid.cell():
        table = [{"": name, "value": f"{value:.3f}"} for name, value in now.losses.items()]
        table += [{"": f"gradient of {name}", "value": f"{value:.3g}"} for name, value in now.gradients.items()]
        st.dataframe(table, hide_index=True, alt="Losses and gradient norms of this step")
