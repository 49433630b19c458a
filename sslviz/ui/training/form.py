"""What may be chosen before a run: method, encoder, budget, numbers, own images; and what goes into it.

Imports no torch: whatever computes is a process of its own.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.data import images as data
from sslviz.errors import UserError
from sslviz.evaluation.maps import MAPS
from sslviz.jobs import request, task
from sslviz.jobs.request import TrainingRequest
from sslviz.ui.training import console, own_images

SHOWN = 48  # images of what goes in
ROW = 8  # of them a row


def form(selection: ui.Selection) -> TrainingRequest | None:
    """Draw the choices and start a run; what goes in, and where a full run has ended, are shown below.

    Returns:
        the run as chosen, or None where it can't be.
    """
    methods = request.image_methods()
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="train_form")
    method = ui.bound("method", request.DEFAULT, among=list(methods))
    row.segmented_control(
        "Method", list(methods), format_func=lambda key: methods[key].title, key="method", required=True,
        width="content",
    )  # fmt: skip
    choices = request.encoders_of(method)
    encoder = ui.bound("train_encoder", next(iter(choices)), among=list(choices))
    row.selectbox("Encoder", list(choices), format_func=lambda key: choices[key].title, key="train_encoder", width=300)
    most = console.run_queue().limits.minutes
    minutes = ui.bound("train_minutes", min(2.0, most), between=(0.1, most))
    row.number_input("Budget (minutes)", 0.1, most, step=1.0, format="%g", key="train_minutes", width=150)
    below = st.container()
    numbers, name, own = _advanced(method, selection)
    dataset, asked = own.path or selection.data, None
    if not own.refused:
        try:
            asked = request.make_request(
                method=method, dataset=dataset, encoder=encoder, minutes=minutes, numbers=numbers, name=name,
                most_minutes=most,
            )  # fmt: skip
        except UserError as error:
            below.error(ui.escape(str(error)))
    with row:
        _ask(asked, below)
    if not own.refused:
        _before(selection, method, dataset)
    return asked


def _ask(asked: TrainingRequest | None, below: Any) -> None:
    """Queue the run or its measurement, and show what was measured; without a request neither can be pressed."""
    off = asked is None
    start = st.button("Train", type="primary", icon=":material/play_arrow:", key="train_start", disabled=off)
    measure = st.button("Measure first", icon=":material/timer:", key="train_measure", disabled=off)
    if asked is None:
        return
    key = ("estimate", *asked.words())
    with below:
        try:
            if start:
                console.begin(asked)
            if measure:
                ui.worker().submit(key, ui.owner(), lambda report: task.estimate(asked, report), seconds=15.0)
        except UserError as error:
            st.error(ui.escape(str(error)))
        wait = console.run_queue().wait_seconds()
        if wait > 0:
            st.caption(f"Other runs are before yours: it would begin in some {plots.seconds(wait)}.")
        if ui.worker().progress(key) is not None:
            found = ui.watch(key, height=64)
            if found is not None and found.state == "done":
                st.markdown(estimated(found.result))


def estimated(told: dict[str, Any]) -> str:
    """One line of what a run will cost: see `sslviz.training.estimate`."""
    free = f" of {told['free_mb']:,.0f} MiB that are free" if told.get("free_mb") else ""
    return (
        f"Measured here, beside whatever else this machine does: **{told['images_per_second']:,.0f} images/s**, so "
        f"{plots.seconds(told['seconds'])} are {told['steps']:,} steps or {told['epochs']:.1f} epochs. Memory: some "
        f"{told['memory_mb']:,.0f}{free or ' MiB'}."
    )


def _advanced(method: str, selection: ui.Selection) -> tuple[dict[str, float], str, own_images.Choice]:
    """Folded away: numbers with their reasons, the model's name, and a person's own images."""
    values: dict[str, float] = {}
    with st.expander("Advanced settings, own images", icon=":material/tune:"):
        cells = st.grid(3, min_column_width=250, gap="medium")
        with cells.cell():
            own = own_images.choose()
        n_train = data.describe(own.path or selection.data).n_train if not own.refused else 1 << 16
        for number in request.numbers_of(method, n_train):
            kind = int if number.whole else float
            start, (low, high) = kind(number.default), number.bounds
            with cells.cell():
                if number.switch:
                    key = f"train_{method}{number.option}"
                    values[number.option] = st.toggle(number.label, bool(number.default), key=key)
                    st.caption(number.reason)
                    continue
                values[number.option] = st.number_input(
                    number.label, kind(low), kind(high), start, step=1 if number.whole else start / 10 or 0.1,
                    format=None if number.whole else "%g",
                    key=f"train_{method}{number.option}{start if number.option == '--batch-size' else ''}",
                )  # fmt: skip
                st.caption(number.reason)
        with cells.cell():
            name = st.text_input("Name of the model", key="train_name", placeholder="one is made up", max_chars=64)
            st.caption("Small letters, digits, dot, dash and underscore. Other people here see the name.")
    return values, name.strip(), own


# what goes in ---------------------------------------------------------------------------------------------------------


def _before(selection: ui.Selection, method: str, dataset: str) -> None:
    """What goes in, and where a bundled run of this kind has ended."""
    own = dataset != selection.data
    like = [m for m in ui.models() if m.bundled and m.method == method and m.dataset == dataset]
    grid = st.grid(2, min_column_width=400, gap="medium")
    with grid.cell():
        x, about = data.preview(dataset, "train", SHOWN, bundled=True), data.describe(dataset)
        columns = min(ROW, len(x))
        rows = len(x) // columns
        labels = "with their labels" if request.image_methods()[method].labels else "no labels"
        title = f"What goes in: images of {ui.data_title(dataset)}, {labels}"
        shown, scale = x[: rows * columns], 1 + (x.shape[3] < 40)
        figure = plots.plot_images(shown, row_labels=[""] * rows, title=title, scale=scale)
        caption = f"{about.n_train:,} images to learn from; {about.n_test:,} are held out, to watch with."
        ui.show(figure, key="train_input", alt="Training images of the dataset", still=True, caption=caption)
    with grid.cell():
        if own or not like:
            st.markdown("No run of this method on these images is bundled: yours is the first.")
            return
        end = ui.Selection(dataset, selection.title, like[0].name, method, like[0].card, like[0].path)
        xy = ui.stored(end).xy
        way = "umap" if "umap" in xy else next(iter(xy))
        ended = ui.test_images(dataset)
        st.markdown(f"**Where {end.model} has ended:** {MAPS[way].title if way in MAPS else way} of h")
        ui.show_map(
            xy[way], ended.y, ended.class_names, key=f"train_like_{end.model}", tools=False, size=400,
            label="Map of test images by the bundled model",
        )  # fmt: skip
        spent = plots.seconds(60 * end.card.get("minutes", 0))
        st.caption(f"The bundled run took {spent} on {ui.escape(str(end.card.get('hardware', '?')))}.")
