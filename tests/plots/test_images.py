"""Pixels, mosaics and grids of images: what they hold and in which order."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from sslviz import plots


def images(n: int, c: int = 1, side: int = 4) -> np.ndarray:
    return np.arange(n * c * side * side, dtype=np.uint8).reshape(n, c, side, side)


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


def test_a_grid_says_what_stands_in_it_for_hosts_that_draw_it_themselves():
    figure = plots.plot_images(
        images(6), row_labels=["a", "b"], column_labels=list("xyz"), x_title="step", title="t", scale=3
    )
    grid = figure.layout.meta["grid"]
    assert list(grid["rows"]) == ["a", "b"] and list(grid["columns"]) == ["x", "y", "z"] and grid["title"] == "step"
    sheet = Image.open(io.BytesIO(base64.b64decode(figure.data[0].source.split(",")[1])))
    assert sheet.size == (grid["sheetWidth"], grid["sheetHeight"]) and grid["width"] == 3 * sheet.width / 4
