"""Maps as figures: ids, colours in class order, names at their clusters."""

import numpy as np

from sslviz import plots

NAMES = tuple("0123456789")


def test_maps_need_no_webgl():
    figure = plots.plot_map(np.eye(2), np.arange(2), NAMES[:2], title="t")
    assert {trace.type for trace in figure.data} == {"scatter"}


def test_map_carries_row_ids_and_names_every_class_that_is_there():
    rng = np.random.default_rng(0)
    xy, y = rng.normal(size=(50, 2)), np.arange(50) % 9  # no member of class 9
    figure = plots.plot_map(xy, y, NAMES, title="t", ids=np.arange(50) + 100)
    assert len(figure.data) == 10
    for label, trace in enumerate(figure.data):
        assert trace.marker.color == plots.PETROFF[label] and trace.name == NAMES[label]
        assert trace.customdata.dtype == np.int32
        np.testing.assert_array_equal(trace.customdata, np.flatnonzero(y == label) + 100)
        np.testing.assert_allclose(trace.x, xy[y == label, 0], rtol=1e-6)
    assert [a.text for a in figure.layout.annotations] == [f"<b>{n}</b>" for n in NAMES[:9]]
    assert figure.layout.yaxis.scaleanchor == "x" and not figure.layout.xaxis.showticklabels


def test_labels_that_lie_on_each_other_are_pushed_apart():
    anchors = np.array([[0.0, 0.0], [0.0, 0.0], [0.3, 0.0], [5.0, 5.0], [np.nan, np.nan]])
    moved = plots.spread(anchors, 1.0)
    apart = np.linalg.norm(moved[:4, None] - moved[None, :4], axis=2)[np.triu_indices(4, 1)]
    assert apart.min() > 0.95 and np.isnan(moved[4]).all()
    np.testing.assert_array_equal(moved[3], anchors[3])


def test_a_marked_point_is_ringed():
    figure = plots.plot_map(np.eye(3, 2), np.arange(3), NAMES[:3], title="t", ids=[5, 6, 7], marked=6)
    assert figure.data[-1].x[0] == 0 and figure.data[-1].y[0] == 1


def test_names_of_strangers_cannot_write_html_or_templates():
    figure = plots.plot_map(np.eye(2), np.arange(2), ["<img src=x>", "%{y}"], title="t")
    text = " ".join([t.hovertemplate for t in figure.data] + [a.text for a in figure.layout.annotations])
    assert "<img" not in text and "%{y}" not in text


def test_a_map_of_sentences_shows_texts_on_hover_and_a_guest_as_a_star():
    texts = ["a <b> word " * 12, "two", "three"]
    figure = plots.plot_map(np.eye(3, 2), np.arange(3), NAMES[:3], title="t", hints=texts, guest=(0.5, 0.25, "me"))
    assert [trace.text[0] for trace in figure.data[1:3]] == ["two", "three"]
    assert "<b>" not in figure.data[0].text[0] and "<br>" in figure.data[0].text[0]
    assert (figure.data[3].x[0], figure.data[3].y[0]) == (0.5, 0.25) and "me" in figure.data[3].hovertemplate
    assert [(note.x, note.y) for note in figure.layout.annotations if note.text == "★"] == [(0.5, 0.25)] * 2
