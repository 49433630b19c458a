"""What is kept of short runs: curves by step, encoders before and after, and a queue; and the files that come along."""

import shlex
from dataclasses import replace

import numpy as np
import pytest

from sslviz import cli
from sslviz.bundled import experiments
from sslviz.bundled.experiments import EXPERIMENTS, looks, run
from sslviz.bundled.experiments.results import shipped
from sslviz.data.packing import unpack
from sslviz.jobs.protocol import Monitored, Started, Stepped
from sslviz.methods.encoders import EncoderConfig
from sslviz.store import checkpoint
from sslviz.training.config import config_for

SHIPPED = [("collapse", "mnist"), ("collapse", "fashion_mnist"), ("momentum", "mnist"), ("shared-head", "mnist")]


def at(step, kind, **more):
    return kind(step, 0.0, 0, 0.0, 0.0, None, **more)


def test_curves_have_each_number_with_its_steps(tmp_path):
    np.savez(tmp_path / "live.npz", drift=np.array([1.0, 0.25]), apart=np.array(0.5), y=np.zeros(3))
    np.savez(tmp_path / "first.npz", drift=np.zeros(0), apart=np.array(0.0))
    moments = [
        at(0, Started, info={}),
        at(0, Monitored, monitor={"knn": 0.5}, path=str(tmp_path / "first.npz")),
        at(10, Stepped, losses={"loss": 3.14159, "negative": 0.1}),
        at(20, Stepped, losses={"loss": 2.0, "negative": 0.2}),
        at(20, Monitored, monitor={"knn": 0.75}, path=str(tmp_path / "live.npz")),
    ]
    found = looks.curves(moments)
    assert found["loss"] == {"step": [10, 20], "value": [3.142, 2.0]}
    assert found["knn"] == {"step": [0, 20], "value": [0.5, 0.75]}
    assert found["drift"] == {"step": [20], "value": [0.25]} and found["apart"]["value"] == [0.0, 0.5]


@pytest.fixture
def tiny(monkeypatch):
    """Both experiments in two steps of tiny encoders, on some images of the bundled ones."""

    def few(dataset, split, **options):
        found = load(dataset, split, **options)
        return replace(found, x=found.x[:200], y=found.y[:200])

    load = run.load_images
    for module in (run, looks, run.pkgutil.resolve_name("sslviz.training.batches")):
        monkeypatch.setattr(module, "load_images", few)
    small = {"model.encoder.widths": (4, 8), "model.encoder.strides": (2, 2), "model.hidden": 8, "model.dim": 6}
    for name in ("collapse", "momentum"):
        about = EXPERIMENTS[name]
        fixed = about.fixed | small | {"steps": 2, "monitors": 1, "batch_size": 32}
        monkeypatch.setitem(experiments.EXPERIMENTS, name, replace(about, fixed=fixed, labels=50))


@pytest.mark.slow
def test_a_run_without_negatives_is_kept_with_its_encoder_before_and_after(tiny):
    found = run.train_cell("collapse", "mnist", "without", seed=0)
    assert "--model.no-negatives" in found.command and "live" not in found.settings
    before, after = found.seen["before"], found.seen["after"]
    assert before["n"] == after["n"] == 200 and len(after["z"]["spectrum"]) == 6
    assert before["z"]["xy"] != after["z"]["xy"]
    assert found.seen["curves"]["loss"]["value"][-1] == pytest.approx(found.loss, rel=1e-3)


@pytest.mark.slow
def test_a_run_with_a_queue_is_kept_with_its_keys(tiny):
    found = run.train_cell("momentum", "mnist", "0", seed=0)
    (queue,) = found.seen["queues"]  # there is none before the first step
    assert queue["step"] == 2 and queue["age"] == [0, 1] and unpack(queue["view"]).shape == (2, 10, 1, 24, 24)
    assert np.shape(queue["kept"]) == (2, 10) and queue["apart"] == 0  # momentum 0: one encoder twice
    assert found.seen["curves"]["apart"]["step"] == [0, 2]


