"""The views of collapse and of the queue: the runs that come along, the selected model, and what can't be shown."""

import time

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from visiting import open_page

from sslviz.bundled.experiments.looks import look_at_queue
from sslviz.bundled.experiments.results import shipped
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.moco import MoCoConfig
from sslviz.store import checkpoint

pytestmark = pytest.mark.usefixtures("on_pages")


@pytest.fixture
def looked(monkeypatch):
    """What the helper process would find of a model, at once: the encoder of the shipped run with negatives."""
    calls = []

    def call(function, report, **arguments):
        calls.append((function, arguments))
        control = shipped("collapse", "mnist").of("with")[0]
        scores = {"knn": control.knn, "linear": control.linear, "n_test": control.n_test}
        return {"model": {"geometry": control.seen["after"], "scores": scores, "unprobed": ""}}

    monkeypatch.setattr("sslviz.ui.work.call", call)
    return calls


def open_view(view: str, **address: str) -> AppTest:
    at = open_page("contrastive", contrast_view=view, **address)
    end = time.monotonic() + 120
    while any(button.label == "Stop" for button in at.button) and time.monotonic() < end:
        time.sleep(0.2)
        at.run()
    assert not at.exception, at.exception
    return at


def words(at: AppTest) -> str:
    return "\n".join(m.value for m in (*at.markdown, *at.caption, *at.error)).replace("\\", "")


def test_collapse_shows_three_encoders_with_bundled_figures_at_once():
    at = open_view("Collapse", model="simclr-mnist")
    said, results = words(at), shipped("collapse", "mnist")
    assert not at.error and all(button.label != "Stop" for button in at.button)  # nothing was computed
    without = results.of("without")[0]
    for title in ("**At initialisation**", "**400 steps without negatives**", "**simclr-mnist**"):
        assert title in said
    assert f"−{abs(without.loss):.3f} where −5 is the least" in said
    assert f"RankMe {without.seen['after']['z']['rankme']:.1f} of 128" in said
    assert f"{100 * without.knn:.1f} % (400 steps without negatives)" in said and "(simclr-mnist)" in said
    assert "order runs of one method" in said and f"n = {without.n_test:,} test images" in said
    assert without.revision in said and without.hardware in said and results.command in said


def test_the_space_can_be_h_and_is_kept_in_the_address():
    at = open_view("Collapse", model="simclr-mnist", contrast_space="h")
    assert at.segmented_control(key="contrast_space").value == "h"
    assert "How much h varies" in words(at) and " of 512." in words(at)


@pytest.mark.slow
def test_an_own_model_is_looked_at_in_the_helper(looked):
    at = open_view("Collapse", model="tiny-simclr")
    assert "**tiny-simclr**" in words(at) and not at.error
    function, arguments = looked[0]
    assert function.endswith("looks:look_at") and arguments["model"] == "tiny-simclr" and not arguments["untrained"]
    assert arguments["labels"] == shipped("collapse", "mnist").n_labels  # equal labels


def test_a_model_without_projector_gets_a_sentence_and_another_in_its_place():
    at = open_view("Collapse", model="vae-mnist")
    said = words(at)
    assert "no projector stands behind its h" in said and "stands in its place" in said
    assert "**400 steps without negatives**" in said and not at.error


@pytest.mark.slow
def test_a_handful_of_own_images_is_a_sentence(models, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "few.npz"
    x = rng.integers(0, 256, (11, 28, 28), np.uint8)
    np.savez(path, x_train=x[:8], x_test=x[8:], y_train=np.arange(8) % 2, y_test=np.arange(3) % 2)
    tiny = checkpoint.load(models / "tiny-simclr")
    checkpoint.save(tiny, models / "few", card={"dataset": str(path), "n_train": 8})
    st.cache_resource.clear()
    for view in ("Collapse", "Queue"):
        at = open_view(view, data="few", model="few")
        assert not at.exception
        assert view == "Queue" or "3 test images are too few" in words(at)


def test_the_queue_shows_keys_by_age_and_four_runs():
    at = open_view("Queue", model="moco-mnist")
    said, results = words(at), shipped("momentum", "mnist")
    assert not at.error
    assert "moco-mnist was stored without key side and queue" in said
    for run in results.runs:
        assert f"| {run.cell} | {run.loss:.2f} |" in said
        assert f"{100 * run.knn:.1f} %" in said
    second = results.of("0.99")[0].seen["queues"][1]
    assert f"cosine {min(second['drift']):.2f} with what the key encoder makes" in said
    assert at.segmented_control(key="contrast_momentum").value == "0.99"


def test_another_momentum_and_step_show_their_own_keys():
    last = shipped("momentum", "mnist").of("0")[0].seen["queues"][-1]
    at = open_view("Queue", model="simclr-mnist", contrast_momentum="0", contrast_step=str(last["step"]))
    said = words(at)
    assert f"cosine {min(last['drift']):.2f} with what" in said and "has no queue" in said
    assert f"momentum 0, step {last['step']}" in said
    assert "momentum 0 on MNIST" in next(b for b in at.button if b.key == "contrast_run_now").help


@pytest.mark.slow
def test_a_model_with_its_key_side_shows_its_own_queue(models, monkeypatch):
    config = MoCoConfig(EncoderConfig(channels=1, widths=(4, 8), strides=(2, 2)), hidden=8, dim=6, queue_size=64)
    card = {"dataset": "mnist", "n_train": 60_000, "batch_size": 16, "seed": 0, "steps": 4}
    checkpoint.save(checkpoint.build("moco", config, seed=0), models / "keyed", card=card)
    st.cache_resource.clear()
    report = lambda stage, fraction: None  # noqa: E731
    monkeypatch.setattr("sslviz.ui.work.call", lambda function, _, **given: look_at_queue(**given, report=report))
    said = words(open_view("Queue", model="keyed", contrast_momentum="own"))
    assert "The queue that keyed was stored with" in said and "Keys in the queue by age, keyed" in said
