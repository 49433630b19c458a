"""Puts app, pages, settings and assets into the wheel, so that `pip install` brings all of it.

Only into a wheel that is installed for good: an editable install runs them where they lie, and needs no copy.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHARED = ("app.py", "pages", "assets", ".streamlit")


class SharedFiles(BuildHookInterface):
    """Maps the files at the top of the checkout to `sslviz/share` in the wheel, where `sslviz.paths` looks for them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"] |= {name: f"sslviz/share/{name}" for name in SHARED}
