"""Work in the background, seen from a page: the worker of this server, progress with Stop, and what it is given."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots
from sslviz.data import images
from sslviz.errors import UserError
from sslviz.evaluation.maps import MAPS, Quality
from sslviz.jobs.worker import Progress, Worker
from sslviz.paths import ROOT
from sslviz.store import checkpoint
from sslviz.ui.page_shell import escape
from sslviz.ui.selection import BASELINES, Scene

log = logging.getLogger("sslviz.app")


def fit_probe(
    scene: Scene, h_test: np.ndarray, count: int, seed: int, baselines: bool, report: Callable[[str, float], None]
) -> dict[str, Any]:
    """Encode training images, fit a linear probe, judge it on the bundled test images; a job of `Worker`.

    Args:
        scene: whose model is probed.
        h_test: (N, D) stored h of the bundled test images.
        count: labelled training images, the same number of each class.
        seed: of their choice and of the validation split.
        baselines: whether to fit baselines on the same images too.
        report: takes what is being done and how far it is.

    Returns:
        `y_pred` (N,) of the bundled test images, `l2`, `fit_seconds`, `seconds` in all, `rivals` {name: accuracy}.
    """
    from sslviz.data.sampling import stratified_sample
    from sslviz.evaluation.baselines import fit_baselines
    from sslviz.evaluation.embedding import encode
    from sslviz.evaluation.probes import LinearProbe
    from sslviz.evaluation.protocol import evaluate

    started, share = time.monotonic(), 0.3 if baselines else 1.0
    report("reading training images", 0.0)
    train = images.load_images(scene.data, "train")
    chosen = stratified_sample(train.y.numpy(), count, seed=seed)
    train = replace(train, x=train.x[chosen], y=train.y[chosen])
    stages = {"choose l2": "choosing the penalty", "fit": "fitting"}
    h = encode(
        checkpoint.load(scene.model),
        train.x,
        batch_size=64,
        progress=lambda f: report(f"encoding {count:,} training images", share * f / 2),
    )
    linear = LinearProbe(seed=seed).fit(
        h,
        train.y.numpy(),
        callback=lambda e: report(stages.get(e["stage"], e["stage"]), share * (0.5 + e["fraction"] / 2)),
    )
    found = {"y_pred": linear.predict(h_test), "l2": linear.l2_, "fit_seconds": linear.seconds_, "rivals": {}}
    if baselines:
        report("fitting the baselines", share)
        rivals = {**fit_baselines(train.x, seed=seed), "random": checkpoint.load(f"{checkpoint.RANDOM}{scene.model}")}
        found["rivals"] = evaluate(
            rivals,
            train,
            images.load_images(scene.data, "test", bundled=True),
            seed=seed,
            callback=lambda e: report(
                f"{BASELINES.get(e['encoder'], e['encoder'])}: {e['stage']}", share + (1 - share) * e["fraction"]
            ),
        )
    return {**found, "seconds": time.monotonic() - started}


def fit_map(
    h: np.ndarray, settings: dict[str, Any], report: Callable[[str, float], None]
) -> tuple[np.ndarray, Quality]:
    """Fit a map in a process of its own, since UMAP's compilation would hold up every page here; a job of `Worker`.

    Args:
        h: (N, D).
        settings: of `reduce.fit_map`, "method" among them.
        report: takes what is being done and how far it is; UMAP tells nothing meanwhile, so the bar follows the clock.

    Returns:
        xy (N, 2) float32, and how far to trust it.
    """
    info = MAPS[settings["method"]]
    expected = info.expected_seconds(len(h))
    doing = f"{info.title} of {len(h):,} h, some {expected:.0f} s"
    code = (
        "import dataclasses, json, sys; import numpy as np; from sslviz.evaluation.maps import fit_map; "
        "m = fit_map(np.load(sys.argv[1]), **json.loads(sys.argv[2])); "
        "np.savez(sys.argv[3], xy=m.xy, quality=json.dumps(dataclasses.asdict(m.quality)))"
    )
    with tempfile.TemporaryDirectory(prefix="sslviz-") as folder:
        np.save(f"{folder}/h.npy", h)
        command = [sys.executable, "-c", code, f"{folder}/h.npy", json.dumps(settings), f"{folder}/map.npz"]
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            while process.poll() is None:
                report(doing, 1 - np.exp(-2 * (time.monotonic() - started) / expected))
                time.sleep(0.2)
        finally:
            process.kill()
            errors = process.communicate()[1]
        if process.returncode:
            log.error("the map failed: %s", errors)
            reason = errors.strip().rsplit("UserError: ", 1)  # the last line of a traceback
            said = reason[1] if len(reason) == 2 else "The map could not be fitted; the server's log says why."
            raise UserError(said)
        with np.load(f"{folder}/map.npz") as found:
            return found["xy"], Quality(**json.loads(str(found["quality"])))


@st.cache_resource(show_spinner=False)
def worker() -> Worker:
    """The one worker of this server."""
    return Worker()


def owner() -> str:
    """A name for this session that no other session has."""
    import uuid

    return st.session_state.setdefault("owner", uuid.uuid4().hex)


def watch(key: tuple, *, height: int = 76) -> Progress | None:
    """Draw the progress of a job, with Stop, in a place of fixed height; run the page again when it ends.

    Returns:
        the job's snapshot at this run, or None where it was never asked for.
    """
    snapshot = worker().progress(key)
    live = snapshot is not None and snapshot.state in ("waiting", "running")

    @st.fragment(run_every=0.5 if live else None)
    def bar() -> None:
        now = worker().progress(key)
        if now is None:
            return
        if now.state in ("waiting", "running"):
            doing = f"waiting, {now.place} before it" if now.place else now.stage
            st.progress(now.fraction, text=f"{doing}, {plots.seconds(now.seconds)}")
        elif live:
            st.rerun()
        elif now.state == "failed":
            st.error(escape(now.error))
        elif now.state == "stopped":
            st.caption("Stopped; nothing was kept.")

    with st.container(height=height, border=False, horizontal=True, vertical_alignment="center"):
        if live:
            st.button("Stop", icon=":material/stop:", on_click=worker().stop, args=(key, owner()), key=f"stop_{key}")
        bar()
    return snapshot
