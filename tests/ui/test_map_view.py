"""What the map sends to the browser: places, the sheet of pictures, ids in an address."""

import base64
import io
from concurrent.futures import Future

import numpy as np
import pytest
from PIL import Image

from sslviz.ui import map_view as view


@pytest.mark.parametrize("ids", [(), (0,), (3, 17, 9_999), tuple(range(0, 10_000, 3)), tuple(range(10_000))])
def test_ids_come_back_from_an_address(ids):
    text = view.write_ids(ids)
    assert view.read_ids(text) == ids and len(text) <= 2000
    assert text.isascii() and not set(text) & set("=+/&?#% ")


def test_any_ids_of_ten_thousand_fit_an_address():
    ids = tuple(np.flatnonzero(np.random.default_rng(0).random(10_000) < 0.5).tolist())
    assert len(view.write_ids(ids)) <= 2000 and view.read_ids(view.write_ids(ids)) == ids


@pytest.mark.parametrize("text", ["", "x", "!!!", "AAAA", "é", view.write_ids((1, 2))[:-3]])
def test_what_is_no_list_of_ids_is_refused(text):
    with pytest.raises(ValueError):
        view.read_ids(text)


def test_a_list_that_unpacks_without_end_is_refused():
    import zlib

    bomb = base64.urlsafe_b64encode(zlib.compress(bytes(10_000_000), 9)).decode()
    with pytest.raises(ValueError, match="no list"):
        view.read_ids(bomb)


@pytest.mark.parametrize(("n", "channels", "side"), [(1, 1, 28), (7, 1, 28), (5, 3, 32)])
def test_the_sheet_holds_every_picture_at_its_place(n, channels, side):
    x = np.random.default_rng(0).integers(0, 256, (n, channels, side, side), dtype=np.uint8)
    found = view.make_atlas(x)
    sheet = np.array(Image.open(io.BytesIO(found.content)).convert("RGB"))
    for i, image in enumerate(x):
        top, left = (i // found.columns) * found.height, (i % found.columns) * found.width
        tile = sheet[top : top + found.height, left : left + found.width].transpose(2, 0, 1)
        if channels == 1:
            np.testing.assert_array_equal(tile, np.repeat(image, 3, axis=0))  # grey ones are exact
        else:
            assert tile.shape == image.shape


def test_the_sheet_of_many_large_pictures_is_bounded():
    found = view.make_atlas(np.zeros((400, 3, 224, 224), np.uint8))
    width, height = Image.open(io.BytesIO(found.content)).size
    assert max(width, height) <= view.ATLAS and found.width == found.height == width // found.columns


def test_the_browser_is_told_anew_at_every_answer_that_pictures_are_still_to_come(monkeypatch):
    """It is not told what it has been told, and asks only when it is told."""
    sent, state, pictures = [], {}, Future()
    monkeypatch.setattr(view, "_MAP", lambda *, data, **rest: sent.append(data["waiting"]))
    monkeypatch.setattr(view.st, "session_state", state)

    def show():
        view.show_map(np.eye(2), np.arange(2), ["a", "b"], key="map", label="", pictures=pictures)
        state["map"] = {"asked": sent[-1]}

    show()
    show()
    show()
    pictures.set_result(view.make_atlas(np.zeros((2, 1, 28, 28), np.uint8)))
    show()
    assert len(set(sent[:3])) == 3 and all(sent[:3]) and sent[3] == 0


def test_the_ink_is_that_of_the_theme():
    import tomllib

    from sslviz.paths import ROOT

    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]
    assert {mode: theme[mode]["backgroundColor"] for mode in ("light", "dark")} == view.PAGE
