"""The stored matrix of what transfers where, and the stored ladders of levels. Imports no torch, as pages read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sslviz.evaluation.stored import read_stored, stored_path


def path_of(folder: Path | None = None) -> Path:
    """The file of both."""
    return stored_path("transfer", folder)


def load(folder: Path | None = None) -> dict[str, Any]:
    """What is stored: "protocol", "columns", "rows", "cells", "ladders", "origin"; {} where nothing is.

    Raises:
        UserError: the file is damaged.
    """
    return read_stored(path_of(folder), dict, remedy="restore it, or run `sslviz transfer`") or {}
