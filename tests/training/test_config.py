"""What a run is: defaults, limits, and the command that repeats it."""

import dataclasses
import shlex

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sslviz import cli
from sslviz.errors import UserError
from sslviz.methods import registry
from sslviz.methods.config import bounds_of
from sslviz.training.config import TrainConfig, check, command_for, config_for
from sslviz.training.loop import fit

SKIPPED = ("name", "out", "resume", "live")  # where a run goes, and how it is watched, is no part of its command


def parsed(command, monkeypatch):
    """The config that the command line makes of a command."""
    found = []
    monkeypatch.setattr("sslviz.training.loop.fit", lambda config: found.append(config) or iter([]))
    assert cli.main(shlex.split(command)[1:]) == 0
    return found[0]


def changed(draw, config):
    """A config with some of its values drawn anew, each within its bounds."""
    changes = {}
    bounds = bounds_of(type(config))
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if item.name in (*SKIPPED, "dataset", "channels", "shape", "widths", "strides") or draw(st.booleans()):
            continue
        if dataclasses.is_dataclass(value):
            changes[item.name] = changed(draw, value)
        elif isinstance(value, bool):
            changes[item.name] = not value
        elif item.name in bounds:
            low, high = bounds[item.name]
            whole = isinstance(value, int) or item.name == "steps"
            changes[item.name] = draw(st.integers(int(low), int(high)) if whole else st.floats(low, high))
    return dataclasses.replace(config, **changes)


@pytest.mark.parametrize("method", registry.METHODS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_printed_command_is_the_run_that_it_was_printed_for(method, data, monkeypatch):
    dataset = "mnist" if registry.info(method).kind == "image" else "my texts/Füße.txt"
    config = changed(data.draw, config_for(method, dataset, epochs=2.0))
    again = parsed(command_for(config), monkeypatch)
    assert dataclasses.replace(again, live=config.live) == config


def test_a_flag_that_is_off_is_written_as_it_is_taken(monkeypatch):
    config = config_for("mlm", "text.txt")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, freeze_embeddings=False))
    assert command_for(config) == "sslviz train mlm text.txt --model.no-freeze-embeddings"
    assert parsed(command_for(config), monkeypatch) == config


def test_two_budgets_are_both_written():
    config = dataclasses.replace(config_for("vae", "mnist"), steps=5)
    assert config.epochs and command_for(config) == "sslviz train vae mnist --epochs 10.0 --steps 5"


def write(path, n_train, n_test, side=28, classes=3):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", n_train), ("test", n_test)):
        arrays[f"x_{split}"] = rng.integers(0, 256, (n, side, side), dtype=np.uint8)
        arrays[f"y_{split}"] = np.arange(n) % classes
    np.savez(path, **arrays)
    return str(path)


@pytest.mark.parametrize("method", registry.image_methods())
@pytest.mark.parametrize(
    ("n_train", "n_test"),
    [(12, 1), pytest.param(9, 3, marks=pytest.mark.slow), pytest.param(40, 5, marks=pytest.mark.slow)],
)
def test_small_sets_train_with_their_defaults(method, n_train, n_test, tmp_path):
    data = write(tmp_path / "few.npz", n_train, n_test)
    config = config_for(method, data, steps=2, live=True, out=tmp_path / "m", device="cpu", precision="32-true")
    assert config.batch_size == n_train
    events = list(fit(config))
    assert events[-1].event == "done" and [e.step for e in events if e.event == "monitor"] == [0, 2]


def test_one_class_and_blank_images_train(tmp_path):
    x = np.zeros((16, 28, 28), np.uint8)
    np.savez(tmp_path / "blank.npz", x_train=x, y_train=np.zeros(16, int), x_test=x[:4], y_test=np.zeros(4, int))
    config = config_for("simclr", str(tmp_path / "blank.npz"), steps=2, live=True, out=tmp_path / "m", device="cpu")
    *_, done = fit(dataclasses.replace(config, precision="32-true"))
    assert done.event == "done" and "knn" not in done.monitor  # nothing to tell apart


def test_a_blur_wider_than_the_images_is_refused_in_a_sentence(tmp_path):
    data = write(tmp_path / "small.npz", 16, 4, side=8)
    config = config_for("simclr", data, steps=1)
    check(config)
    wide = dataclasses.replace(config.views, blur_sigma=10.0)
    with pytest.raises(UserError, match="a view has 8"):
        check(dataclasses.replace(config, views=wide))


def test_a_text_of_one_sentence_gets_a_sentence(tmp_path):
    (tmp_path / "one.txt").write_text("There is one sentence.", encoding="utf-8")
    with pytest.raises(UserError, match="1 sentence"):
        list(fit(config_for("mlm", str(tmp_path / "one.txt"), steps=1)))


def test_a_run_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config_for("vae", "mnist").seed = 1
    assert isinstance(config_for("vae", "mnist"), TrainConfig)
