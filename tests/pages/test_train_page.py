"""The page of live training: its form, what it makes of runs of every kind, and what it answers to bad input."""

import json
import os
import re
import shlex
import textwrap
import threading
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from tinyruns import MODELS
from visiting import button, check, components, open_page, param, places, said

from sslviz import cli, plots, ui
from sslviz.bundled import recipes
from sslviz.errors import ErrorCode
from sslviz.jobs import protocol, record, request, task
from sslviz.jobs.limits import Guest
from sslviz.jobs.process import RunProcess
from sslviz.store import embeddings
from sslviz.training.config import config_for
from sslviz.training.loop import fit
from sslviz.ui.training import console, curves, keep, view


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A folder of own models."""
    path = tmp_path_factory.mktemp("models")
    with places(SSLVIZ_MODELS=path):
        yield path


@pytest.fixture(scope="module")
def finished(folder):
    """A function that trains a tiny model as the page's process does, and leaves the record of it: method -> id."""
    made = {}

    def train(method, steps=20, *, stop=False):
        if (method, stop) in made:
            return made[method, stop]
        identity = f"id-of-{method}-{stop}-{time.time_ns()}"
        name = f"tiny-{method}{'-stopped' * stop}"
        asked = request.TrainingRequest(method, "mnist", (), 1.0, name)
        run = RunProcess(asked, folder / name, key=record.key_of(identity))
        config = config_for(
            method, "mnist", model=MODELS[method], batch_size=16, steps=steps, live=True, out=folder / name
        )
        events = fit(replace(config, device="cpu", threads=1, log_every=1))
        for event in events:
            run.hear(event)
            if stop and event.step == 15:
                events.close()
                run.hear(protocol.Stopped(*(getattr(event, f.name) for f in fields(protocol.Moment))))
        if stop:
            run.stop()
        else:
            run.hear(protocol.Stored(next(recipes.store_maps(folder / name)), str(folder / name)))
        run.record = run.ended(0)
        run.write()
        return made.setdefault((method, stop), identity)

    return train


@pytest.fixture(autouse=True)
def alone(request, monkeypatch):
    """Quick tests start no process that compares the new model with the bundled ones; slow ones do."""
    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr(keep, "_compared", lambda selection: None)


def drawings(at: AppTest) -> dict[str, dict]:
    """What the figures that change in place draw, by title."""
    return {drawn["title"]: drawn for drawn in components(at) if "panels" in drawn}


def titles(at: AppTest) -> str:
    return "\n".join([*(chart.proto.spec for chart in at.get("plotly_chart")), *drawings(at)])


def computed(at: AppTest) -> AppTest:
    """The page once what it has asked for in the background is there."""
    while ui.worker()._jobs:
        time.sleep(0.05)
    return check(at.run())


def test_the_form_shows_what_goes_in_and_follows_the_method():
    at = check(open_page("train"))
    assert at.title[0].value == "Train" and "What goes in" in said(at) and "Where simclr-mnist has ended" in said(at)
    assert [e.label for e in at.expander][-3:] == ["The mathematics", "Reproduce", "Input, process, outcome"]
    for method in ("vae", "moco"):
        check(at.segmented_control(key="method").set_value(method).run())
        assert at.selectbox(key="train_encoder").value == next(iter(request.encoders_of(method)))
        labels = {n.label for n in (*at.number_input, *at.toggle, *at.checkbox)}
        assert {n.label for n in request.numbers_of(method, 6000)} <= labels
        assert at.code[1].value.startswith(f"sslviz train {method} mnist ")


def test_what_is_typed_stays_and_bad_names_are_one_sentence():
    at = open_page("train")
    at.text_input(key="train_name").set_value("../Escape").run()
    assert not at.exception and len(at.error) == 1 and "model's name" in at.error[0].value
    assert at.text_input(key="train_name").value == "../Escape"


@pytest.mark.slow
def test_an_unknown_run_is_one_sentence_and_the_form():
    for value in ("nowhere", "../../etc/passwd", "x" * 500, "<script>"):
        at = check(open_page("train", run=value))
        assert "no run with this address" in said(at) and button(at, "Train")
        assert "run" not in at.query_params


SLOW = [pytest.param(method, marks=pytest.mark.slow) for method in MODELS if method != "simclr"]


