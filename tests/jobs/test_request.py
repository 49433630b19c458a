"""What the page may ask for: held to the command line's own defaults, and checked again in Python; and every command
that is printed is read back as the run that it is printed for."""

import dataclasses
import shlex
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sslviz import cli
from sslviz.errors import UserError
from sslviz.jobs import request
from sslviz.jobs.record import RunRecord
from sslviz.jobs.request import encoders_of, image_methods, make_request, numbers_of
from sslviz.methods.config import bounds_of
from sslviz.methods.registry import METHODS
from sslviz.store import checkpoint
from sslviz.training.config import command_for, config_for, flat_of
from sslviz.ui.training import reproduce

IMAGE_METHODS = list(image_methods())
CHOICES = [(method, encoder) for method in IMAGE_METHODS for encoder in encoders_of(method)]
WITHOUT = {"name", "out", "resume", "live"}  # where a run's files lie, and how it is watched, is not what it computes


def ask(**changes):
    asked = {"method": IMAGE_METHODS[-1], "dataset": "mnist", "minutes": 2.0} | changes
    return make_request(**({"encoder": next(iter(encoders_of(asked["method"])), "")} | asked))


@pytest.fixture()
def parsed(monkeypatch):
    """A function from the words of a command line to the config that it makes."""
    found = []
    monkeypatch.setattr("sslviz.training.loop.fit", lambda config: found.append(config) or iter([]))

    def parse(words):
        assert cli.main(list(words)) == 0
        return found.pop()

    return parse


@pytest.mark.parametrize("method", IMAGE_METHODS)
def test_the_defaults_are_those_of_the_command_line(method):
    flat = flat_of(config_for(method, "mnist"))
    for number in numbers_of(method, 60_000):
        if number.option != "--threads":  # a page's run has one thread
            assert flat[number.option.removeprefix("--").replace("-", "_")] == number.default, number.option


@pytest.mark.parametrize(("method", "encoder"), CHOICES)
def test_every_encoder_is_accepted_by_the_command_line(method, encoder, parsed):
    for dataset in ("mnist", "cifar10"):
        config = parsed(ask(method=method, encoder=encoder, dataset=dataset).words())
        assert config.method == method and config.minutes == 2.0 and config.epochs is None and config.threads == 1
        checkpoint.build(method, config.model, seed=0)


