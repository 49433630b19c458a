"""A queue of keys by age, how far the key encoder has moved since, and what momentum changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from plotly.colors import sample_colorscale

from sslviz import plots, ui
from sslviz.bundled.experiments import EXPERIMENTS, Experiment
from sslviz.bundled.experiments.results import Results, Run
from sslviz.data.packing import unpack
from sslviz.methods.registry import METHODS
from sslviz.store import checkpoint
from sslviz.ui import work
from sslviz.ui.contrast import live
from sslviz.ui.contrast.collapse import computed

NAME, OWN = "momentum", "own"
USUAL = "0.99"  # what the page opens with
ROWS = 8  # ages that are shown
DASHES = ("dot", "dash", "solid", "dashdot")
COLOURS = tuple(plots.PETROFF[i] for i in (6, 5, 0, 8))  # these read on white and on near-black


@dataclass(frozen=True)
class Queue:
    """Keys by age: age (A,) steps, view (A, P, C, H, W) uint8, their own cosines kept (A, P), the mean cosine of all
    keys of an age drift (A,), and apart, the distance of both encoders' weights as a share of the query encoder's."""

    age: np.ndarray
    view: np.ndarray
    kept: np.ndarray
    drift: np.ndarray
    apart: float

    @classmethod
    def of(cls, found: dict[str, Any]) -> Queue:
        """As `training.replay.queue_of` and the looks at short runs give it."""
        kept, drift = (np.array(found[key], float) for key in ("kept", "drift"))
        return cls(np.array(found["age"], int), unpack(found["view"]), kept, drift, float(found["apart"]))


def show(selection: ui.Selection) -> None:
    """Draw the queue of a run, the drift of its keys, and the short runs beside one another."""
    about = EXPERIMENTS[NAME]
    dataset = selection.data if selection.data in about.datasets else about.datasets[0]
    results = live.added(NAME, dataset)
    runs = {cell: results.of(cell)[0] for cell in about.cells(dataset) if results.of(cell)} if results else {}
    choices = [*runs, *([OWN] if _has_queue(selection, about) else [])]
    if not choices:
        st.caption(f"No short runs come along: `sslviz experiments run {NAME} {dataset}` makes them.")
        return
    usual = USUAL if USUAL in runs else choices[0]
    chosen = ui.bound("contrast_momentum", usual, among=choices)
    steps = [found["step"] for found in next(iter(runs.values())).seen["queues"]] if runs else [0]
    step = ui.bound("contrast_step", steps[min(1, len(steps) - 1)], among=steps)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.segmented_control(
            "Momentum of the key encoder", choices, key="contrast_momentum", required=True,
            format_func=lambda cell: selection.name if cell == OWN else cell,
        )  # fmt: skip
        if chosen != OWN and len(steps) > 1:
            st.select_slider("At step", steps, key="contrast_step", width=260)
    st.caption(_whose(selection, about, dataset, own=chosen == OWN, count=len(runs)))
    queues = {cell: Queue.of(_at(run, step)) for cell, run in runs.items()}
    if chosen == OWN:
        queue = _own(selection)
        queues = {OWN: queue} if queue else {}
    grid = st.grid(2, min_column_width=420, gap="medium")
    if chosen in queues:
        with grid.cell():
            _pictures(queues[chosen], str(selection.model) if chosen == OWN else f"momentum {chosen}, step {step}")
        with grid.cell():
            _drift(queues, about, selection, step)
    if results and runs:
        more = {f"{run.cell}, seed {run.seed}": run for run in results.runs if run.seed and run.cell in runs}
        _course(runs, more)
        _table(results, runs, more)
    cell = usual if chosen == OWN else chosen
    title = f"{about.fixed['steps']} steps with momentum {cell} on {ui.data_title(dataset)}"
    live.panel(NAME, dataset, cell, title)
    _folded(about, results)


def _at(run: Run, step: int) -> dict[str, Any]:
    """The keys of a run at an evaluation, at the first of them where there was none at this step."""
    queues: list[dict[str, Any]] = run.seen["queues"]
    return next((found for found in queues if found["step"] == step), queues[0])


def _has_queue(selection: ui.Selection, about: Experiment) -> bool:
    """Whether the selected model was stored with its queue; read from the names of its tensors alone."""
    if selection.method != about.method or selection.path is None:
        return False
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(selection.path / checkpoint.WEIGHTS), "np") as file:
            return "queue" in file.keys()  # noqa: SIM118  a file of tensors is no dict
    except (OSError, SafetensorError):
        return False


def _whose(selection: ui.Selection, about: Experiment, dataset: str, *, own: bool, count: int) -> str:
    """Whose queue is on show, and why."""
    title, name = METHODS[about.method].title, ui.escape(str(selection.model))
    if own:
        return f"The queue that {name} was stored with; its last batches are drawn again from its seed."
    runs = f"these are keys of {count} short {title} runs on {ui.data_title(dataset)}."
    if selection.method != about.method:
        return f"{name} is a {METHODS[selection.method].title} and has no queue: {runs}"
    if not _has_queue(selection, about):
        return f"{name} was stored without key side and queue, which only training needs: {runs}"
    return f"{runs[0].upper()}{runs[1:]}"


def _own(selection: ui.Selection) -> Queue | None:
    """The queue of the selected model, computed once, with progress."""
    stamp = (selection.folder / checkpoint.WEIGHTS).stat().st_mtime_ns

    def compute(report: Any) -> Queue:
        function = "sslviz.bundled.experiments.looks:look_at_queue"
        return Queue.of(work.call(function, report, model=selection.model, dataset=selection.data))

    key = ("queue", selection.model, stamp, selection.data)
    found: Queue | None = computed(key, compute, seconds=15.0, again="Look at the queue again")
    return found


def _pictures(queue: Queue, whose: str) -> None:
    """The keys as the views that they were made of, a row an age, framed by how well they still hold."""
    picked = np.unique(np.linspace(0, len(queue.age) - 1, min(ROWS, len(queue.age))).round().astype(int))
    views, kept = queue.view[picked], queue.kept[picked]
    frames = [_hex(colour) for colour in sample_colorscale("Cividis", np.clip(kept.ravel(), 0, 1).tolist())]
    labels = [f"{queue.age[i]} {'step' if queue.age[i] == 1 else 'steps'}, {queue.drift[i]:.2f}" for i in picked]
    low = int(queue.drift.argmin())
    ui.show(
        plots.plot_images(
            views.reshape(-1, *views.shape[2:]), row_labels=labels, frames=frames,
            title=f"Keys in the queue by age, {whose}: cosine with the same key made now",
        ),
        key="contrast_queue_keys",
        still=True,
        alt=f"Views whose keys are in the queue, {len(picked)} ages, the newest first, with the cosine of each age",
        caption=f"{views.shape[1]} keys of each age. Keys made {queue.age[low]} steps ago hold worst: cosine "
        f"{queue.drift[low]:.2f} with what the key encoder makes of the same views now, the newest "
        f"{queue.drift[0]:.2f}. "
        "Frames: dark blue is 0, yellow is 1.",
    )  # fmt: skip


def _hex(colour: str) -> str:
    """`rgb(r, g, b)` as `#rrggbb`."""
    return "#" + "".join(f"{round(float(part)):02x}" for part in colour[4:-1].split(","))


def _look_of(cell: str, cells: list[str]) -> tuple[str, str]:
    """Colour and dash of a momentum's curve."""
    place = cells.index(cell) % len(DASHES)
    return COLOURS[place], DASHES[place]


