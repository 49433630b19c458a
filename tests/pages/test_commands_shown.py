"""Every command that a page shows is one that the command line takes."""

import functools
import shlex

import pytest
from visiting import check, open_page

from sslviz import cli
from sslviz.cli import train
from sslviz.ui.language import loading

SHOWN = {
    "home": ({},),
    "vae": ({}, {"vae_view": "Sample"}),
    "embeddings": ({}, {"data": "cifar10"}),
    "probe": (
        {},
        {"probe_view": "Labels", "model": "simclr-mnist"},
        {"probe_view": "Labels", "probe_part": "One fit"},
        {"probe_view": "Pretext"},
        {"probe_view": "Transfer", "probe_transfer": "Without labels"},
        {"probe_view": "Cheat", "model": "simclr-mnist", "probe_sin": "penalty"},
        {"probe_view": "Learned"},
    ),
    "train": ({},),
    "contrastive": (
        {},
        {"contrast_views": "flip=1,-blur=0.3"},
        {"contrast_view": "Invariance"},
        {"contrast_view": "Matrix", "model": "simclr-mnist"},
        {"contrast_view": "Head", "model": "simclr-mnist"},
        {"contrast_view": "Collapse", "model": "simclr-mnist"},
        {"contrast_view": "Queue"},
        {"contrast_view": "Grid", "data": "cifar10"},
        {"contrast_view": "Shortcut", "data": "mnist", "contrast_place": "under"},
    ),
    "language": (
        {},
        {"language_text": 'It\'s [MASK]ing $HOME; "so" `ls`', "language_temperature": "0.5", "language_top_k": "3"},
        {"language_text": "The unhappiest cats sat.", "language_words": "1,2", "language_view": "Layers"},
    ),
}


@pytest.fixture
def parsed(monkeypatch):
    """A function that reads a command with the command line's own parser and runs nothing."""
    given = []

    def stub(command):
        @functools.wraps(command)
        def note(*args, **options):
            given.append((args, options))

        return note

    for name, command in cli.COMMANDS.items():
        if command is not train.train:
            monkeypatch.setitem(cli.COMMANDS, name, stub(command))
    monkeypatch.setattr(train, "_to_the_end", lambda run, args, json: given.append(((run,), {})))
    monkeypatch.setattr(train, "_estimate", lambda run, json: given.append(((run,), {})))

    def read(command):
        words = shlex.split(command)
        assert words[0] == "sslviz" and cli.main(words[1:]) == 0, command
        return given.pop()

    return read


VISITS = [
    pytest.param(page, address, marks=[pytest.mark.slow] if address else [])
    for page, addresses in SHOWN.items()
    for address in addresses
]


@pytest.mark.parametrize(("page", "address"), VISITS)
def test_a_command_that_a_page_shows_is_taken(page, address, parsed, monkeypatch):
    monkeypatch.setattr(loading, "PATIENCE", 120.0)  # no thread is left behind
    at = check(open_page(page, **address))
    commands = [line for block in at.code for line in block.value.splitlines() if line.startswith("sslviz ")]
    assert commands or page == "home"
    for command in commands:
        parsed(command)