@pytest.mark.parametrize("method", ["simclr", *SLOW])
def test_a_finished_run_shows_its_curves_pictures_and_model(method, finished):
    at = check(open_page("train", run=finished(method)))
    text, drawn = said(at), titles(at)
    assert "The pretext loss and its parts" in drawn and "PCA of h" in drawn
    expected = {
        "vae": ("reconstructions", "Samples"),
        "simclr": ("Positive pairs", "Cosine of z"),
        "moco": ("Positive pairs", "Age and drift"),
        "supervised": (),
    }
    assert all(title in drawn for title in expected[method])
    assert f"The model tiny-{method}" in "\n".join(s.value for s in at.subheader)
    assert re.search(r"epoch \d", text) and at.query_params["run"]
    assert all(drawn["alt"] for drawn in drawings(at).values())
    first = drawings(at)["PCA of h, held-out images"]
    slider = at.select_slider(key="train_back")
    check(slider.set_value(slider.options.index(slider.options[0])).run())
    assert drawings(at)["PCA of h, held-out images"] != first


@pytest.mark.slow
def test_a_finished_model_is_compared_with_the_bundled_ones(finished):
    at = computed(check(open_page("train", run=finished("vae"))))
    shown = at.dataframe[-1].value
    assert next(iter(shown["Model"])) == "tiny-vae" and len(shown) > 1  # beside the bundled ones
    for column in ("Linear probe", "k-NN"):  # one protocol, with its interval
        assert all(re.fullmatch(r"[\d.]+ % \([\d.]+ to [\d.]+\)", value) for value in shown[column])
    assert "One protocol for all" in said(at) and "one training seed" in said(at)


def test_the_command_that_is_shown_repeats_the_run(finished, monkeypatch):
    at = check(open_page("train", run=finished("simclr")))
    line = next(code.value for code in at.code if code.value.startswith("sslviz train"))
    found = []
    monkeypatch.setattr("sslviz.training.loop.fit", lambda config: found.append(config) or iter([]))
    assert cli.main(shlex.split(line)[1:]) == 0
    (config,) = found
    assert (config.steps, config.batch_size, config.threads, config.model) == (20, 16, 1, MODELS["simclr"])
    script = next(code.value for code in at.code if "config_for(" in code.value and code.value.startswith("from data"))
    with pytest.raises(UnboundLocalError):  # `event`, as nothing was trained here
        exec(f"def run():\n{textwrap.indent(script, '    ')}\nrun()")
    assert found[1] == config


@pytest.mark.slow
def test_the_model_is_at_once_in_every_pages_list(finished, folder):
    at = open_page("train")
    finished("vae")
    at.query_params["run"] = finished("vae")
    check(at.run())
    at.switch_page("pages/embeddings.py").run()
    assert "tiny-vae" in at.selectbox(key="selection_model").options
    at.selectbox(key="selection_model").set_value("tiny-vae").run()
    check(at)


def test_a_stopped_run_offers_to_go_on(finished):
    at = check(open_page("train", run=finished("simclr", stop=True)))
    assert "Go on" in said(at) and button(at, "Go on") and "Stopped at step 15" in said(at)
    check(button(at, "New run").click().run())
    assert button(at, "Train") and "run" not in at.query_params


def test_a_stopped_run_says_the_step_from_which_it_goes_on(finished):
    at = check(open_page("train", run=finished("simclr", stop=True)))
    assert "resumes it from step 15" in said(at)
    run = console.run_queue()._runs[finished("simclr", stop=True)].record
    assert "starts again from step 0" in console.kept(replace(run, saved_step=0))
    assert "Nothing of it was kept" in console.kept(replace(run, folder=Path("/nowhere")))


@pytest.mark.slow
def test_a_run_that_has_trained_says_what_it_stores_and_can_be_downloaded(finished):
    identity = finished("vae")
    console.run_queue().record(identity)
    run = console.run_queue()._runs[identity]
    before = run.record
    try:
        run.record = replace(before, state="storing", storing="umap")
        at = check(open_page("train", run=identity))
        labels = {b.label for b in at.button}
        assert "Leave the maps" in labels and not labels & {"Pause", "Play", "One step", "Rename"}
        assert [b.label for b in at.button].count("Download") == 1
        assert view.doing(run.record).endswith("storing maps: UMAP.")
    finally:
        run.record = before


def test_a_run_that_was_left_before_its_maps_has_them_stored_at_a_press(finished, folder, monkeypatch):
    monkeypatch.setattr(task, "store_maps", lambda name, report: next(recipes.store_maps(folder / name)))  # the first
    identity = finished("vae")
    console.run_queue().record(identity)
    run = console.run_queue()._runs[identity]
    before, stored = run.record, folder / "tiny-vae" / embeddings.EMBEDDINGS
    kept = stored.rename(stored.with_suffix(".kept"))
    try:
        run.record = replace(before, maps=())
        at = check(open_page("train", run=identity))
        assert not any(b.label == "Probe: evidence" for b in at.button)
        at = computed(check(button(at, "Store its maps").click().run()))
        assert stored.is_file() and button(at, "Probe: evidence")
    finally:
        kept.replace(stored)
        run.record = before


