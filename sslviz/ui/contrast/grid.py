"""Pairs of transforms: what short runs with two transforms each have learnt, and what their views look like."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.bundled import experiments
from sslviz.bundled.experiments import grid
from sslviz.bundled.experiments.results import Results, Run
from sslviz.methods.registry import METHODS
from sslviz.ui.component import component
from sslviz.ui.contrast import drawn, live

NAME = "grid"
_CELLS = component(__file__, "cells")


def show(selection: ui.Selection) -> None:
    """Draw the heat map, and beside it the views and the scores of the cell that was clicked."""
    about, dataset = experiments.EXPERIMENTS[NAME], selection.data
    found = live.found(NAME, dataset)
    if found is None:
        return
    names = list(grid.TRANSFORMS[dataset])
    keys = list(about.cells(dataset))
    cell = ui.bound("contrast_cell", _opening(found, keys), among=keys)
    halves = st.grid(2, min_column_width=400, gap="medium")
    with halves.cell():
        probe = drawn.choose_probe()
        _heat_map(found, names, cell, probe)
        none = {"contrast_cell": grid.NONE}  # it has no place in the matrix
        st.button(
            "No transform at all", key="contrast_none", type="tertiary", disabled=cell == grid.NONE,
            on_click=lambda: st.session_state.update(none),
        )  # fmt: skip
        st.markdown(_told(found, names, probe))
    with halves.cell():
        _chosen(found, dataset, cell, probe)
    st.caption(drawn.protocol(found, probe, about.fixed["steps"], about.fixed["batch_size"]))
    _foldouts(found, cell, dataset)


def _opening(found: Results, keys: list[str]) -> str:
    """The cell with the best k-NN."""
    there = [key for key in keys if found.of(key)]
    return max(there, key=lambda key: drawn.mean(found.of(key), "knn"), default=keys[0])


def _heat_map(found: Results, names: list[str], chosen: str, probe: str) -> None:
    """The cells, coloured by accuracy: of one transform on the diagonal, of two below it."""
    places = [(i, j, grid.key_of(names[i], names[j], names)) for i in range(len(names)) for j in range(i + 1)]
    scores = {key: drawn.mean(runs, probe) for _, _, key in places if (runs := found.of(key))}
    low, high = (min(scores.values()), max(scores.values())) if scores else (0.0, 1.0)
    colours = dict(zip(scores, plots.cell_colours(list(scores.values()), low, high), strict=True))
    cells: list[dict[str, Any]] = []
    for row, column, key in places:
        runs = found.of(key)
        background, ink = colours.get(key, ("transparent", "inherit"))
        hint = f"{title_of(key)}: {_hint(runs, probe)}"
        text, note = f"{100 * scores[key]:.0f}" if runs else "–", f"{len(runs)} seeds" if len(runs) > 1 else ""
        place = {"row": row, "column": column, "key": key}
        cells.append({**place, "hint": hint, "text": text, "note": note, "background": background, "ink": ink})

    def clicked() -> None:
        value = st.session_state.contrast_cells.get("clicked")
        if isinstance(value, str) and value in {key for *_, key in places}:
            st.session_state.contrast_cell = value

    st.markdown("**Accuracy (%) after training with one transform (diagonal) or two**")
    ramp = [colour for colour, _ in plots.cell_colours([i / 8 for i in range(9)], 0, 1)]
    data = {"names": names, "cells": cells, "chosen": chosen, "label": "Pairs of transforms; Enter shows a cell"}
    ends = {"low": plots.percent(low, half_width=1), "high": plots.percent(high, half_width=1)}
    _CELLS(key="contrast_cells", data={**data, **ends, "ramp": ramp}, on_clicked_change=clicked)


def _hint(runs: tuple[Run, ...], probe: str) -> str:
    if not runs:
        return "not run yet"
    if len(runs) == 1:
        return drawn.percent(runs[0], probe)
    return f"{100 * drawn.mean(runs, probe):.1f} %, mean of {len(runs)} seeds"


def title_of(key: str) -> str:
    """A cell in words: "crop + blur", "crop alone", "no transform"."""
    if key == grid.NONE:
        return "no transform"
    return key.replace("+", " + ") if "+" in key else f"{key} alone"


def _told(found: Results, names: list[str], probe: str) -> str:
    """What is to be seen: the best pair, the best transform alone, none, and the untrained encoder."""
    said = []
    pairs = [grid.key_of(a, b, names) for i, a in enumerate(names) for b in names[i + 1 :]]
    for word, keys in (("Best pair: ", pairs), ("best of one: ", names), ("", [grid.NONE])):
        if there := [key for key in keys if found.of(key)]:
            best = max(there, key=lambda key: drawn.mean(found.of(key), probe))
            said.append(f"{word}{title_of(best)}, {_hint(found.of(best), probe)}")
    low, high = found.interval(found.untrained[probe])
    said.append(f"the same encoder untrained, {plots.percent_interval(found.untrained[probe], (low, high))}")
    return "; ".join(said) + "."


def _chosen(found: Results, dataset: str, cell: str, probe: str) -> None:
    """The views of a cell, what it scored, and a run of it now."""
    title = title_of(cell)
    policy = experiments.policy(NAME, dataset, cell)
    drawn.show_views(dataset, policy, title=f"Views: {title}", key="contrast_grid_seed")
    if runs := found.of(cell):
        st.markdown(drawn.table(runs, probe))
    else:
        st.markdown("This cell was not run yet.")
    live.panel(NAME, dataset, cell, title)


def _foldouts(found: Results, cell: str, dataset: str) -> None:
    about, runs = experiments.EXPERIMENTS[NAME], found.of(cell)
    method = METHODS[about.method]
    ui.foldouts(
        latex=method.latex,
        symbols={
            **method.symbols,
            "t, t'": ("two draws of the cell's transforms, the views of an image", "views.two_views(x, policy)"),
        },
        source="sslviz.methods.views:augment",
        command="\n".join([found.command, *([runs[0].command] if runs else [])]),
        script=drawn.script(f'"{NAME}", "{dataset}", "{cell}", seed=0'),
        way=(
            "The bundled training images, without labels, and the transforms of one cell.",
            f"{about.fixed['steps']} steps of {method.title} with these transforms alone, then two probes on h.",
            "Accuracy of what was learnt: which transforms make the pretext task worth solving.",
        ),
    )