@pytest.mark.parametrize(("name", "dataset"), SHIPPED)
def test_what_comes_along_was_made_by_the_command_that_it_names(name, dataset, monkeypatch):
    results = shipped(name, dataset)
    assert results.command == f"sslviz experiments run {name} {dataset}"
    assert {run.cell for run in results.runs} == set(EXPERIMENTS[name].cells(dataset))
    parsed = []
    monkeypatch.setattr("sslviz.training.loop.fit", lambda config: parsed.append(config) or iter([]))
    for each in results.runs:
        assert cli.main(shlex.split(each.command)[1:]) == 0
        wanted = run.config_of(name, dataset, each.cell, seed=each.seed)
        assert parsed.pop() == replace(wanted, live=False)
        assert each.hardware and each.revision and each.created and each.n_test == results.runs[0].n_test


def test_what_comes_along_shows_a_collapse():
    """The shipped run did what it is shipped for: a loss at its least, one z for all, and no gain by k-NN."""
    results = shipped("collapse", "mnist")
    without, control = results.of("without")[0], results.of("with")[0]
    assert without.loss == pytest.approx(-5, abs=0.01)  # -1 / temperature
    assert without.seen["after"]["z"]["z_std"] < 0.1 < control.seen["after"]["z"]["z_std"]
    assert without.seen["after"]["z"]["rankme"] < without.seen["before"]["z"]["rankme"]
    assert without.knn < results.untrained["knn"] < control.knn


def test_what_comes_along_of_one_head_shows_what_it_is_shipped_for():
    """The bound suffers where the probe, within its interval, does not: that is the lesson."""
    shared, own = (shipped("shared-head", "mnist").of(key)[0] for key in ("shared", "own"))
    assert shared.seen["bound"]["negative_elbo"] > own.seen["bound"]["negative_elbo"] + 10
    assert shared.interval("linear")[1] > own.interval("linear")[0]
    assert shared.seen["widest"]["mu"] == shared.seen["widest"]["logvar"]
    assert shared.settings["steps"] == own.settings["steps"] and shared.seed == own.seed


def test_a_look_says_why_nothing_was_probed(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MODELS", str(tmp_path))
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", x_train=rng.integers(0, 256, (30, 28, 28), np.uint8),
             x_test=rng.integers(0, 256, (12, 28, 28), np.uint8))  # fmt: skip
    config = config_for("simclr", str(tmp_path / "own.npz"), steps=1).model
    config = replace(config, encoder=EncoderConfig(channels=1, widths=(4,), strides=(2,)), hidden=4, dim=3)
    checkpoint.save(
        checkpoint.build("simclr", config, seed=1), tmp_path / "m", card={"dataset": str(tmp_path / "own.npz")}
    )
    found = looks.look_at("m", str(tmp_path / "own.npz"), 2000, True, lambda stage, fraction: None)
    assert found["model"]["scores"] == {} and "label" in found["model"]["unprobed"]
    assert found["model"]["geometry"]["n"] == 12 and found["untrained"]["geometry"] != found["model"]["geometry"]


@pytest.mark.slow
def test_a_run_with_one_head_is_kept_with_what_ties_its_variance_to_its_mean(monkeypatch):
    about = EXPERIMENTS["shared-head"]
    fixed = about.fixed | {"steps": 4, "monitors": 1, "model.hidden": 8, "model.latent_dim": 3}
    monkeypatch.setitem(experiments.EXPERIMENTS, "shared-head", replace(about, fixed=fixed, labels=50))
    shared, own = (run.train_cell("shared-head", "mnist", key, seed=0) for key in ("shared", "own"))
    assert "--model.shared-head" in shared.command and "shared-head" not in own.command
    widest = shared.seen["widest"]
    assert widest["mu"] == widest["logvar"] and own.seen["widest"]["mu"] != own.seen["widest"]["logvar"]
    assert [each["step"] for each in shared.seen["pictures"]] == shared.seen["held_out"]["kl"]["step"] == [0, 4]
    assert unpack(shared.seen["pictures"][0]["samples"]).shape == unpack(shared.seen["x"]).shape == (10, 1, 28, 28)
    bound = shared.seen["bound"]
    assert bound["negative_elbo"] == pytest.approx(bound["recon"] + bound["kl"], rel=1e-3)
