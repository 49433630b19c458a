"""Figures of evidence: ranks under several protocols, accuracy against compute and labels, cells and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from sslviz.plots.maps import spread
from sslviz.plots.matrices import cell_colours
from sslviz.plots.theme import BASELINE_GREY, GRID_GREY, MODE_BAR, new_figure, plain

SYMBOLS = {"model": "circle", "labels": "square", "baseline": "diamond-open", "published": "cross-thin-open"}


def plot_ranks(
    rows: Sequence[dict[str, Any]], protocols: Sequence[str], *, chosen: int, title: str, height: int | None = None
) -> go.Figure:
    """Draw the place of each row under each protocol, the accuracy in it; lines cross where ranks change.

    Every point carries `customdata`, row * protocols + protocol.

    Args:
        rows: dicts with `label`, `colour`, `kind` of `SYMBOLS`, and `accuracies`: one in [0, 1] a protocol or None;
            `chosen`: whether it is drawn thick.
        protocols: their names, in order.
        chosen: number of the protocol that is marked.
        title: of which images.
        height: pixels.
    """
    figure = new_figure(title, height=height or MODE_BAR + 70 + 38 * max(4, len(rows)))
    places = [_places([row["accuracies"][p] for row in rows]) for p in range(len(protocols))]
    figure.add_vrect(x0=chosen - 0.4, x1=chosen + 0.4, fillcolor=GRID_GREY, line_width=0, layer="below")
    for number, row in enumerate(rows):
        there = [p for p in range(len(protocols)) if row["accuracies"][p] is not None]
        y = [places[p][number] for p in there]
        thick = row.get("chosen", False)
        dash = "dot" if row["kind"] == "baseline" else "solid"
        figure.add_trace(
            go.Scatter(
                x=there, y=y, mode="lines+markers+text", name=plain(row["label"]),
                line=dict(color=row["colour"], width=5 if thick else 2.5, dash=dash),
                marker=dict(color=row["colour"], size=28, symbol="circle" if row["kind"] == "model" else "square",
                            line=dict(width=3 if thick else 0, color="#e76300")),
                text=[f"<b>{100 * row['accuracies'][p]:.1f}</b>" for p in there],
                textfont=dict(size=10, color=_ink(row["colour"])), cliponaxis=False,
                customdata=np.array([number * len(protocols) + p for p in there], np.int32),
                selected=dict(marker=dict(opacity=1)), unselected=dict(marker=dict(opacity=1)),
                hovertemplate=[
                    f"{plain(row['label'])}, {protocols[p]}: {100 * row['accuracies'][p]:.1f} %, place {place:.0f}"
                    "<extra></extra>" for p, place in zip(there, y, strict=True)
                ],
            )
        )  # fmt: skip
        if there:
            figure.add_annotation(
                x=len(protocols) - 1, y=places[-1][number], text=f"<b>{plain(row['label'])}</b>", showarrow=False,
                xanchor="left", xshift=20 if there[-1] == len(protocols) - 1 else -10,
                font=dict(color=row["colour"], size=13),
            )  # fmt: skip
    figure.update_xaxes(
        tickvals=list(range(len(protocols))), side="top", showgrid=False, tickangle=0,
        ticktext=[plain(name).replace(" ", "<br>", 1).replace("-t", "-<br>t") for name in protocols],
        range=[-0.45, len(protocols) - 0.5],
    )  # fmt: skip
    figure.update_yaxes(showticklabels=False, showgrid=False, range=[len(rows) + 0.6, 0.4])
    figure.update_layout(
        margin=dict(t=MODE_BAR + 34, b=4, l=8, r=150), clickmode="event+select", dragmode=False, hovermode="closest"
    )
    return figure


def _places(accuracies: Sequence[float | None]) -> list[float]:
    """Place of each, 1 the best; those without a figure last."""
    known = [-1.0 if accuracy is None else accuracy for accuracy in accuracies]
    order = sorted(range(len(known)), key=lambda i: -known[i])
    found = [0.0] * len(accuracies)
    for place, i in enumerate(order):
        found[i] = place + 1.0
    return found


def _ink(colour: str) -> str:
    red, green, blue = hex_to_rgb(colour)
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 150 else "#ffffff"


def plot_compute(points: Sequence[dict[str, Any]], *, title: str, y_title: str, height: int = 420) -> go.Figure:
    """Draw accuracy against the compute of training, on a logarithmic axis; what was not trained stands at its left.

    Args:
        points: dicts with `label`, `colour`, `kind` of `SYMBOLS`, `pflop` (10^15 operations, 0 for nothing trained),
            `accuracy` and `interval` in [0, 1] (None for the interval of published ones), and `hint`.
        title: of which images.
        y_title: the protocol.
        height: pixels.
    """
    figure = new_figure(title, height=height)
    spent = [p["pflop"] for p in points if p["pflop"]]
    least = min(spent, default=1.0) / 6
    low, high = np.log10(least) - 0.25, np.log10(max(spent, default=10.0)) + 0.9
    accuracies = [100 * p["accuracy"] for p in points] or [0.0, 100.0]
    bottom, top = min(accuracies), max(accuracies)
    room = max(2.0, 0.08 * (top - bottom))
    for p in points:
        x, (lo, hi) = max(p["pflop"] or 0.0, least), p["interval"] or (p["accuracy"], p["accuracy"])
        open_ = p["kind"] in ("baseline", "published")
        figure.add_trace(
            go.Scatter(
                x=[x], y=[100 * p["accuracy"]], mode="markers", name=plain(p["label"]),
                marker=dict(color=p["colour"], size=13, symbol=SYMBOLS[p["kind"]],
                            line=dict(width=2.5 if open_ else 0, color=p["colour"])),
                error_y=dict(type="data", symmetric=False, array=[100 * (hi - p["accuracy"])],
                             arrayminus=[100 * (p["accuracy"] - lo)], color=p["colour"], thickness=1.5, width=5,
                             visible=p["interval"] is not None),
                hovertemplate=f"{plain(p['hint'])}<extra></extra>",
            )
        )  # fmt: skip
    at = np.array([[(np.log10(max(p["pflop"] or 0.0, least)) - low) / (high - low) * 8, 100 * p["accuracy"]]
                   for p in points]).reshape(-1, 2)  # fmt: skip
    placed = spread(at, 0.055 * (top - bottom + 2 * room))
    for p, place in zip(points, placed, strict=True):
        figure.add_annotation(
            x=np.log10(max(p["pflop"] or 0.0, least)), y=float(place[1]), text=plain(p["label"]), showarrow=False,
            xanchor="left", xshift=12, font=dict(size=13, color=p["colour"]),
        )  # fmt: skip
    ticks = [10.0**e for e in range(int(np.ceil(np.log10(least) + 0.3)), int(np.ceil(high)))]
    names = [f"{t:g}" for t in ticks]
    figure.update_xaxes(
        type="log", range=[low, high], title="compute of the training (PFLOP, log scale)",
        tickvals=[least, *ticks], ticktext=["nothing trained", *names],
    )  # fmt: skip
    figure.update_yaxes(title=y_title, range=[bottom - room, min(100.5, top + room)], nticks=6)
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, r=16), hovermode="closest")
    return figure


def plot_efficiency(
    curves: Sequence[dict[str, Any]], *, classes: int, title: str, crossings: Sequence[tuple[int, str]] = (),
    height: int = 460,
) -> go.Figure:  # fmt: skip
    """Draw accuracy against labels, on a logarithmic axis: the mean of the draws, and a band from lowest to highest.

    Args:
        curves: dicts with `label`, `colour`, `dash`, and arrays `n_labels`, `mean`, `low`, `high` (accuracies in
            [0, 1]).
        classes: K; ticks are labels a class.
        title: the protocol.
        crossings: (labels in all, words) of places that are marked.
        height: pixels.
    """
    figure = new_figure(title, height=height)
    ends = []
    for curve in curves:
        x = np.asarray(curve["n_labels"], float) / classes
        mean, low, high = (100 * np.asarray(curve[key], float) for key in ("mean", "low", "high"))
        red, green, blue = hex_to_rgb(curve["colour"])
        name = plain(curve["label"])
        figure.add_trace(
            go.Scatter(
                x=np.concatenate([x, x[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself", mode="lines",
                line_width=0, fillcolor=f"rgba({red}, {green}, {blue}, 0.18)", hoverinfo="skip", name=name,
            )
        )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=x, y=mean, mode="lines+markers", name=name, marker=dict(size=8),
                line=dict(color=curve["colour"], width=3, dash=curve["dash"]),
                customdata=np.stack([low, high], axis=-1),
                hovertemplate=f"{name}, %{{x:.0f}} a class: %{{y:.1f}} % (draws %{{customdata[0]:.1f}} to "
                "%{customdata[1]:.1f})<extra></extra>",
            )
        )  # fmt: skip
        if len(x):
            ends.append((float(np.log10(x[-1])), float(mean[-1]), name, curve["colour"]))
    reach = [100 * float(v) for curve in curves for key in ("low", "high") for v in curve[key]]
    _name_ends(figure, ends, 0.058 * (max(reach, default=1.0) - min(reach, default=0.0)), shift=10)
    for n_labels, words in crossings:
        figure.add_vline(x=n_labels / classes, line=dict(dash="dot", width=2, color=BASELINE_GREY))
        figure.add_annotation(
            x=np.log10(n_labels / classes), y=0, yref="paper", text=plain(words), showarrow=False, xanchor="left",
            yanchor="bottom", xshift=4, font=dict(size=13),
        )  # fmt: skip
    seen = sorted({float(n) / classes for curve in curves for n in curve["n_labels"]})
    figure.update_xaxes(
        type="log", title="labels of each class (log scale)", tickvals=seen, ticktext=[f"{n:,.0f}" for n in seen]
    )
    figure.update_yaxes(title="accuracy on test images (%)", nticks=7)
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, r=190), hovermode="closest")
    return figure


def _name_ends(figure: go.Figure, ends: Sequence[tuple[float, float, str, str]], gap: float, *, shift: int) -> None:
    """Name curves at their ends (x as an annotation takes it, y, name, colour), apart by a gap in per cent."""
    places = spread(np.array([[0.0, y] for _, y, *_ in ends]).reshape(-1, 2), gap)
    for (x, _, name, colour), place in zip(ends, places, strict=True):
        figure.add_annotation(
            x=x, y=float(place[1]), text=f"<b>{name}</b>", showarrow=False, xanchor="left", xshift=shift,
            font=dict(size=14, color=colour),
        )  # fmt: skip


def plot_moments(
    groups: Sequence[dict[str, Any]], *, title: str, x_title: str, y_title: str, percents: bool = True,
    height: int = 420,
) -> go.Figure:  # fmt: skip
    """Draw a dot for each moment or model, connected in their order, the last of each group larger and named.

    Args:
        groups: dicts with `label`, `colour`, `kind` of `SYMBOLS`, arrays `x` and `y`, `hints`, and `line`: whether dots
            are connected.
        title: what is shown.
        x_title, y_title: with their units.
        percents: y is in [0, 1] and drawn in per cent.
        height: pixels.
    """
    figure, factor = new_figure(title, height=height), 100.0 if percents else 1.0
    for group in groups:
        x, y = np.asarray(group["x"], float), factor * np.asarray(group["y"], float)
        sizes = [9.0] * (len(x) - 1) + [15.0]
        figure.add_trace(
            go.Scatter(
                x=x, y=y, mode="lines+markers" if group.get("line") else "markers", name=plain(group["label"]),
                line=dict(color=group["colour"], width=1.5, dash="dot"),
                marker=dict(color=group["colour"], size=sizes, symbol=SYMBOLS[group["kind"]]),
                text=[plain(hint) for hint in group["hints"]], hovertemplate="%{text}<extra></extra>",
            )
        )  # fmt: skip
        if len(x):
            figure.add_annotation(
                x=float(x[-1]), y=float(y[-1]), text=f"<b>{plain(group['label'])}</b>", showarrow=False,
                xanchor="auto", yanchor="bottom", yshift=9, font=dict(size=13, color=group["colour"]),
            )  # fmt: skip
    figure.update_xaxes(title=x_title, nticks=7)
    figure.update_yaxes(title=y_title, nticks=6)
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, r=16), hovermode="closest")
    return figure


def plot_grid(
    values: Any, rows: Sequence[str], columns: Sequence[str], *, title: str, hints: Any, own: Any = None,
    height: int | None = None, x_title: str = "",
) -> go.Figure:  # fmt: skip
    """Draw accuracies as cells with their numbers, coloured within each column, since columns are no rivals.

    Args:
        values: (R, C) in [0, 1], NaN where there is none.
        rows, columns: their names.
        title: what is shown.
        hints: (R, C) texts.
        own: (R, C) bool, cells that are framed.
        height: pixels.
        x_title: of the columns.
    """
    values = np.asarray(values, float)
    figure = new_figure(title, height=height or MODE_BAR + 90 + 34 * len(rows))
    names, heads = [plain(row) for row in rows], [plain(column) for column in columns]
    figure.add_trace(go.Scatter(x=[heads[0]], y=[names[0]], mode="markers", opacity=0, hoverinfo="skip"))
    notes, shapes, hovers = [], [], []
    for c in range(len(heads)):
        there = values[:, c][np.isfinite(values[:, c])]
        low, high = (float(there.min()), float(there.max())) if len(there) else (0.0, 1.0)
        for r in range(len(names)):
            if not np.isfinite(values[r, c]):
                continue
            ((background, ink),) = cell_colours([values[r, c]], low, high)
            frame = own is not None and bool(own[r][c])
            shapes.append(
                dict(type="rect", x0=c - 0.48, x1=c + 0.48, y0=r - 0.46, y1=r + 0.46, fillcolor=background,
                     line=dict(width=4 if frame else 0, color="#e76300"), layer="below")
            )  # fmt: skip
            notes.append(dict(x=c, y=r, text=f"<b>{100 * values[r, c]:.1f}</b>", showarrow=False,
                              font=dict(size=14, color=ink)))  # fmt: skip
            hovers.append((c, r, plain(str(hints[r][c]))))
    figure.add_trace(
        go.Scatter(
            x=[heads[c] for c, _, _ in hovers], y=[names[r] for _, r, _ in hovers], mode="markers",
            marker=dict(size=30, opacity=0), text=[text for *_, text in hovers],
            hovertemplate="%{text}<extra></extra>",
        )
    )  # fmt: skip
    figure.layout.shapes, figure.layout.annotations = shapes, notes
    axis = dict(type="category", dtick=1, categoryorder="array", showgrid=False, ticks="")
    figure.update_xaxes(**axis, categoryarray=heads, range=[-0.5, len(heads) - 0.5], side="top", title=x_title)
    figure.update_yaxes(**axis, categoryarray=names, range=[len(names) - 0.5, -0.5])
    figure.update_layout(margin=dict(t=MODE_BAR + 40, b=4, r=8), hovermode="closest", dragmode=False)
    return figure


def plot_calibration(curves: Sequence[dict[str, Any]], *, title: str, height: int = 380) -> go.Figure:
    """Draw how often a probe is right against how sure it is: on the diagonal it knows what it knows.

    Args:
        curves: dicts with `label`, `colour`, and arrays `sure`, `right` (mean of each bin in [0, 1]) and `n`.
        title: of which probe.
        height: pixels.
    """
    figure = new_figure(title, height=height)
    line = dict(color=BASELINE_GREY, width=2, dash="dot")
    figure.add_trace(go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line=line, hoverinfo="skip"))
    for curve in curves:
        n = np.asarray(curve["n"], float)
        figure.add_trace(
            go.Scatter(
                x=100 * np.asarray(curve["sure"]), y=100 * np.asarray(curve["right"]), mode="lines+markers",
                name=plain(curve["label"]), line=dict(color=curve["colour"], width=3),
                marker=dict(size=6 + 14 * np.sqrt(n / max(1.0, n.max(initial=1.0)))), customdata=n,
                hovertemplate="%{customdata:,} images: %{x:.0f} % sure, %{y:.0f} % right<extra></extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(title="how sure the probe is (%)", range=[0, 102], constrain="domain", nticks=6)
    figure.update_yaxes(
        title="how often it is right (%)", range=[0, 102], scaleanchor="x", constrain="domain", nticks=6
    )
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, r=8), hovermode="closest")
    return figure


def plot_ladder(
    curves: Sequence[dict[str, Any]], levels: Sequence[str], *, title: str, y_title: str, height: int = 420
) -> go.Figure:
    """Draw accuracy at each level of encoders, from the image outwards, with intervals.

    Args:
        curves: dicts with `label`, `colour`, `dash`, and by level `accuracies` and `intervals`, of levels it lacks
            None.
        levels: their names, in order.
        title: what is shown.
        y_title: the protocol.
        height: pixels.
    """
    figure, ends = new_figure(title, height=height), []
    for curve in curves:
        there = [i for i in range(len(levels)) if curve["accuracies"][i] is not None]
        y = np.array([100 * curve["accuracies"][i] for i in there])
        low, high = (np.array([100 * curve["intervals"][i][end] for i in there]) for end in (0, 1))
        name = plain(curve["label"])
        figure.add_trace(
            go.Scatter(
                x=there, y=y, mode="lines+markers", name=name, marker_size=10,
                line=dict(color=curve["colour"], width=3, dash=curve["dash"]),
                error_y=dict(type="data", symmetric=False, array=high - y, arrayminus=y - low, color=curve["colour"],
                             thickness=1.5, width=5),
                hovertemplate=[f"{name}, {levels[i]}: %{{y:.1f}} %<extra></extra>" for i in there],
            )
        )  # fmt: skip
        if there:
            ends.append((float(there[-1]), float(y[-1]), name, curve["colour"]))
    values = [y for _, y, *_ in ends]
    _name_ends(figure, ends, max(1.5, 0.07 * (max(values, default=0) - min(values, default=0) + 20)), shift=12)
    figure.update_xaxes(tickvals=list(range(len(levels))), ticktext=[plain(level) for level in levels], tickangle=0)
    figure.update_yaxes(title=y_title, nticks=6)
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, r=190), hovermode="closest")
    return figure
