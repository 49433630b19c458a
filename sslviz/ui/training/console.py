"""What the page of live training does with a run: it starts it, follows it, and passes commands on.

Imports no torch: whatever computes is a process of its own.
"""

from __future__ import annotations

import uuid
from typing import Any

import streamlit as st

from sslviz import ui
from sslviz.errors import ErrorCode, UserError
from sslviz.jobs.limits import Limits
from sslviz.jobs.protocol import PAUSE, RESUME, STEP
from sslviz.jobs.queue import RunQueue
from sslviz.jobs.record import RunRecord
from sslviz.jobs.request import TrainingRequest
from sslviz.methods.registry import METHODS
from sslviz.ui import address
from sslviz.ui.training import pictures, view

RETRY = "Choose **New run**, open the advanced settings, and take a tenth of the learning rate."


@st.cache_resource(show_spinner=False, on_release=lambda runs: runs.close())
def run_queue() -> RunQueue:
    """The one queue of training runs of this server."""
    return RunQueue(Limits.here())


@st.cache_resource(show_spinner=False, scope="session", on_release=lambda viewer: run_queue().part(viewer))
def viewer() -> str:
    """A name for this browser tab, which is released when the tab has gone."""
    return uuid.uuid4().hex


def begin(asked: TrainingRequest) -> None:
    """Queue a run, and show it.

    Raises:
        UserError: as `RunQueue.submit`.
    """
    st.session_state.train_run = run_queue().submit(asked, ui.owner())
    st.session_state.train_back = None  # was of the run before; None is no value, so the default is taken
    address.put("run", st.session_state.train_run)
    st.rerun()


def attached() -> str | None:
    """The id of the run that this page shows: of the address, else of this session; None where there is none."""
    state, asked = st.session_state, st.query_params.get("run")
    identity = asked or state.get("train_run") or run_queue().of(ui.owner())
    if not identity:
        return None
    if len(identity) > 64 or run_queue().record(identity) is None:
        if asked:
            st.warning("There is no run with this address here any more.", icon=":material/link_off:")
        detach()
        return None
    if mine := run_queue().owner(identity):
        state.owner = mine  # a reload, or a second tab, of the same person
    if state.get("train_run") != identity:
        state.train_back = None  # was of another run; set here, before its slider is drawn
    state.train_run = identity
    address.put("run", identity)
    run_queue().join(identity, viewer())
    return identity


def detach() -> None:
    """Leave a run, which goes on, for the form."""
    st.session_state.pop("train_run", None)
    st.query_params.pop("run", None)  # at once: the run that follows reads the address first
    address.put("run", None)


def watch(identity: str) -> RunRecord:
    """Draw a run: what may be done with it, a fragment that follows its steps, and what an evaluation has seen.

    The fragment is sent again every moment, so it is small; the page is drawn again when there is something new beside
    it.
    """
    shown = run_queue().record(identity)
    assert shown is not None  # `attached` has looked
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
        snapshot = view.chosen(shown)
        view.map_of(shown, snapshot)
    pictures.show(shown, snapshot)
    return shown


def _beside(now: RunRecord) -> tuple[Any, ...]:
    """What the page shows of a run outside of the fragment."""
    return now.state, now.stopping, now.storing, now.maps, now.snapshots[-1:], now.detail_step


def _controls(identity: str, now: RunRecord) -> None:
    """The buttons that fit a run's state, outside the fragment, so that a tick never swallows a click."""
    asked, runs = now.request, run_queue()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="train_controls"):
        title = METHODS[asked.method].title if asked.method in METHODS else asked.method
        st.markdown(f"**{ui.escape(asked.name)}**: {title} on {ui.escape(ui.data_title(asked.dataset))}")
        if now.state == "storing":
            st.button("Leave the maps", icon=":material/stop:", on_click=runs.stop, args=(identity,), key="train_leave")
            st.button("New run", icon=":material/add:", on_click=detach, key="train_new")
            return
        if now.active:
            off = now.stopping or now.state in ("waiting", "starting")
            play = ("Play", RESUME, "play_arrow") if now.state == "paused" else ("Pause", PAUSE, "pause")
            for label, command, icon in (play, ("One step", STEP, "skip_next")):
                st.button(
                    label, icon=f":material/{icon}:", on_click=runs.send, args=(identity, command), disabled=off,
                    key=f"train_{command.word}",
                )  # fmt: skip
            st.button("Stop", icon=":material/stop:", on_click=runs.stop, args=(identity,), disabled=now.stopping)
            return
        if now.resumable and st.button("Go on", type="primary", icon=":material/play_arrow:", key="train_go_on"):
            try:
                runs.resume(identity, ui.owner())
                st.rerun()
            except UserError as error:
                st.error(ui.escape(str(error)))
        st.button("New run", icon=":material/add:", on_click=detach, key="train_new")
    _said(now)


def _said(now: RunRecord) -> None:
    """How a run has ended that has left no model, and from where it goes on."""
    said = ui.escape(now.error)
    if now.state == "cut off":
        st.warning(f"The server ended in mid-run, at step {now.step:,}. {kept(now)}", icon=":material/power_off:")
    elif now.state == "failed":
        st.error(said)
        if now.code == ErrorCode.LOSS_NOT_FINITE:
            st.markdown(RETRY)
        elif now.resumable:
            st.markdown(kept(now))
    elif now.state == "stopped":
        st.info(f"{said or f'Stopped at step {now.step:,}.'} {kept(now)}", icon=":material/stop:")


def kept(now: RunRecord) -> str:
    """From which step a run goes on, in words."""
    if not now.resumable:
        return "Nothing of it was kept: choose **New run**."
    if now.saved_step is None:
        return "**Go on** resumes it from the state that was saved last."
    if now.saved_step == 0:
        return "Only its beginning was saved: **Go on** starts again from step 0."
    return f"**Go on** resumes it from step {now.saved_step:,}."
