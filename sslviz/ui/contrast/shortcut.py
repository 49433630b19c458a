"""Random bits as a shortcut: the pretext loss falls, and so does what the representation is good for."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.bundled import experiments
from sslviz.bundled.experiments import shortcut
from sslviz.bundled.experiments.results import Results, Run
from sslviz.methods.registry import METHODS
from sslviz.ui.contrast import drawn, live

NAME = "shortcut"
PLACES = {"over": "over both views", "under": "under the other transforms", "apart": "different in each view"}
CHOICES = {"over": "over both", "under": "under transforms", "apart": "differing"}  # short, for a phone
DASHES = {"over": "solid", "under": "dash", "apart": "dot"}
HEIGHT = 430


def show(selection: ui.Selection) -> None:
    """Draw both curves over the bits, and the views with as many bits as the slider says."""
    about, dataset = experiments.EXPERIMENTS[NAME], selection.data
    found = live.found(NAME, dataset)
    if found is None:
        return
    bits = ui.bound("contrast_bits", 8, among=shortcut.BITS)
    place = ui.bound("contrast_place", "over", among=PLACES)
    cell = shortcut.key_of(bits, place)
    title, policy = title_of(cell), experiments.policy(NAME, dataset, cell)
    halves = st.grid(2, min_column_width=400, gap="medium")
    left, right = halves.cell(), halves.cell()
    with right:
        probe = drawn.choose_probe()
        ui.show(
            _curves(found, bits, probe), key="contrast_bits_curves", caption=_told(found, cell, place, probe),
            alt="Pretext loss and probe accuracy over the number of random bits",
        )  # fmt: skip
    with left:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.select_slider("Random bits in both views", list(shortcut.BITS), key="contrast_bits", width=260)
            st.segmented_control(
                "Where they are",
                list(PLACES),
                format_func=lambda key: CHOICES[key],
                key="contrast_place",
                required=True,
            )  # fmt: skip
        drawn.show_views(dataset, policy, title=f"Views: {title}", key="contrast_bits_seed")
        if runs := found.of(cell):
            st.markdown(drawn.table(runs, probe))
        else:
            st.markdown("This was not run yet.")
        live.panel(NAME, dataset, cell, title)
    st.caption(drawn.protocol(found, probe, about.fixed["steps"], about.fixed["batch_size"]))
    _foldouts(found, cell, dataset)


def title_of(key: str) -> str:
    """A cell in words: "8 bits over both views"."""
    bits, _, place = key.partition(" ")
    return f"{bits} bits {PLACES[place]}" if place else "no bits"


def _series(found: Results, place: str) -> list[tuple[int, tuple[Run, ...]]]:
    """The numbers of bits that were tried in a place, with their runs; none first, which is the same everywhere."""
    keys = [(bits, shortcut.key_of(bits, place)) for bits in shortcut.BITS]
    return [(bits, runs) for bits, key in keys if (runs := found.of(key))]


def _curves(found: Results, bits: int, probe: str) -> Any:
    """Two panels, the loss and the accuracy, each with a curve a place; the slider's bits are marked."""
    colour = METHODS[experiments.EXPERIMENTS[NAME].method].colour
    series = {place: _series(found, place) for place in PLACES}
    tried = {place: rows for place, rows in series.items() if len(rows) > 1}

    def curves(what: str, scale: float) -> list[tuple[str, list, list, str, str]]:
        return [
            (place, [b for b, _ in rows], [scale * drawn.mean(runs, what) for _, runs in rows], colour, DASHES[place])
            for place, rows in tried.items()
        ]

    titles = {"knn": "k-NN (%)", "linear": "linear probe (%)"}
    figure = plots.plot_curves(
        [("pretext loss (nats)", curves("loss", 1)), (titles[probe], curves(probe, 100))],
        title="Pretext loss and probe accuracy against random bits",
        x_title="random bits", height=HEIGHT, marks=[(1, 100 * found.untrained[probe], "untrained")],
    )  # fmt: skip
    for i, rows in enumerate(tried.values()):
        spans = [_span(runs, probe) for _, runs in rows]
        figure.data[i].update(mode="lines+markers", marker_size=9)
        figure.data[i + len(tried)].update(
            mode="lines+markers", marker_size=9,
            error_y=dict(array=[up for _, up in spans], arrayminus=[down for down, _ in spans], thickness=1.5),
        )  # fmt: skip
    for axis in (figure.layout.yaxis, figure.layout.yaxis2):  # room for names that are pushed up
        low, high = axis.range
        axis.range = [low, high + 0.2 * (high - low)]
    line = dict(color=plots.BASELINE_GREY, width=8)
    figure.add_shape(type="line", x0=bits, x1=bits, y0=0, y1=1, yref="paper", line=line, opacity=0.3)
    figure.update_xaxes(range=[-0.4, max(shortcut.BITS) + 0.4], tickvals=list(shortcut.BITS))
    return figure


def _span(runs: tuple[Run, ...], probe: str) -> tuple[float, float]:
    """How far the interval reaches below and above the accuracy, in points; of one seed alone."""
    if len(runs) > 1:
        return math.nan, math.nan
    low, high = runs[0].interval(probe)
    value = getattr(runs[0], probe)
    return 100 * (value - low), 100 * (high - value)


def _told(found: Results, cell: str, place: str, probe: str) -> str:
    """What is to be seen, from the runs: with these bits against none, and what takes the shortcut away."""
    none, here = found.of("0"), found.of(cell)
    if not none or not here:
        return ""
    was, now = drawn.mean(none, probe), drawn.mean(here, probe)
    before, after = drawn.mean(none, "loss"), drawn.mean(here, "loss")
    if cell == "0":
        return f"Without bits: a loss of {before:.2f} nats, and {plots.percent(was)} of the test images right."
    bits, title = cell.split(" ")[0], title_of(cell)
    said = (
        f"{title}: the loss ends at {after:.2f} nats in place of {before:.2f}, and {plots.percent(now)} of the test "
        f"images are right in place of {plots.percent(was)}."
    )
    if place != "over" and (shared := found.of(f"{bits} over")):
        said += f" Over both views the same {bits} bits leave {plots.percent(drawn.mean(shared, probe))}."
    return said


def _foldouts(found: Results, cell: str, dataset: str) -> None:
    about, runs = experiments.EXPERIMENTS[NAME], found.of(cell)
    method = METHODS[about.method]
    ui.foldouts(
        latex=method.latex,
        symbols={**method.symbols, "b": ("random bits of an image, in both of its views", "views.draw_bits")},
        source="sslviz.methods.views:paint",
        command="\n".join([found.command, *([runs[0].command] if runs else [])]),
        script=drawn.script(f'"{NAME}", "{dataset}", "{cell}", seed=0'),
        way=(
            "The bundled training images, without labels, and random bits in the two top rows of their views.",
            f"{about.fixed['steps']} steps of {method.title} with the ordinary transforms, then two probes on h.",
            "A loss that rewards the bits, and a representation that is left with little else.",
        ),
    )