def test_every_state_has_its_said(finished):
    console.run_queue().record(finished("vae"))
    done = console.run_queue()._runs[finished("vae")].record
    assert view.doing(done).startswith("Trained, step 20 of ")
    assert view.doing(replace(done, state="paused", step=7)).startswith("Paused at step 7 of ")
    waiting = view.doing(replace(done, state="waiting", place=2, wait_seconds=150.0))
    assert "2 runs before it" in waiting and "2 min 30 s" in waiting
    assert "loading PyTorch" in view.doing(replace(done, state="starting", stage="loading PyTorch", elapsed=3.0))


def test_the_address_brings_method_encoder_and_budget_back():
    at = check(open_page("train", method="vae", train_encoder="plane", train_minutes="7"))
    assert at.segmented_control(key="method").value == "vae" and at.selectbox(key="train_encoder").value == "plane"
    assert at.number_input(key="train_minutes").value == 7
    assert "--model.latent-dim 2" in "".join(code.value for code in at.code) and "--minutes 7" in at.code[1].value
    at = check(
        open_page("train", method="gan", train_encoder="nope", train_minutes="1e99")
    )  # what can't be is left aside
    assert at.segmented_control(key="method").value == request.DEFAULT
    check(at.segmented_control(key="method").set_value("vae").run())


def test_only_what_acts_here_is_in_the_sidebar():
    at = check(open_page("train"))
    assert [box.label for box in at.sidebar.selectbox] == ["Dataset"] and "model" not in at.query_params


def test_before_the_first_step_there_are_words_and_no_empty_axes(finished):
    console.run_queue().record(finished("vae"))
    run = console.run_queue()._runs[finished("vae")]
    before = run.record
    try:
        run.record = replace(before, points=(), snapshots=(), losses={})
        at = check(open_page("train", run=finished("vae")))
        assert drawings(at) == {}
        assert "appears here with the first step" in said(at) and "first evaluation comes before" in said(at)
    finally:
        run.record = before


@pytest.mark.slow
def test_a_run_that_was_cut_off_is_offered_again(finished, folder):
    identity = finished("simclr", stop=True)
    file = folder / "tiny-simclr-stopped" / record.RECORD
    kept = file.read_text()
    try:
        file.write_text(kept.replace('"state": "stopped"', '"state": "running"'))
        st.cache_resource.clear()
        at = check(open_page("train", run=identity))
        assert "The server ended in mid-run, at step 15" in said(at) and button(at, "Go on")
    finally:
        file.write_text(kept)
        st.cache_resource.clear()


def test_a_run_that_failed_is_one_sentence(finished, folder):
    identity = finished("simclr", stop=True)
    console.run_queue().record(identity)
    run = console.run_queue()._runs[identity]
    failed = protocol.Failed(ErrorCode.LOSS_NOT_FINITE, "It diverged.")
    run.record = replace(record.heard(run.record, failed), state="failed")
    at = open_page("train", run=identity)
    assert not at.exception and len(at.error) == 1 and "tenth of the learning rate" in said(at)


@pytest.mark.slow
def test_two_tabs_are_one_person(monkeypatch):
    """The second tab knows the address: it shows the run, and may not start another beside it."""
    gate = threading.Event()
    monkeypatch.setattr(RunProcess, "work", lambda self: gate.wait(120) and self.ended(0))
    first = open_page("train")
    check(button(first, "Train").click().run())
    identity = param(first, "run")
    stranger = check(open_page("train"))
    assert button(stranger, "Train") and "run" not in stranger.query_params  # nobody else's run is told
    second = check(open_page("train", run=identity))
    assert button(second, "Stop")
    button(second, "Stop").click().run()
    gate.set()
    for _ in range(600):
        if console.run_queue().of(Guest(first.session_state["owner"])) is None:
            break
        time.sleep(0.1)
    assert "Stopped" in said(check(first.run()))


def test_maps_are_turned_onto_one_another():
    rng = np.random.default_rng(0)
    last = rng.normal(size=(50, 2)) * (3, 1)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    frames = plots.aligned([(last @ turn * (1, -1)) * 7 + 5, last])
    np.testing.assert_allclose(frames[0], frames[1], atol=1e-9)
    assert np.sqrt((frames[1] ** 2).sum(1).mean()) == pytest.approx(1)
    assert len(plots.aligned([np.zeros((4, 2))])) == 1 and plots.aligned([]) == []


