"""One head for mean and log-variance beside two: two short runs that differ in this alone, step by step."""

from __future__ import annotations

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.bundled.experiments import EXPERIMENTS
from sslviz.bundled.experiments.results import Results, Run
from sslviz.data.packing import unpack
from sslviz.methods.registry import METHODS
from sslviz.ui.contrast import live

NAME, SHARED, OWN = "shared-head", "shared", "own"
TITLES = {SHARED: "One head, the mistake", OWN: "Two heads"}
COLOURS = {SHARED: plots.PETROFF[6], OWN: METHODS[EXPERIMENTS[NAME].method].colour}
SKIPPED = 12  # steps that were told before the curves begin: the first are so large that nothing else could be seen
DASHES, SYMBOLS = {SHARED: "dash", OWN: "solid"}, {SHARED: "x-thin-open", OWN: "circle"}


def show(selection: ui.Selection) -> None:
    """Draw both runs at one step, how sure each is where, their courses, and where they have ended."""
    about = EXPERIMENTS[NAME]
    dataset = selection.data if selection.data in about.datasets else about.datasets[0]
    results = live.added(NAME, dataset)
    runs = {cell: results.of(cell)[0] for cell in TITLES if results and results.of(cell)}
    if results is not None and len(runs) == len(TITLES):
        _at_a_step(runs, dataset)
        _conclude(runs)
        _course(runs)
        _table(runs, results)
    else:
        st.caption(f"No runs come along: `sslviz experiments run {NAME} {dataset}` makes them.")
    title = f"{about.fixed['steps']:,} steps with one head for both on {ui.data_title(dataset)}"
    live.panel(NAME, dataset, SHARED, title)


def _at_a_step(runs: dict[str, Run], dataset: str) -> None:
    """Images, what becomes of them, and samples: of both runs at the same step."""
    pictures = {cell: {each["step"]: each for each in run.seen["pictures"]} for cell, run in runs.items()}
    steps = sorted(set.intersection(*(set(found) for found in pictures.values())))
    step = ui.bound("vae_step", steps[-1], among=steps)
    st.select_slider("After so many steps", steps, key="vae_step", format_func=lambda n: f"{n:,}", width=340)
    columns = st.grid(2, min_column_width=340, gap="medium")
    for cell, run in runs.items():
        x, now = unpack(run.seen["x"]), pictures[cell][step]
        images = np.concatenate([x, unpack(now["x_hat"]), unpack(now["samples"])])
        told = {key: _at(run, key, step) for key in ("recon", "kl", "knn")}
        with columns.cell():
            ui.show(
                plots.plot_images(images, row_labels=["x", "x̂", "drawn"], title=f"{TITLES[cell]}, step {step:,}"),
                key=f"vae_head_{cell}",
                alt=f"Held-out {ui.data_title(dataset)} images, their reconstructions, and images decoded from the "
                f"prior: {TITLES[cell]}",
                still=True,
                caption=f"Held out: {plots.nats(told['recon'])} to reconstruct and {plots.nats(told['kl'])} of KL; "
                f"k-NN of μ finds {plots.percent(told['knn'])}.",
            )


def _at(run: Run, key: str, step: int) -> float:
    """A number that was watched, at a step."""
    curve = run.seen["held_out"][key]
    return float(curve["value"][curve["step"].index(step)])


def _conclude(runs: dict[str, Run]) -> None:
    """What to see in it, step by step, from these figures."""
    shared, own = (runs[cell].seen["bound"] for cell in (SHARED, OWN))
    n = runs[SHARED].n_test
    worse = {key: shared[key] - own[key] for key in shared}
    cheaper = "more" if worse["kl"] > 0 else "less"
    words = [
        "**The encoder says one number where it should say two:** μ is taken for log σ² as well, so σ = exp(μ/2).",
        f"**KL.** On {n:,} test images it is {plots.nats(shared['kl'])} against {plots.nats(own['kl'])}: "
        f"{abs(worse['kl']):.1f} {cheaper}.",
        f"**What is lost.** Reconstruction costs {plots.nats(shared['recon'])} against {plots.nats(own['recon'])}, so "
        f"the bound is {abs(worse['negative_elbo']):.1f} nats "
        f"{'worse' if worse['negative_elbo'] > 0 else 'better'}.",
    ]
    told = {cell: plots.percent_interval(run.linear, run.interval("linear"), n) for cell, run in runs.items()}
    words.append(
        f"**The probe.** A linear layer on μ finds {told[SHARED]} against {told[OWN]}: "
        + _of_the_probe(runs, worse["negative_elbo"])
    )
    st.markdown("\n".join(f"{i}. {text}" for i, text in enumerate(words, 1)))


