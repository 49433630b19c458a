"""Pretext: whether a lower pretext loss means a better representation, within a run and between runs."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.bundled import moments
from sslviz.evaluation.ranks import rank_correlation, words
from sslviz.methods.registry import METHODS


def show(selection: ui.Selection) -> None:
    """Draw a dot a moment of every run of the dataset, one panel a method, since losses of two do not compare."""
    runs = moments.runs(selection.data)
    if not runs:
        st.caption(
            f"No moments of runs on {ui.escape(selection.title)} come along. The Train page draws those of a run while "
            "it goes on; choose MNIST, Fashion-MNIST or CIFAR-10 to see runs that are stored."
        )
        return
    methods = list(dict.fromkeys(run["method"] for run in runs))
    grid = st.grid(2, min_column_width=420, gap="medium")
    for method in methods:
        with grid.cell():
            _panel(method, [run for run in runs if run["method"] == method])
    st.caption(
        "A dot is a moment: the mean pretext loss of the steps before it, and k-NN on h at that moment, of the "
        "run's own monitor on a sample of images, so that heights compare within a figure of one dataset and not with "
        "the table. "
        "The largest dot is a run's last moment. Losses of two methods, or with other settings, are not of one scale."
    )
    _table(runs)
    _folded(runs)


def _panel(method: str, runs: list[dict[str, Any]]) -> None:
    about, groups = METHODS[method], []
    for number, run in enumerate(runs):
        loss, knn = ([moment[key] for moment in run["moments"]] for key in ("loss", "knn"))
        hints = [
            f"{run['name']}, step {moment['step']:,}: loss {moment['loss']:.3f} nats, k-NN {100 * moment['knn']:.1f} %"
            for moment in run["moments"]
        ]
        colour = about.colour if len(runs) == 1 else plots.PETROFF[(0, 6, 4, 2, 5, 8)[number % 6]]
        groups.append(
            {"label": run["name"], "colour": colour, "kind": "model", "x": loss, "y": knn, "hints": hints, "line": True}
        )  # fmt: skip
    ui.show(
        plots.plot_moments(
            groups, title=f"{about.title}: loss against what k-NN reads off h", x_title="pretext loss (nats)",
            y_title="k-NN on h (%)",
        ),
        key=f"probe_moments_{method}", alt=f"Pretext loss against k-NN accuracy over moments of {about.title} runs",
        caption=_seen(runs),
    )  # fmt: skip


def _seen(runs: list[dict[str, Any]]) -> str:
    """The rank correlation within each run, and between the last moments of several."""
    said = []
    for run in runs:
        loss, knn = ([moment[key] for moment in run["moments"]] for key in ("loss", "knn"))
        said.append(f"{ui.escape(run['name'])}: {words(rank_correlation(loss, knn), len(loss))}")
    text = "Within a run, loss against accuracy: " + "; ".join(said) + "."
    lasts = [run["moments"][-1] for run in runs]
    if len(runs) > 1:
        lowest, best = (
            min(range(len(runs)), key=lambda i: lasts[i]["loss"]),
            max(range(len(runs)), key=lambda i: lasts[i]["knn"]),
        )
        if lowest != best:
            text += (
                f" **Between runs the lowest loss is not the best h**: {ui.escape(runs[lowest]['name'])} ends at "
                f"{lasts[lowest]['loss']:.2f} nats with {100 * lasts[lowest]['knn']:.1f} %, "
                f"{ui.escape(runs[best]['name'])} at {lasts[best]['loss']:.2f} with {100 * lasts[best]['knn']:.1f} %."
            )
    return text


def _table(runs: list[dict[str, Any]]) -> None:
    lines = ["| run | moments | loss, first to last (nats) | k-NN, first to last |", "|---|--:|--:|--:|"]
    for run in runs:
        first, last = run["moments"][0], run["moments"][-1]
        lines.append(
            f"| {ui.escape(run['name'])} | {len(run['moments'])} | {first['loss']:.2f} → {last['loss']:.2f} | "
            f"{100 * first['knn']:.1f} % → {100 * last['knn']:.1f} % |"
        )
    st.markdown("\n".join(lines))


def _folded(runs: list[dict[str, Any]]) -> None:
    commands = list(dict.fromkeys(word for run in runs for word in (run["source"], run.get("command", "")) if word))
    ui.foldouts(
        latex=r"\rho = \operatorname{corr}\bigl(\operatorname{rank}(\mathcal L_t), \operatorname{rank}(a_t)\bigr)",
        symbols={
            r"\mathcal L_t": ("pretext loss at moment t, nats", "moments.read_log"),
            "a_t": ("k-NN accuracy of h at moment t", "training.monitor"),
            r"\rho": ("Spearman's rank correlation", "ranks.rank_correlation"),
        },
        source="sslviz.evaluation.ranks:rank_correlation",
        command="\n".join(commands),
        script=f'''from sslviz.bundled.moments import runs
from sslviz.evaluation.ranks import rank_correlation

for run in runs("{runs[0]["dataset"]}"):
    loss, knn = ([moment[key] for moment in run["moments"]] for key in ("loss", "knn"))
    print(run["name"], rank_correlation(loss, knn))''',
        way=(
            "Losses and online k-NN that runs have told of over their steps.",
            "A dot for each moment; ranks compared within each run.",
            "Whether the loss can stand in for a probe: within a run perhaps, between runs not.",
        ),
    )