def _drift(queues: dict[str, Queue], about: Experiment, selection: ui.Selection, step: int) -> None:
    """How well keys hold by age, all momenta in one figure."""
    cells, curves, said = list(queues), [], []
    for cell, queue in queues.items():
        colour, dash = (METHODS[about.method].colour, "solid") if cell == OWN else _look_of(cell, cells)
        name = str(selection.model) if cell == OWN else cell
        curves.append((name, queue.age, queue.drift, colour, dash))
        said.append(f"{queue.drift[-1]:.2f} ({ui.escape(name)})")
    oldest = max(int(queue.age[-1]) for queue in queues.values())
    at = "" if OWN in queues else f" at step {step}"
    figure = plots.plot_curves(
        [("cosine with the key now", curves)], title=f"Drift{at}: how well a key still holds, by momentum",
        x_title="age of the key (steps)", height=330,
    )  # fmt: skip
    ui.show(
        figure, key="contrast_queue_drift", alt="Cosine of keys with the same keys made now, by age and momentum",
        caption=f"Keys of {oldest} steps ago, by momentum: {', '.join(said)}. 1: it would be made again.",
    )  # fmt: skip


def _course(runs: dict[str, Run], more: dict[str, Run]) -> None:
    """Loss, online k-NN, drift and spread over the steps, a curve a momentum; and of runs of this visit, dotted."""
    cells = list(runs)
    shown = {
        "loss": ("loss (nats)", 1.0), "knn": ("online k-NN (%)", 100.0), "z_std": ("spread of z", 1.0),
        "drift": ("cosine of the oldest keys", 1.0), "apart": ("weights of both encoders apart", 1.0),
    }  # fmt: skip
    st.markdown(f"**What momentum did in {len(runs)} short runs** on the same images in the same order")
    grid = st.grid(3, min_column_width=280, gap="small")
    for key, (title, scale) in shown.items():
        with grid.cell():
            curves = []
            for name, run in (runs | more).items():
                colour, dash = _look_of(run.cell, cells)
                if found := run.seen.get("curves", {}).get(key):
                    value = scale * np.array(found["value"], float)
                    curves.append((name, found["step"], value, colour, "longdashdot" if name in more else dash))
            figure = plots.plot_curves(
                [(title, curves)], title=title[0].upper() + title[1:], x_title="step", height=250
            )
            ui.show(figure, key=f"contrast_queue_course_{key}", alt=f"{title} over the steps, by momentum")


