"""Figures and pixels: what they hold, in which order and in which colours."""

import io
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sslviz import plots

ROOT = Path(__file__).parents[2]
NAMES = tuple("0123456789")


def images(n: int, c: int = 1, side: int = 4) -> np.ndarray:
    return np.arange(n * c * side * side, dtype=np.uint8).reshape(n, c, side, side)


def test_neither_torch_nor_streamlit_is_imported():
    code = "import sys, sslviz.plots; print(sorted({'torch', 'streamlit'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout.strip() == "[]"


def test_the_theme_has_the_palette_of_the_plots():
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]
    assert tuple(theme["chartCategoricalColors"]) == plots.PETROFF
    assert {mode: theme[mode]["textColor"] for mode in ("light", "dark")} == plots.INK


def test_pixels_takes_bytes_floats_grey_and_colour():
    grey = plots.pixels(images(2))
    assert grey.shape == (2, 4, 4, 3) and (grey[..., 0] == grey[..., 2]).all()
    colour = images(1, c=3)
    np.testing.assert_array_equal(plots.pixels(colour)[0], colour[0].transpose(1, 2, 0))
    floats = np.array([-1.0, 0.0, 0.5, 2.0]).reshape(1, 1, 2, 2)
    assert plots.pixels(floats)[0, :, :, 0].ravel().tolist() == [0, 0, 128, 255]


def test_pixels_takes_tensors():
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(plots.pixels(torch.from_numpy(images(2))), plots.pixels(images(2)))


@pytest.mark.parametrize("shape", [(4, 4), (1, 2, 4, 4), (1, 4, 4)])
def test_pixels_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="images must be"):
        plots.pixels(np.zeros(shape))


def test_mosaic_scales_by_whole_factors_and_keeps_gaps_see_through():
    x = images(3)
    sheet = plots.mosaic(x, columns=2, scale=3, gap=2)
    assert sheet.shape == (2 * 12 + 2, 2 * 12 + 2, 4)
    np.testing.assert_array_equal(sheet[:12:3, 14::3, 0], x[1, 0])  # second tile, first row
    np.testing.assert_array_equal(sheet[14::3, :12:3, 0], x[2, 0])  # third tile, second row
    assert (sheet[12:14, :, 3] == 0).all() and (sheet[14:, 14:, 3] == 0).all()
    np.testing.assert_array_equal(sheet[0:3, 0:3, :3], np.broadcast_to(x[0, 0, 0, 0], (3, 3, 3)))


def test_mosaic_frames():
    sheet = plots.mosaic(images(2), columns=2, gap=0, frames=["#ff0000", None], frame=1)
    assert sheet.shape == (6, 12, 4)
    assert sheet[0, 0].tolist() == [255, 0, 0, 255] and sheet[0, 6, 3] == 0 and sheet[1, 7, 3] == 255


def test_png_round_trip_and_data_uri():
    grey = plots.mosaic(images(2), columns=2)
    for sheet, mode in ((grey, "LA"), (grey[..., :3], "L"), (grey * np.uint8([1, 1, 0, 1]), "RGBA")):
        decoded = Image.open(io.BytesIO(plots.png(sheet)))
        assert decoded.mode == mode
        whole = "RGBA" if sheet.shape[2] == 4 else "RGB"
        np.testing.assert_array_equal(np.array(decoded.convert(whole)), sheet)
    assert plots.data_uri(grey).startswith("data:image/png;base64,")


def test_undecided_is_the_share_of_grey():
    x = np.array([0.0, 1.0, 0.5, 0.05]).reshape(1, 1, 2, 2)
    assert plots.undecided(x) == 0.25


def test_words_carry_units_and_no_more_digits_than_the_noise_allows():
    assert plots.percent(0.9861) == "98.6 %"
    assert plots.percent(0.9861, half_width=0.02) == "99 %"
    assert plots.percent_interval(0.986, (0.984, 0.988), 10_000) == "98.6 % (98.4 to 98.8, n = 10,000)"
    assert plots.percent_interval(0.70, (0.68, 0.72), 2_000) == "70 % (68 to 72, n = 2,000)"
    assert [plots.nats(v) for v in (104.83, -2154.5)] == ["104.8 nats", "−2,154 nats"]
    assert [plots.seconds(s) for s in (0.42, 12, 185)] == ["0.4 s", "12 s", "3 min 05 s"]


def test_colours_keep_their_order_and_baselines_are_grey():
    assert [plots.class_colour(i) for i in (0, 9, 10)] == [plots.PETROFF[0], plots.PETROFF[9], plots.PETROFF[0]]


def test_no_method_is_named():
    """What a method's figures look like, its colour among it, comes from its entry in the registry."""
    from sslviz.methods.registry import METHODS

    text = "\n".join(path.read_text() for path in (ROOT / "sslviz/plots").glob("*.py")).lower()
    for method, info in METHODS.items():
        assert not re.search(rf"\b({method}|{info.title.lower()})\b", text)


