"""How the parts of a page that run in the browser are declared: from files that lie beside their module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st


def component(module: str, name: str) -> Any:
    """Declare a component from `name.html`, `name.css` and `name.js` beside a module; absent ones are left out.

    Args:
        module: the `__file__` of the module that shows it.
        name: stem of the files; the component is called `sslviz_name`.

    Returns:
        a function that mounts it, as `st.components.v2.component` does.
    """
    files = {kind: Path(module).with_name(f"{name}.{kind}") for kind in ("html", "css", "js")}
    parts = {kind: file.read_text(encoding="utf-8") for kind, file in files.items() if file.is_file()}
    return st.components.v2.component(f"sslviz_{name}", **parts)
