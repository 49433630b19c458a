"""What a loss without negatives makes of an encoder, beside how it began and beside one that was trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.bundled.experiments import EXPERIMENTS, Experiment
from sslviz.bundled.experiments.results import Results, Run
from sslviz.bundled.experiments.stored import stored_look
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.methods.registry import METHODS
from sslviz.store import checkpoint
from sslviz.ui import work
from sslviz.ui.contrast import live
from sslviz.ui.figures import file_names

NAME, WITHOUT, WITH = "collapse", "without", "with"
SPACES = {"z": "z, what the loss sees", "h": "h, what is probed"}
MEASURES = {
    "alignment": "alignment: two views of an image apart, 0 to 4",
    "uniformity": "uniformity: 0 all alike, lower is more even",
    "rankme": "RankMe: directions in use",
    "z_std": "spread: 1 fills the sphere, 0 is collapse",
}


@dataclass(frozen=True)
class Encoder:
    """An encoder on show: its title, geometry by space (`evaluation.geometry`), scores, colour and dash."""

    title: str
    seen: dict[str, Any]
    scores: dict[str, float]
    colour: str
    dash: str = "solid"


def show(selection: ui.Selection) -> None:
    """Draw encoders side by side on the same test images: untrained, without negatives, and the selected one."""
    about = EXPERIMENTS[NAME]
    known = selection.data in about.datasets
    results = live.added(NAME, selection.data) if known else None
    space = ui.bound("contrast_space", "z", among=SPACES)
    st.segmented_control(
        "Space", list(SPACES), key="contrast_space", required=True, format_func=lambda key: SPACES[key],
        label_visibility="collapsed",
    )  # fmt: skip
    trained, said = _subject(selection)
    runs = {run.cell: run for run in results.runs if run.seed == 0} if results else {}
    encoders = _of_the_runs(about, results, runs) if results else []
    columns = st.grid(3, min_column_width=280, gap="small")
    cells = [columns.cell() for _ in range(3)]
    with cells[len(encoders)]:  # progress stands where its result will
        looked = _look(trained, results.n_labels if results else about.labels, untrained=not encoders)
    for cell, encoder in zip(cells, [*encoders, *looked], strict=False):
        with cell:
            _spaces(encoder, space, ui.test_images(selection.data))
    more = [run for run in results.of(WITHOUT) if run.seed and run.seen] if results else []  # of this visit
    if encoders and WITH in runs:
        encoders.append(_of_a_run(about, runs[WITH], "with negatives", "dashdot"))
    encoders += [_of_a_run(about, run, f"without negatives, seed {run.seed}", "longdash") for run in more]
    encoders += looked
    _conclude(encoders, runs.get(WITHOUT), space)
    for sentence in (said, _caveat(about, trained, encoders)):
        if sentence:
            st.caption(sentence)
    if encoders:
        _figures(encoders, about, [*runs.values(), *more], space)
        _table(encoders, results, runs, space)
    _again(about, selection)
    _folded(results, trained.name if trained else selection.name, selection.data)


def _subject(selection: ui.Selection) -> tuple[ui.Selection | None, str]:
    """The model in the last place: the selected one, or where it has no z another of its dataset; and why."""
    title = METHODS[selection.method].title
    if METHODS[selection.method].projector:
        return selection, ""
    others = [m for m in ui.models() if m.dataset == selection.data and METHODS[m.method].projector]
    other = checkpoint.opens_with(others)
    name = ui.escape(str(selection.model))
    why = f"{name} is a {title}: no projector stands behind its h, so there is no z that could collapse."
    if other is None:
        return None, f"{why} Train a model that compares views on these images to see one."
    found = ui.Selection(selection.data, selection.title, other.name, other.method, other.card or {}, other.path)
    return found, f"{why} {ui.escape(other.name)} stands in its place."


def _of_the_runs(about: Experiment, results: Results, runs: dict[str, Run]) -> list[Encoder]:
    """The encoder at initialisation and after steps without negatives, as they come along."""
    if WITHOUT not in runs:
        return []
    run = runs[WITHOUT]
    scores = results.untrained | {"n_test": run.n_test}
    return [
        Encoder("At initialisation", run.seen["before"], scores, plots.BASELINE_GREY, "dot"),
        _of_a_run(about, run, "without negatives", "dash"),
    ]


def _of_a_run(about: Experiment, run: Run, how: str, dash: str) -> Encoder:
    """The encoder at the end of a run: with negatives what the switch alone has changed, another seed beside it."""
    scores = {"knn": run.knn, "linear": run.linear, "n_test": run.n_test}
    return Encoder(f"{_steps(run)} steps {how}", run.seen["after"], scores, METHODS[about.method].colour, dash)


def _steps(run: Run) -> int:
    return int(run.settings["steps"])


def _look(model: ui.Selection | None, labels: int, *, untrained: bool) -> list[Encoder]:
    """The selected encoder, and where no run comes along its own beginning; computed once, with progress."""
    if model is None:
        return []
    stamp = max((file.stat().st_mtime_ns for file in model.folder.glob("*.safetensors")), default=0)
    key = ("look", model.model, stamp, model.data, labels, untrained)

    def compute(report: Any) -> dict[str, Any]:
        function = "sslviz.bundled.experiments.looks:look_at"
        return work.call(function, report, model=model.model, dataset=model.data, labels=labels, untrained=untrained)

    found = stored_look(model.card, labels, untrained=untrained)
    if found is None:
        found = computed(key, compute, seconds=15.0, again="Look at the model again")
    if found is None:
        return []
    info = METHODS[model.method]
    titles = {
        "untrained": ("At initialisation", plots.BASELINE_GREY, "dot"),
        "model": (model.name, info.colour, "solid"),
    }
    told = [
        Encoder(titles[name][0], found[name]["geometry"], found[name]["scores"], *titles[name][1:])
        for name in titles if name in found
    ]  # fmt: skip
    if why := found["model"]["unprobed"]:
        st.caption(f"No accuracies: {ui.escape(why)}")
    return told


def computed(key: tuple, compute: Any, *, seconds: float, again: str) -> Any:
    """What a job of the worker has found; it is begun when it is first asked for, and drawn with Stop meanwhile."""
    now = ui.worker().progress(key)

    def ask() -> None:
        with ui.plain_errors():
            ui.worker().submit(key, ui.owner(), compute, seconds=seconds)

    if now is None:
        ask()
    if now is None or now.state != "done":
        now = ui.watch(key)
        if now is not None and now.state in ("failed", "stopped"):
            st.button(again, icon=":material/refresh:", on_click=ask)
        return None
    return now.result


# what is drawn --------------------------------------------------------------------------------------------------------


def _spaces(encoder: Encoder, space: str, images: Any) -> None:
    """One encoder: its sphere, and below how alike views and images are."""
    part = encoder.seen[space]
    rows = np.array(encoder.seen["rows"])
    rows = rows[rows < len(images.y)]
    ui.show(
        plots.plot_sphere(
            np.array(part["xy"])[: len(rows)], images.y[rows], images.class_names, title=encoder.title, height=270
        ),
        key=f"contrast_sphere_{encoder.title}",
        alt=f"{space} of {len(rows)} test images on the two widest directions of the sphere, {encoder.title}",
    )
    ui.show(
        plots.plot_cosines(part["pairs"], part["others"], title="", colour=_pair_colour(encoder)),
        key=f"contrast_cosines_{encoder.title}",
        alt=f"Cosines of two views of an image and of two images in {space}, {encoder.title}",
        caption=f"Spread {part['z_std']:.2f}, RankMe {part['rankme']:.1f} of {len(part['spectrum'])}.",
    )


def _pair_colour(encoder: Encoder) -> str:
    """Of an encoder's pairs: grey is that of other images."""
    return METHODS[EXPERIMENTS[NAME].method].colour if encoder.colour == plots.BASELINE_GREY else encoder.colour


