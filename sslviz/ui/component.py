"""How the parts of a page that run in the browser are declared: from files that lie beside their module."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st


def component(module: str, name: str, **options: Any) -> Callable[..., Any]:
    """Declare a component from `name.html`, `name.css` and `name.js` beside a module; absent ones are left out.

    What the script imports from files beside it (`import { loss } from "./info_nce.js"`) is put before it.

    Args:
        module: the `__file__` of the module that shows it.
        name: stem of the files; the component is called `sslviz_name`.
        options: of `st.components.v2.component`.

    Returns:
        a function that mounts it, as the one of `st.components.v2.component` does. Its `data` is a dictionary of JSON
        values, or bytes. The former travel within a tuple, which the script is handed without: a list or dictionary on
        its own makes Streamlit import pandas and pyarrow (0.25 s and 80 MB) to see whether it is a table.
    """
    files = {kind: Path(module).with_name(f"{name}.{kind}") for kind in ("html", "css", "js")}
    parts: dict[str, Any] = {kind: file.read_text(encoding="utf-8") for kind, file in files.items() if file.is_file()}
    parts["js"] = script_of(files["js"]).replace("export default ", "const draw = ", 1) + _UNPACKED
    declared = st.components.v2.component(f"sslviz_{name}", **parts, **options)

    def mount(*, data: dict[str, Any] | bytes, **given: Any) -> Any:
        return declared(data=data if isinstance(data, bytes) else {"packed": (data,)}, **given)

    return mount


def script_of(file: Path) -> str:
    """A script with what it imports from files beside it before it, each file once; these have no default export."""
    parts: dict[Path, str] = {}

    def add(path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        for name in _IMPORT.findall(text):
            if path.with_name(name) not in parts:
                add(path.with_name(name))
        parts[path] = _IMPORT.sub("", text)

    add(file)
    whole = parts.pop(file)
    return "".join(re.sub(r"^export ", "", text, flags=re.MULTILINE) for text in parts.values()) + whole


_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+\.js)"\n', re.MULTILINE)
_UNPACKED = """
export default (component) => draw({ ...component, data: component.data.packed?.[0] ?? component.data })
"""
