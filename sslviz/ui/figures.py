"""How a figure is shown, with its caption, and the three foldouts that end every page."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from sslviz import plots
from sslviz.data import catalog
from sslviz.ui.image_grid import show_grid
from sslviz.ui.page_shell import escape
from sslviz.ui.selection import datasets


def theme() -> str:
    """The theme of the browser, "light" or "dark"."""
    return st.context.theme.type or "light"


def show(figure: Any, *, key: str, alt: str, caption: str = "", still: bool = False, **options: Any) -> Any:
    """Show a Plotly figure under its title, with one line under it.

    The title is text of the page, which wraps where a figure would cut it.

    Args:
        figure: from `plots`.
        key: unique on the page.
        alt: what it shows, for those who can't see it.
        caption: what to see in it, computed from this run's numbers.
        still: a picture without tools, such as a grid of images.
        options: passed to `st.plotly_chart`.
    """
    tools = ["toImage", "zoomIn2d", "zoomOut2d", "autoScale2d"]
    config = {"staticPlot": True} if still else {"displaylogo": False, "modeBarButtonsToRemove": tools[1:]}
    if figure.layout.font.color is None:  # else a cached figure, in ink already
        figure = plots.in_ink(figure, theme())
    title, figure = plots.without_title(figure, tools=not still)
    event = None
    with st.container(gap="xxsmall"):
        if title:
            st.markdown(f"**{escape(title)}**")
        if still and "grid" in (figure.layout.meta or {}):
            show_grid(figure, key=key, alt=alt)
        else:
            event = st.plotly_chart(figure, key=key, alt=alt, config=config, **options)
    if caption:
        st.markdown(caption)
    return event


def picked_ids(event: Any) -> list[int]:
    """The whole numbers that the selected points of a chart carry as `customdata`; what is no number is left out."""
    values = (point.get("customdata") for point in event["selection"]["points"])
    flat = (value[0] if isinstance(value, list) and value else value for value in values)
    return [int(value) for value in flat if isinstance(value, int | float)]


def foldouts(
    *,
    latex: str,
    symbols: dict[str, tuple[str, str]],
    source: str,
    command: str,
    script: str,
    way: tuple[str, str, str],
) -> None:
    """Draw the three folded parts that end every page; what is folded is sent once it is opened.

    Args:
        latex: the formula.
        symbols: LaTeX symbol -> (meaning, code that computes it).
        source: "module:function", whose source is shown as it stands in this installation.
        command: shell command that reproduces the page's figures; "" where the script alone does.
        script: a short script that does it with the package.
        way: what goes in, what is done, what comes out.
    """
    mathematics = fold("The mathematics", "function", "fold_mathematics")
    if mathematics.open:
        with mathematics:
            st.latex(latex)
            rows = "\n".join(f"| ${sign}$ | {meaning} | `{code}` |" for sign, (meaning, code) in symbols.items())
            st.markdown("| symbol | meaning | code |\n|---|---|---|\n" + rows)
            st.code(source_of(source), language="python")
    reproduce = fold("Reproduce", "terminal", "fold_reproduce")
    if reproduce.open:
        with reproduce:
            if command:
                st.code(file_names(command), language="bash")
            st.code(file_names(script), language="python")
    whole = fold("Input, process, outcome", "arrow_forward", "fold_way")
    if whole.open:
        with whole:
            for column, name, text in zip(st.columns(3), ("Input", "Process", "Outcome"), way, strict=True):
                column.markdown(f"**{name}**  \n{text}")


def fold(label: str, icon: str, key: str) -> Any:
    """A folded part whose opening runs the page (or its fragment) again, and whose `open` says whether it is open."""
    return st.expander(label, icon=f":material/{icon}:", key=key, on_change="rerun")


def file_names(text: str) -> str:
    """A command or a script in which own images go by their file's name: where they lie on this server helps nobody.

    A name that is not within quotes is quoted as the command line wants it.
    """
    for path in sorted(datasets().values(), key=len, reverse=True):
        if path not in catalog.DATASETS:
            name = Path(path).name
            text = re.sub(rf"(['\"]?){re.escape(path)}", partial(_named, name), text)
    return text


def _named(name: str, found: re.Match[str]) -> str:
    """A file's name after the quote that was found, or else quoted."""
    return found[1] + name if found[1] else shlex.quote(name)


@st.cache_data(max_entries=16, show_spinner=False)
def source_of(name: str) -> str:
    """Return the source of "module:function" or "module:Class.method" without importing the module."""
    module, _, path = name.partition(":")
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(module)
    text = Path(found.origin).read_text()
    node: Any = ast.parse(text)
    for part in path.split("."):
        node = next(child for child in node.body if getattr(child, "name", None) == part)
    return f"# {module.replace('.', '/')}.py, line {node.lineno}\n{ast.get_source_segment(text, node)}"
