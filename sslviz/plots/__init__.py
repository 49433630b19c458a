"""Arrays in, figures out: Plotly figures, PNG mosaics and the numbers written on them.

Nothing here shows anything, and nothing here knows torch or streamlit: every function takes what `np.asarray`
takes (a CPU tensor included) and works in a notebook as it does on a page.
"""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from plotly.colors import sample_colorscale

# Ten class colours that stay apart for colour-blind eyes, always in class order.
# Petroff 2021, "Accessible color sequences for data visualization", arXiv:2107.02270.
PETROFF = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
ENCODER_COLOURS = {"vae": "#00897b", "simclr": "#5b6be1", "moco": "#c9508e", "supervised": "#b07400", "mlm": "#0b84c6"}
BASELINE_GREY = "#8a919c"
GRID_GREY = "rgba(128, 138, 150, 0.25)"  # reads on white and on near-black alike
INK = {"light": "#18202b", "dark": "#e9edf2"}  # text on a page of either theme
MODE_BAR = 36  # pixels kept free at the top of a chart for Plotly's tool bar

pio.templates["sslviz"] = go.layout.Template(
    layout=dict(
        font=dict(size=15),
        title=dict(x=0, xref="container", xanchor="left", y=1, yref="container", yanchor="top", pad=dict(t=8)),
        margin=dict(l=8, r=8, t=MODE_BAR + 12, b=8),
        colorway=list(PETROFF),
        hoverlabel=dict(align="left"),
        showlegend=False,
        xaxis=dict(zeroline=False, showline=False, automargin=True, gridcolor=GRID_GREY),
        yaxis=dict(zeroline=False, showline=False, automargin=True, gridcolor=GRID_GREY),
    )
)


# --- colour and number ---


def class_colour(label: int) -> str:
    """Return the colour of a class; past ten classes the palette starts again, so show the name beside it."""
    return PETROFF[int(label) % len(PETROFF)]


def encoder_colour(method: str) -> str:
    """Return the one colour that an encoder keeps on every page; baselines and random encoders are grey."""
    return ENCODER_COLOURS.get(method, BASELINE_GREY)


def percent(accuracy: float, *, half_width: float = 0.0) -> str:
    """Write an accuracy in [0, 1] as "98.6 %", without the decimal where its interval is wider than one point.

    Args:
        accuracy: share in [0, 1].
        half_width: half of its 95 % interval, in the same unit.
    """
    return f"{100 * accuracy:.{0 if half_width >= 0.01 else 1}f} %"


def percent_interval(accuracy: float, interval: tuple[float, float], n: int) -> str:
    """Write an accuracy with its interval and its count: "98.6 % (98.4 to 98.8, n = 10,000)"."""
    low, high = interval
    digits = 0 if (high - low) / 2 >= 0.01 else 1
    value = percent(accuracy, half_width=(high - low) / 2)
    return f"{value} ({100 * low:.{digits}f} to {100 * high:.{digits}f}, n = {n:,})"


def nats(value: float) -> str:
    """Write a loss with its unit: "104.8 nats", from a thousand on without decimals."""
    return f"{value:,.{0 if abs(value) >= 1000 else 1}f} nats".replace("-", "−")


