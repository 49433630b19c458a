"""Curves: what axes say, and how curves differ."""

from sslviz import plots


def test_axes_without_a_curve_have_no_numbers():
    empty = plots.plot_curves([("loss (nats)", [("loss", [], [], "#000000", "solid")])], title="t", x_title="epoch")
    assert empty.layout.yaxis.showticklabels is False and empty.layout.xaxis.showticklabels is False
    drawn = plots.plot_curves([("loss", [("loss", [0, 1], [1, 2], "#000000", "solid")])], title="t", x_title="epoch")
    assert drawn.layout.yaxis.showticklabels and drawn.layout.xaxis.showticklabels


def test_paths_differ_by_dash_as_well_as_by_colour():
    curves = [("a", [1, 2], "#000000", "solid"), ("b", [2, 1], "#000000", "dot")]
    figure = plots.plot_paths([0, 1], curves, title="t", y_title="nats")
    assert [t.line.dash for t in figure.data] == ["solid", "dot"]