def _conclude(encoders: list[Encoder], run: Run | None, space: str) -> None:
    """What to see in it, from these figures."""
    if run is None:
        if len(encoders) == 2:  # of images that no run comes along of
            a, b = (encoder.seen[space] for encoder in encoders)
            st.markdown(
                f"From initialisation to {ui.escape(encoders[1].title)} the spread of {space} goes from "
                f"{a['z_std']:.2f} to {b['z_std']:.2f}, RankMe from {a['rankme']:.1f} to {b['rankme']:.1f}."
            )
        return
    best, cosine = -1 / _temperature(run), run.seen["curves"]["negative"]["value"][-1]
    begin = "The loss is perfect" if run.loss - best < 0.001 * abs(best) else "Without negatives the loss ends low"
    words = f"**{begin}: {_signed(run.loss, 3)} where {_signed(best, 0)} is the least that can be.** "
    words += f"Views of any two images have gone to one place: their z have cosine {cosine:.4f} on average. "
    spread = {name: run.seen["after"][name]["z_std"] for name in SPACES}
    if spread["z"] < 0.1 < spread["h"]:
        words += f"It is z that has collapsed: its spread is {spread['z']:.2f}, that of h {spread['h']:.2f}. "
    scored = [e for e in encoders if e.scores.get("n_test") == run.n_test]  # on the same labels and test images
    for key, name in (("knn", "Read off h by k-NN:"), ("linear", "by a linear probe:")):
        told = [f"{_percent(e.scores[key], run.n_test)} ({ui.escape(_within(e.title))})" for e in scored]
        words += f"{name} {', '.join(told)}{'; ' if key == 'knn' else '.'}"
    st.markdown(words)