def seconds(value: float) -> str:
    """Write a time with its unit: "0.4 s", "12 s", "3 min 05 s"."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 90:
        return f"{value:.0f} s"
    return f"{int(value // 60)} min {int(value % 60):02d} s"


# --- pixels ---


def pixels(images: Any) -> np.ndarray:
    """Turn images into bytes that can be shown.

    Args:
        images: (N, C, H, W) with C 1 or 3; uint8, or floats in [0, 1] (values outside are clipped).

    Returns:
        (N, H, W, 3) uint8.

    Raises:
        ValueError: for another shape.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images must be (N, 1 or 3, H, W), not {images.shape}")
    if images.dtype != np.uint8:
        images = (np.clip(images, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)
    images = images.transpose(0, 2, 3, 1)
    return np.repeat(images, 3, axis=3) if images.shape[3] == 1 else images


def mosaic(
    images: Any,
    *,
    columns: int,
    scale: int = 1,
    gap: int = 2,
    frames: Sequence[str | None] | None = None,
    frame: int = 2,
) -> np.ndarray:
    """Lay images out row by row, each pixel a square of `scale` x `scale`, with see-through gaps between.

    Args:
        images: (N, C, H, W) as in `pixels`.
        columns: tiles in a row.
        scale: whole factor by which a pixel grows.
        gap: pixels between tiles.
        frames: a `#rrggbb` colour or None for each image; None: no frames, no room kept for them.
        frame: width of a frame in pixels.

    Returns:
        (rows, columns) tiles as one (height, width, 4) uint8 RGBA array; cells without an image are see-through.
    """
    tiles = pixels(images).repeat(scale, axis=1).repeat(scale, axis=2)  # (N, H*scale, W*scale, 3)
    count, height, width = tiles.shape[:3]
    border = frame if frames is not None else 0
    step_y, step_x = height + 2 * border + gap, width + 2 * border + gap
    rows = max(1, -(-count // columns))
    canvas = np.zeros((rows * step_y - gap, columns * step_x - gap, 4), np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * step_y, (i % columns) * step_x
        if frames is not None and frames[i]:
            colour = [int(frames[i][j : j + 2], 16) for j in (1, 3, 5)] + [255]
            canvas[top : top + height + 2 * border, left : left + width + 2 * border] = colour
        inside = canvas[top + border : top + border + height, left + border : left + border + width]
        inside[..., :3], inside[..., 3] = tile, 255
    return canvas


def png(image: np.ndarray) -> bytes:
    """Encode an (H, W, 3 or 4) uint8 array as PNG, with one channel for all colours where they are grey."""
    from PIL import Image

    buffer, picture = io.BytesIO(), Image.fromarray(image)
    if (image[..., :1] == image[..., 1:3]).all():
        picture = picture.convert("LA" if image.shape[2] == 4 else "L")
    picture.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def data_uri(image: np.ndarray) -> str:
    """Encode an (H, W, 3 or 4) uint8 array as a PNG data address."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode("ascii")


def undecided(images: Any) -> float:
    """Return the share of pixels that are neither dark nor bright (0.1 to 0.9), a plain measure of blur in [0, 1]."""
    grey = pixels(images).mean(axis=3) / 255
    return float(((grey > 0.1) & (grey < 0.9)).mean())


# --- figures ---


def in_ink(figure: go.Figure, theme: str) -> go.Figure:
    """Return a copy whose words have the ink of a theme, "light" or "dark": a host's own greys are faint from afar."""
    ink = INK.get(theme, INK["light"])
    figure = go.Figure(figure)
    figure.update_layout(font_color=ink, legend_font=dict(color=ink, size=14))
    figure.update_xaxes(tickfont_color=ink, title_font_color=ink)
    figure.update_yaxes(tickfont_color=ink, title_font_color=ink)
    return figure


def _figure(title: str, *, height: int) -> go.Figure:
    axis = dict(tickfont_size=14, title_font_size=15)  # here and not in the template, which a page's theme overrides
    return go.Figure(layout=dict(template="sslviz", title_text=title, height=height, xaxis=axis, yaxis=axis))


def _bare_map_axes(figure: go.Figure) -> None:
    """Square aspect and no numbers: positions on a map mean nothing by themselves."""
    axis = dict(showgrid=False, showticklabels=False, ticks="")
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis, scaleanchor="x", scaleratio=1)


def plot_images(
    images: Any,
    *,
    row_labels: Sequence[str],
    title: str,
    column_labels: Sequence[str] | None = None,
    x_title: str = "",
    scale: int = 2,
    frames: Sequence[str | None] | None = None,
) -> go.Figure:
    """Draw a labelled grid of images.

    Args:
        images: (R * K, C, H, W), row by row.
        row_labels: R labels.
        title: what the grid shows.
        column_labels: K labels under the grid, or None.
        x_title: what changes along a row, with its unit.
        scale: whole factor by which a pixel grows where there is room; on a narrow page the grid shrinks.
        frames: R * K colours or Nones.
    """
    rows = len(row_labels)
    images = np.asarray(images)
    columns = len(images) // rows
    over, gap, frame = 4, 8, 8 if frames is not None else 0  # drawn four times finer, so that shrinking stays crisp
    sheet = mosaic(images, columns=columns, scale=over, gap=gap, frames=frames, frame=frame)
    step_y, step_x = (sheet.shape[0] + gap) / rows, (sheet.shape[1] + gap) / columns
    labelled = 26 * (column_labels is not None) + 34 * bool(x_title)
    figure = _figure(title, height=round(sheet.shape[0] * scale / over) + MODE_BAR + 10 + labelled)
    figure.add_trace(go.Image(source=data_uri(sheet), colormodel="rgba256", hoverinfo="skip"))
    figure.update_xaxes(
        showgrid=False,
        ticks="",
        tickvals=[(i + 0.5) * step_x - gap / 2 for i in range(columns)] if column_labels is not None else [],
        ticktext=column_labels,
        title=dict(text=x_title, standoff=10),
        constrain="domain",
        constraintoward="left",
    )
    figure.update_yaxes(
        showgrid=False,
        ticks="",
        tickvals=[(i + 0.5) * step_y - gap / 2 for i in range(rows)],
        ticktext=row_labels,
        constrain="domain",
        constraintoward="top",
    )
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, r=0), hovermode=False)
    return figure


def plot_reconstructions(x: Any, x_hat: Any, costs: Any, *, title: str) -> go.Figure:
    """Draw images over their reconstructions and over what is lost.

    Args:
        x, x_hat: (N, C, H, W) in [0, 1].
        costs: (N, 2) reconstruction and KL, nats per image.
        title: of which model.
    """
    x, x_hat = np.asarray(x), np.asarray(x_hat)
    return plot_images(
        np.concatenate([x, x_hat, np.abs(x - x_hat)]),
        row_labels=["x", "x̂", "|x − x̂|"],
        column_labels=[f"{recon:,.0f} + {kl:.0f}".replace("-", "−") for recon, kl in np.asarray(costs)],
        title=title,
        x_title="reconstruction + KL, nats per image",
        scale=3,
    )


def plot_traversal(images: Any, dimensions: Any, steps: Any, kl: Any, own: Any, *, title: str) -> go.Figure:
    """Draw what each of some latent dimensions does while the others are held.

    Args:
        images: (R * K, C, H, W) decoded, a row a dimension.
        dimensions: (R,) their numbers.
        steps: (K,) values, in prior standard deviations.
        kl: (R,) nats.
        own: (R,) values of the image that the walk starts from; the nearest step is framed.
        title: what is walked.
    """
    steps, own = np.asarray(steps), np.asarray(own)
    nearest = np.abs(own[:, None] - steps).argmin(axis=1)  # (R,)
    frames = [ENCODER_COLOURS["vae"] if j == here else None for here in nearest for j in range(len(steps))]
    return plot_images(
        images,
        row_labels=[f"z<sub>{d}</sub>   {nats(value)}" for d, value in zip(dimensions, kl, strict=True)],
        column_labels=["0" if abs(s) < 1e-9 else f"{s:+.2f}".replace("-", "−") for s in steps],
        title=title,
        x_title="value of the dimension, prior standard deviations; framed: nearest to the image's own",
        frames=frames,
    )


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
    figure = _figure(title, height=height)
    for label, name in enumerate(class_names):
        here = y == label
        figure.add_trace(
            go.Scattergl(
                x=xy[here, 0],
                y=xy[here, 1],
                customdata=ids[here],
                name=name,
                mode="markers",
                marker=dict(color=class_colour(label), size=size, opacity=0.75),
                selected=dict(marker=dict(opacity=1, size=size + 3)),
                unselected=dict(marker=dict(opacity=0.15)),
                text=None if hints is None else [_wrapped(hints[i]) for i in np.flatnonzero(here)],
                hovertemplate=_plain(name)
                + (", image %{customdata}" if hints is None else "<br>%{text}")
                + "<extra></extra>",
            )
        )
    extent = float(np.ptp(xy, axis=0).max(initial=0.0))
    anchors = spread(class_anchors(xy, y, len(class_names)), 0.045 * extent)
    chip = dict(showarrow=False, font=dict(color="#111111", size=15), bgcolor="rgba(255, 255, 255, 0.92)")
    chip |= dict(borderwidth=2, borderpad=3, captureevents=False)
    figure.layout.annotations = [  # all at once: one at a time, each is checked again with all before it
        dict(x=x0, y=y0, text=f"<b>{_plain(class_names[label])}</b>", bordercolor=class_colour(label), **chip)
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
        figure.add_trace(go.Scatter(**place, hovertemplate=f"{_plain(name)}<extra></extra>"))
        star = dict(text="★", showarrow=False, captureevents=False)  # notes lie over the names of classes, traces don't
        figure.add_annotation(x=x0, y=y0, **star, font=dict(size=34, color="#ffffff"))
        figure.add_annotation(x=x0, y=y0, **star, font=dict(size=25, color="#111111"))
    _bare_map_axes(figure)
    figure.update_layout(dragmode="lasso", margin=dict(t=MODE_BAR, b=4, l=4, r=4), hovermode="closest")
    return figure


def _plain(text: str) -> str:
    """Class names may come from a person's folders: Plotly reads tags and `%{}` in text, so take their signs out."""
    return str(text).replace("<", "‹").replace(">", "›").replace("{", "(").replace("}", ")")


def _wrapped(text: str, width: int = 56) -> str:
    """A text in lines for a hover."""
    return "<br>".join(textwrap.wrap(_plain(text), width))


def plot_counts(counts: Any, class_names: Sequence[str], *, title: str, height: int = 300) -> go.Figure:
    """Draw how many of a selection belong to each class, in class order from the top.

    Args:
        counts: (K,) whole numbers.
        class_names: in class order.
    """
    counts = np.asarray(counts)
    figure = _figure(title, height=height)
    figure.add_trace(
        go.Bar(
            x=counts,
            y=[_plain(name) for name in class_names],
            orientation="h",
            marker_color=[class_colour(i) for i in range(len(class_names))],
            text=[f"{count:,}" if count else "" for count in counts],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    figure.update_xaxes(
        title="images", rangemode="tozero", range=[0, max(1, int(counts.max(initial=0))) * 1.15], showticklabels=False
    )
    figure.update_layout(margin=dict(t=MODE_BAR, b=4), bargap=0.25)
    return figure


def plot_accuracy(
    rows: Sequence[dict[str, Any]], *, title: str, chance: float | None = None, height: int = 440
) -> go.Figure:
    """Draw accuracies with their intervals, best on top; encoders are filled discs, baselines grey open diamonds.

    Args:
        rows: dicts with `label`, `accuracy`, `interval` (low, high) in [0, 1], `method` (an encoder's, or
            "baseline").
        title: probe, labels and images.
        chance: accuracy of guessing, drawn as a dotted line where the axis reaches it.
        height: pixels, whatever the number of rows, so that nothing moves when rows come.
    """
    rows = sorted(rows, key=lambda row: row["accuracy"])
    figure = _figure(title, height=height)
    low = min([row["interval"][0] for row in rows], default=0.0)
    for row in rows:
        known = row["method"] in ENCODER_COLOURS
        low_i, high_i = row["interval"]
        figure.add_trace(
            go.Scatter(
                x=[100 * row["accuracy"]],
                y=[_plain(row["label"])],
                mode="markers+text",
                marker=dict(
                    color=encoder_colour(row["method"]),
                    size=14,
                    symbol="circle" if known else "diamond-open",
                    line=dict(width=0 if known else 2.5, color=encoder_colour(row["method"])),
                ),
                error_x=dict(
                    type="data",
                    symmetric=False,
                    array=[100 * (high_i - row["accuracy"])],
                    arrayminus=[100 * (row["accuracy"] - low_i)],
                    color=encoder_colour(row["method"]),
                    thickness=2,
                    width=6,
                ),
                text=["<b>" + percent(row["accuracy"], half_width=(high_i - low_i) / 2) + "</b>"],
                textposition="top center",
                textfont=dict(size=15),
                cliponaxis=False,
                hovertemplate=f"{_plain(row['label'])}: {percent(row['accuracy'])}, "
                f"{100 * low_i:.1f} to {100 * high_i:.1f}<extra></extra>",
            )
        )
    start = max(0.0, 100 * low - 0.12 * (100 - 100 * low) - 0.5)
    figure.update_xaxes(title="accuracy on test images (%)", range=[start, 100.5], nticks=6)
    figure.update_yaxes(type="category", showgrid=True, range=[-0.6, max(len(rows), 3) - 0.3])
    if chance is not None and 100 * chance >= start:
        figure.add_vline(x=100 * chance, line=dict(dash="dot", width=1.5, color=BASELINE_GREY))
        figure.add_annotation(x=100 * chance, y=1, yref="paper", text="chance", showarrow=False, xanchor="left")
    figure.update_layout(margin=dict(t=MODE_BAR + 6, b=4, r=24))
    return figure


def _fading_cividis() -> list[tuple[float, str]]:
    """Cividis whose low end fades into the page, light or dark, so that a single error does not shout."""
    colours = sample_colorscale("Cividis", np.linspace(0, 1, 11).tolist())
    return [
        (i / 10, colour.replace("rgb(", "rgba(").replace(")", f", {min(1.0, 0.3 + 1.4 * i / 10):.2f})"))
        for i, colour in enumerate(colours)
    ]


def plot_confusion(matrix: Any, class_names: Sequence[str], *, title: str, height: int = 560) -> go.Figure:
    """Draw a confusion matrix: errors coloured by their count, the diagonal left plain with each class's recall.

    Every cell carries `customdata`, true class * K + predicted class, so that a click can bring its images.

    Args:
        matrix: (K, K) counts, rows the true class, columns the prediction (scikit-learn's form).
        class_names: in class order.
    """
    matrix = np.asarray(matrix)
    count = len(class_names)
    names = [_plain(name) for name in class_names]
    errors = matrix.astype(float)
    errors[np.eye(count, dtype=bool) | (matrix == 0)] = np.nan
    most = np.nanmax(errors) if np.isfinite(errors).any() else 1.0
    figure = _figure(title, height=height)
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
    recall = np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1)
    annotations = []
    for i, j in zip(true, predicted, strict=True):
        share = matrix[i, j] / most
        if i == j:
            font, text = dict(size=14), f"<b>{100 * recall[i]:.0f}</b>"
        else:  # few errors: the page's own ink on a faded cell; more: white, then black on the bright end
            colour = {} if share < 0.3 else {"color": "#ffffff" if share < 0.6 else "#000000"}
            font, text = dict(size=14, **colour), f"{matrix[i, j]}" if matrix[i, j] else ""
        annotations.append(dict(x=names[j], y=names[i], text=text, showarrow=False, font=font))
    figure.layout.annotations = annotations
    figure.add_trace(
        go.Scatter(
            x=[names[j] for j in predicted],
            y=[names[i] for i in true],
            customdata=np.arange(count * count, dtype=np.int32),  # one number a cell: pairs come back in odd shapes
            text=[f"{n:,}" for n in matrix.ravel()],
            mode="markers",
            marker=dict(symbol="square-open", size=34, opacity=0, color="#e76300", line_width=4),
            selected=dict(marker=dict(opacity=1)),
            unselected=dict(marker=dict(opacity=0)),
            hovertemplate="%{y} taken for %{x}: %{text} images<extra></extra>",
        )
    )
    axis = dict(type="category", dtick=1, categoryorder="array", categoryarray=names, showgrid=False, ticks="")
    long = max(map(len, names), default=0) > 3
    figure.update_xaxes(
        **axis, title="predicted class", tickangle=-45 if long else 0, constrain="domain", range=[-0.5, count - 0.5]
    )
    figure.update_yaxes(**axis, title="true class", range=[count - 0.5, -0.5], scaleanchor="x", constrain="domain")
    figure.update_layout(hovermode="closest", clickmode="event+select", dragmode=False, margin=dict(t=MODE_BAR, b=4))
    return figure


def plot_vector(h: Any, *, title: str, height: int = 170) -> go.Figure:
    """Draw one representation as cells, at most 64 a row: cividis for magnitudes, else a scale centred on zero.

    Args:
        h: (D,).
        title: what it is.
        height: pixels.
    """
    h = np.asarray(h, np.float32)
    most = float(np.abs(h).max(initial=1e-6))
    signed = bool((h < 0).any())
    columns = min(len(h), 64)
    cells = np.full(-(-len(h) // columns) * columns, np.nan, np.float32)
    cells[: len(h)] = h
    figure = _figure(title, height=height)
    figure.add_trace(
        go.Heatmap(
            z=cells.reshape(-1, columns),
            zmin=-most if signed else 0,
            zmax=most,
            colorscale="RdBu_r" if signed else "Cividis",
            showscale=False,
            xgap=1 if len(h) <= 256 else 0,
            ygap=1 if len(h) <= 256 else 0,
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, autorange="reversed")
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, l=0, r=0))
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
    figure = _figure(title, height=height)
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


# --- language ---


def _readable(tokens: Sequence[str]) -> list[str]:
    return [_plain(token) for token in tokens]


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
    figure = _figure(title, height=height)
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


def share(probability: float) -> str:
    """Write a probability as "43 %", "4.3 %" or "0.12 %"; what is smaller still as "< 0.01 %"."""
    percents = 100 * probability
    if percents < 0.01:
        return "< 0.01 %"
    return f"{percents:.{0 if percents >= 9.95 else 1 if percents >= 0.995 else 2}f} %"


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
    figure = _figure(title, height=height)
    heat = dict(zmin=0, zmax=1, colorscale="Cividis", xgap=2, ygap=2, hoverinfo="skip")
    figure.add_trace(go.Heatmap(z=np.sqrt(p), **heat, showscale=False))
    cell = dict(showarrow=False, font_size=14)
    figure.layout.annotations = [
        dict(
            x=k,
            y=r,
            text=f"{_plain(tokens[r][k])} <span style='font-size:12px'>{share(p[r, k])}</span>",
            font_color="#ffffff" if np.sqrt(p[r, k]) < 0.55 else "#000000",
            **cell,
        )
        for r in range(len(rows))
        for k in range(len(columns))
    ] + [dict(x=1.01, xref="paper", xanchor="left", y=r, text=_plain(note), **cell) for r, note in enumerate(notes)]
    figure.update_xaxes(tickvals=np.arange(len(columns)), ticktext=columns, showgrid=False, side="bottom", ticks="")
    figure.update_yaxes(tickvals=np.arange(len(rows)), ticktext=rows, showgrid=False, ticks="")
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, r=150))
    return figure


def plot_heads(attention: Any, *, chosen: int, title: str, height: int = 380) -> go.Figure:
    """Draw the attention of every head as a small picture: a row a layer, a column a head, brighter for more weight.

    Brightness goes with the square root of the weight, so that weak patterns show. Every picture carries
    `customdata`, layer * heads + head.

    Args:
        attention: (layers, heads, L, L), rows the piece that looks, columns the piece that is looked at.
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
    figure = _figure(title, height=height)
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
    """Draw how much each piece (row) looks at each other (column).

    Args:
        weights: (L, L), each row sums to one.
        tokens: L pieces.
        title: whose attention.
        height: pixels.
    """
    weights, names = np.asarray(weights, np.float32), _readable(tokens)
    places = np.arange(len(names))
    figure = _figure(title, height=height)
    figure.add_trace(
        go.Heatmap(
            z=weights,
            zmin=0,
            zmax=float(weights.max(initial=1e-6)),
            colorscale="Cividis",
            xgap=1 if len(names) <= 40 else 0,
            ygap=1 if len(names) <= 40 else 0,
            text=[[f"{_plain(a)} looks at {_plain(b)}" for b in tokens] for a in tokens],
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

    An arc's width goes with its weight; those of the pieces in focus are coloured, the others grey.

    Args:
        weights: (L, L), each row sums to one.
        tokens: L pieces.
        title: whose attention.
        focus: positions whose arcs stand out.
        least: weights under this are not drawn.
        height: pixels.
    """
    weights, names = np.asarray(weights, np.float64), _readable(tokens)
    length = len(names)
    figure = _figure(title, height=height)
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
    figure = _figure(title, height=height)
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


def plot_losses(losses: Any, *, steps: int, title: str, height: int = 260) -> go.Figure:
    """Draw the loss of each step so far, on an axis that has room for all.

    Args:
        losses: (K,) nats per masked piece, of the first K steps.
        steps: how many there will be.
        title: what is trained.
        height: pixels.
    """
    losses = np.asarray(losses, np.float64)
    figure = _figure(title, height=height)
    line = dict(color=PETROFF[0], width=3)
    figure.add_trace(go.Scatter(x=np.arange(1, len(losses) + 1), y=losses, mode="lines+markers", line=line))
    figure.update_xaxes(title="step", range=[0.5, max(2, steps) + 0.5], nticks=8)
    figure.update_yaxes(title="loss (nats per masked piece)", rangemode="tozero", nticks=5)
    figure.update_layout(margin=dict(t=MODE_BAR, b=4), hovermode="x")
    return figure


# --- a run while it trains ---


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
    figure = _figure(title, height=height)
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
            gridcolor=GRID_GREY, zeroline=False,
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
                    text=f"<b>{_plain(name)}</b>", font=dict(size=14, color=colour), align="left",
                )
            )  # fmt: skip
    figure.layout.annotations = notes
    last = "y" if len(panels) == 1 else f"y{len(panels)}"
    figure.update_xaxes(title=dict(text=x_title, standoff=8), range=[0, end], anchor=last)
    widest = max((len(note["text"]) - 7 for note in notes), default=0)
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, l=4, r=16 + 8 * widest), hovermode="x")
    return figure