@pytest.mark.parametrize("method", IMAGE_METHODS)
def test_every_number_reaches_the_run(method, parsed):
    chosen = {n.option: int(n.bounds.high) if n.whole else n.bounds.high / 2 for n in numbers_of(method, 60_000)}
    chosen |= {n.option: not n.default for n in numbers_of(method, 60_000) if n.switch}
    chosen["--batch-size"] = 64
    flat = flat_of(parsed(ask(method=method, numbers=chosen).words()))
    for option, value in chosen.items():
        assert flat[option.removeprefix("--").replace("-", "_")] == pytest.approx(value)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"method": "gan"}, "no method"),
        ({"encoder": "nope"}, "no encoder"),
        ({"minutes": 0.0}, "minutes"),
        ({"minutes": 99.0, "most_minutes": 60.0}, "up to 60"),
        ({"minutes": float("nan")}, "minutes"),
        ({"dataset": "nowhere"}, "no data ?set"),
        ({"name": "../escape"}, "model's name"),
        ({"name": "random-x"}, "model's name"),
        ({"numbers": {"--out": 1}}, "no setting"),
        ({"numbers": {"--batch-size": 1e9}}, "must lie in"),
        ({"numbers": {"--lr": float("nan")}}, "must lie in"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_a_sentence(change, word):
    with pytest.raises(UserError, match=word):
        ask(**change)


def test_an_encoder_that_the_images_do_not_fit_is_refused_with_what_would_do(tmp_path):
    path = own_file(tmp_path, 30, 10, side=18)
    for method, encoder in CHOICES:
        if encoders_of(method)[encoder].divides > 1:
            with pytest.raises(UserError, match=r"divisible by .* choose “"):
                ask(method=method, encoder=encoder, dataset=str(path))


def test_a_request_is_a_command():
    asked = ask(method="simclr", encoder="medium", numbers={"--lr": 0.01, "--batch-size": 256}, name="mine")
    assert shlex.join(asked.words()) == "train simclr mnist --lr 0.01 --threads 1 --minutes 2"
    assert asked.words(budget=False) == asked.words()[:-2]


def own_file(folder: Path, n_train: int, n_test: int, side: int = 12) -> Path:
    rng, path = np.random.default_rng(0), folder / "my birds.npz"
    x = rng.integers(0, 255, (n_train + n_test, side, side), np.uint8)
    y = np.arange(n_train + n_test) % 2
    np.savez(path, x_train=x[:n_train], x_test=x[n_train:], y_train=y[:n_train], y_test=y[n_train:])
    return path


@pytest.mark.parametrize("n", [3, 40, 500])
def test_a_batch_fits_a_small_set(n, tmp_path, parsed):
    path = own_file(tmp_path, n, 5)
    for method in IMAGE_METHODS:
        batch = parsed(ask(method=method, dataset=str(path)).words()).batch_size
        assert batch == min(n, config_for(method, "mnist").batch_size)
        with pytest.raises(UserError, match="must lie in"):
            ask(method=method, dataset=str(path), numbers={"--batch-size": n + 1})


# every command that is printed is read back ------------------------------------------------------------------------


def values(kind, bounds):
    """Values of a field of a config, by its type and bounds; None where it has no values to draw."""
    args = [part for part in get_args(kind) if part is not type(None)]
    if kind is bool:
        return st.booleans()
    if get_origin(kind) is Literal:
        return st.sampled_from(args)
    if bounds is None or get_origin(kind) is tuple:
        return None
    if kind is int or args[:1] == [int]:
        return st.integers(int(bounds.low), int(min(bounds.high, 100_000)))
    if kind is float or args[:1] == [float]:
        return st.floats(bounds.low, bounds.high, allow_nan=False, allow_subnormal=False)
    return None


@st.composite
def configs(draw):
    """A run that differs from its method's default in a few fields, at any depth."""
    config = config_for(draw(st.sampled_from(list(METHODS))), "mnist")
    for path in ("", "model", "views", "model.encoder"):
        part = config
        for name in filter(None, path.split(".")):
            part = getattr(part, name, None)
        if part is None or (path == "views" and not config.about.views):
            continue
        bounds, hints = bounds_of(type(part)), get_type_hints(type(part))
        known = {f.name: values(hints[f.name], bounds.get(f.name)) for f in dataclasses.fields(part)}
        known = {name: strategy for name, strategy in known.items() if strategy is not None and name not in WITHOUT}
        chosen = draw(st.lists(st.sampled_from(sorted(known)), max_size=3, unique=True)) if known else []
        try:
            config = put(config, path, {name: draw(known[name]) for name in chosen})
        except UserError:
            assume(False)
    return config


def put(config, path, changes):
    """A config with changes in the part at a dotted path."""
    name, _, rest = path.partition(".")
    if not name:
        return dataclasses.replace(config, **changes)
    return dataclasses.replace(config, **{name: put(getattr(config, name), rest, changes)})


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(config=configs())
def test_every_printed_command_is_read_back_as_its_config(config, parsed):
    words = shlex.split(command_for(config))
    assert words[0] == "sslviz"
    again = parsed(words[1:])
    assert dataclasses.replace(again, name=None, out=None) == dataclasses.replace(config, name=None, out=None)


def test_a_switch_inside_the_model_is_printed_as_it_is_taken(parsed):
    config = config_for("mlm", "mnist")
    config = put(config, "model", {"freeze_embeddings": not config.model.freeze_embeddings})
    assert parsed(shlex.split(command_for(config))[1:]).model == config.model


@pytest.mark.parametrize(("method", "encoder"), CHOICES)
def test_the_script_makes_the_run_that_the_command_makes(method, encoder, parsed, monkeypatch):
    command = reproduce.command_of(None, ask(method=method, encoder=encoder, numbers={"--seed": 7}))
    made = []
    monkeypatch.setattr("sslviz.fit", lambda config: made.append(config) or iter([]), raising=False)
    monkeypatch.setattr("sslviz.load", lambda path: None, raising=False)
    with pytest.raises(UnboundLocalError):  # `event`, as nothing is trained here
        body = "\n".join(f"    {line}" for line in reproduce.script_of(command).splitlines())
        exec(f"def run():\n{body}\nrun()", {})
    assert made == [parsed(shlex.split(command)[1:])]


def test_own_images_go_by_the_name_of_the_file(tmp_path):
    path = own_file(tmp_path, 30, 10)
    asked = ask(dataset=str(path))
    shown = reproduce.command_of(None, asked)
    assert str(tmp_path) not in shown and "'my birds.npz'" in shown
    run = RunRecord(asked, tmp_path / "m", info={"command": shlex.join(["sslviz", *asked.words()])})
    assert str(tmp_path) not in reproduce.command_of(run, None)
    assert str(tmp_path) not in reproduce.script_of(shown)


def test_what_is_shown_before_any_choice_can_be_run(parsed):
    words = shlex.split(reproduce.command_of(None, None))
    assert parsed(words[1:]).method == request.DEFAULT
