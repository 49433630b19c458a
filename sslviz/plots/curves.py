"""Curves over steps, along paths and over ages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.plots.maps import spread
from sslviz.plots.theme import BASELINE_GREY, GRID_GREY, MODE_BAR, PETROFF, new_figure, plain


def plot_curves(
    panels: Sequence[tuple[str, Sequence[tuple[str, Any, Any, str, str]]]],
    *,
    title: str,
    x_title: str,
    height: int = 380,
    marks: Sequence[tuple[int, float, str]] = (),
) -> go.Figure:
    """Draw curves over a common x axis in panels one above the other, each curve named at its end.

    Args:
        panels: the title of a y axis, with its unit, and its curves: (name, x (N,), y (N,), colour, dash).
        title: what is shown.
        x_title: of the common axis, with its unit.
        height: pixels.
        marks: (panel, y, name): dotted grey lines to compare with.
    """
    figure = new_figure(title, height=height)
    gap = 0.12
    room = (1 - gap * (len(panels) - 1)) / len(panels)
    notes, ends = [], [np.max(x) for _, curves in panels for _, x, *_ in curves if len(x)]
    end = float(max(ends, default=1.0)) or 1.0
    for n, (y_title, curves) in enumerate(panels):
        top = 1 - n * (room + gap)
        axis = "y" if n == 0 else f"y{n + 1}"
        values = [float(v) for _, _, y, *_ in curves for v in y] + [y for panel, y, _ in marks if panel == n]
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        middle, least = (low + high) / 2, max(0.1 * max(abs(low), abs(high)), 1e-3)
        reach = max(high - low, least)  # what changes by less than a tenth looks flat
        figure.layout["yaxis" if n == 0 else f"yaxis{n + 1}"] = dict(
            domain=[max(0.0, top - room), top], anchor="x", title=dict(text=y_title, font_size=14), nticks=4,
            tickfont_size=13, range=[middle - 0.58 * reach, middle + 0.58 * reach], automargin=True,
            gridcolor=GRID_GREY, zeroline=False, showticklabels=bool(values),
        )  # fmt: skip
        labels = []
        for name, x, y, colour, dash in curves:
            line = dict(color=colour, width=2.5, dash=dash)
            mode = "lines" if len(y) > 1 else "markers"
            figure.add_trace(go.Scatter(x=x, y=y, yaxis=axis, mode=mode, name=name, line=line, marker_color=colour))
            if len(y):
                labels.append((float(y[-1]), name, colour))
        for panel, y, name in marks:
            if panel == n:
                dotted = dict(color=BASELINE_GREY, width=2, dash="dot")
                figure.add_trace(go.Scatter(x=[0, end], y=[y, y], yaxis=axis, mode="lines", name=name, line=dotted))
                labels.append((y, name, BASELINE_GREY))
        places = spread(np.array([[0.0, y] for y, *_ in labels]).reshape(-1, 2), 0.16 * reach * len(panels) / 2)
        for (_, name, colour), place in zip(labels, places, strict=True):
            notes.append(
                dict(
                    x=1.0, xref="paper", xanchor="left", xshift=6, y=float(place[1]), yref=axis, showarrow=False,
                    text=f"<b>{plain(name)}</b>", font=dict(size=14, color=colour), align="left",
                )
            )  # fmt: skip
    figure.layout.annotations = notes
    last = "y" if len(panels) == 1 else f"y{len(panels)}"
    figure.update_xaxes(title=dict(text=x_title, standoff=8), range=[0, end], anchor=last, showticklabels=bool(ends))
    widest = max((len(str(note["text"])) - 7 for note in notes), default=0)
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, l=4, r=16 + 8 * widest), hovermode="x")
    return figure


def plot_paths(
    steps: Any, curves: Sequence[tuple[str, Any, str, str]], *, title: str, y_title: str, height: int = 250
) -> go.Figure:
    """Draw what each step of several paths costs, each path named at its end.

    Args:
        steps: (K,) positions from 0 to 1.
        curves: (name, (K,) values, colour, dash) a path.
        title: what is compared.
        y_title: the value, with its unit.
        height: pixels.
    """
    figure = new_figure(title, height=height)
    for name, values, colour, dash in curves:
        line = dict(color=colour, width=3, dash=dash)
        figure.add_trace(go.Scatter(x=steps, y=values, mode="lines+markers", name=name, line=line, marker=dict(size=7)))
    figure.update_xaxes(title=dict(text="way from the first image to the second", standoff=10), range=[-0.02, 1.02])
    figure.update_yaxes(title=y_title, nticks=5)
    figure.update_layout(
        showlegend=True,
        legend=dict(orientation="v", x=1.01, y=1, yanchor="top"),
        margin=dict(t=MODE_BAR, b=4),
        hovermode="x",
    )
    return figure


def plot_losses(losses: Any, *, steps: int, title: str, height: int = 260) -> go.Figure:
    """Draw the loss of each step so far, on an axis that has room for all.

    Args:
        losses: (K,) nats per masked token, of the first K steps.
        steps: how many there will be.
        title: what is trained.
        height: pixels.
    """
    losses = np.asarray(losses, np.float64)
    figure = new_figure(title, height=height)
    line = dict(color=PETROFF[0], width=3)
    figure.add_trace(go.Scatter(x=np.arange(1, len(losses) + 1), y=losses, mode="lines+markers", line=line))
    figure.update_xaxes(title="step", range=[0.5, max(2, steps) + 0.5], nticks=8)
    figure.update_yaxes(title="loss (nats per masked token)", rangemode="tozero", nticks=5)
    if not len(losses):
        figure.update_yaxes(showticklabels=False)  # numbers of an axis that nothing is drawn on would say 0 to 1
    figure.update_layout(margin=dict(t=MODE_BAR, b=4), hovermode="x")
    return figure


def plot_queue(age: Any, drift_age: Any, drift: Any, *, title: str, colour: str, height: int = 380) -> go.Figure:
    """Draw how many keys of each age a queue holds, and how well keys of some ages still hold.

    Args:
        age: (K,) steps, -1 for random numbers that no step has written over yet.
        drift_age: (A,) steps.
        drift: (A,) mean cosine of the keys of that age with the same keys made now.
        title: of which queue.
        colour: of both curves.
        height: pixels.
    """
    age = np.asarray(age)
    ages, counts = np.unique(age[age >= 0], return_counts=True)
    figure = plot_curves(
        [
            ("keys", [("", ages, counts, colour, "solid")]),
            ("cosine with the key now", [("", drift_age, drift, colour, "solid")]),
        ],
        title=title, x_title="age of the key (steps)", height=height,
    )  # fmt: skip
    figure.data[0].update(mode="lines", line=dict(shape="hvh", color=colour, width=2.5), fill="tozeroy")
    figure.data[1].update(mode="lines+markers", marker=dict(size=9, color=colour))
    figure.layout.annotations = ()
    figure.layout.yaxis.range = [0, 1.15 * max(1, int(counts.max(initial=1)))]
    figure.update_xaxes(range=[-0.5, max(1, int(age.max(initial=1))) + 0.5])
    figure.update_layout(margin_r=16)
    return figure
