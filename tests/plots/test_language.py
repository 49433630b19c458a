"""Figures of language models: what they draw is what they were given."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from sslviz import plots


def test_shares_have_the_digits_that_can_be_read():
    assert [plots.share(p) for p in (0.4349, 0.0995, 0.0431, 0.0012, 0.00001)] == [
        "43 %", "10 %", "4.3 %", "0.12 %", "< 0.01 %",
    ]  # fmt: skip


def test_predictions_are_bars_in_order_with_what_was_before():
    figure = plots.plot_predictions(["mat", "<b>"], [0.6, 0.1], before=[0.2, np.nan], title="t")
    bar, mark = figure.data
    assert list(bar.x) == [60, 10] and list(bar.text) == ["60 %", "10 %"]
    assert figure.layout.yaxis.ticktext == ("mat", "‹b›") and mark.x[0] == 20
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the first is on top
    assert figure.layout.xaxis.range[1] > 60


def test_the_lens_has_a_word_in_each_cell_and_the_last_layer_on_top():
    p = np.array([[0.04, 0.01], [0.81, 0.09]])
    figure = plots.plot_lens(
        [["a", "b"], ["c", "d"]], p, rows=["embeddings", "layer 1"], columns=["first", "second"], notes=["n0", "n1"],
        title="t",
    )  # fmt: skip
    assert np.allclose(figure.data[0].z, np.sqrt(p))
    cells = {(a.x, a.y): a.text for a in figure.layout.annotations if a.xref != "paper"}
    assert cells[0, 1].startswith("c ") and "81 %" in cells[0, 1] and cells[1, 0].startswith("b ")
    assert [a.text for a in figure.layout.annotations if a.xref == "paper"] == ["n0", "n1"]


def test_heads_are_one_sheet_whose_tiles_lie_under_their_numbers():
    attention = np.zeros((2, 3, 4, 4), np.float32)
    attention[1, 2] = 1
    figure = plots.plot_heads(attention, chosen=5, title="t")
    image, points = figure.data
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(image.source.split(",")[1]))))
    assert list(points.customdata) == [0, 1, 2, 3, 4, 5]
    colours = [sheet[int(y), int(x), :3] for x, y in zip(points.x, points.y, strict=True)]
    assert colours[5].sum() > 400 and all(colour.sum() < 200 for colour in colours[:5])  # bright and dark cividis
    frame = figure.layout.shapes[0]
    assert frame.x0 < points.x[5] < frame.x1 and frame.y0 < points.y[5] < frame.y1
    assert not frame.x0 < points.x[4] < frame.x1


def test_the_matrix_names_as_many_pieces_as_can_be_read():
    tokens = [f"w{i}" for i in range(90)]
    figure = plots.plot_attention_matrix(np.eye(90), tokens, title="t")
    assert len(figure.layout.xaxis.tickvals) <= 40 and figure.layout.xaxis.ticktext[1] == "w3"
    assert "w2 looks at w5" in figure.data[0].text[2][5]


def test_arcs_go_from_who_looks_to_who_is_seen_above_to_what_comes_later():
    weights = np.array([[0.1, 0.0, 0.9], [0.96, 0.02, 0.02], [0.0, 0.6, 0.4]])
    figure = plots.plot_attention_arcs(weights, ["a", "b", "c"], focus=(1,), title="t")
    arcs = {trace.hovertemplate.split(":")[0]: trace for trace in figure.data}
    assert set(arcs) == {"a looks at c", "b looks at a", "c looks at b"}
    for name, start, end, side in (("a looks at c", 0, 2, 1), ("b looks at a", 1, 0, -1), ("c looks at b", 2, 1, -1)):
        assert arcs[name].x[0] == pytest.approx(start) and arcs[name].x[-1] == pytest.approx(end)
        assert np.sign(arcs[name].y[10]) == side and max(abs(np.array(arcs[name].y))) <= 1.001
    assert arcs["b looks at a"].line.color != arcs["a looks at c"].line.color
    assert arcs["b looks at a"].line.width > arcs["c looks at b"].line.width


def test_a_sentence_has_a_bar_a_word_on_the_axis_that_was_asked_for():
    figure = plots.plot_sentence_share(["the", "cat", "the"], [1.0, 4.0, 2.0], title="t", most=10)
    bar = figure.data[0]
    assert list(bar.y) == [1, 4, 2] and figure.layout.xaxis.ticktext == (
        "the",
        "cat",
        "the",
    )  # one word twice: two bars
    assert figure.layout.yaxis.range[1] > 10
    assert bar.marker.color[1] != bar.marker.color[0] == bar.marker.color[2]


def test_the_loss_has_room_for_the_steps_to_come():
    figure = plots.plot_losses([3.0, 2.0], steps=40, title="t")
    assert list(figure.data[0].x) == [1, 2] and figure.layout.xaxis.range[1] > 40
    assert plots.plot_losses([], steps=5, title="t").data[0].x.size == 0
