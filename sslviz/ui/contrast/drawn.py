"""Views of a few test images, drawn as a policy says, and scores in words: what Grid and Shortcut share."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.bundled.experiments.results import Results, Run
from sslviz.methods.policies import ViewPolicy

SHOWN = 6  # images
PROBES = {"k-NN": "knn", "Linear": "linear"}


def choose_probe() -> str:
    """One protocol at a time: "knn" or "linear"."""
    ui.bound("contrast_probe", "k-NN", among=PROBES)
    st.segmented_control("Probe", list(PROBES), key="contrast_probe", required=True)
    return PROBES[st.session_state.contrast_probe]


def show_views(dataset: str, policy: ViewPolicy, *, title: str, key: str) -> None:
    """Both views of some test images, and a button that draws others.

    Args:
        dataset: whose test images.
        policy: of the views.
        title: what they are views of.
        key: of the seed in the address.
    """
    seed = ui.bound(key, 0, between=(0, 9999))
    ids = ui.some_of_each(dataset, 1)[:SHOWN]
    x1, x2 = _two_views(dataset, tuple(ids), tuple(asdict(policy).items()), seed)
    figure = plots.plot_images(np.concatenate([x1, x2]), row_labels=["view 1", "view 2"], title=title, scale=3)
    ui.show(figure, key=f"{key}_views", alt=f"{title}: two views of {len(ids)} test images", still=True)

    def again() -> None:
        st.session_state[key] = (seed + 1) % 10_000

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Draw again", icon=":material/casino:", key=f"{key}_again", on_click=again)
        st.caption(f"Seed of the views: {seed}.")


@st.cache_data(max_entries=64, show_spinner=False)
def _two_views(dataset: str, ids: tuple[int, ...], policy: tuple, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Views (n, C, H, W) in [0, 1] of test images by their numbers."""
    import torch

    from sslviz.data.images import to_float
    from sslviz.methods.views import two_views

    x = to_float(torch.from_numpy(ui.test_images(dataset).x[list(ids)]))
    x1, x2 = two_views(x, ViewPolicy(**dict(policy)), generator=torch.Generator().manual_seed(seed))
    return x1.numpy(), x2.numpy()


def percent(run: Run, probe: str) -> str:
    """Accuracy of a run with its interval, "41 % (39 to 43)"; of how many images is said once, in `protocol`."""
    return plots.percent_interval(getattr(run, probe), run.interval(probe))


def mean(runs: tuple[Run, ...], what: str) -> float:
    """Mean over the seeds of a cell."""
    return float(np.mean([getattr(run, what) for run in runs]))


def table(runs: tuple[Run, ...], probe: str) -> str:
    """The runs of a cell in Markdown, one a seed."""
    rows = [f"| {run.seed} | {percent(run, probe)} | {run.loss:.2f} | {plots.seconds(run.seconds)} |" for run in runs]
    return "\n".join(["| seed | accuracy (95 %) | loss (nats) | trained in |", "|---|---|---|---|", *rows])


def protocol(found: Results, probe: str, steps: int, batch: int) -> str:
    """How the figures came about, in one paragraph."""
    run, words = found.runs[0], found.protocol
    most = max(run.total_seconds for run in found.runs)
    revisions = " and ".join(dict.fromkeys(run.revision for run in found.runs))
    return (
        f"Each run: {steps:,} steps of {batch} images on one thread, at most {plots.seconds(most)} with its evaluation "
        f"({ui.escape(run.hardware)}, revision {revisions}, {run.created}). Evaluation: {words[probe]}, fitted on "
        f"{found.n_labels:,} labels, tested on {run.n_test:,} images ({words['test']}). Intervals: {words['interval']}."
    )


def script(run: Any) -> str:
    """A script that evaluates a cell's run as here."""
    return f"""from sslviz.bundled.experiments.run import train_cell

run = train_cell({run})
print(run.loss, run.knn, run.linear, run.interval("knn"))"""