def _within(title: str) -> str:
    """The title of an encoder within a sentence; names of models are written as they are."""
    return title.replace("At initialisation", "at initialisation")


def _signed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _temperature(run: Run) -> float:
    return float(run.settings.get("model.temperature", METHODS[EXPERIMENTS[NAME].method].settings[0].default))


def _percent(accuracy: float, n: int) -> str:
    low, high = accuracy_interval(accuracy, n)
    return plots.percent(accuracy, half_width=(high - low) / 2)


def _caveat(about: Experiment, trained: ui.Selection | None, encoders: list[Encoder]) -> str:
    """What RankMe and LiDAR can't say, and where it is to be seen here."""
    said = "RankMe and LiDAR order runs of one method that differ in their settings, and nothing else."
    if trained is not None and trained.method != about.method:
        said += f" {ui.escape(trained.name)} is of another method than the other encoders here: read them apart."
    if len(encoders) > 2 and encoders[1].seen["lidar"] > encoders[-1].seen["lidar"]:
        said += (
            f" LiDAR measures by how far views of one image differ, so it does not see that everything has shrunk: "
            f"{encoders[1].seen['lidar']:.0f} ({encoders[1].title}), {encoders[-1].seen['lidar']:.0f} "
            f"({ui.escape(encoders[-1].title)})."
        )
    return said


def _figures(encoders: list[Encoder], about: Experiment, runs: list[Run], space: str) -> None:
    """The spectra, and the course of the runs."""
    grid = st.grid(2, min_column_width=420, gap="medium")
    with grid.cell():
        held = "; ".join(f"{sum(e.seen[space]['spectrum']):.2g} ({_within(e.title)})" for e in encoders)
        ui.show(
            plots.plot_spectra(
                [(e.title, e.seen[space]["spectrum"], e.colour, e.dash) for e in encoders],
                title=f"How much {space} varies in each direction",
                y_title=f"singular value, {space} of length 1",
            ),
            key="contrast_spectra",
            alt=f"Singular values of the covariance of {space}, logarithmic",
            caption=f"All directions together, 1 at the most: {ui.escape(held)}.",
        )
    colour, dashes = METHODS[about.method].colour, {WITHOUT: "dash", WITH: "solid"}
    shown = {f"{run.cell}, seed {run.seed}" if run.seed else run.cell: run for run in runs if run.cell in dashes}
    if not shown:
        return
    ends = ", ".join(
        f"{run.cell} negatives{f' (seed {run.seed})' if run.seed else ''} it ends at {_signed(run.loss, 2)}"
        for run in shown.values()
    )
    panels = {
        "loss": ("Loss (nats)", f"{ends[0].upper()}{ends[1:]}: the two do not compare, as one has terms more."),
        "negative": ("Cosine of two images", "Of z, views of two different images: 1 is collapse."),
        "z_std": ("Spread of z", "On held-out images: 1 fills the sphere, 0 is collapse."),
    }
    for key, (title, caption) in panels.items():
        curves = [
            (name, *run.seen["curves"][key].values(), colour, "dot" if run.seed else dashes[run.cell])
            for name, run in shown.items()
            if key in run.seen["curves"]
        ]
        with grid.cell():
            ui.show(
                plots.plot_curves(
                    [(title.lower(), curves)], title=f"{title} over the steps", x_title="step", height=290
                ),
                key=f"contrast_course_{key}",
                alt=f"{title} over the steps, with and without negatives",
                caption=caption,
            )


