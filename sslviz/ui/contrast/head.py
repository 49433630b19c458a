"""A batch before and after the projector: the same cosines and the same probe in h and in z."""

from __future__ import annotations

import base64
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.evaluation.intervals import INTERVAL, PAIRED_INTERVAL
from sslviz.evaluation.results import Evaluation, difference_words
from sslviz.jobs.worker import Report
from sslviz.methods.registry import METHODS
from sslviz.ui.component import component
from sslviz.ui.contrast.batch import Batch, about, choose_batch, need_projector, tile_sheet
from sslviz.ui.work import call

_HEAD = component(__file__, "contrast_head")


def show(selection: ui.Selection) -> None:
    """Draw both matrices of a batch, and what a probe reads off h and off z."""
    if not need_projector(selection) or (shown := choose_batch(selection)) is None:
        return
    grid = st.grid(3, min_column_width=300, gap="medium")
    with grid.cell(column_span=2):
        _rows(shown)
    with grid.cell():
        _probes(selection)
    st.caption(ui.escape(about(selection, shown).split(" The queue:")[0]))
    _foldouts(selection)


@st.fragment
def _rows(shown: Batch) -> None:
    n, key = len(shown.ids), "contrast_head"
    row = ui.bound("contrast_head_row", -1, between=(-1, 2 * n - 1))  # -1: the one that h finds last

    def chosen() -> None:
        value = st.session_state[key].get("row")
        if isinstance(value, int):
            st.session_state.contrast_head_row = value

    _HEAD(key=key, data=_sent(shown.key, shown) | {"row": row}, on_row_change=chosen)


@st.cache_resource(max_entries=12, show_spinner=False)
def _sent(key: tuple, _shown: Batch) -> dict[str, Any]:
    from sslviz.evaluation.contrast import cosines

    n, pairs = len(_shown.ids), _shown.pairs
    spaces = [
        {
            "name": name,
            "dim": values.shape[1],
            "floats": base64.b64encode(cosines(values[:n], values[n:]).views.astype("<f4").tobytes()).decode("ascii"),
        }
        for name, values in (("h", pairs.h), ("z", pairs.z))
    ]
    return {
        "token": "-".join(map(str, key)),
        "n": n,
        "ids": _shown.ids.tolist(),
        "labels": _shown.y.tolist(),
        "names": list(_shown.class_names),
        "sheet": tile_sheet(pairs.views),
        "spaces": spaces,
    }


# probes --------------------------------------------------------------------------------------------------------------


def _probes(selection: ui.Selection) -> None:
    """k-NN on h and z at once, linear probes on both when they are asked for."""
    images = ui.test_images(selection.data)
    if not images.labelled:
        st.caption("These images have no labels, so no probe can tell h from z.")
        return
    counts = ui.probe.label_counts(selection, len(images.class_names))
    ui.bound("contrast_head_labels", 1_000 if 1_000 in counts else counts[-1], among=counts)
    count = int(st.session_state.contrast_head_labels)
    job = ("head", selection.model, selection.card.get("created", ""), selection.data, count)
    now = ui.worker().progress(job)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(counts) > 1:
            st.select_slider(
                "Labelled training images",
                counts,
                format_func=lambda n: f"{n:,}",
                key="contrast_head_labels",
                width=200,
            )
        st.button("Fit linear probes", icon=":material/play_arrow:", on_click=_ask, args=(selection, job))
    try:
        found = now.result if now is not None and now.state == "done" else _halves(selection, job[:4])
        _accuracies(selection, found)
    except UserError as error:  # too few images of a class, or no stored h
        st.caption(ui.escape(str(error)))
    ui.watch(job)


def _ask(selection: ui.Selection, job: tuple) -> None:
    def work(report: Report) -> Evaluation:
        arguments = {"dataset": selection.data, "model": selection.model, "count": job[-1], "seed": 0}
        h_test = {"h_test": ui.stored(selection).h}
        return Evaluation.unpacked(call("sslviz.jobs.computations:probe_head", report, arrays=h_test, **arguments))

    with ui.plain_errors():
        ui.worker().submit(job, ui.owner(), work, seconds=10 + job[-1] / 200)


@st.cache_resource(max_entries=8, show_spinner=False)
def _halves(_selection: ui.Selection, key: tuple) -> Evaluation:
    from sslviz.evaluation.head import evaluate_head_halves
    from sslviz.evaluation.pairs import project

    images, h = ui.test_images(_selection.data), ui.stored(_selection).h
    z = project(ui.load_model(_selection), h)
    return evaluate_head_halves(h, z, images.y, images.class_names, metric=ui.metric_of(_selection))


def _accuracies(selection: ui.Selection, found: Evaluation) -> None:
    titles = {"h": "h, before", "z": "z, after"}
    rows = [
        {"label": titles[name], "accuracy": score.accuracy, "interval": score.interval,
         "colour": METHODS[selection.method].colour if name == "h" else None}
        for name, score in found.scores.items()
    ]  # fmt: skip
    h, z = (plots.percent_interval(s.accuracy, s.interval, found.n_test) for s in found.scores.values())
    difference = found.difference("z")
    told = f"h: {h}; z: {z}. h: {difference_words(difference, 'z')}. "
    if difference.told and difference.value > 0:
        told += "The projector drops what the probe could have used, so it is thrown away after training and h is kept."
    else:
        told += "On these images and labels the projector costs a probe nothing that could be told."
    title = found.protocol
    if found.probe == "knn":
        title = f"k-NN: {found.n_train:,} test images vote on {found.n_test:,} others"
    ui.show(
        plots.plot_accuracy(rows, title=title, height=210),
        key="contrast_head_accuracy",
        alt="Accuracy of the same probe on h and on z, with intervals",
        caption=told,
    )
    covered = INTERVAL.format(unit="images"), PAIRED_INTERVAL.format(unit="images")
    st.caption(f"Intervals: {covered[0]}; of the difference: {covered[1]}.")


def _foldouts(selection: ui.Selection) -> None:
    count, data = int(st.session_state.get("contrast_head_labels", 1_000)), selection.data
    ui.foldouts(
        latex=r"h = \mathrm{encoder}(x), \qquad z = W_2\,\mathrm{relu}(\mathrm{BN}(W_1 h)), \qquad"
        r"s_{ik} = \frac{z_i \cdot z_k}{\lVert z_i \rVert \lVert z_k \rVert}",
        symbols={
            "h": ("representation, which is kept", "model.encode(x)"),
            "z": ("projection, which the loss alone sees", "model.project(h)"),
            "s_{ik}": ("cosine of two views, in h or in z", "contrast.cosines"),
        },
        source="sslviz.evaluation.head:evaluate_head",
        command=f"sslviz contrast {selection.model} {data} --labels {count}",
        script=f'''from sslviz import load, load_images
from sslviz.evaluation.head import evaluate_head
from sslviz.evaluation.protocol import labelled_images

train, test = (labelled_images(load_images("{data}", split, bundled=split == "test")) for split in ("train", "test"))
found = evaluate_head(load("{selection.model}"), train, test, n_labels={count})
print(found.scores["h"].accuracy, found.scores["z"].accuracy, found.difference("z"))''',
        way=(
            "Two views of each image of a batch; and test images with labels.",
            "The same cosines and the same probe before the projector and after it, on the same labels and images.",
            "z tells images apart, whatever they show; h keeps more of what they show.",
        ),
    )
