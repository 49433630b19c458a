"""Bars and marks: order, shapes and intervals."""

import numpy as np

from sslviz import plots

NAMES = tuple("0123456789")


def test_accuracy_sorts_and_tells_encoders_from_baselines_by_shape():
    rows = [
        {"label": "simclr", "accuracy": 0.9, "interval": (0.89, 0.91), "colour": "#5b6be1"},
        {"label": "pixels", "accuracy": 0.95, "interval": (0.94, 0.96), "colour": None},
    ]
    figure = plots.plot_accuracy(rows, title="t", chance=0.1)
    assert [t.y[0] for t in figure.data] == ["simclr", "pixels"]
    assert [t.marker.symbol for t in figure.data] == ["circle", "diamond-open"]
    assert figure.data[1].marker.color == plots.BASELINE_GREY
    np.testing.assert_allclose(figure.data[0].error_x.array, [1.0])
    assert figure.layout.height == plots.plot_accuracy(rows[:1], title="t").layout.height  # nothing moves


def test_counts_are_in_class_order():
    figure = plots.plot_counts([3, 0, 5], NAMES[:3], title="t")
    assert list(figure.data[0].x) == [3, 0, 5] and list(figure.data[0].marker.color) == list(plots.PETROFF[:3])
    assert list(figure.data[0].text) == ["3", "", "5"]
