"""A short run of an experiment, started live through the queue of the page of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from sslviz import plots, ui
from sslviz.bundled.experiments import Experiment
from sslviz.errors import UserError
from sslviz.jobs import request
from sslviz.jobs.request import TrainingRequest
from sslviz.ui.training import console

MINUTES = 10.0  # that 400 steps never take where they are worth waiting for


def request_of(
    about: Experiment, dataset: str, numbers: Mapping[str, float], *, most_minutes: float
) -> TrainingRequest:
    """A run as long as those of an experiment, with the narrowest encoder, in float32.

    Args:
        about: the experiment.
        dataset: a dataset's name or the path of own images.
        numbers: what is changed, by option.
        most_minutes: the largest budget here.

    Raises:
        UserError: images that the method can't take.
    """
    encoder = next(iter(request.encoders_of(about.method)))
    asked = request.make_request(
        method=about.method, dataset=dataset, encoder=encoder, minutes=min(MINUTES, most_minutes), numbers=numbers,
        most_minutes=most_minutes,
    )  # fmt: skip
    steps = ("--steps", f"{about.fixed['steps']}", "--precision", "32-true")
    return replace(asked, options=(*asked.options, *steps))


def run_now(about: Experiment, dataset: str, numbers: Mapping[str, float], *, key: str, label: str, said: str) -> None:
    """A button that queues such a run and goes to the page that shows it; a refusal is said in its place.

    Args:
        about, dataset, numbers: as of `request_of`.
        key: of the button.
        label: on it.
        said: beside it: what will be trained, and what it cost when it was shipped.
    """
    runs = console.run_queue()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        pressed = st.button(label, icon=":material/play_arrow:", key=key)
        wait = runs.wait_seconds()
        st.caption(said + (f" Other runs are before it: some {plots.seconds(wait)}." if wait > 0 else ""))
    if not pressed:
        return
    try:
        asked = request_of(about, dataset, numbers, most_minutes=runs.limits.minutes)
        st.session_state.train_run = runs.submit(asked, ui.owner())
    except UserError as error:
        st.error(ui.escape(str(error)))
        return
    st.session_state.train_back = None  # was of the run before
    st.switch_page(ui.PAGES["train"].file)
