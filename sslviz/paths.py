"""Folders that sslviz reads and writes: data, models, and the assets that come with it."""

import os
import re
import tempfile
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parent
SHARE = PACKAGE / "share"  # in an installed wheel; see .ci/hatch_build.py
ROOT = SHARE if SHARE.is_dir() else PACKAGE.parent  # where app.py, pages and assets lie: else the checkout


def expand(path: str | os.PathLike) -> Path:
    """A path with `~` and `~name` replaced by home folders; left as it is where nobody knows them. Raises nothing."""
    return Path(os.path.expanduser(path))


def data_dir() -> Path:
    """Folder of full copies: `SSLVIZ_DATA`, else the platform's folder for user data. It need not exist.

    A user without a home folder gets a path that begins with `~`: nothing is found there, and `files.writing` refuses
    to make it.
    """
    if setting := os.environ.get("SSLVIZ_DATA"):
        return expand(setting)
    try:
        return expand(platformdirs.user_data_dir("sslviz"))
    except RuntimeError:
        return Path("~") / "sslviz"


def models_dir() -> Path:
    """Where a person's own models are kept: `SSLVIZ_MODELS`, else `models` in the data folder."""
    return expand(os.environ.get("SSLVIZ_MODELS") or data_dir() / "models")


def assets_dir() -> Path:
    """Folder of what comes with sslviz: `SSLVIZ_ASSETS`, else `assets` beside the package."""
    return expand(os.environ.get("SSLVIZ_ASSETS") or ROOT / "assets")


def hide_folders(text: str) -> str:
    """A message without the places of this machine: for whoever uses the app of a server that is not theirs.

    Folders of sslviz are named by what they hold, the home folder by `~`; file names below them stay.
    """
    folders = [(models_dir(), "the models folder"), (data_dir(), "the data folder"), (assets_dir(), "the assets")]
    folders += [(ROOT, "sslviz"), (Path(tempfile.gettempdir()), "the temporary folder"), (expand("~"), "~")]
    for folder, name in folders:
        for place in {str(folder), os.path.realpath(folder)} - {"/", "."}:
            text = re.sub(rf"{re.escape(place)}(?![\w.-])", name, text)
    return text