def _table(encoders: list[Encoder], results: Results | None, runs: dict[str, Run], space: str) -> None:
    """All measures, an encoder a column, and how they were made."""
    rows = [
        f"| of {space} | " + " | ".join(ui.escape(e.title) for e in encoders) + " |",
        "|---|" + "--:|" * len(encoders),
    ]
    for key, words in MEASURES.items():
        cells = [_signed(e.seen[space][key], 1 if key == "rankme" else 3) for e in encoders]
        rows.append(f"| {words} | {' | '.join(cells)} |")
    ranks = " | ".join(f"{e.seen['lidar']:.1f}" for e in encoders)
    rows.append(f"| LiDAR (always of z): directions that tell images apart | {ranks} |")
    for key, words in (("knn", "k-NN (always of h)"), ("linear", "linear probe (always of h)")):
        if any(key in e.scores for e in encoders):
            rows.append(f"| {words} | {' | '.join(_interval(e.scores, key) for e in encoders)} |")
    with st.container(key="tables_collapse"):
        st.markdown("\n".join(rows))
    said = f"Measures: {encoders[0].seen['n']:,} test images, two random views of each for alignment."
    if any(e.scores for e in encoders):
        counts = sorted({f"{int(e.scores['n_test']):,}" for e in encoders if e.scores})
        said += f" Probes: n = {' or '.join(counts)} test images."
    if results:
        said += f" {results.n_labels:,} labels, the same for all; {results.protocol['interval']}."
    said = ui.escape(said)
    if results and (run := runs.get(WITHOUT)):
        said += (
            f" One seed a run, {_steps(run)} steps of 256 images, {ui.escape(run.hardware)}, revision "
            f"{ui.escape(run.revision)}, {run.created}. Made by `{results.command}`."
        )
    st.caption(said)


def _interval(scores: dict[str, float], key: str) -> str:
    """An accuracy with its interval; the count stands below the table."""
    if key not in scores:
        return ""
    return plots.percent_interval(scores[key], accuracy_interval(scores[key], int(scores["n_test"])))


def _again(about: Experiment, selection: ui.Selection) -> None:
    """A run without negatives here and now, whose end then stands beside the one that comes along."""
    if selection.data in about.datasets:
        steps = about.fixed["steps"]
        live.panel(NAME, selection.data, WITHOUT, f"{steps} steps without negatives on {selection.title}")
        return
    st.caption("To train on these images without negatives, which then shows beside the others as the model chosen:")
    st.code(file_names(f"sslviz train {about.method} {selection.data} --model.no-negatives"), language="bash")


def _folded(results: Results | None, model: str, dataset: str) -> None:
    first = EXPERIMENTS[NAME].datasets[0]
    command = results.command if results else f"sslviz experiments run {NAME} {first}"
    ui.foldouts(
        latex=r"\mathcal{L}_\mathrm{without} = -\frac{1}{N}\sum_i \frac{\mathrm{sim}(z_i, z_i')}{\tau}, \qquad"
        r"\mathrm{RankMe} = \exp\Big(-\sum_k p_k \log p_k\Big), \quad p_k = \frac{\sigma_k}{\lVert\sigma\rVert_1}",
        symbols={
            r"\mathrm{sim}(z_i, z_i')": ("cosine of two views", "losses.attraction"),
            r"\mathbb{E}\lVert z_i - z_i' \rVert^2": ("alignment", "unlabelled.alignment"),
            r"\log \mathbb{E}\, e^{-2 \lVert z_i - z_j \rVert^2}": ("uniformity", "unlabelled.uniformity"),
            r"\sigma_k": ("singular values of z", "unlabelled.rankme"),
            r"\mathrm{spec}(\mathrm{cov}\, z)": ("singular values of the covariance", "unlabelled.singular_values"),
            r"\Sigma_w^{-1/2} \Sigma_b \Sigma_w^{-1/2}": ("what LiDAR takes the rank of", "unlabelled.lidar"),
        },
        source="sslviz.methods.losses:attraction",
        command=command,
        script=f"""from sslviz import encode, load, load_images
from sslviz.evaluation.unlabelled import rankme, uniformity, z_std

h = encode(load("{model}"), load_images("{dataset}", "test").x[:2000])
print(rankme(h), uniformity(h), z_std(h))""",
        way=(
            "The same test images for all encoders, and two random views of each.",
            "Encoder and projector, nothing trained: cosines, singular values, and probes of h on the same labels.",
            "A loss that is perfect says nothing of what was learnt: labels, or at least the spectrum, do.",
        ),
    )
