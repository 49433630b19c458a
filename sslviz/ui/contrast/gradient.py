"""Pull and push by hand: an anchor, its positive and negatives on a circle, at three temperatures side by side."""

from __future__ import annotations

import streamlit as st

from sslviz import ui
from sslviz.ui.component import component

_GRADIENT = component(__file__, "contrast_gradient")
TEMPERATURES = (0.05, 0.2, 1.0)
START = (50, 120, 190, 260, 330)  # degrees of the positive and of four negatives; the anchor is at 90


def show(selection: ui.Selection) -> None:
    """Draw the circles; they need no model."""
    with st.container():
        _circles()


@st.fragment
def _circles() -> None:
    angles = ui.bound("contrast_angles", START, parse=_read)
    key = "contrast_gradient"

    def placed() -> None:
        value = st.session_state[key].get("placed")
        if isinstance(value, list) and _allowed(value):
            st.session_state.contrast_angles = tuple(int(angle) for angle in value)

    data = {"angles": list(angles), "start": list(START), "temperatures": list(TEMPERATURES)}
    _GRADIENT(key=key, data=data, on_placed_change=placed)
    ui.foldouts(
        latex=r"-\frac{\partial \ell}{\partial a} = \frac{1}{\tau}\Big[(1 - p_0)\,(c_0 - (c_0 \cdot a)\,a)"
        r" - \sum_{k \ge 1} p_k\,(c_k - (c_k \cdot a)\,a)\Big], \qquad p = \mathrm{softmax}(c \cdot a / \tau)",
        symbols={
            "a": ("anchor, at length 1: z of a view", "anchor"),
            "c_0, c_k": ("its positive and the negatives, at length 1", "others"),
            "p_k": ("probability of a candidate", "contrast.probabilities"),
            r"\tau": ("temperature", ", ".join(map(str, TEMPERATURES))),
            r"c - (c \cdot a)\,a": ("what of c turns the anchor; the rest would change its length", "contrast.forces"),
        },
        source="sslviz.evaluation.contrast:forces",
        command="",
        script=f"""import numpy as np
from sslviz.evaluation.contrast import forces, gradient_shares

angles = np.deg2rad([90, {", ".join(map(str, angles))}])  # anchor, positive, negatives
anchor, *others = np.column_stack([np.cos(angles), np.sin(angles)])
for temperature in {TEMPERATURES}:
    print(temperature, gradient_shares(np.array(others) @ anchor, temperature).round(3))
    print(temperature * forces(anchor, np.array(others), temperature))""",
        way=(
            "An anchor, its positive and four negatives, placed by hand on a circle: z of two numbers, at length 1.",
            "InfoNCE of the anchor, and its gradient split by candidate.",
            "One pull, as large as all pushes together; the lower the temperature, the more the nearest negative has.",
        ),
    )


def _allowed(angles: list | tuple) -> bool:
    return len(angles) == len(START) and all(isinstance(angle, int) and 0 <= angle < 360 for angle in angles)


def _read(text: str) -> tuple[int, ...]:
    angles = tuple(int(part) for part in text.split(","))
    if not _allowed(angles):
        raise ValueError("these are no five angles")
    return angles
