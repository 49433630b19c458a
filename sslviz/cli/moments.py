"""`sslviz moments`: what the logs of long runs say of pretext loss and transfer, kept for the probe page."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from sslviz.cli.output import answer
from sslviz.errors import UserError


def moments(logs: Positional[tuple[str, ...]], *, json: bool = False) -> None:
    """Keep loss and online k-NN of every moment that logs of bundled models tell of; other models' stay.

    Args:
        logs: NAME=FILE each: a bundled model, and what `sslviz train … --json` printed when it was trained.
        json: print one JSON object.
    """
    from sslviz.bundled.moments import path_of, read_log
    from sslviz.files import writing
    from sslviz.store.checkpoint import list_models, read_json, write_json

    infos = {info.name: info for info in list_models("image") if info.bundled}
    path = path_of()
    known = {run["name"]: run for run in read_json(path)["runs"]} if path.is_file() else {}
    for log in logs:
        name, _, file = log.partition("=")
        if name not in infos or not file:
            raise UserError(f"{log!r:.80} is not NAME=FILE with the name of a bundled model: {', '.join(infos)}.")
        info, words = infos[name], ["sslviz", "moments", f"{name}={Path(file).name}"]
        known[name] = {
            "name": name, "method": info.method, "dataset": info.dataset, "source": str(info.card.get("command", "")),
            "command": shlex.join(words), "moments": read_log(Path(file)),
        }  # fmt: skip
    found: dict[str, Any] = {"runs": list(known.values())}
    with writing(path.parent):
        write_json(found, path)
    told = [f"{run['name']}: {len(run['moments'])} moments" for run in found["runs"]]
    answer(found, json, lambda: print("\n".join(told)))
