"""What the page of live training does: it takes orders and follows a run.

Imports no torch: whatever computes is a process of its own.
"""

from __future__ import annotations

import uuid
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.data import images as data
from sslviz.errors import ErrorCode, UserError
from sslviz.jobs import request, task
from sslviz.jobs.limits import Limits
from sslviz.jobs.protocol import PAUSE, RESUME, STEP
from sslviz.jobs.queue import RunQueue
from sslviz.jobs.record import RunRecord
from sslviz.ui.training import own_images, view

# --- the one queue of this server, and who looks at a run ---


@st.cache_resource(show_spinner=False, on_release=lambda runs: runs.close())
def run_queue() -> RunQueue:
    """The one queue of training runs of this server."""
    return RunQueue(Limits.here())


@st.cache_resource(show_spinner=False, scope="session", on_release=lambda viewer: run_queue().part(viewer))
def _viewer() -> str:
    """A name for this browser tab, which is released when the tab has gone."""
    return uuid.uuid4().hex


def attached() -> str | None:
    """The id of the run that this page shows: of the address, else of this session; None where there is none."""
    state = st.session_state
    identity = st.query_params.get("run") or state.get("train_run") or run_queue().of(ui.owner())
    if not identity:
        return None
    if len(identity) > 64 or run_queue().record(identity) is None:
        if st.query_params.get("run"):
            st.warning("There is no run with this address here any more.", icon=":material/link_off:")
        detach()
        return None
    if mine := run_queue().owner(identity):
        state.owner = mine  # a reload, or a second tab, of the same person
    state.train_run = st.query_params["run"] = identity
    run_queue().join(identity, _viewer())
    return identity


def detach() -> None:
    """Leave a run, which goes on, for the form."""
    st.session_state.pop("train_run", None)
    st.query_params.pop("run", None)


# --- the form ---


