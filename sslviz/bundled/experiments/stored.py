"""Looks at bundled models that come along, so that a page shows them before anything is computed. Imports no torch."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from sslviz.bundled.experiments.results import LARGEST
from sslviz.errors import UserError
from sslviz.files import atomic, writing
from sslviz.paths import assets_dir


def look_path(model: str, folder: Path | None = None) -> Path:
    """The file of a look at a model: in a folder, by default among what comes along."""
    return (folder or assets_dir() / "experiments") / f"look-{model}.json"


def write_look(path: Path, card: dict[str, Any], labels: int, found: dict[str, Any]) -> None:
    """Write what `looks.look_at` has found of a model, with what tells that it is of this model.

    Raises:
        UserError: the folder can't be written to.
    """
    command = f"sslviz experiments look {card['name']}"
    content = {"name": card["name"], "created": card.get("created"), "steps": card.get("steps"), "labels": labels,
               "command": command, "found": found}  # fmt: skip
    with writing(path.parent), atomic(path) as temporary:
        temporary.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


def stored_look(card: dict[str, Any], labels: int, *, untrained: bool) -> dict[str, Any] | None:
    """What comes along of a model with this card, for probes on so many labels; None where nothing does.

    Args:
        card: of the model.
        labels: that the probes were fitted on.
        untrained: whether the encoder at initialisation is to be there too.
    """
    path = look_path(str(card.get("name", "")))
    if "/" in str(card.get("name", "")) or not path.is_file():
        return None
    content = _read(path, path.stat().st_mtime_ns)
    same = all(content.get(key) == card.get(key) for key in ("name", "created", "steps"))
    same = same and content.get("labels") == labels and not (untrained and "untrained" not in content["found"])
    return content["found"] if same else None


@lru_cache(maxsize=16)
def _read(path: Path, stamp: int) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["found"]["model"]["geometry"], dict):
            raise TypeError
        return content
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path.name} does not hold a look at a model: delete it, or restore it.") from None
