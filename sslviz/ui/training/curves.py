"""Figures that change in place: what there is in a Plotly figure, drawn again every second without being taken down.

A Plotly chart is taken down and put up anew whenever its figure changes, which flickers when it changes every second.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import streamlit as st
from plotly.colors import sample_colorscale

from sslviz import plots
from sslviz.ui.component import component

_CURVES = component(__file__, "curves")


def show(figure: Any, *, key: str, alt: str, caption: str = "", once: tuple[Hashable, ...] | None = None) -> None:
    """Show a figure as `ui.show` does, but in place.

    Args:
        figure: of `plots.plot_curves`, `plot_queue`, `plot_map`, `plot_similarity` or `plot_images`, or a function that
            makes it.
        key: the same while it grows.
        alt: what it shows, for those who can't see it.
        caption: one line under it.
        once: what the figure is made of, where `figure` is a function: for the same it is made once, whoever looks.
    """
    content = drawn(figure) if once is None else _drawn_once(key, once, figure)
    _CURVES(key=key, data=content | {"alt": alt}, height=content["height"])
    if caption:
        st.markdown(caption)


@st.cache_resource(max_entries=64, show_spinner=False)
def _drawn_once(key: str, once: tuple[Hashable, ...], _make: Callable[[], Any]) -> dict[str, Any]:
    return drawn(_make())


def drawn(figure: Any) -> dict[str, Any]:
    """What there is to draw of a figure: plain numbers, words and colours."""
    layout, first = figure.layout, figure.data[0].type if figure.data else "scatter"
    kind = {"heatmap": "matrix", "image": "picture"}.get(first, "curves")
    kind = "map" if kind == "curves" and layout.xaxis.showticklabels is False else kind
    axes = [layout[name] for name in sorted(layout.to_plotly_json()) if name.startswith("yaxis")]
    panels = [
        {"title": axis.title.text or "", "domain": list(axis.domain or (0, 1)), "y": _numbers(axis.range or (0, 1))}
        for axis in axes
    ]
    traces = [
        {
            "panel": _panel(trace.yaxis),
            "x": _numbers(trace.x),
            "y": _numbers(trace.y),
            "line": "lines" in trace.mode,
            "points": "markers" in trace.mode,
            "colour": trace.line.color or trace.marker.color,
            "dash": trace.line.dash or "solid",
            "size": trace.marker.size or 8,
            "opacity": trace.marker.opacity or 1,
        }
        for trace in figure.data
        if kind in ("curves", "map")
    ]
    more: dict[str, Any] = {"x": _numbers(layout.xaxis.range or (0, 1)), "rows": []}
    if kind == "matrix":
        z = np.asarray(figure.data[0].z, float)
        colours = sample_colorscale("RdBu_r", np.clip((z.ravel() + 1) / 2, 0, 1).tolist())
        rows = len(z)
        more |= {"x": [-0.5, rows - 0.5], "cells": [colours[i * rows : (i + 1) * rows] for i in range(rows)]}
        panels[0]["y"] = more["x"]
    elif kind == "picture":
        source = figure.data[0].source
        width, height = struct.unpack(">II", base64.b64decode(source.partition(",")[2][:64])[16:24])  # of the PNG
        labels = zip(layout.yaxis.tickvals or (), layout.yaxis.ticktext or (), strict=True)
        more |= {"x": [0, width], "image": source, "rows": [[float(at), text] for at, text in labels]}
        panels[0]["y"] = [0, height]
    notes = [
        {
            "text": re.sub("<[^>]*>", "", note.text),
            "panel": _panel(note.yref),
            "x": None if note.xref == "paper" else float(note.x),
            "y": float(note.y),
            "edge": note.xref == "paper",
            "boxed": bool(note.bordercolor),
            "colour": note.bordercolor or note.font.color,
        }
        for note in layout.annotations
    ]
    return {
        "title": re.sub("<[^>]*>", " ", layout.title.text),
        "height": layout.height,
        "kind": kind,
        "right": layout.margin.r or 8,
        "x_title": layout.xaxis.title.text or "",
        "grid": plots.GRID_GREY,
        "panels": panels,
        "traces": traces,
        "notes": notes,
    } | more


def _panel(axis: str | None) -> int:
    return int((axis or "y").removeprefix("y") or 1) - 1


def _numbers(values: Any) -> list[float | None]:
    """Numbers that JSON can hold, with four significant digits; None for what is not finite."""
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in np.asarray(values, float)]