def plot_similarity(matrix: Any, *, title: str, height: int = 380) -> go.Figure:
    """Draw the cosine of every first view with every second view; the pairs lie on the diagonal, outlined.

    Args:
        matrix: (N, N) in [-1, 1], rows the first views.
        title: what is compared.
        height: pixels.
    """
    matrix = np.asarray(matrix, float)
    count = len(matrix)
    figure = _figure(title, height=height)
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


def plot_queue(age: Any, drift_age: Any, drift: Any, *, title: str, height: int = 380) -> go.Figure:
    """Draw how many keys of each age MoCo's queue holds, and how well keys of some ages still hold.

    Args:
        age: (K,) steps, -1 for random numbers that no step has written over yet.
        drift_age: (A,) steps.
        drift: (A,) mean cosine of the keys of that age with the same keys made now.
        title: of which queue.
        height: pixels.
    """
    age = np.asarray(age)
    ages, counts = np.unique(age[age >= 0], return_counts=True)
    green = ENCODER_COLOURS["moco"]
    figure = plot_curves(
        [
            ("keys", [("", ages, counts, green, "solid")]),
            ("cosine with the key now", [("", drift_age, drift, green, "solid")]),
        ],
        title=title, x_title="age of the key (steps)", height=height,
    )  # fmt: skip
    figure.data[0].update(mode="lines", line=dict(shape="hvh", color=green, width=2.5), fill="tozeroy")
    figure.data[1].update(mode="lines+markers", marker=dict(size=9, color=green))
    figure.layout.annotations = ()
    figure.layout.yaxis.range = [0, 1.15 * max(1, int(counts.max(initial=1)))]
    figure.update_xaxes(range=[-0.5, max(1, int(age.max(initial=1))) + 0.5])
    figure.update_layout(margin_r=16)
    return figure
