"""Confusion matrices: cells in per cent of their row, one unit for all."""

import re

import numpy as np

from sslviz import plots
from sslviz.plots import matrices

NAMES = tuple("0123456789")


def test_confusion_cells_carry_their_classes_and_leave_the_diagonal_plain():
    matrix = np.array([[8, 2, 0], [1, 9, 0], [0, 4, 6]])
    figure = plots.plot_confusion(matrix, NAMES[:3], title="t")
    heat, cells = figure.data
    assert np.isnan(np.diag(heat.z)).all() and heat.z[2, 1] == 40 and np.isnan(heat.z[0, 2])
    assert divmod(int(cells.customdata[3]), 3) == (1, 0) and (cells.y[3], cells.x[3]) == ("1", "0")
    assert cells.text[3] == "1 of 10 images, 10.0 %"
    texts = {(a.y, a.x): a.text for a in figure.layout.annotations}
    assert texts["0", "0"] == "<b>80</b>" and texts["2", "1"] == "40" and texts["0", "2"] == ""


def test_a_perfect_confusion_matrix_can_be_drawn():
    assert plots.plot_confusion(np.eye(3, dtype=int), NAMES[:3], title="t").data


def test_the_ink_of_a_cell_reads_on_every_colour():
    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour, ink in matrices.cell_colours([i / 100 for i in range(101)], 0, 1):
        dark, light = sorted([luminance(colour), {"#000000": 0.0, "#ffffff": 1.0}[ink]])
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (colour, ink)  # WCAG 2.2, level AA
