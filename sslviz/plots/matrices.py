"""Matrices as cells: confusions and cosines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale, unlabel_rgb

from sslviz.data.images import in_unit_range
from sslviz.plots.theme import MODE_BAR, new_figure, plain


def _fading_cividis() -> list[tuple[float, str]]:
    """Cividis whose low end fades into the page, light or dark, so that a single error does not shout."""
    colours = sample_colorscale("Cividis", np.linspace(0, 1, 11).tolist())
    return [
        (i / 10, colour.replace("rgb(", "rgba(").replace(")", f", {min(1.0, 0.3 + 1.4 * i / 10):.2f})"))
        for i, colour in enumerate(colours)
    ]


def cell_colours(values: Sequence[float], low: float, high: float) -> list[tuple[str, str]]:
    """Cividis from low to high: the colour of a cell for each value, and that of the ink that reads on it."""
    shares = [0.5 if high <= low else min(1.0, max(0.0, (value - low) / (high - low))) for value in values]
    colours = sample_colorscale("Cividis", shares) if shares else []
    return [(colour, ink_on(colour)) for colour in colours]


def ink_on(colour: str) -> str:
    """Black or white, whichever stands out more from "rgb(r, g, b)" by its relative luminance (WCAG 2.2)."""
    channels = in_unit_range(np.array(unlabel_rgb(colour), np.uint8))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def plot_confusion(matrix: Any, class_names: Sequence[str], *, title: str, height: int = 560) -> go.Figure:
    """Draw a confusion matrix, each cell in per cent of its row's true class; errors are coloured, the diagonal plain.

    Every cell carries `customdata`, true class * K + predicted class, so that a click can bring its images, and tells
    its count on hover.

    Args:
        matrix: (K, K) counts, rows the true class, columns the prediction (scikit-learn's form).
        class_names: in class order.
        title: whose predictions, of which images; say that cells are per cent of the true class.
        height: pixels.
    """
    matrix = np.asarray(matrix)
    count = len(class_names)
    names = [plain(name) for name in class_names]
    percents = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # (K, K), each row sums to 100
    errors = percents.copy()
    errors[np.eye(count, dtype=bool) | (matrix == 0)] = np.nan
    most = np.nanmax(errors) if np.isfinite(errors).any() else 1.0
    figure = new_figure(title, height=height)
    figure.add_trace(
        go.Heatmap(
            z=errors,
            x=names,
            y=names,
            zmin=0,
            zmax=most,
            colorscale=_fading_cividis(),
            xgap=2,
            ygap=2,
            hoverinfo="skip",
            showscale=False,
        )
    )
    true, predicted = (index.ravel() for index in np.indices((count, count)))
    annotations, font = [], dict[str, Any]()
    for i, j in zip(true, predicted, strict=True):
        share, text = percents[i, j] / most, _cell_percent(percents[i, j])
        if i == j:
            font, text = dict(size=13), f"<b>{text or 0}</b>"
        else:  # few errors: the page's own ink on a faded cell; more: white, then black on the bright end
            font = dict(size=13) | ({} if share < 0.3 else {"color": "#ffffff" if share < 0.6 else "#000000"})
        annotations.append(dict(x=names[j], y=names[i], text=text, showarrow=False, font=font))
    figure.layout.annotations = annotations
    figure.add_trace(
        go.Scatter(
            x=[names[j] for j in predicted],
            y=[names[i] for i in true],
            customdata=np.arange(count * count, dtype=np.int32),  # one number a cell: pairs come back in odd shapes
            text=[
                f"{n:,} of {total:,} images, {p:.1f} %"
                for n, total, p in zip(
                    matrix.ravel(), np.repeat(matrix.sum(axis=1), count), percents.ravel(), strict=True
                )
            ],
            mode="markers",
            marker=dict(symbol="square-open", size=34, opacity=0, color="#e76300", line_width=4),
            selected=dict(marker=dict(opacity=1)),
            unselected=dict(marker=dict(opacity=0)),
            hovertemplate="%{y} taken for %{x}: %{text}<extra></extra>",
        )
    )
    axis = dict(type="category", dtick=1, categoryorder="array", categoryarray=names, showgrid=False, ticks="")
    long = max(map(len, names), default=0) > 3
    figure.update_xaxes(
        **axis,
        title="predicted class",
        tickangle=-45 if long else 0,
        constrain="domain",
        range=[-0.5, count - 0.5],
    )
    figure.update_yaxes(**axis, title="true class", range=[count - 0.5, -0.5], scaleanchor="x", constrain="domain")
    figure.update_layout(hovermode="closest", clickmode="event+select", dragmode=False, margin=dict(t=MODE_BAR, b=4))
    return figure


def _cell_percent(percent: float) -> str:
    """A share of a row as a cell has room for it: "97", "4.3", "<0.1"; nothing where there is nothing."""
    if percent == 0:
        return ""
    if percent < 0.05:
        return "<0.1"
    return f"{percent:.1f}" if percent < 9.95 else f"{percent:.0f}"


def plot_similarity(matrix: Any, *, title: str, height: int = 380) -> go.Figure:
    """Draw the cosine of every first view with every second view; the pairs lie on the diagonal, outlined.

    Args:
        matrix: (N, N) in [-1, 1], rows the first views.
        title: what is compared.
        height: pixels.
    """
    matrix = np.asarray(matrix, float)
    count = len(matrix)
    figure = new_figure(title, height=height)
    bar = dict(title=dict(text="cosine", side="right"), thickness=10, len=0.8, tickvals=[-1, 0, 1])
    figure.add_trace(
        go.Heatmap(
            z=matrix, zmin=-1, zmax=1, colorscale="RdBu_r", xgap=1, ygap=1, colorbar=bar,
            hovertemplate="view 1 of image %{y}, view 2 of image %{x}: %{z:.2f}<extra></extra>",
        )
    )  # fmt: skip
    figure.layout.shapes = [
        dict(type="rect", x0=i - 0.5, x1=i + 0.5, y0=i - 0.5, y1=i + 0.5, line=dict(color="#111111", width=1.5))
        for i in range(count)
    ]
    figure.update_xaxes(
        title="second view of image", showgrid=False, ticks="", dtick=5, constrain="domain", constraintoward="right"
    )
    figure.update_yaxes(
        title="first view of image", showgrid=False, ticks="", dtick=5, range=[count - 0.5, -0.5], scaleanchor="x",
        constrain="domain",
    )  # fmt: skip
    figure.update_layout(margin=dict(t=MODE_BAR, b=4), dragmode=False)
    return figure
