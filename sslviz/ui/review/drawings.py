"""Small pictures as HTML that needs nothing else: PNG within the page, and SVG in the colour of its text."""

from __future__ import annotations

from html import escape
from typing import Any

from plotly.colors import sample_colorscale

from sslviz import plots
from sslviz.data.packing import unpack

WIDTH, HEIGHT = 240, 110  # of drawings, in their own units


def draw(picture: dict[str, Any], label: str) -> str:
    """A picture of `bundled.review.figures` as HTML.

    Args:
        picture: its kind and what it is of.
        label: what it shows, for those who can't see it.
    """
    return DRAWINGS[picture["kind"]](picture, escape(label, quote=True))


def _images(picture: dict[str, Any], label: str) -> str:
    sheet = plots.mosaic(unpack(picture["x"]), columns=picture["columns"], scale=2, gap=4)
    height, width = sheet.shape[:2]
    return (
        f'<img class="rv-pixels" alt="{label}" src="{plots.data_uri(sheet)}" width="{width // 2}" '
        f'height="{height // 2}">'
    )


def _svg(body: str, label: str, *, height: float = HEIGHT, width: float = WIDTH, kind: str = "rv-svg") -> str:
    return (
        f'<svg class="{kind}" role="img" aria-label="{label}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">{body}</svg>'
    )


def _matrix(picture: dict[str, Any], label: str) -> str:
    """Cosines from -1 to 1 on a scale centred on zero, or magnitudes from 0 to the largest."""
    rows = picture["values"]
    side = HEIGHT / len(rows)
    if picture.get("magnitude"):
        most = max(max(row) for row in rows) or 1.0
        scale, at = "Cividis", [value / most for row in rows for value in row]
    else:
        scale, at = "RdBu_r", [(value + 1) / 2 for row in rows for value in row]
    colours = sample_colorscale(scale, [min(1.0, max(0.0, value)) for value in at])
    cells = "".join(
        f'<rect x="{(i % len(rows)) * side:.2f}" y="{(i // len(rows)) * side:.2f}" width="{side:.2f}" '
        f'height="{side:.2f}" fill="{colour}"></rect>'
        for i, colour in enumerate(colours)
    )
    return _svg(cells, label, width=HEIGHT, kind="rv-svg rv-square")


def _bars(picture: dict[str, Any], label: str) -> str:
    """Shares in [0, 1], a bar each with its name and value."""
    step, left = 22, 88
    rows = []
    for i, (name, value) in enumerate(zip(picture["labels"], picture["values"], strict=True)):
        y = i * step
        width = max(1.0, value * (WIDTH - left - 48))
        rows.append(
            f'<text x="{left - 6}" y="{y + 14}" text-anchor="end">{escape(str(name))[:14]}</text>'
            f'<rect class="rv-bar" x="{left}" y="{y + 3}" width="{width:.1f}" height="14"></rect>'
            f'<text x="{left + width + 4:.1f}" y="{y + 14}">{100 * value:.1f} %</text>'
        )
    return _svg("".join(rows), label, height=max(1, len(rows)) * step)


def _curve(picture: dict[str, Any], label: str) -> str:
    """Curves over a common axis, each named at its end, the least and largest value at the side."""
    curves = picture["curves"]
    xs = [x for curve in curves for x in curve["x"]]
    ys = [y for curve in curves for y in curve["y"]]
    low, high, last = min(ys), max(ys), max(xs) or 1
    left, right, top, bottom = 34, 62, 8, 16
    reach = (high - low) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (WIDTH - left - right) * x / last,
            top + (HEIGHT - top - bottom) * (1 - (y - low) / reach),
        )

    parts = [
        f'<text x="{left - 4}" y="{y:.0f}" text-anchor="end">{value:.2f}</text>'
        for y, value in ((top + 6, high), (HEIGHT - bottom, low))
    ]
    for i, curve in enumerate(curves):
        points = [place(x, y) for x, y in zip(curve["x"], curve["y"], strict=True)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = ' stroke-dasharray="4 3"' if i else ""
        end_x, end_y = points[-1]
        parts.append(f'<polyline class="rv-line" points="{line}"{dash}></polyline>')
        parts.append(f'<text x="{end_x + 4:.1f}" y="{end_y + 4:.1f}">{escape(curve["name"])}</text>')
    parts.append(f'<text x="{left}" y="{HEIGHT - 2}">{escape(picture["title"])}, to {last:,}</text>')
    return _svg("".join(parts), label)


def _posterior(picture: dict[str, Any], label: str) -> str:
    """Mean and standard deviation of each dimension of z around zero."""
    mu, sigma = picture["mu"], picture["sigma"]
    most = max(abs(m) + s for m, s in zip(mu, sigma, strict=True)) or 1.0
    middle, step = HEIGHT / 2, WIDTH / len(mu)
    parts = [f'<line class="rv-axis" x1="0" x2="{WIDTH}" y1="{middle}" y2="{middle}"></line>']
    for i, (m, s) in enumerate(zip(mu, sigma, strict=True)):
        x, y, reach = (i + 0.5) * step, middle - 0.46 * HEIGHT * m / most, 0.46 * HEIGHT * s / most
        parts.append(
            f'<line class="rv-line" x1="{x:.1f}" x2="{x:.1f}" y1="{y - reach:.1f}" y2="{y + reach:.1f}"></line>'
        )
        parts.append(f'<circle class="rv-dot" cx="{x:.1f}" cy="{y:.1f}" r="2.6"></circle>')
    return _svg("".join(parts), label)


def _tokens(picture: dict[str, Any], label: str) -> str:
    """Tokens in their order; what is hidden is framed twice."""
    marked = set(picture["marked"])
    parts = [
        f'<span class="rv-token{" rv-hidden" if i in marked else ""}">{escape(token)}</span>'
        for i, token in enumerate(picture["tokens"])
    ]
    return f'<div class="rv-tokens" role="img" aria-label="{label}">{" ".join(parts)}</div>'


DRAWINGS = {
    "images": _images, "matrix": _matrix, "bars": _bars, "curve": _curve, "posterior": _posterior, "tokens": _tokens,
}  # fmt: skip
