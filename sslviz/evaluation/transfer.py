"""The stored matrix of what transfers where, and the stored ladders of levels. Imports no torch, as pages read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sslviz.errors import UserError
from sslviz.evaluation.evidence import FOLDER
from sslviz.paths import assets_dir


def path_of(folder: Path | None = None) -> Path:
    """The file of both."""
    return (folder or assets_dir() / FOLDER) / "transfer.json"


def load(folder: Path | None = None) -> dict[str, Any]:
    """What is stored: "protocol", "columns", "rows", "cells", "ladders", "origin"; {} where nothing is.

    Raises:
        UserError: the file is damaged.
    """
    path = path_of(folder)
    if not path.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found | {}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} can't be read ({error}); restore it, or run `sslviz transfer`.") from error
