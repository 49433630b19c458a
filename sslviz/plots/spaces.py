"""How representations fill their space: places on a sphere, cosines, spectra of singular values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.plots.theme import BASELINE_GREY, GRID_GREY, MODE_BAR, class_colour, new_figure, plain

SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "triangle-down", "star", "hexagon", "bowtie")
FLOOR = 1e-9  # what is smaller is rounding, of a spectrum whose largest value is 1 or less


def plot_sphere(xy: Any, y: Any, class_names: Sequence[str], *, title: str, height: int = 300) -> go.Figure:
    """Draw points of a unit sphere on two of its directions, within the circle that bounds them.

    Args:
        xy: (N, 2), each at most 1 from the centre.
        y: (N,) classes, a colour and a symbol each.
        class_names: in class order.
        title: of which encoder.
        height: pixels.
    """
    xy, y = np.asarray(xy, float).reshape(-1, 2), np.asarray(y)
    figure = new_figure(title, height=height)
    figure.add_shape(type="circle", x0=-1, y0=-1, x1=1, y1=1, line=dict(color=BASELINE_GREY, width=1.5))
    for label in np.unique(y):
        own, name = xy[y == label], plain(class_names[int(label)])
        marker = dict(color=class_colour(label), symbol=SYMBOLS[int(label) % len(SYMBOLS)], size=7, opacity=0.75)
        figure.add_trace(
            go.Scatter(
                x=own[:, 0], y=own[:, 1], mode="markers", name=name, marker=marker,
                hovertemplate=f"{name}<extra></extra>",
            )
        )  # fmt: skip
    bare = dict(range=[-1.08, 1.08], showticklabels=False, showgrid=False, zeroline=True, zerolinecolor=GRID_GREY)
    figure.update_xaxes(**bare, constrain="domain")
    figure.update_yaxes(**bare, constrain="domain", scaleanchor="x")
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, l=4, r=4))
    return figure


def plot_cosines(pairs: Any, others: Any, *, title: str, colour: str, height: int = 160) -> go.Figure:
    """Draw how alike two views of one image are, and how alike two images: shares of their cosines from -1 to 1.

    Args:
        pairs, others: (B,) counts in B bins of one width.
        title: of which encoder.
        colour: of the pairs; others are grey.
        height: pixels.
    """
    figure = new_figure(title, height=height)
    for name, counts, ink in (("other images", others, BASELINE_GREY), ("views of one image", pairs, colour)):
        counts = np.asarray(counts, float)
        edges = np.linspace(-1, 1, len(counts) + 1)
        middle = (edges[1:] + edges[:-1]) / 2
        figure.add_trace(
            go.Bar(
                x=middle, y=100 * counts / max(1.0, counts.sum()), width=2 / len(counts), name=name,
                marker=dict(color=ink, opacity=0.7, line_width=0),
                hovertemplate=f"{name}: %{{y:.1f}} % near cosine %{{x:.2f}}<extra></extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(title=dict(text="cosine", standoff=4), range=[-1.02, 1.02], tickvals=[-1, -0.5, 0, 0.5, 1])
    figure.update_yaxes(title="share (%)", nticks=3, rangemode="tozero")
    figure.update_layout(
        barmode="overlay", bargap=0, margin=dict(t=MODE_BAR, b=4, l=4, r=4), showlegend=True,
        legend=dict(x=0.01, y=1.0, yanchor="top", bgcolor="rgba(0,0,0,0)"),
    )  # fmt: skip
    return figure


def plot_spectra(
    curves: Sequence[tuple[str, Any, str, str]], *, title: str, y_title: str, height: int = 320
) -> go.Figure:
    """Draw singular values, largest first, on a logarithmic axis; what is zero but for rounding ends a curve.

    Args:
        curves: (name, (D,) values, colour, dash).
        title: of what.
        y_title: what the values are, with their unit.
        height: pixels.
    """
    figure = new_figure(title, height=height)
    for name, values, colour, dash in curves:
        values = np.asarray(values, float)
        values = np.where(values > FLOOR, values, np.nan)
        figure.add_trace(
            go.Scatter(
                x=np.arange(1, len(values) + 1), y=values, mode="lines", name=plain(name),
                line=dict(color=colour, width=3, dash=dash),
            )
        )  # fmt: skip
    figure.update_xaxes(title=dict(text="principal direction, the widest first", standoff=8))
    figure.update_yaxes(title=y_title, type="log", exponentformat="power", nticks=6)
    figure.update_layout(
        showlegend=True, hovermode="x", margin=dict(t=MODE_BAR, b=4, l=4, r=8),
        legend=dict(x=0.99, y=0.99, xanchor="right", yanchor="top", bgcolor="rgba(0,0,0,0)"),
    )  # fmt: skip
    return figure


def plot_posteriors(clouds: Sequence[tuple[str, Any, Any, str, str]], *, title: str, height: int = 330) -> go.Figure:
    """Draw how sure an encoder is of each image beside where it puts it, one dimension of z.

    Args:
        clouds: a name, means (N,), log-variances (N,), a colour and a symbol each.
        title: of which encoders.
        height: pixels.
    """
    figure = new_figure(title, height=height)
    for name, mu, logvar, colour, symbol in clouds:
        marker = dict(color=colour, symbol=symbol, size=7, opacity=0.7)
        figure.add_trace(
            go.Scatter(
                x=np.asarray(mu, float), y=np.exp(0.5 * np.asarray(logvar, float)), mode="markers", name=name,
                marker=marker, hovertemplate="mean %{x:.2f}, standard deviation %{y:.2f}<extra></extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(title=dict(text="mean μ of an image", standoff=4), nticks=6)
    figure.update_yaxes(title="standard deviation σ", rangemode="tozero", nticks=5)
    figure.update_layout(
        margin=dict(t=MODE_BAR, b=4, l=4, r=4), showlegend=True,
        legend=dict(x=0.01, y=1.0, yanchor="top", bgcolor="rgba(0,0,0,0)"),
    )  # fmt: skip
    return figure