def test_losses_and_evaluations_become_curves_in_one_way():
    told = [(0.0, {"a": 1.0, "b": 0.5}), (0.5, {"a": 2.0})]
    a, b = view.lines(told, {"a": "A (nats)", "b": "B"}, colour="#00897b", scale=10)
    assert a == ("A (nats)", [0.0, 0.5], [10.0, 20.0], "#00897b", "solid")
    assert b[:2] == ("B", [0.0, 0.5]) and b[2][0] == 5.0 and np.isnan(b[2][1]) and b[4] == "dot"


def test_curves_are_named_at_their_ends():
    x = np.arange(5)
    panels = [("nats", [("recon", x, x + 100.0, "#00897b", "solid"), ("KL", x, x + 100.1, "#00897b", "dot")])]
    figure = plots.plot_curves(panels, title="t", x_title="epoch", marks=[(0, 99.0, "bundled")])
    notes = {note.text: note.y for note in figure.layout.annotations}
    assert set(notes) == {"<b>recon</b>", "<b>KL</b>", "<b>bundled</b>"}
    assert abs(notes["<b>recon</b>"] - notes["<b>KL</b>"]) > 0.3  # else one name would hide the other
    empty = plots.plot_curves([("a", []), ("b", [("c", [], [], "#00897b", "solid")])], title="t", x_title="epoch")
    assert not empty.layout.annotations


def test_figures_that_change_in_place_draw_what_the_figure_holds():
    x = np.arange(4)
    panels = [("nats", [("a", x, [1.0, np.nan, 2.0, 4.0], "#00897b", "dot")]), ("k", [("b", x, x, "#00897b", "solid")])]
    drawn = curves.drawn(plots.plot_curves(panels, title="t", x_title="epoch", height=300))
    assert (drawn["kind"], drawn["title"], drawn["height"], drawn["x_title"]) == ("curves", "t", 300, "epoch")
    assert [p["title"] for p in drawn["panels"]] == ["nats", "k"] and drawn["panels"][1]["domain"][0] == 0
    assert drawn["traces"][0]["y"] == [1.0, None, 2.0, 4.0] and drawn["traces"][1]["panel"] == 1
    assert [(n["text"], n["panel"], n["edge"]) for n in drawn["notes"]] == [("a", 0, True), ("b", 1, True)]
    images = plots.plot_images(np.zeros((6, 1, 8, 8)), row_labels=["x", "y"], title="i")
    drawn = curves.drawn(images)
    assert drawn["kind"] == "picture" and [row[1] for row in drawn["rows"]] == ["x", "y"]
    assert (
        drawn["x"][1] == 3 * 8 * 4 + 2 * 8 and drawn["panels"][0]["y"][1] == 2 * 8 * 4 + 8
    )  # four times finer, gaps of 8
    drawn = curves.drawn(plots.plot_similarity([[1, -1], [0, 1]], title="s"))
    assert drawn["kind"] == "matrix" and drawn["cells"][0][0] == drawn["cells"][1][1] != drawn["cells"][0][1]
    drawn = curves.drawn(
        plots.plot_map(np.random.default_rng(0).normal(size=(9, 2)), x.repeat(3)[:9], "abc", title="m")
    )
    assert drawn["kind"] == "map" and {n["text"] for n in drawn["notes"]} == set("abc")
    json.dumps(drawn)


def test_what_is_drawn_of_a_file_goes_with_the_file(tmp_path):
    """A run may take the name of one that was deleted: its pictures are then others at the same path."""
    file = tmp_path / "step-000000.npz"
    np.savez(file, xy=np.zeros((2, 2)))
    before, read = view.versions(str(file)), view.arrays(str(file))["xy"]
    np.savez(file, xy=np.ones((2, 2)))
    os.utime(file, ns=(0, before[0][1] + 1))
    assert view.versions(str(file)) != before
    assert read.max() == 0 and view.arrays(str(file))["xy"].min() == 1
    file.unlink()
    assert view.versions(str(file)) == ((str(file), 0),) and view.arrays(str(file)) == {}


def test_the_models_folder_holds_what_the_record_says(finished, folder):
    finished("vae")
    key, found = record.read(folder / "tiny-vae")
    assert found.state == "done" and found.maps == ("pca",) and len(key) == 64
    assert embeddings.load_embeddings(folder / "tiny-vae")["pca_xy"].shape[1] == 2
    assert all(Path(snapshot.path).is_file() for snapshot in found.snapshots) and len(found.snapshots) >= 2