def form(scene: ui.Scene) -> request.TrainingRequest | None:
    """Draw the choices and start a run; what goes in, and where a full run has ended, are shown below.

    Returns:
        the run as chosen, or None where it can't be.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="train_form")
    if "train_method" not in st.session_state:  # not bound by Streamlit, which would put the label into the address
        asked = st.query_params.get("method")
        st.session_state.train_method = asked if asked in request.METHODS else "simclr"
    method = row.segmented_control(
        "Method", list(request.METHODS), format_func=request.METHODS.get, key="train_method", required=True,
        width="content",
    )  # fmt: skip
    if st.query_params.get("method") != method:
        st.query_params["method"] = method
    choices = request.encoders_of(method)
    if st.session_state.get("train_encoder") not in choices:
        st.session_state.pop("train_encoder", None)
    encoder = row.selectbox(
        "Encoder", choices, format_func=lambda key: request.ENCODERS[key].title, key="train_encoder", width=300
    )
    most = run_queue().limits.minutes
    minutes = row.number_input(
        "Budget (minutes)", 0.1, most, min(2.0, most), 1.0, format="%g", key="train_minutes", width=150
    )
    settings, name, own = _advanced(method)
    start = row.button("Train", type="primary", icon=":material/play_arrow:", key="train_start", disabled=own.refused)
    measure = row.button("Measure first", icon=":material/timer:", key="train_measure", disabled=own.refused)
    if own.refused:
        return None
    dataset = own.path or scene.data
    try:
        order = request.make_request(
            method=method, dataset=dataset, encoder=encoder, minutes=minutes, settings=settings, name=name,
            most_minutes=most,
        )  # fmt: skip
        _ask(order, start=start, measure=measure)
    except UserError as error:
        st.error(ui.escape(str(error)))
        order = None
    _before(scene, method, dataset)
    return order


def _ask(order: request.TrainingRequest, *, start: bool, measure: bool) -> None:
    """Queue the run or its measurement, and show what was measured."""
    key = ("estimate", *order.words())
    if start:
        st.session_state.train_run = run_queue().submit(order, ui.owner())
        st.query_params["run"] = st.session_state.train_run
        st.rerun()
    if measure:
        ui.worker().submit(key, ui.owner(), lambda report: task.estimate(order, report))
    snapshot = ui.watch(key, height=64)
    if snapshot is not None and snapshot.state == "done":
        st.markdown(forecast(snapshot.result))


def forecast(told: dict[str, Any]) -> str:
    """One line of what a run will cost: see `sslviz.training.estimate`."""
    free = f" of {told['free_mb']:,.0f} MiB that are free" if told.get("free_mb") else ""
    return (
        f"Measured here, beside whatever else this machine does: **{told['images_per_second']:,.0f} images/s**, so "
        f"{plots.seconds(told['seconds'])} are {told['steps']:,} steps or {told['epochs']:.1f} epochs. Memory: some "
        f"{told['memory_mb']:,.0f}{free or ' MiB'}."
    )


def _advanced(method: str) -> tuple[dict[str, float], str, own_images.Choice]:
    """Folded away: settings with their reasons, the model's name, and a person's own images."""
    with st.expander("Advanced settings, own images", icon=":material/tune:"):
        cells = st.grid(3, min_column_width=250, gap="medium")
        values: dict[str, float] = {}
        for setting in request.settings_of(method):
            kind = int if setting.whole else float
            start = kind(setting.default[method])
            with cells.cell():
                values[setting.option] = st.number_input(
                    setting.label, kind(setting.low), kind(setting.high), start, key=f"train_{method}{setting.option}",
                    step=1 if setting.whole else start / 10 or 0.1, format=None if setting.whole else "%g",
                )  # fmt: skip
                st.caption(setting.reason)
        with cells.cell():
            name = st.text_input("Name of the model", key="train_name", placeholder="one is made up", max_chars=64)
            st.caption("Small letters, digits, dot, dash and underscore. Other people here see the name.")
        with cells.cell():
            own = own_images.choose()
    return values, name.strip(), own


def _before(scene: ui.Scene, method: str, dataset: str) -> None:
    """What goes in, and where a bundled run of this kind has ended."""
    own = dataset != scene.data
    images = data.preview(dataset, "train", 48, bundled=True)
    columns = min(8, len(images))
    rows = len(images) // columns
    like = [m for m in ui.models() if m.bundled and m.method == method and m.dataset == dataset]
    grid = st.grid(2, min_column_width=400, gap="medium")
    with grid.cell():
        title = f"What goes in: images of {ui.data_title(dataset)}, no labels"
        shown, scale = images[: rows * columns], 1 + (images.shape[3] < 40)
        figure = plots.plot_images(shown, row_labels=[""] * rows, title=title, scale=scale)
        about = data.describe(dataset)
        caption = f"{about.n_train:,} images to learn from; {about.n_test:,} are held out, to watch with."
        ui.show(figure, key="train_input", alt="Training images of the dataset", still=True, caption=caption)
    with grid.cell():
        if own or not like:
            st.markdown("No run of this method on these images is bundled: yours is the first.")
            return
        end = ui.Scene(dataset, scene.title, like[0].name, method, like[0].card, like[0].path)
        xy = ui.stored(end).xy
        way = "umap" if "umap" in xy else next(iter(xy))
        ended = ui.test_images(dataset)
        st.markdown(f"**Where {end.model} has ended:** {way.upper()} of h")
        ui.show_map(
            xy[way], ended.y, ended.class_names, key=f"train_like_{end.model}", tools=False, size=400,
            label="Map of test images by the bundled model",
        )  # fmt: skip
        spent = plots.seconds(60 * end.card.get("minutes", 0))
        caption = f"The bundled run took {spent} on {ui.escape(str(end.card.get('hardware', '?')))}."
        st.caption(caption)


# --- a run ---


def watch(identity: str) -> RunRecord:
    """Draw a run: what may be done with it, a fragment that follows its steps, and what an evaluation has seen.

    The fragment is sent again every moment, so it is small; the page is drawn again when there is something new beside
    it.
    """
    shown = run_queue().record(identity)
    _controls(identity, shown)

    @st.fragment(run_every=0.7 if shown.active else None)
    def follow() -> None:
        now = run_queue().record(identity) or shown
        if _beside(now) != _beside(shown):
            st.rerun()
        with ui.plain_errors():
            view.progress(now)
            view.course(now)

    grid = st.grid(3, min_column_width=300, gap="small")
    with grid.cell(column_span=2):  # a frame for the fragment alone: what stands below keeps its place
        follow()
    with grid.cell():
        look = view.chosen(shown)
        view.map_of(shown, look)
    view.pictures(shown, look)
    return shown


def _beside(now: RunRecord) -> tuple[Any, ...]:
    """What the page shows of a run outside of the fragment."""
    return now.state, now.stopping, bool(now.maps), now.snapshots[-1:], now.detail_step


def _controls(identity: str, now: RunRecord) -> None:
    """The buttons that fit a run's state, outside the fragment, so that a tick never swallows a click."""
    order, go = now.request, run_queue()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="train_controls"):
        st.markdown(f"**{order.name}**: {request.METHODS[order.method]} on {ui.escape(ui.data_title(order.dataset))}")
        if now.active:
            off = now.stopping or now.state in ("waiting", "starting")
            play = ("Play", RESUME, "play_arrow") if now.state == "paused" else ("Pause", PAUSE, "pause")
            for label, word, icon in (play, ("One step", STEP, "skip_next")):
                icon = f":material/{icon}:"
                st.button(
                    label, icon=icon, on_click=go.send, args=(identity, word), disabled=off, key=f"train_{word.word}"
                )
            st.button("Stop", icon=":material/stop:", on_click=go.stop, args=(identity,), disabled=now.stopping)
            return
        if now.resumable and st.button("Go on", type="primary", icon=":material/play_arrow:", key="train_resume"):
            try:
                go.resume(identity, ui.owner())
                st.rerun()
            except UserError as error:
                st.error(ui.escape(str(error)))
        st.button("New run", icon=":material/add:", on_click=detach, key="train_new")
    if now.state == "cut off":
        left = "it can go on from where it was saved." if now.resumable else "it had not begun: train again."
        st.warning(f"The server ended in mid-run, at step {now.step:,}; {left}", icon=":material/power_off:")
    elif now.state == "failed":
        st.error(ui.escape(now.error))
        if now.code == ErrorCode.LOSS_NOT_FINITE:
            st.markdown("Choose **New run**, open the advanced settings, and take a tenth of the learning rate.")
    elif now.state == "stopped":
        kept = "Its state is kept: **Go on** resumes it." if now.resumable else "Nothing of it was kept."
        st.info(f"{ui.escape(now.error or f'Stopped at step {now.step:,}.')} {kept}", icon=":material/stop:")
