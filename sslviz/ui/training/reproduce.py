"""The command and the script that repeat a run."""

from __future__ import annotations

import ast
import itertools
import shlex
from pathlib import Path
from typing import Any

from sslviz.data.catalog import DATASETS
from sslviz.jobs.record import RunRecord
from sslviz.jobs.request import DEFAULT, TrainingRequest


def command_of(now: RunRecord | None, asked: TrainingRequest | None) -> str:
    """The command that repeats a run exactly, once it is known in steps; before, the one that would be started.

    Own images go by their file's name: where they lie on this server is of no use to anybody.
    """
    if now is not None and now.info.get("command"):
        return shlex.join(_without_place(shlex.split(now.info["command"])))
    asked = asked or (now.request if now else None)
    if asked is None:
        return f"sslviz train {DEFAULT} mnist --minutes 2"
    return shlex.join(_without_place(["sslviz", *asked.words()]))


def _without_place(words: list[str]) -> list[str]:
    """The words of `sslviz train METHOD DATASET …` with a file's name in place of its path."""
    name = words[3] if len(words) > 3 else ""
    return words if name in DATASETS else [*words[:3], *([Path(name).name] if name else []), *words[4:]]


def script_of(command: str) -> str:
    """A short script that does with the package what `sslviz train …` does; the options are those of `TrainConfig`."""
    _, _, method, dataset, *rest = shlex.split(command)
    groups: dict[str, list[str]] = {"": [], "model.": [], "model.encoder.": [], "views.": []}
    for key, values in _options(rest):
        prefix, _, name = key.rpartition(".")
        value = not name.startswith("no_") if not values else _literal(name, values)
        groups[prefix and f"{prefix}."].append(f"{name.removeprefix('no_') if not values else name}={value}")
    top = ", ".join([f'"{method}"', repr(dataset), *groups[""]])
    lines = [f"config = config_for({top})"]
    if groups["model.encoder."]:
        lines.append(f"encoder = replace(config.model.encoder, {', '.join(groups['model.encoder.'])})")
        groups["model."].insert(0, "encoder=encoder")
    for prefix in ("model.", "views."):
        if groups[prefix]:
            part = prefix[:-1]
            lines.append(f"config = replace(config, {part}=replace(config.{part}, {', '.join(groups[prefix])}))")
    used = "from dataclasses import replace\n\n" if any("replace(" in line for line in lines) else ""
    return f"""{used}from sslviz import config_for, fit, load

{chr(10).join(lines)}
for event in fit(config):
    if event.event == "monitor":
        print(event.epoch, event.monitor)
model = load(event.path)  # model.encode(x) -> h"""


def _options(words: list[str]) -> list[tuple[str, list[str]]]:
    """Option names, with underscores, and their values."""
    starts = [i for i, word in enumerate(words) if word.startswith("--")]
    spans = itertools.pairwise([*starts, len(words)])
    return [(words[a].removeprefix("--").replace("-", "_"), words[a + 1 : b]) for a, b in spans]


def _literal(name: str, values: list[str]) -> str:
    """Values of the command line as Python writes them."""

    def one(text: str) -> Any:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    found = tuple(one(value) for value in values)
    return repr(found if len(found) > 1 or name in ("widths", "strides") else found[0])
