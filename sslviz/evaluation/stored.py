"""Files of figures that come along in `assets/evidence`: where they lie, and reading one. Imports no torch."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sslviz.errors import UserError
from sslviz.paths import assets_dir

FOLDER = "evidence"  # of the assets
T = TypeVar("T")


def stored_path(name: str, folder: Path | None = None) -> Path:
    """The JSON file of a name, in the assets or another folder."""
    return (folder or assets_dir() / FOLDER) / f"{name}.json"


def read_stored(path: Path, parse: Callable[[dict[str, Any]], T], *, remedy: str = "restore the file") -> T | None:
    """What a file of figures holds; None where there is none.

    Args:
        path: of the file.
        parse: makes of its JSON object what is wanted; may raise what reading and looking up raise.
        remedy: what to do about a damaged file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it holds no JSON object")
        return parse(found)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError,
            zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        raise UserError(f"{path} can't be read ({error}); {remedy}.") from error
