"""Spheres, cosines and spectra: what is drawn where."""

import numpy as np

from sslviz import plots


def test_a_sphere_shows_every_point_within_its_circle():
    xy, y = np.array([[0.5, 0.5], [1.0, 0.0], [-0.2, 0.1]]), np.array([1, 0, 1])
    figure = plots.plot_sphere(xy, y, ("a", "<b>"), title="t")
    assert [trace.name for trace in figure.data] == ["a", "‹b›"]
    drawn = np.concatenate([np.stack([trace.x, trace.y], 1) for trace in figure.data])
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, xy))
    circle = figure.layout.shapes[0]
    assert (circle.x0, circle.y1) == (-1, 1) and figure.layout.yaxis.scaleanchor == "x"
    assert len({trace.marker.symbol for trace in figure.data}) == 2  # colour never stands alone


def test_cosines_are_shares_of_their_own_kind():
    figure = plots.plot_cosines([0, 0, 1, 3], [2, 2, 0, 0], title="t", colour="#123456")
    others, pairs = figure.data
    assert list(others.y) == [50, 50, 0, 0] and list(pairs.y) == [0, 0, 25, 75]
    assert list(pairs.x) == [-0.75, -0.25, 0.25, 0.75] and pairs.marker.color == "#123456"
    assert not np.isnan(plots.plot_cosines([0, 0], [0, 0], title="", colour="#123456").data[0].y).any()


def test_a_spectrum_ends_where_only_rounding_is_left():
    figure = plots.plot_spectra([("x", [1.0, 0.1, 1e-14, 0.0], "#123456", "dash")], title="t", y_title="σ")
    assert figure.layout.yaxis.type == "log" and list(figure.data[0].x) == [1, 2, 3, 4]
    assert list(figure.data[0].y[:2]) == [1.0, 0.1] and np.isnan(figure.data[0].y[2:]).all()


def test_posteriors_are_drawn_by_mean_and_standard_deviation():
    mu = np.array([-1.0, 0.0, 1.0])
    figure = plots.plot_posteriors([("one", mu, mu, "#123456", "circle")], title="t")
    (cloud,) = figure.data
    assert list(cloud.x) == [-1, 0, 1] and np.allclose(cloud.y, np.exp(mu / 2))
