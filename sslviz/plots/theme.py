"""Colours, template and ink of every figure, and how numbers are written on them."""

from __future__ import annotations

import importlib
import sys
import textwrap

import plotly.graph_objects as go
import plotly.io as pio

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
BASELINE_GREY = "#8a919c"
GRID_GREY = "rgba(128, 138, 150, 0.25)"  # reads on white and on near-black alike
INK = {"light": "#0d131b", "dark": "#e9edf2"}  # text on a page of either theme
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


def class_colour(label: int) -> str:
    """Return the colour of a class; past ten classes the palette starts again, so show the name beside it."""
    return PETROFF[int(label) % len(PETROFF)]


def percent(accuracy: float, *, half_width: float = 0.0) -> str:
    """Write an accuracy in [0, 1] as "98.6 %", without the decimal where its interval is wider than one point.

    Args:
        accuracy: share in [0, 1].
        half_width: half of its 95 % interval, in the same unit.
    """
    return f"{100 * accuracy:.{0 if half_width >= 0.01 else 1}f} %"


def percent_interval(accuracy: float, interval: tuple[float, float], n: int | None = None) -> str:
    """Write an accuracy with its interval and its count: "98.6 % (98.4 to 98.8, n = 10,000)"; without n, no count."""
    low, high = interval
    digits = 0 if (high - low) / 2 >= 0.01 else 1
    value = percent(accuracy, half_width=(high - low) / 2)
    count = "" if n is None else f", n = {n:,}"
    return f"{value} ({100 * low:.{digits}f} to {100 * high:.{digits}f}{count})"


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


def share(probability: float) -> str:
    """Write a probability as "43 %", "4.3 %" or "0.12 %"; what is smaller still as "< 0.01 %"."""
    percents = 100 * probability
    if percents < 0.01:
        return "< 0.01 %"
    return f"{percents:.{0 if percents >= 9.95 else 1 if percents >= 0.995 else 2}f} %"


def in_ink(figure: go.Figure, theme: str) -> go.Figure:
    """Return a copy whose words have the ink of a theme, "light" or "dark": a host's own greys are faint from afar."""
    settle()
    ink = INK.get(theme, INK["light"])
    figure = go.Figure(figure)
    figure.update_layout(font_color=ink, legend_font=dict(color=ink, size=14))
    figure.update_xaxes(tickfont_color=ink, title_font_color=ink)
    figure.update_yaxes(tickfont_color=ink, title_font_color=ink)
    return figure


def without_title(figure: go.Figure, *, tools: bool) -> tuple[str, go.Figure]:
    """Return a figure's title, and a copy that has none and keeps no room for it.

    Args:
        figure: stays as it is.
        tools: whether room for Plotly's tool bar stays.
    """
    title, top = figure.layout.title.text or "", figure.layout.margin.t
    top = MODE_BAR + 12 if top is None else top
    kept = min(top, MODE_BAR if tools else 8)
    copy = go.Figure(figure)
    copy.update_layout(title_text="", margin_t=kept)
    if copy.layout.height is not None:
        copy.layout.height -= top - kept
    return title, copy


def settle(module: str = "pandas") -> None:
    """Wait for a thread that is importing a module: Plotly looks into pandas as soon as its name is known.

    Nothing is imported that nobody else imports.
    """
    if module in sys.modules:
        importlib.import_module(module)


def new_figure(title: str, *, height: int) -> go.Figure:
    settle()
    axis = dict(tickfont_size=14, title_font_size=15)  # here and not in the template, which a page's theme overrides
    return go.Figure(layout=dict(template="sslviz", title_text=title, height=height, xaxis=axis, yaxis=axis))


def plain(text: str) -> str:
    """Class names may come from a person's folders: Plotly reads tags and `%{}` in text, so take their signs out."""
    return str(text).replace("<", "‹").replace(">", "›").replace("{", "(").replace("}", ")")


def wrapped(text: str, width: int = 56) -> str:
    """A text in lines for a hover."""
    return "<br>".join(textwrap.wrap(plain(text), width))
