"""Work in the background, seen from a page: the worker of this server, progress with Stop, and what it is given."""

from __future__ import annotations

import hashlib
import math
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots
from sslviz.evaluation.maps import MAPS, Quality
from sslviz.evaluation.results import Evaluation
from sslviz.jobs import task, uploads
from sslviz.jobs.limits import Guest
from sslviz.jobs.worker import Progress, Report, Telling, Worker
from sslviz.ui.page_shell import escape
from sslviz.ui.selection import Selection


@dataclass(frozen=True)
class Background:
    """The one worker of this server, and the process in which it computes what is heavy."""

    worker: Worker
    helper: task.Helper

    def close(self) -> None:
        """End the process; the worker's thread ends with the server."""
        self.helper.close()


@st.cache_resource(show_spinner=False, on_release=lambda background: background.close())
def _background() -> Background:
    helper = task.Helper()
    return Background(Worker(rest=helper.close), helper)


def worker() -> Worker:
    """The one worker of this server."""
    return _background().worker


def call(function: str, report: Report, **arguments: Any) -> dict[str, Any]:
    """Call a function of `jobs.computations` in the helper process; see `jobs.task.Helper.call`."""
    return _background().helper.call(function, report, **arguments)


def fit_probe(selection: Selection, h_test: np.ndarray, count: int, seed: int, report: Telling) -> Evaluation:
    """Fit a linear probe and all baselines, see `jobs.computations.fit_probe`, in a process; a job of `Worker`."""
    found = _background().helper.call(
        "sslviz.jobs.computations:fit_probe", report, arrays={"h_test": h_test}, dataset=selection.data,
        model=selection.model, count=count, seed=seed, found=lambda part: report.found(Evaluation.unpacked(part)),
    )  # fmt: skip
    return Evaluation.unpacked(found)


def compare(models: list[str], dataset: str, report: Report) -> dict[str, Any]:
    """Evaluate models in one way, see `jobs.computations.compare`, in a process of its own; a job of `Worker`."""
    return _background().helper.call("sslviz.jobs.computations:compare", report, models=models, dataset=dataset, seed=0)


def keep_model(name: str, content: memoryview, whose: str, report: Report) -> str:
    """Check a model that somebody brings and keep it, see `jobs.uploads`, in a process; a job of `Worker`.

    Returns:
        the name that it has here.
    """
    report("writing the file", 0.0)
    with uploads.incoming(name, content, whose) as path:
        found = call("sslviz.jobs.computations:keep_model", report, path=str(path), owner=whose)
    return str(found["name"])


def fit_map(h: np.ndarray, settings: dict[str, Any], report: Report) -> tuple[np.ndarray, Quality]:
    """Fit a map in a process of its own, since UMAP's compilation would hold up every page here; a job of `Worker`.

    Args:
        h: (N, D).
        settings: of `evaluation.maps.fit_map`, "method" among them.
        report: takes what is being done and how far it is; UMAP tells nothing meanwhile, so the bar follows the clock.

    Returns:
        xy (N, 2) float32, and how far to trust it.
    """
    info, started = MAPS[settings["method"]], time.monotonic()
    expected = info.expected_seconds(len(h))
    doing = f"{info.title} of {len(h):,} h, some {expected:.0f} s"

    def timed(stage: str, fraction: float) -> None:
        report(doing, 1 - math.exp(-2 * (time.monotonic() - started) / expected))

    found = _background().helper.call("sslviz.jobs.computations:fit_map", timed, arrays={"h": h}, settings=settings)
    return found["xy"], Quality(**found["quality"])


def store_maps(model: str) -> None:
    """Have the representations and maps of an own model stored, which goes on when the tab is closed.

    Raises:
        UserError: too much waits already.
    """
    worker().submit(_maps_of(model), owner(), lambda report: task.store_maps(model, report), seconds=60.0, lasting=True)


def watch_maps(model: str) -> Progress | None:
    """Draw how far `store_maps` is; as `watch`."""
    return watch(_maps_of(model), height=64)


def _maps_of(model: str) -> tuple:
    return "maps", model


# whose work -----------------------------------------------------------------------------------------------------------


@st.cache_resource(show_spinner=False, scope="session", on_release=lambda name: worker().part(Guest(name)))
def _until_left(name: str) -> str:
    """Have the work of a session end about a second after its browser tab has gone."""
    return name


def owner() -> Guest:
    """Who asks: this session, its browser by the cookie that Streamlit sets, and its network's address.

    Cookie and address are kept as digests: they tell guests apart, and nothing else. A session that follows a run by
    its address has taken the name of the run's owner over, as `session_state.owner`.
    """
    cookie = st.context.cookies.get("_streamlit_xsrf", "")
    name = _until_left(st.session_state.setdefault("owner", uuid.uuid4().hex))
    return Guest(name, _digest(cookie), _digest(st.context.ip_address))


def _digest(text: object) -> str:
    """A digest of what the connection says; "" where it says nothing."""
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text and isinstance(text, str) else ""


# progress -------------------------------------------------------------------------------------------------------------


def watch(key: tuple, *, height: int = 76) -> Progress | None:
    """Draw the progress of a job, with Stop, in a place of fixed height; run the page again when it ends.

    Never within the run that draws this: a browser that gets two runs at once loses what its widgets hold.

    Returns:
        the job's progress at this run, or None where it was never asked for.
    """
    before = worker().progress(key)
    active = before is not None and before.state in ("waiting", "running")
    drawn = False

    @st.fragment(run_every=0.5 if active else None)
    def bar() -> None:
        nonlocal drawn
        again, drawn = drawn, True
        now = worker().progress(key)
        if now is None:
            return
        if now.state in ("waiting", "running"):
            st.progress(now.fraction, text=doing(now))
            if again and before is not None and now.result is not before.result:  # something more is there to be drawn
                st.rerun()
        elif active:
            if again:
                st.rerun()
        elif now.state == "failed":
            st.error(escape(now.error))
        elif now.state == "stopped":
            st.caption("Stopped; nothing was kept.")

    with st.container(height=height, border=False, horizontal=True, vertical_alignment="center"):
        if active:
            st.button("Stop", icon=":material/stop:", on_click=_stop(key), key=f"stop_{key}")
        bar()
    return before


def doing(now: Progress) -> str:
    """What a job does, or how long it waits, in words."""
    if now.state == "waiting":
        jobs = f"{now.place} {'computation' if now.place == 1 else 'computations'} before it"
        return f"Waiting: {jobs}, some {plots.seconds(now.wait_seconds)}. It starts by itself."
    return f"{now.stage}, {plots.seconds(now.seconds)}"


def _stop(key: tuple) -> Callable[[], None]:
    guest = owner()
    return lambda: worker().stop(key, guest)