def _of_the_probe(runs: dict[str, Run], worse: float) -> str:
    """What the accuracies say of the mistake, as far as their intervals allow."""
    (low, high), (low2, high2) = (runs[cell].interval("linear") for cell in (SHARED, OWN))
    if worse > 0 and high >= low2:
        return "by accuracy alone nobody would notice the mistake. Look at the bound, and at what is drawn."
    if high < low2:
        return "the accuracy has suffered too."
    return "both measures say the same." if low > high2 else "the two can't be told apart."


def _course(runs: dict[str, Run]) -> None:
    """How sure each encoder is where, and both runs over the steps."""
    grid = st.grid(3, min_column_width=300, gap="small")
    with grid.cell():
        clouds = [
            (TITLES[cell], run.seen["widest"]["mu"], run.seen["widest"]["logvar"], COLOURS[cell], SYMBOLS[cell])
            for cell, run in runs.items()
        ]
        own = np.exp(0.5 * np.array(runs[OWN].seen["widest"]["logvar"]))
        ui.show(
            plots.plot_posteriors(clouds, title="Where an image is put, and how sure that is"),
            key="vae_head_posteriors",
            alt="Standard deviation over mean of one dimension of z, both encoders",
            caption=f"{len(own)} test images, of each the dimension with the largest KL. With one head, where says how "
            f"sure; with two, σ lies between {own.min():.2f} and {own.max():.2f} wherever the image is.",
        )
    panels = {"kl": "KL (nats per image)", "recon": "Reconstruction (nats per image)"}
    for key, title in panels.items():
        curves = [
            (
                cell,
                *(run.seen["curves"][key][part][SKIPPED:] for part in ("step", "value")),
                COLOURS[cell],
                DASHES[cell],
            )
            for cell, run in runs.items()
        ]
        with grid.cell():
            ui.show(
                plots.plot_curves([(title.lower(), curves)], title=title, x_title="step", height=330),
                key=f"vae_head_{key}",
                alt=f"{title} over the steps of training, both runs",
                caption="; ".join(f"{cell}: {curve[-1]:.1f} at the end" for cell, _, curve, *_ in curves) + ".",
            )


def _table(runs: dict[str, Run], results: Results) -> None:
    """Where both have ended."""
    rows = [
        "| on test images | recon (nats) | KL (nats) | negative ELBO (nats) | k-NN of μ | linear probe of μ |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    named = [(TITLES[run.cell] + (f", seed {run.seed}" if run.seed else ""), run) for run in results.runs if run.seen]
    for title, run in named:
        bound = " | ".join(f"{run.seen['bound'][key]:.1f}" for key in ("recon", "kl", "negative_elbo"))
        scores = " | ".join(plots.percent_interval(getattr(run, key), run.interval(key)) for key in ("knn", "linear"))
        rows.append(f"| {title} | {bound} | {scores} |")
    with st.container(key="tables_one_head"):
        st.markdown("\n".join(rows))
    run = runs[SHARED]
    st.caption(
        ui.escape(
            f"n = {run.n_test:,} test images, one sample of z each; probes: {results.n_labels:,} labels, the same for "
            f"both; {results.protocol['interval']}. {run.settings['steps']:,} steps, seed {run.seed}, {run.hardware}, "
            f"revision {run.revision}, {run.created}."
        )
        + f" Made by `{results.command}`."
    )
