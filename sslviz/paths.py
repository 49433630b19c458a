"""Folders that sslviz reads and writes: data, models, and the assets that come with it."""

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parent
SHARE = PACKAGE / "share"  # in an installed wheel; see .ci/hatch_build.py
ROOT = SHARE if SHARE.is_dir() else PACKAGE.parent  # where app.py, pages and assets lie: else the checkout


def data_dir() -> Path:
    """Folder of full copies: `SSLVIZ_DATA`, else the platform's folder for user data. It need not exist."""
    return Path(os.path.expanduser(os.environ.get("SSLVIZ_DATA") or platformdirs.user_data_dir("sslviz")))


def models_dir() -> Path:
    """Where a person's own models are kept: `SSLVIZ_MODELS`, else `models` in the data folder."""
    return Path(os.path.expanduser(os.environ.get("SSLVIZ_MODELS") or data_dir() / "models"))


def assets_dir() -> Path:
    """Folder of what comes with sslviz: `SSLVIZ_ASSETS`, else `assets` beside the package."""
    return Path(os.path.expanduser(os.environ.get("SSLVIZ_ASSETS") or ROOT / "assets"))
