"""One step: what is read of the device, what a loss that is not finite does, and the precision that is measured."""

import dataclasses
import sys
from types import ModuleType

import pytest
import torch
from tinyruns import MODELS, tiny
from torch.utils._python_dispatch import TorchDispatchMode

from sslviz.errors import UserError
from sslviz.methods import registry
from sslviz.methods.encoders import Encoder, TwoViewConfig
from sslviz.methods.simclr import SimCLR
from sslviz.training import stepper as stepping
from sslviz.training.batches import ImageBatches, batches_for
from sslviz.training.loop import fit
from sslviz.training.state import STATE, read_state, save_state
from sslviz.training.stepper import Stepper, precision_of


@pytest.fixture(scope="module")
def data(own_digits):
    return own_digits(320, 40)


def stepper_of(config):
    batches = batches_for(config)
    found = Stepper(config, batches, precision="32-true")
    found.model.train()
    return found, batches


class Reads(TorchDispatchMode):
    """Counts what the host reads of a tensor: on a GPU each waits for all that was queued."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("method", MODELS)
def test_a_step_on_a_device_reads_nothing(method, data):
    stepper, batches = stepper_of(tiny(method, data, steps=9))
    stepper.on_host = False
    with Reads() as reads:
        for step in range(3):
            batch, labels = (part(0, step, rank=0, share=32) for part in (batches.batch, batches.labels))
            losses = stepper.step(batch, stepper.generator(step), lr=1e-3, labels=labels)
        assert reads.count == 0
        float(losses["loss"])
        assert reads.count == 1


def broken(monkeypatch, at):
    """SimCLR whose loss is not a number from a step on."""
    step, taken = SimCLR.training_step, []

    def training_step(self, *args):
        losses = step(self, *args)
        taken.append(0)
        return losses | {"loss": losses["loss"] * float("nan")} if len(taken) > at else losses

    monkeypatch.setattr(SimCLR, "training_step", training_step)


def test_a_loss_that_is_not_finite_leaves_the_weights_alone_without_a_read(data, tmp_path, monkeypatch):
    broken(monkeypatch, at=2)
    stepper, batches = stepper_of(config := tiny("simclr", data, tmp_path / "m", steps=9))
    stepper.on_host = False
    kept = None
    for step in range(4):
        batch = batches.batch(0, step, rank=0, share=32)
        stepper.step(batch, stepper.generator(step), lr=1e-2)
        if step == 1:
            save_state(stepper, tmp_path / "m" / STATE, step=2, seconds=1.0)
            kept = {key: p.detach().clone() for key, p in stepper.model.named_parameters()}
    assert all(torch.equal(kept[key], p) for key, p in stepper.model.named_parameters())
    with pytest.raises(FloatingPointError):
        stepper.check_finite()
    with pytest.raises(FloatingPointError):
        save_state(stepper, tmp_path / "m" / STATE, step=4, seconds=2.0)
    assert read_state(config, tmp_path / "m" / STATE)["step"] == 2


def test_such_a_loss_ends_the_run_in_a_sentence_on_a_device_too(data, tmp_path, monkeypatch):
    broken(monkeypatch, at=5)
    made = Stepper.__init__

    def on_a_device(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.on_host = False

    monkeypatch.setattr(Stepper, "__init__", on_a_device)
    with pytest.raises(UserError, match="no longer a finite number after 8 steps"):
        list(fit(tiny("simclr", data, tmp_path / "m", steps=20, log_every=4)))


@pytest.mark.parametrize(("bf16", "expected"), [(100.0, "32-true"), (105.0, "32-true"), (120.0, "bf16-mixed")])
def test_the_precision_is_what_was_faster_in_the_first_steps(bf16, expected, data, monkeypatch):
    monkeypatch.setattr(stepping, "has_bf16", lambda device: True)
    rates = {"32-true": 100.0, "bf16-mixed": bf16}
    monkeypatch.setattr(stepping, "_rate", lambda config, data, precision: rates[precision])
    config = tiny("simclr", data, steps=3, precision="auto")
    assert precision_of(config, batches_for(config)) == (expected, rates)
    assert precision_of(dataclasses.replace(config, precision="bf16-mixed"), None) == ("bf16-mixed", {})
    monkeypatch.setattr(stepping, "has_bf16", lambda device: False)
    assert precision_of(config, None) == ("32-true", {})


def test_a_measured_precision_is_said_repeated_and_kept(data, tmp_path, monkeypatch):
    monkeypatch.setattr(stepping, "has_bf16", lambda device: True)
    rates = {"32-true": 100.0, "bf16-mixed": 200.0}
    monkeypatch.setattr(stepping, "_rate", lambda config, data, precision: rates[precision])
    run = fit(config := tiny("simclr", data, tmp_path / "m", steps=6, precision="auto"))
    info = next(run).info
    assert info["precision"] == "bf16-mixed" and info["precision_rates"] == rates
    assert "--precision bf16-mixed" in info["command"]
    while next(run).event != "step":
        pass
    run.close()
    rates |= {"bf16-mixed": 1.0}  # a slower moment later on is no reason to change
    started = next(fit(dataclasses.replace(config, resume=True)))
    assert started.step == 1 and started.info["precision"] == "bf16-mixed"


def test_first_steps_are_timed_without_a_trace_in_the_run(data, tmp_path, monkeypatch):
    expected = [e.losses for e in fit(tiny("moco", data, tmp_path / "a", steps=3)) if e.event == "step"]
    monkeypatch.setattr(stepping, "has_bf16", lambda device: True)
    monkeypatch.setattr(stepping, "FASTER", 1e9)
    events = list(fit(tiny("moco", data, tmp_path / "b", steps=3, precision="auto")))
    assert [e.losses for e in events if e.event == "step"] == expected
    assert set(events[0].info["precision_rates"]) == {"32-true", "bf16-mixed"}


@dataclasses.dataclass(frozen=True)
class ToyConfig(TwoViewConfig):
    method = "toy"


class Toy(SimCLR):
    """Keeps the labels that it is given; descends along nothing of use."""

    Config = ToyConfig
    given = []  # noqa: RUF012

    def training_step(self, batch, generator, context):
        self.given.append((batch.clone(), context.labels.clone()))
        return {"loss": self.encode(batch).square().mean()}


def test_labels_reach_a_method_that_needs_them(data, tmp_path, monkeypatch):
    module = ModuleType("toymethod")
    module.Toy = Toy
    monkeypatch.setitem(sys.modules, "toymethod", module)
    about = dataclasses.replace(registry.info("simclr"), target="toymethod:Toy", labels=True, settings=())
    monkeypatch.setitem(registry.METHODS, "toy", about)
    config = tiny("simclr", data, tmp_path / "m", steps=3, model=ToyConfig(MODELS["simclr"].encoder, 16, 8))
    list(fit(config))
    images = ImageBatches(config).train
    for x, y in Toy.given:
        for image, label in zip(x, y, strict=True):
            same = (images.x.float() / 255 == image).flatten(1).all(1)
            assert int(label) in images.y[same].tolist()
    assert len(Toy.given) == 3 and isinstance(Toy(config.model).encoder, Encoder)
