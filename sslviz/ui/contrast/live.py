"""A cell of an experiment run here and now, with a seed of its own, through the queue of all training runs.

Once it has been trained it is evaluated as the runs that come along were, and stands beside them for this visit.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.bundled import experiments
from sslviz.bundled.experiments import results
from sslviz.bundled.experiments.results import Results, Run
from sslviz.errors import UserError
from sslviz.jobs.record import RunRecord
from sslviz.ui import work
from sslviz.ui.training import console

MINUTES = 5.0  # that a run may take: it ends by its steps, in less than one where nothing else is computed
EVALUATION = 15.0  # seconds that it is expected to take
ROOM = 84  # pixels of the button and of the progress


def added(name: str, dataset: str) -> Results | None:
    """The runs that come along and those of this visit; None where none come along.

    Raises:
        UserError: the file of those that come along is damaged.
    """
    shipped = results.shipped(name, dataset)
    return shipped and shipped.added(_visited(name, dataset))


def found(name: str, dataset: str) -> Results | None:
    """As `added`; where none come along, None, and the page says where some do.

    Raises:
        UserError: the files of those that come along are damaged or missing.
    """
    there = [other for other in experiments.EXPERIMENTS[name].datasets if results.shipped(name, other)]
    if dataset not in there:
        titles = ", ".join(ui.data_title(other) for other in there)
        st.info(
            f"These runs were made for {titles}: choose {'it' if len(there) == 1 else 'one of them'} as the dataset."
        )
        return None
    return added(name, dataset)


def panel(name: str, dataset: str, key: str, title: str) -> None:
    """A button that runs a cell with the next seed, and how the run that was asked for last stands.

    Args:
        name, dataset, key: the cell.
        title: of the cell, in words.
    """
    asked: dict[str, Any] | None = st.session_state.get("contrast_live")
    with st.container(height=ROOM, border=False, vertical_alignment="center"):
        if asked is None:
            _offer(name, dataset, key, title)
            return
        now = console.run_queue().record(asked["id"])
        if now is None:
            _leave("The run is no longer here.")
        elif now.active:
            _follow(asked, now)
        elif now.trained or ui.worker().progress(_job(asked)) is not None:  # which deletes the model at its end
            _evaluate(asked, now)
        else:
            _leave(now.error or "Stopped before its end; nothing was added.")


def _offer(name: str, dataset: str, key: str, title: str) -> None:
    seed = _next_seed(name, dataset, key)
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            f"Run it now with seed {seed}", icon=":material/play_arrow:", key="contrast_run_now",
            help=f"{title}: the same run with another seed, through the queue of the train page",
        )  # fmt: skip
        st.caption(ui.escape(st.session_state.pop("contrast_said", "") or title))
    if not pressed:
        return
    minutes = min(MINUTES, console.run_queue().limits.minutes)
    try:
        asked = experiments.request(name, dataset, key, seed=seed, minutes=minutes)
        identity = console.run_queue().submit(asked, ui.owner())
    except UserError as error:
        st.error(ui.escape(str(error)))
        return
    st.session_state.contrast_live = {
        "name": name, "dataset": dataset, "key": key, "seed": seed, "title": title, "id": identity,
    }  # fmt: skip
    st.rerun()


def _next_seed(name: str, dataset: str, key: str) -> int:
    shipped = results.shipped(name, dataset)
    seeds = [run.seed for run in (*(shipped.of(key) if shipped else ()), *_visited(name, dataset)) if run.cell == key]
    return max(seeds, default=-1) + 1


def _follow(asked: dict[str, Any], shown: RunRecord) -> None:
    """Progress of the run, sent again every moment; once it is trained its maps are left out."""
    runs, identity = console.run_queue(), asked["id"]
    runs.join(identity, console.viewer())

    @st.fragment(run_every=0.7)
    def follow() -> None:
        now = runs.record(identity) or shown
        if now.state == "storing" and not now.stopping:
            runs.stop(identity)
        if not now.active:
            st.rerun()
        st.progress(min(1.0, now.progress), text=f"{asked['title']}, seed {asked['seed']}: {_doing(now)}")

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Stop", icon=":material/stop:", key="contrast_stop", on_click=runs.stop, args=(identity,))
        with st.container():
            follow()


def _doing(now: RunRecord) -> str:
    if now.state == "waiting":
        return f"waiting, {now.place} before it, some {plots.seconds(now.wait_seconds)}"
    if now.state == "starting":
        return now.stage or "starting"
    loss = f", loss {now.losses['loss']:.2f} nats" if "loss" in now.losses else ""
    left = f", {plots.seconds(now.seconds_left)} left" if now.seconds_left else ""
    return f"step {now.step:,}{loss}{left}"


def _evaluate(asked: dict[str, Any], now: RunRecord) -> None:
    """Have the trained run evaluated, and add it once that is done."""
    cell = {key: asked[key] for key in ("name", "dataset", "key", "seed")}
    job = _job(asked)
    told = {"model": now.folder.name, "info": now.info, "losses": now.losses, "seconds": now.seconds}
    if experiments.EXPERIMENTS[asked["name"]].look:
        told["points"] = [[point.step, point.losses] for point in now.points]
        told["snapshots"] = [[each.step, each.monitor, each.path] for each in now.snapshots]
    if ui.worker().progress(job) is None:
        try:
            ui.worker().submit(
                job, ui.owner(),
                lambda report: work.call("sslviz.bundled.experiments.run:evaluate_trained", report, **cell, **told),
                seconds=EVALUATION, lasting=True,
            )  # fmt: skip
        except UserError as error:
            st.error(ui.escape(str(error)))
            return
    progress = ui.watch(job, height=ROOM - 8)
    if progress is not None and progress.state == "done":
        _visited(asked["name"], asked["dataset"]).append(Run(**progress.result))
        _leave(f"Seed {asked['seed']} of {asked['title']} is added, for this visit.")
    elif progress is not None and progress.state in ("failed", "stopped"):
        _leave(progress.error or "Its evaluation was stopped; nothing was added.")


def _job(asked: dict[str, Any]) -> tuple[str, str]:
    """The worker's key of the evaluation."""
    return ("experiment", asked["id"])


def _leave(said: str) -> None:
    """Forget the run that was asked for, and say why."""
    st.session_state.pop("contrast_live", None)
    st.session_state.contrast_said = said
    st.rerun()


def _visited(name: str, dataset: str) -> list[Run]:
    """The runs of this visit."""
    kept: list[Run] = st.session_state.setdefault("contrast_runs", {}).setdefault((name, dataset), [])
    return kept
