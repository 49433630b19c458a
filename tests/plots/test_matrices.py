"""Confusion matrices: cells in per cent of their row, one unit for all."""

import numpy as np

from sslviz import plots

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
