"""What stands in the registry is true of the methods: bounds, defaults, sources, and what a config refuses."""

import dataclasses
import math
import subprocess
import sys

import pytest

from sslviz.methods import registry
from sslviz.methods.base import Method
from sslviz.methods.config import Bounds, MethodConfig, OutOfBounds, bounds_of
from sslviz.methods.policies import ViewPolicy
from sslviz.training.config import TrainConfig, config_for, flat_of

TORCH_FREE = "sslviz.methods.registry, sslviz.methods.policies, sslviz.training.config, sslviz.jobs.protocol"


def default(method):
    about = registry.info(method)
    return config_for(method, "mnist" if about.kind == "image" else "text.txt")


def test_the_registry_is_read_without_torch():
    code = f"import {TORCH_FREE}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("method", registry.METHODS)
def test_an_entry_leads_to_its_class_and_its_source(method):
    from sslviz.ui.figures import source_of

    about = registry.info(method)
    found = registry.method_class(method)
    assert issubclass(found, Method) and found.Config.method == method
    assert "training_step" in source_of(about.source)


@pytest.mark.parametrize("method", registry.METHODS)
def test_settings_have_the_defaults_of_the_config(method):
    flat = flat_of(default(method))
    for setting in registry.info(method).settings:
        assert flat[setting.option.removeprefix("--").replace("-", "_")] == setting.default
        assert setting.bounds.low <= setting.default <= setting.bounds.high


@pytest.mark.parametrize("method", registry.METHODS)
def test_every_number_has_bounds_and_is_held_to_them(method):
    config = default(method).model
    for name, bounds in bounds_of(type(config)).items():
        if "." in name:
            continue
        value = getattr(config, name)
        for bad in (bounds.low - 1, bounds.high * 2 + 1, math.nan):
            changed = (bad,) * len(value) if isinstance(value, tuple) else bad
            with pytest.raises(OutOfBounds, match=f"--model.{name.replace('_', '-')} must lie in"):
                dataclasses.replace(config, **{name: changed})


def test_a_number_without_bounds_is_a_mistake_of_the_programmer():
    @dataclasses.dataclass(frozen=True)
    class Forgetful(MethodConfig):
        margin: float = 1.0

    with pytest.raises(TypeError, match="margin has no bounds"):
        Forgetful()


@pytest.mark.parametrize(
    ("option", "value"),
    [("seed", -1), ("threads", -1), ("batch_size", 0), ("lr", math.inf), ("log_every", 0), ("steps", -3)],
)
def test_a_run_is_held_to_its_bounds_at_once(option, value):
    with pytest.raises(OutOfBounds, match=f"--{option.replace('_', '-')} must lie in"):
        config_for("vae", "mnist", **{option: value})


def test_bounds_of_a_run_count_its_views():
    found = bounds_of(TrainConfig)
    assert found["views.hue"] == Bounds(0, 0.5) == bounds_of(ViewPolicy)["hue"]
    assert found["seed"].low == 0


OPTIONS = {  # each out of its bounds
    "--seed": "-1",
    "--threads": "-1",
    "--model.temperature": "-1",
    "--model.momentum": "2",
    "--views.hue": "0.7",
}


@pytest.mark.parametrize("option", [*OPTIONS, "--model.encoder.depth"])
def test_the_command_line_refuses_it_in_a_sentence(option, capsys):
    from sslviz import cli

    assert cli.main(["train", "moco", "mnist", "--steps", "1", option, OPTIONS.get(option, "99")]) == 1
    said = capsys.readouterr().err
    assert f"{option} must lie in" in said and "Traceback" not in said
