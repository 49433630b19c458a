"""What the page may ask for: held to the command line's own defaults, and checked again in Python."""

import dataclasses
import shlex

import numpy as np
import pytest

from sslviz import cli
from sslviz.data import images
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


def test_own_images_are_checked_and_kept_under_a_name_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_DATA", str(tmp_path))
    x = np.random.default_rng(0).integers(0, 255, (40, 16, 16), np.uint8)
    np.savez(tmp_path / "given.npz", x_train=x[:30], x_test=x[30:], y_train=np.arange(30) % 3, y_test=np.arange(10) % 3)
    content = (tmp_path / "given.npz").read_bytes()
    path = request.keep_images("../../My Birds!.npz", content)
    assert path.parent == tmp_path / request.OWN and path.name.startswith("my-birds-")
    assert request.keep_images("../../My Birds!.npz", content) == path
    assert images.describe(path).n_train == 30
    for bad in (b"no archive", content[:200], b""):
        with pytest.raises(UserError):
            request.keep_images("bad.npz", bad)
    assert [file.name for file in (tmp_path / request.OWN).iterdir()] == [path.name]
    monkeypatch.setattr(request, "OWN_BYTES", 100)
    with pytest.raises(UserError, match="MB"):
        request.keep_images("large.npz", content)
    monkeypatch.setattr(request, "OWN_BYTES", 10**9)
    monkeypatch.setattr(request, "OWN_TOTAL", len(content))
    with pytest.raises(UserError, match="delete some"):
        request.keep_images("more.npz", content + b" ")
