"""The figures of the page of revision that come along, and whether they are still those of what is installed here.

They are kept with a digest of all that they are computed from: models, runs and the code that computes them. Where one
of those has changed, they are not shown, and the page computes its own. Imports no torch.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

from sslviz.bundled.experiments.results import path_of
from sslviz.bundled.review import DATASET, SUBJECTS
from sslviz.evaluation.stored import read_stored, stored_path
from sslviz.files import writing
from sslviz.store.checkpoint import CARD, WEIGHTS, list_models, write_json

EXPERIMENTS = ("collapse", "shared-head")  # what goes wrong in them is shown on it
REMEDY = "run `sslviz review --store`"


def read() -> dict[str, Any] | None:
    """What has been stored: `figures`, the `state` that they were computed from, `command` and `version`; or None.

    None too where the models, the runs or the code are not those of the figures.

    Raises:
        UserError: the file is damaged.
    """
    found = read_stored(stored_path("review"), _checked, remedy=REMEDY)
    return found if found is not None and found["state"] == state() else None


def write(figures: dict[str, Any], *, command: str) -> Path:
    """Keep the figures in the assets; returns the file."""
    from sslviz import __version__

    path = stored_path("review")
    with writing(path.parent):
        write_json({"command": command, "version": __version__, "state": state(), "figures": figures}, path)
    return path


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    subjects = found["figures"]["subjects"]
    if any(subject.key not in subjects for subject in SUBJECTS):
        raise ValueError("a method is missing")
    return {"figures": found["figures"], "state": str(found["state"]), "version": str(found["version"])}


@functools.cache
def state() -> str:
    """A digest of everything that the figures are computed from."""
    models = [info for info in list_models() if info.bundled and (info.kind == "language" or info.dataset == DATASET)]
    files = [info.path / name for info in models for name in (CARD, WEIGHTS)]
    files += [path_of(name, DATASET) for name in EXPERIMENTS]
    files += sorted(Path(__file__).parent.glob("*.py"))
    whole = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
        whole.update(f"{file.parent.name}/{file.name} {content}\n".encode())
    return whole.hexdigest()
