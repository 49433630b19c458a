"""Pixels: mosaics, PNG, and grids of images as figures."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslviz.data.images import in_unit_range
from sslviz.plots.theme import MODE_BAR, nats, new_figure


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
        if frames is not None and (code := frames[i]):
            colour = [int(code[j : j + 2], 16) for j in (1, 3, 5)] + [255]
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
    grey = in_unit_range(pixels(images)).mean(axis=3)  # (N, H, W)
    return float(((grey > 0.1) & (grey < 0.9)).mean())


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
    """Draw a labelled grid of images. `layout.meta["grid"]` says what stands in it, for hosts that draw it themselves.

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
    figure = new_figure(title, height=round(sheet.shape[0] * scale / over) + MODE_BAR + 10 + labelled)
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
    grid = dict(rows=list(row_labels), columns=list(column_labels or ()), title=x_title)
    grid |= dict(width=sheet.shape[1] * scale / over, sheetWidth=sheet.shape[1], sheetHeight=sheet.shape[0])
    figure.update_layout(margin=dict(t=MODE_BAR, b=4, r=0), hovermode=False, meta=dict(grid=grid))
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


def plot_traversal(
    images: Any, dimensions: Any, steps: Any, kl: Any, own: Any, *, title: str, colour: str
) -> go.Figure:
    """Draw what each of some latent dimensions does while the others are held.

    Args:
        images: (R * K, C, H, W) decoded, a row a dimension.
        dimensions: (R,) their numbers.
        steps: (K,) values, in prior standard deviations.
        kl: (R,) nats.
        own: (R,) values of the image that the walk starts from; the nearest step is framed.
        title: what is walked.
        colour: of the frames, `#rrggbb`.
    """
    steps, own = np.asarray(steps), np.asarray(own)
    nearest = np.abs(own[:, None] - steps).argmin(axis=1)  # (R,)
    frames = [colour if j == here else None for here in nearest for j in range(len(steps))]
    return plot_images(
        images,
        row_labels=[f"z<sub>{d}</sub>   {nats(value)}" for d, value in zip(dimensions, kl, strict=True)],
        column_labels=["0" if abs(s) < 1e-9 else f"{s:+.2f}".replace("-", "−") for s in steps],
        title=title,
        x_title="prior standard deviations; framed: the image's own",
        frames=frames,
    )


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
    figure = new_figure(title, height=height)
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
