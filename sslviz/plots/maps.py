"""Maps: where class names stand, how a series is aligned, and the figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.plots.theme import MODE_BAR, class_colour, new_figure, plain, wrapped


def class_anchors(xy: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """Return where to write each class's name: its member nearest the median of its members.

    Args:
        xy: (N, 2).
        y: (N,) labels in [0, count).

    Returns:
        (count, 2); NaN for a class without members.
    """
    anchors = np.full((count, 2), np.nan)
    for label in range(count):
        members = xy[y == label]
        if len(members):
            centre = np.median(members, axis=0)
            anchors[label] = members[((members - centre) ** 2).sum(axis=1).argmin()]
    return anchors


def spread(anchors: np.ndarray, gap: float) -> np.ndarray:
    """Push labels apart that lie closer than `gap`, so that each can be read.

    Args:
        anchors: (K, 2); rows of NaN stay.
        gap: least distance, in the unit of the anchors.

    Returns:
        (K, 2), moved as little as a few rounds of pairwise pushes need.
    """
    moved = anchors.astype(float).copy()
    there = np.flatnonzero(np.isfinite(moved).all(axis=1))
    for _ in range(100):
        crowded = False
        for n, i in enumerate(there):
            for j in there[n + 1 :]:
                way = moved[j] - moved[i]
                far = float(np.hypot(*way))
                if far < gap * 0.999:
                    crowded = True
                    way = way / far if far > 1e-9 else np.array([0.0, 1.0])
                    push = way * (gap - far) / 2
                    moved[i], moved[j] = moved[i] - push, moved[j] + push
        if not crowded:
            break
    return moved


def aligned(frames: Sequence[Any]) -> list[np.ndarray]:
    """Turn, mirror and scale each map of a series onto the one before it, so that only what changed moves.

    Orthogonal Procrustes (Schönemann 1966), which keeps the shape of every map.

    Args:
        frames: (N, 2) each, the same images in the same order.

    Returns:
        (N, 2) each, centred, of unit root mean square; the last one keeps its orientation.
    """
    maps = [np.asarray(frame, float) - np.mean(frame, axis=0) for frame in frames]
    maps = [frame / max(float(np.sqrt((frame**2).sum(axis=1).mean())), 1e-12) for frame in maps]
    for i in range(len(maps) - 2, -1, -1):
        u, _, vt = np.linalg.svd(maps[i].T @ maps[i + 1])
        maps[i] = maps[i] @ (u @ vt)
    return maps


def _bare_map_axes(figure: go.Figure) -> None:
    """Square aspect and no numbers: positions on a map mean nothing by themselves."""
    axis = dict(showgrid=False, showticklabels=False, ticks="")
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis, scaleanchor="x", scaleratio=1)


def plot_map(
    xy: Any,
    y: Any,
    class_names: Sequence[str],
    *,
    title: str,
    ids: Any = None,
    hints: Sequence[str] | None = None,
    marked: int | None = None,
    guest: tuple[float, float, str] | None = None,
    height: int = 640,
) -> go.Figure:
    """Draw a 2-D map of images or sentences, coloured by class, each class named at its cluster.

    Args:
        xy: (N, 2) positions.
        y: (N,) labels.
        class_names: in class order.
        title: method, count and trustworthiness.
        ids: (N,) image ids that a selection brings back as `customdata`; None: 0 to N-1.
        hints: N texts that a hover shows beside the class; None: "image" and the id.
        guest: a place (x, y) beside the map's own points, drawn as a star, and its name for the hover.
        marked: an id to ring, or None. Leave it out of a map that takes selections: a new figure drops them.
        height: pixels.
    """
    xy, y = np.asarray(xy, np.float32), np.asarray(y)
    ids = np.arange(len(xy), dtype=np.int32) if ids is None else np.asarray(ids, np.int32)
    size = 5 if len(xy) <= 3000 else 4
    figure = new_figure(title, height=height)
    for label, name in enumerate(class_names):
        here = y == label
        figure.add_trace(
            go.Scatter(
                x=xy[here, 0],
                y=xy[here, 1],
                customdata=ids[here],
                name=name,
                mode="markers",
                marker=dict(color=class_colour(label), size=size, opacity=0.75),
                selected=dict(marker=dict(opacity=1, size=size + 3)),
                unselected=dict(marker=dict(opacity=0.15)),
                text=None if hints is None else [wrapped(hints[int(i)]) for i in np.flatnonzero(here)],
                hovertemplate=plain(name)
                + (", image %{customdata}" if hints is None else "<br>%{text}")
                + "<extra></extra>",
            )
        )
    extent = float(np.ptp(xy, axis=0).max(initial=0.0))
    anchors = spread(class_anchors(xy, y, len(class_names)), 0.045 * extent)
    chip = dict(showarrow=False, font=dict(color="#111111", size=15), bgcolor="rgba(255, 255, 255, 0.92)")
    chip |= dict(borderwidth=2, borderpad=3, captureevents=False)
    figure.layout.annotations = [  # all at once: one at a time, each is checked again with all before it
        dict(x=x0, y=y0, text=f"<b>{plain(class_names[label])}</b>", bordercolor=class_colour(label), **chip)
        for label, (x0, y0) in enumerate(anchors)
        if np.isfinite(x0)
    ]
    if marked is not None:
        x0, y0 = xy[np.flatnonzero(ids == marked)[0]]
        ring = dict(x=[x0], y=[y0], mode="markers", hoverinfo="skip")
        figure.add_trace(go.Scatter(**ring, marker=dict(symbol="circle-open", size=26, color="#000", line_width=6)))
        figure.add_trace(go.Scatter(**ring, marker=dict(symbol="circle-open", size=26, color="#fff", line_width=3)))
    if guest is not None:
        x0, y0, name = guest
        place = dict(x=[x0], y=[y0], mode="markers", marker=dict(size=22, opacity=0), name=name)
        figure.add_trace(go.Scatter(**place, hovertemplate=f"{plain(name)}<extra></extra>"))
        star = dict(text="★", showarrow=False, captureevents=False)  # notes lie over the names of classes, traces don't
        figure.add_annotation(x=x0, y=y0, **star, font=dict(size=34, color="#ffffff"))
        figure.add_annotation(x=x0, y=y0, **star, font=dict(size=25, color="#111111"))
    _bare_map_axes(figure)
    figure.update_layout(
        dragmode="pan", clickmode="event+select", margin=dict(t=MODE_BAR, b=4, l=4, r=4), hovermode="closest"
    )
    return figure
