"""What the page may ask for: held to the command line's own defaults, and checked again in Python."""

import dataclasses
import shlex

import pytest

from sslviz import cli
from sslviz.errors import UserError
from sslviz.jobs import request
from sslviz.jobs.request import METHODS, SETTINGS, make_request
from sslviz.store import checkpoint
from sslviz.training.config import config_for, flat_of


def ask(**changes):
    return make_request(**({"method": "simclr", "dataset": "mnist", "encoder": "medium", "minutes": 2.0} | changes))


@pytest.mark.parametrize("method", METHODS)
def test_the_defaults_are_those_of_the_command_line(method):
    flat = flat_of(config_for(method, "mnist"))
    for setting in SETTINGS:
        if method in setting.default and setting.option != "--threads":  # a page's run has one thread
            key = setting.option.removeprefix("--").replace("-", "_")
            assert flat[key] == setting.default[method], setting.option


def parsed(asked, monkeypatch):
    """What the command line makes of a request."""
    found = []
    monkeypatch.setattr("sslviz.training.loop.fit", lambda config: found.append(config) or iter([]))
    assert cli.main(asked.words()) == 0
    return found[0]


@pytest.mark.parametrize("encoder", request.ENCODERS)
def test_every_encoder_is_accepted_by_the_command_line(encoder, monkeypatch):
    for method in request.ENCODERS[encoder].methods:
        for dataset in ("mnist", "cifar10"):
            config = parsed(ask(method=method, encoder=encoder, dataset=dataset), monkeypatch)
            assert config.method == method and config.minutes == 2.0 and config.epochs is None and config.threads == 1
            checkpoint.build(method, dataclasses.replace(config.model), seed=0)
    if encoder == "conv":
        assert config.model.likelihood == "gaussian"


@pytest.mark.parametrize("method", METHODS)
def test_every_setting_reaches_the_run(method, monkeypatch):
    chosen = {s.option: s.high / 2 if not s.whole else int(s.high) for s in request.settings_of(method)}
    chosen["--batch-size"] = 64
    asked = ask(method=method, encoder=request.encoders_of(method)[0], settings=chosen)
    flat = flat_of(parsed(asked, monkeypatch))
    for option, value in chosen.items():
        assert flat[option.removeprefix("--").replace("-", "_")] == pytest.approx(value)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"method": "gan"}, "no method"),
        ({"method": "vae"}, "no encoder"),
        ({"encoder": "nope"}, "no encoder"),
        ({"minutes": 0.0}, "minutes"),
        ({"minutes": 99.0, "most_minutes": 60.0}, "up to 60"),
        ({"minutes": float("nan")}, "minutes"),
        ({"dataset": "nowhere"}, "no dataset"),
        ({"name": "../escape"}, "model's name"),
        ({"name": "random-x"}, "model's name"),
        ({"settings": {"--out": 1}}, "no setting"),
        ({"settings": {"--batch-size": 1e9}}, "must lie in"),
        ({"settings": {"--lr": float("nan")}}, "must lie in"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_a_sentence(change, word):
    with pytest.raises(UserError, match=word):
        ask(**change)


def test_a_request_is_a_command(monkeypatch):
    asked = ask(settings={"--lr": 0.01, "--batch-size": 256}, name="mine")
    assert shlex.join(asked.words()) == "train simclr mnist --lr 0.01 --threads 1 --minutes 2"
