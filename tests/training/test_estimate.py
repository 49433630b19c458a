"""What a run will cost: memory against what a process really takes, and steps for minutes."""

import json
import subprocess
import sys

import pytest
import torch

from sslviz.errors import UserError
from sslviz.methods import registry
from sslviz.methods.encoders import EncoderConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.training import estimate
from sslviz.training.config import config_for


@pytest.fixture(scope="module")
def data(own_digits):
    return own_digits(600, 60)


def small(data, **changes):
    model = SimCLRConfig(EncoderConfig(channels=1, widths=(8, 8), strides=(2, 2), pool=1), 16, 8)
    return config_for("simclr", data, **({"model": model, "batch_size": 32, "device": "cpu"} | changes))


def test_minutes_become_steps_at_the_pace_that_was_measured(data, monkeypatch):
    monkeypatch.setattr(estimate, "MEASURED", 0.2)
    before = torch.get_rng_state()
    config, told = estimate.estimate(small(data, minutes=1.5))
    assert torch.equal(before, torch.get_rng_state())
    assert config.steps == told.steps and config.minutes is None and config.epochs is None
    assert told.steps == pytest.approx(90 * told.images_per_second / 32, rel=0.02, abs=1)
    assert told.epochs == pytest.approx(told.steps / (600 // 32), abs=0.01)
    config, told = estimate.estimate(small(data, minutes=100.0, steps=7, lr=1e6))  # the rate is for the run to judge
    assert config.steps == told.steps == 7


def test_a_run_that_does_not_fit_is_refused_before_it_begins(data, monkeypatch):
    monkeypatch.setenv("SSLVIZ_MEMORY_MB", "50")
    with pytest.raises(UserError, match="lower the batch size"):
        estimate.estimate(small(data, minutes=1.0))


@pytest.mark.slow
@pytest.mark.parametrize("method", registry.image_methods())
def test_the_estimate_of_memory_is_what_a_process_takes(method):
    """A larger batch, in a process of its own: the forecast made before the first step, the peak after three."""
    code = """
import json, resource
from sslviz.memory import peak_memory
from sslviz.training.batches import batches_for
from sslviz.training.config import config_for
from sslviz.training.estimate import memory
from sslviz.training.stepper import Stepper
config = config_for(METHOD, "mnist", batch_size=384, device="cpu", threads=1, steps=3)
data = batches_for(config)
start, told = peak_memory(), memory(config, data)
run = Stepper(config, data, precision="32-true")
for step in range(2):
    labels = data.labels(0, step, rank=0, share=384)
    run.step(data.batch(0, step, rank=0, share=384), run.generator(step), lr=1e-3, labels=labels)
print(json.dumps([start, told, peak_memory()]))
""".replace("METHOD", repr(method))
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    start, told, peak = json.loads(out.splitlines()[-1])
    assert 0.6 * (peak - start) < told - start < 2.5 * (peak - start)
