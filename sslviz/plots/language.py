"""Figures of language models: predictions, the lens, attention, costs of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from sslviz.plots.images import data_uri, mosaic
from sslviz.plots.theme import BASELINE_GREY, MODE_BAR, PETROFF, new_figure, plain, share


def _readable(tokens: Sequence[str]) -> list[str]:
    return [plain(token) for token in tokens]


def plot_predictions(
    tokens: Sequence[str], probabilities: Any, *, title: str, before: Any = None, height: int = 320
) -> go.Figure:
    """Draw the probability of each of some words as a bar, in the order given; where it was before, an open diamond.

    Args:
        tokens: K words.
        probabilities: (K,) in [0, 1].
        title: of which mask.
        before: (K,) in [0, 1], or None.
        height: pixels.
    """
    after = 100 * np.asarray(probabilities, np.float64)
    earlier = None if before is None else 100 * np.asarray(before, np.float64)
    names, most = _readable(tokens), float(max(after.max(initial=1.0), 0 if earlier is None else earlier.max()))
    rows = np.arange(len(names))
    figure = new_figure(title, height=height)
    bars = dict(orientation="h", marker_color=PETROFF[0], cliponaxis=False, hoverinfo="skip", textposition="outside")
    figure.add_trace(go.Bar(x=after, y=rows, text=[share(p / 100) for p in after], name="after", **bars))
    if earlier is not None:
        mark = dict(symbol="diamond-open", size=12, color=BASELINE_GREY, line_width=2.5)
        figure.add_trace(go.Scatter(x=earlier, y=rows, mode="markers", marker=mark, name="before", hoverinfo="skip"))
        figure.update_layout(showlegend=True, legend=dict(orientation="h", x=1, xanchor="right", y=0, yanchor="bottom"))
    figure.update_xaxes(title="probability (%)", range=[0, 1.18 * most], nticks=5)
    figure.update_yaxes(tickvals=rows, ticktext=names, range=[len(names) - 0.4, -0.6], showgrid=False)
    figure.update_layout(margin=dict(t=MODE_BAR, b=4), bargap=0.3)
    return figure


def plot_lens(
    tokens: Sequence[Sequence[str]],
    probabilities: Any,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    notes: Sequence[str],
    title: str,
    height: int = 420,
) -> go.Figure:
    """Draw what each layer would answer: a row a layer, the last on top; a word and its probability in each cell.

    Args:
        tokens: R rows of K words.
        probabilities: (R, K) in [0, 1].
        rows: R names of layers, first layer first.
        columns: K names.
        notes: R short texts at the right of the rows.
        title: what is asked.
        height: pixels.
    """
    p = np.asarray(probabilities, np.float64)
    figure = new_figure(title, height=height)
    heat = dict(zmin=0, zmax=1, colorscale="Cividis", xgap=2, ygap=2, hoverinfo="skip")
    figure.add_trace(go.Heatmap(z=np.sqrt(p), **heat, showscale=False))
    cell = dict(showarrow=False, font_size=14)
    figure.layout.annotations = [
        dict(
            x=k,
            y=r,
            text=f"{plain(tokens[r][k])} <span style='font-size:12px'>{share(p[r, k])}</span>",
            font_color="#ffffff" if np.sqrt(p[r, k]) < 0.55 else "#000000",
            **cell,
        )
        for r in range(len(rows))
        for k in range(len(columns))
    ] + [dict(x=1.01, xref="paper", xanchor="left", y=r, text=plain(note), **cell) for r, note in enumerate(notes)]
    figure.update_xaxes(tickvals=np.arange(len(columns)), ticktext=columns, showgrid=False, side="bottom", ticks="")
    figure.update_yaxes(tickvals=np.arange(len(rows)), ticktext=rows, showgrid=False, ticks="")
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, r=150))
    return figure


def plot_heads(attention: Any, *, chosen: int, title: str, height: int = 380) -> go.Figure:
    """Draw the attention of every head as a small picture: a row a layer, a column a head, brighter for more weight.

    Brightness goes with the square root of the weight, so that weak patterns show. Every picture carries
    `customdata`, layer * heads + head.

    Args:
        attention: (layers, heads, L, L), rows the token that looks, columns the token that is looked at.
        chosen: layer * heads + head, framed.
        title: what is shown.
        height: pixels.
    """
    weights = np.asarray(attention, np.float32)
    layers, heads, length = weights.shape[:3]
    table = np.array(
        [
            [int(part) for part in colour[4:-1].split(",")]
            for colour in sample_colorscale("Cividis", np.linspace(0, 1, 256))
        ],
        np.uint8,
    )
    level = (np.sqrt(np.clip(weights, 0, 1)) * 255).astype(np.uint8).reshape(-1, length, length)
    images = table[level].transpose(0, 3, 1, 2)  # (layers * heads, 3, L, L)
    scale, gap = max(1, round(60 / length)), 6
    sheet = mosaic(images, columns=heads, scale=scale, gap=gap)
    step = length * scale + gap
    figure = new_figure(title, height=height)
    figure.add_trace(go.Image(source=data_uri(sheet), colormodel="rgba256", hoverinfo="skip"))
    layer, head = (index.ravel() for index in np.indices((layers, heads)))
    figure.add_trace(
        go.Scatter(
            x=head * step + (step - gap) / 2,
            y=layer * step + (step - gap) / 2,
            customdata=np.arange(layers * heads, dtype=np.int32),
            text=[f"layer {a + 1}, head {b + 1}" for a, b in zip(layer, head, strict=True)],
            mode="markers",
            marker=dict(symbol="square", size=30, opacity=0),
            selected=dict(marker_opacity=0),
            unselected=dict(marker_opacity=0),
            hovertemplate="%{text}<extra></extra>",
        )
    )
    left, top = chosen % heads * step - gap / 2, chosen // heads * step - gap / 2
    frame = dict(color=PETROFF[6], width=3)
    figure.add_shape(type="rect", x0=left, x1=left + step, y0=top, y1=top + step, line=frame)
    middle = (step - gap) / 2
    axis = dict(showgrid=False, ticks="", constrain="domain")
    figure.update_xaxes(
        **axis, title=dict(text="head", standoff=6), tickvals=np.arange(heads) * step + middle,
        ticktext=np.arange(1, heads + 1).astype(str), constraintoward="left", range=[-gap, heads * step],
    )  # fmt: skip
    figure.update_yaxes(
        **axis, title="layer", tickvals=np.arange(layers) * step + middle, constraintoward="top",
        ticktext=np.arange(1, layers + 1).astype(str), range=[layers * step, -gap],
    )  # fmt: skip
    figure.update_layout(hovermode="closest", clickmode="event+select", dragmode=False, margin=dict(t=MODE_BAR, b=4))
    return figure


def plot_attention_matrix(weights: Any, tokens: Sequence[str], *, title: str, height: int = 420) -> go.Figure:
    """Draw how much each token (row) looks at each other (column).

    Args:
        weights: (L, L), each row sums to one.
        tokens: L of them.
        title: whose attention.
        height: pixels.
    """
    weights, names = np.asarray(weights, np.float32), _readable(tokens)
    places = np.arange(len(names))
    figure = new_figure(title, height=height)
    figure.add_trace(
        go.Heatmap(
            z=weights,
            zmin=0,
            zmax=float(weights.max(initial=1e-6)),
            colorscale="Cividis",
            xgap=1 if len(names) <= 40 else 0,
            ygap=1 if len(names) <= 40 else 0,
            text=[[f"{plain(a)} looks at {plain(b)}" for b in tokens] for a in tokens],
            hovertemplate="%{text}: %{z:.1%}<extra></extra>",
            colorbar=dict(thickness=12, tickformat=".0%", nticks=5, outlinewidth=0),
        )
    )
    shown = places[:: max(1, -(-len(names) // 40))]  # as many names as can be read
    axis = dict(tickvals=shown, ticktext=[names[i] for i in shown], showgrid=False, ticks="", constrain="domain")
    figure.update_xaxes(**axis, tickangle=-60, title="is looked at")
    figure.update_yaxes(**axis, range=[len(names) - 0.5, -0.5], scaleanchor="x", title="looks")
    figure.update_layout(margin=dict(t=MODE_BAR, b=4))
    return figure


def plot_attention_arcs(
    weights: Any,
    tokens: Sequence[str],
    *,
    title: str,
    focus: Sequence[int] = (),
    least: float = 0.05,
    height: int = 360,
) -> go.Figure:
    """Draw attention as arcs over the sentence: above to what comes later, below to what came before.

    An arc's width goes with its weight; those of the tokens in focus are coloured, the others grey.

    Args:
        weights: (L, L), each row sums to one.
        tokens: L of them.
        title: whose attention.
        focus: positions whose arcs stand out.
        least: weights under this are not drawn.
        height: pixels.
    """
    weights, names = np.asarray(weights, np.float64), _readable(tokens)
    length = len(names)
    figure = new_figure(title, height=height)
    looks, seen = np.nonzero((weights >= least) & ~np.eye(length, dtype=bool))
    keep = np.argsort(-weights[looks, seen], kind="stable")[:200]
    angle = np.linspace(0, np.pi, 24)
    turned = length > 12 or max(map(len, names), default=0) * length > 90
    room = 0.16 if not turned else 0.3  # left free around the words
    for i in keep[::-1]:
        a, b, weight = looks[i], seen[i], weights[looks[i], seen[i]]
        up = 1 if b > a else -1
        lift = (1 - room) * (abs(b - a) / max(1, length - 1)) ** 0.7
        near = a in focus
        figure.add_trace(
            go.Scatter(
                x=(a + b) / 2 + (a - b) / 2 * np.cos(angle),
                y=up * (room + lift * np.sin(angle)),
                mode="lines",
                line=dict(width=0.8 + 9 * weight, color=PETROFF[0] if near else BASELINE_GREY),
                opacity=min(1.0, 0.25 + weight) if not near else min(1.0, 0.5 + weight),
                hovertemplate=f"{names[a]} looks at {names[b]}: {share(weight)}<extra></extra>",
            )
        )
    figure.layout.annotations = [
        dict(
            x=i,
            y=0,
            text=f"<b>{name}</b>" if i in focus else name,
            showarrow=False,
            textangle=-60 if turned else 0,
            font_size=14 if length <= 40 else 10,
        )
        for i, name in enumerate(names)
    ]
    figure.update_xaxes(visible=False, range=[-0.7, length - 0.3])
    figure.update_yaxes(visible=False, range=[-1.02, 1.02])
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, l=0, r=0), hovermode="closest")
    return figure


def plot_sentence_share(
    words: Sequence[str], nats: Any, *, title: str, most: float | None = None, height: int = 230
) -> go.Figure:
    """Draw what each word costs its sentence, a bar over each word in reading order, the dearest dark.

    Args:
        words: N words.
        nats: (N,) minus the logarithm of each word's probability given all others.
        title: which sentence, and its sum.
        most: the top of the axis, so that two sentences can be compared.
        height: pixels.
    """
    cost, names = np.asarray(nats, np.float64), _readable(words)
    figure = new_figure(title, height=height)
    dearest = int(cost.argmax()) if len(cost) else -1
    figure.add_trace(
        go.Bar(
            x=np.arange(len(names)),
            y=cost,
            marker_color=[PETROFF[6] if i == dearest else PETROFF[0] for i in range(len(names))],
            text=[f"{value:.1f}" for value in cost] if len(names) <= 30 else None,
            textposition="outside",
            cliponaxis=False,
            customdata=names,
            hovertemplate="%{customdata}: %{y:.2f} nats<extra></extra>",
        )
    )
    top = 1.2 * max(most or 0.0, float(cost.max(initial=0.1)))
    shown = np.arange(len(names))[:: max(1, -(-len(names) // 60))]
    figure.update_xaxes(tickvals=shown, ticktext=[names[i] for i in shown], showgrid=False, ticks="")
    figure.update_yaxes(title="nats", range=[0, top], nticks=4)
    figure.update_layout(margin=dict(t=MODE_BAR, b=4), bargap=0.35)
    return figure