def test_a_figure_hands_its_title_over_and_keeps_no_room_for_it():
    figure = plots.plot_counts(np.arange(3), NAMES[:3], title="A long title that a phone would cut")
    title, bare = plots.without_title(figure, tools=False)
    assert title == figure.layout.title.text and not bare.layout.title.text
    assert figure.layout.margin.t - bare.layout.margin.t == figure.layout.height - bare.layout.height > 20
    assert plots.without_title(figure, tools=True)[1].layout.margin.t == plots.MODE_BAR


def test_axes_without_a_curve_have_no_numbers():
    empty = plots.plot_curves([("loss (nats)", [("loss", [], [], "#000000", "solid")])], title="t", x_title="epoch")
    assert empty.layout.yaxis.showticklabels is False and empty.layout.xaxis.showticklabels is False
    drawn = plots.plot_curves([("loss", [("loss", [0, 1], [1, 2], "#000000", "solid")])], title="t", x_title="epoch")
    assert drawn.layout.yaxis.showticklabels and drawn.layout.xaxis.showticklabels


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


def test_confusion_cells_carry_their_classes_and_leave_the_diagonal_plain():
    matrix = np.array([[8, 2, 0], [1, 9, 0], [0, 4, 6]])
    figure = plots.plot_confusion(matrix, NAMES[:3], title="t")
    heat, cells = figure.data
    assert np.isnan(np.diag(heat.z)).all() and heat.z[2, 1] == 4 and np.isnan(heat.z[0, 2])
    assert divmod(int(cells.customdata[3]), 3) == (1, 0) and (cells.y[3], cells.x[3], cells.text[3]) == ("1", "0", "1")
    texts = {(a.y, a.x): a.text for a in figure.layout.annotations}
    assert texts["0", "0"] == "<b>8</b>" and texts["2", "1"] == "4" and texts["0", "2"] == ""


def test_a_perfect_confusion_matrix_can_be_drawn():
    assert plots.plot_confusion(np.eye(3, dtype=int), NAMES[:3], title="t").data


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


def test_vector_is_cividis_for_magnitudes_and_centred_otherwise():
    assert plots.plot_vector(np.ones(100), title="t").data[0].z.shape == (2, 64)
    assert plots.plot_vector(np.ones(3), title="t").data[0].zmin == 0
    signed = plots.plot_vector([-2.0, 1.0], title="t").data[0]
    assert (signed.zmin, signed.zmax) == (-2, 2)


def test_image_grid_has_its_labels_at_the_tiles():
    figure = plots.plot_images(images(6), row_labels=["a", "b"], column_labels=["1", "2", "3"], title="t", scale=2)
    assert list(figure.layout.yaxis.ticktext) == ["a", "b"] and len(figure.layout.xaxis.tickvals) == 3
    source = figure.data[0].source
    width, height = Image.open(io.BytesIO(__import__("base64").b64decode(source.split(",")[1]))).size
    assert (width, height) == (3 * 16 + 2 * 8, 2 * 16 + 8)
    assert 0 < figure.layout.xaxis.tickvals[0] < figure.layout.xaxis.tickvals[2] < width


def test_paths_differ_by_dash_as_well_as_by_colour():
    curves = [("a", [1, 2], "#000000", "solid"), ("b", [2, 1], "#000000", "dot")]
    figure = plots.plot_paths([0, 1], curves, title="t", y_title="nats")
    assert [t.line.dash for t in figure.data] == ["solid", "dot"]


def test_ink_is_put_on_a_copy():
    figure = plots.plot_counts([1], NAMES[:1], title="t")
    inked = plots.in_ink(figure, "dark")
    assert inked.layout.font.color == plots.INK["dark"] and figure.layout.font.color is None
    assert plots.in_ink(figure, "unheard of").layout.font.color == plots.INK["light"]


def test_every_figure_has_a_title():
    source = (ROOT / "sslviz/plots/__init__.py").read_text()
    for head in re.findall(r"^def (plot_\w+\(.*?)\) -> ", source, re.M | re.S):
        assert "title: str" in head, head


def test_a_map_of_sentences_shows_texts_on_hover_and_a_guest_as_a_star():
    texts = ["a <b> word " * 12, "two", "three"]
    figure = plots.plot_map(np.eye(3, 2), np.arange(3), NAMES[:3], title="t", hints=texts, guest=(0.5, 0.25, "me"))
    assert [trace.text[0] for trace in figure.data[1:3]] == ["two", "three"]
    assert "<b>" not in figure.data[0].text[0] and "<br>" in figure.data[0].text[0]
    assert (figure.data[3].x[0], figure.data[3].y[0]) == (0.5, 0.25) and "me" in figure.data[3].hovertemplate
    assert [(note.x, note.y) for note in figure.layout.annotations if note.text == "★"] == [(0.5, 0.25)] * 2
