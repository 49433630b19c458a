"""`sslviz transfer` and `sslviz ladder`: what an encoder is worth on other images, and each level of it."""

from __future__ import annotations

from typing import Any

from tyro.conf import Positional

from sslviz.cli.output import answer, progress_line
from sslviz.errors import UserError


def transfer(*, json: bool = False) -> None:
    """Probe every bundled encoder on every dataset, and store the matrix; cells of the same weights are kept.

    Args:
        json: print one JSON object.
    """
    from sslviz.bundled.transfer import matrix
    from sslviz.evaluation.transfer import load

    line = None if json else progress_line()
    known = found = load()
    for so_far in matrix(known, report=lambda *told: line(*told) if line else None):
        found = so_far
        _keep(found, "sslviz transfer")
    answer(found, json, lambda: _print_matrix(found))


def ladder(names: Positional[tuple[str, ...]] = (), *, json: bool = False) -> None:
    """Probe pixels, each block, h and z of models on their own dataset, and store the ladders.

    Args:
        names: of bundled models of images; by default all of them.
        json: print one JSON object.
    """
    from sslviz.bundled import transfer as maker
    from sslviz.evaluation.transfer import load
    from sslviz.store.checkpoint import list_models

    infos = {info.name: info for info in list_models("image") if info.bundled}
    if unknown := [name for name in names if name not in infos]:
        raise UserError(f"There is no bundled model {unknown[0]!r:.60}: choose of {', '.join(infos)}.")
    line = None if json else progress_line()
    told = {}
    for name in names or infos:
        told[name] = maker.ladder(infos[name], report=lambda *words: line(*words) if line else None)
        found = load()
        _keep(found | {"ladders": found.get("ladders", {}) | {name: told[name]}}, found.get("command", "sslviz ladder"))
    answer({"ladders": told}, json, lambda: _print_ladders(told))


def _keep(found: dict[str, Any], command: str) -> None:
    from sslviz.evaluation.transfer import path_of
    from sslviz.files import writing
    from sslviz.store.checkpoint import write_json
    from sslviz.training.provenance import describe_origin

    path = path_of()
    with writing(path.parent):
        write_json(found | {"origin": {"command": command} | describe_origin()}, path)


def _print_matrix(found: dict[str, Any]) -> None:
    columns = list(found["columns"])
    print(f"\n{found['protocol']}\n{'pretrained on / probed on':28}" + "".join(f"{name:>16}" for name in columns))
    for row in found["rows"]:
        cells = [found["cells"][row["name"]].get(name) for name in columns]
        print(f"{row['name']:28}" + "".join(f"{cell['accuracy']:>16.1%}" if cell else f"{'':>16}" for cell in cells))


def _print_ladders(told: dict[str, Any]) -> None:
    for name, found in told.items():
        levels = ", ".join(f"{level['name']} {level['accuracy']:.1%}" for level in found["levels"])
        print(f"\n{name}: {levels}")
