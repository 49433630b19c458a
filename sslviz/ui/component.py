"""How the parts of a page that run in the browser are declared: from files that lie beside their module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st


def component(module: str, name: str) -> Callable[..., Any]:
    """Declare a component from `name.html`, `name.css` and `name.js` beside a module; absent ones are left out.

    Args:
        module: the `__file__` of the module that shows it.
        name: stem of the files; the component is called `sslviz_name`.

    Returns:
        a function that mounts it, as the one of `st.components.v2.component` does. Its `data` is a dictionary of JSON
        values. They travel within a tuple, which the script is handed without: a list or dictionary on its own makes
        Streamlit import pandas and pyarrow (0.25 s and 80 MB) to see whether it is a table.
    """
    files = {kind: Path(module).with_name(f"{name}.{kind}") for kind in ("html", "css", "js")}
    parts = {kind: file.read_text(encoding="utf-8") for kind, file in files.items() if file.is_file()}
    parts["js"] = parts["js"].replace("export default ", "const draw = ", 1) + _UNPACKED
    declared = st.components.v2.component(f"sslviz_{name}", **parts)

    def mount(*, data: dict[str, Any], **options: Any) -> Any:
        return declared(data={"packed": (data,)}, **options)

    return mount


_UNPACKED = "\nexport default (component) => draw({ ...component, data: component.data.packed[0] })\n"
