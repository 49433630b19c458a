"""Bars and marks: counts of classes, accuracies with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.plots.theme import (
    BASELINE_GREY,
    MODE_BAR,
    class_colour,
    new_figure,
    percent,
    plain,
)


def plot_counts(counts: Any, class_names: Sequence[str], *, title: str, height: int | None = None) -> go.Figure:
    """Draw how many of a selection belong to each class, in class order from the top, each class named.

    Args:
        counts: (K,) whole numbers.
        class_names: in class order.
    """
    counts = np.asarray(counts)
    figure = new_figure(title, height=height or MODE_BAR + 40 + 22 * len(class_names))
    figure.add_trace(
        go.Bar(
            x=counts,
            y=[plain(name) for name in class_names],
            orientation="h",
            marker_color=[class_colour(i) for i in range(len(class_names))],
            text=[f"{count:,}" if count else "" for count in counts],
            textposition="outside",
            textfont_size=14,
            constraintext="none",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False, dtick=1)
    figure.update_xaxes(
        title="images", rangemode="tozero", range=[0, max(1, int(counts.max(initial=0))) * 1.15], showticklabels=False
    )
    figure.update_layout(margin=dict(t=MODE_BAR, b=4), bargap=0.25)
    return figure


def plot_accuracy(
    rows: Sequence[dict[str, Any]],
    *,
    title: str,
    chance: float | None = None,
    floor: float | None = None,
    height: int = 440,
) -> go.Figure:
    """Draw accuracies with their intervals, best on top; encoders are filled discs, baselines grey open diamonds.

    Args:
        rows: dicts with `label`, `accuracy`, `interval` (low, high) in [0, 1], and `colour`: an encoder's, None for a
            baseline.
        title: probe, labels and images.
        chance: accuracy of guessing, drawn as a dotted line where the axis reaches it.
        floor: accuracy of always naming the largest class, drawn in the same way.
        height: pixels, whatever the number of rows, so that nothing moves when rows come.
    """
    rows = sorted(rows, key=lambda row: row["accuracy"])
    figure = new_figure(title, height=height)
    low = min([row["interval"][0] for row in rows], default=0.0)
    for row in rows:
        colour = row["colour"] or BASELINE_GREY
        low_i, high_i = row["interval"]
        figure.add_trace(
            go.Scatter(
                x=[100 * row["accuracy"]],
                y=[plain(row["label"])],
                mode="markers+text",
                marker=dict(
                    color=colour,
                    size=14,
                    symbol="circle" if row["colour"] else "diamond-open",
                    line=dict(width=0 if row["colour"] else 2.5, color=colour),
                ),
                error_x=dict(
                    type="data",
                    symmetric=False,
                    array=[100 * (high_i - row["accuracy"])],
                    arrayminus=[100 * (row["accuracy"] - low_i)],
                    color=colour,
                    thickness=2,
                    width=6,
                ),
                text=["<b>" + percent(row["accuracy"], half_width=(high_i - low_i) / 2) + "</b>"],
                textposition="top center",
                textfont=dict(size=15),
                cliponaxis=False,
                hovertemplate=f"{plain(row['label'])}: {percent(row['accuracy'])}, "
                f"{100 * low_i:.1f} to {100 * high_i:.1f}<extra></extra>",
            )
        )
    start = max(0.0, 100 * low - 0.12 * (100 - 100 * low) - 0.5)
    figure.update_xaxes(title="accuracy on test images (%)", range=[start, 100.5], nticks=6)
    figure.update_yaxes(type="category", showgrid=True, range=[-0.6, max(len(rows), 3) - 0.3])
    for value, name in ((chance, "chance"), (floor, "largest class")):
        if value is not None and 100 * value >= start:
            figure.add_vline(x=100 * value, line=dict(dash="dot", width=1.5, color=BASELINE_GREY))
            figure.add_annotation(x=100 * value, y=1, yref="paper", text=name, showarrow=False, xanchor="left")
    figure.update_layout(margin=dict(t=MODE_BAR + 6, b=4, r=24))
    return figure