def _table(results: Results, runs: dict[str, Run], more: dict[str, Run]) -> None:
    """Where the runs have ended, and what can be told from it."""
    rows = ["| momentum | loss (nats) | spread of z | k-NN of h | linear probe of h |", "|--:|--:|--:|--:|--:|"]
    for name, run in sorted((runs | more).items()):
        spread = run.seen["curves"]["z_std"]["value"][-1]
        scores = [plots.percent_interval(getattr(run, key), run.interval(key)) for key in ("knn", "linear")]
        rows.append(f"| {name} | {run.loss:.2f} | {spread:.2f} | {scores[0]} | {scores[1]} |")
    with st.container(key="tables_queue"):
        st.markdown("\n".join(rows))
    order = sorted(runs, key=lambda cell: runs[cell].knn, reverse=True)
    best = runs[order[0]]
    near = [cell for cell in order[1:] if runs[cell].interval("knn")[1] >= best.interval("knn")[0]]
    said = f"By k-NN momentum {order[-1]} does worst and {order[0]} best. "
    said += f"Its interval and that of {' and '.join(near)} overlap: no difference can be told. " if near else ""
    st.markdown(f"{said}Losses of different momenta do not compare: the queue's keys make the task.")
    words = results.protocol
    said = f"n = {best.n_test:,} test images; {results.n_labels:,} labels; k-NN: {words['knn']}; "
    said += f"linear: {words['linear']}; {words['interval']}. {best.settings['steps']} steps of 256, "
    said += f"{best.hardware}, revision {best.revision}, {best.created}."
    st.caption(f"{ui.escape(said)} Made by `{results.command}`.")


def _folded(about: Experiment, results: Results | None) -> None:
    info = METHODS[about.method]
    ui.foldouts(
        latex=info.latex,
        symbols=dict(info.symbols)
        | {
            r"k_j \cdot k_j^\mathrm{now}": ("how well a key holds", "model.queue_pictures(...)['kept']"),
            r"\lVert\theta_q - \theta_k\rVert / \lVert\theta_q\rVert": ("apart", "model.queue_state(...)['apart']"),
        },
        source=f"{info.target}.queue_pictures",
        command=results.command if results else f"sslviz experiments run {NAME} {about.datasets[0]}",
        script=f"""from sslviz.bundled.experiments.results import shipped

for run in shipped("{NAME}", "{about.datasets[0]}").runs:
    print(run.cell, run.loss, run.knn, run.linear, run.command)""",
        way=(
            "Two views of each image of a batch: queries through one encoder, keys through another.",
            "A step moves the key encoder by (1 − momentum) towards the other; its keys wait as negatives.",
            "Keys that were made by nearly the same encoder, so that old ones can be compared with new ones.",
        ),
    )
