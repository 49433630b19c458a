"""The contrast page: what its views show of one image, and that their state comes from the address."""

import base64
import io
import time

import numpy as np
import pytest
import torch
import visiting
from PIL import Image
from streamlit.testing.v1 import AppTest
from visiting import check

from sslviz.data.images import load_images
from sslviz.evaluation.embedding import encode
from sslviz.methods.policies import POLICIES, ViewPolicy
from sslviz.methods.sweeps import SWEEPS, sweep
from sslviz.methods.views import two_views
from sslviz.store import checkpoint
from sslviz.ui.contrast import invariance, pair, source, switches

pytestmark = pytest.mark.usefixtures("on_pages")


@pytest.fixture
def sent(monkeypatch):
    """What the pair's component was given last."""
    given = {}
    monkeypatch.setattr(pair, "_PAIR", lambda *, key, data, on_asked_change: given.update(data, act=on_asked_change))
    return given


def open_page(model: str, **address: str) -> AppTest:
    return check(visiting.open_page("contrastive", model=model, **address))


def tiles_of(given: dict) -> list[np.ndarray]:
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(given["sheet"].partition(",")[2]))).convert("RGB"))
    tiles = given["large"] + [tile for p in given["pairs"] for tile in p["tiles"]]
    return [sheet[: t["height"], t["left"] : t["left"] + t["width"]] for t in tiles]


def test_the_views_are_those_that_training_draws(sent):
    open_page("tiny-simclr", contrast_seed="3")
    x = load_images("mnist", "test", bundled=True).x[:1].float() / 255  # the first 7 of the set
    image, one, two, *strip = tiles_of(sent)
    np.testing.assert_array_equal(image[..., 0], (255 * x[0, 0] + 0.5).byte().numpy())
    for seed, views in ((3, (one, two)), (3, strip[:2]), (8, strip[10:])):
        drawn = two_views(x, POLICIES["mnist"], generator=torch.Generator().manual_seed(seed))
        for shown, view in zip(views, drawn, strict=True):
            np.testing.assert_array_equal(shown[..., 0], (255 * view[0, 0] + 0.5).byte().numpy())
    assert [p["seed"] for p in sent["pairs"]] == [3, 4, 5, 6, 7, 8] and len(strip) == 12
    assert sent["seed"] == 3 and not sent["changed"]
    assert "of the image" in sent["told"][0] and "cosine of h" in sent["told"][1]


def test_switches_and_strengths_come_from_the_address(sent):
    off = ",".join(f"-{s.field}={s.start:g}" for s in switches.SWITCHES if s.off is not None and not s.colour)
    open_page("tiny-simclr", contrast_views=off)
    _, one, two, *_ = tiles_of(sent)
    assert (one == two).all()  # with all of them off both views are the image, made smaller
    assert not any(row["on"] for row in sent["rows"] if row["switch"])
    assert sent["told"][0] == "View 1 shows 100 % of the image, view 2 100 %; 100 % is in both."
    at = open_page("tiny-simclr", contrast_views="flip=1,-blur=0.3")
    assert not visiting.folded(at).code  # what is folded is sent once it is opened
    at = check(visiting.unfolded(at))
    assert any(code.value == "sslviz train simclr mnist --views.flip 1 --views.blur 0" for code in at.code)
    assert next(row for row in sent["rows"] if row["field"] == "flip")["on"]
    assert "Both views are flipped" in sent["told"][0]


@pytest.mark.parametrize("bad", ["1e99", "crop=9", "crop=nan", "nothing=1", "crop=0.4,crop=0.4", "<b>", "9" * 4000])
def test_what_an_address_may_not_say_is_the_policy(sent, bad):
    at = open_page("tiny-simclr", contrast_views=bad, contrast_seed=bad, contrast_image=bad, contrast_from=bad,
                   contrast_ink="*" + bad)  # fmt: skip
    assert not sent["changed"] and sent["seed"] == 0 and at.session_state.contrast_from == source.SET


def test_a_vae_of_colour_images_has_views_of_whole_size_encoded(sent):
    open_page("tiny-colour", contrast_seed="0")
    assert {row["field"] for row in sent["rows"]} == set(switches.BY_FIELD)
    assert tiles_of(sent)[1].shape == (24, 24, 3) and "cosine of h" in sent["told"][-1]


def test_a_drawing_comes_from_the_address(sent):
    levels = np.zeros((28, 28), np.uint8)
    levels[5:20, 13:16] = 15
    packed = (levels.reshape(-1, 2)[:, 0] << 4) | levels.reshape(-1, 2)[:, 1]
    ink = base64.urlsafe_b64encode(packed.tobytes()).decode().rstrip("=")
    np.testing.assert_array_equal(source.pixels_of(ink, 28)[0], 17 * levels)
    assert (source.pixels_of("", 28) == 0).all() and source.pixels_of(ink[:7], 28).shape == (1, 28, 28)
    open_page("tiny-simclr", contrast_from="Draw", contrast_ink=ink)
    assert len(sent["large"]) == 2 and max(tile.max() for tile in tiles_of(sent)) > 100
    open_page("tiny-simclr", contrast_from="Draw")
    assert "Nothing is drawn yet" in sent["told"][0]
    at = open_page("tiny-colour", contrast_from="Draw")  # colour is not drawn by hand
    assert at.session_state.contrast_from == source.SET


def test_a_picture_is_brought_and_a_broken_one_gets_a_sentence(sent):
    at = open_page("tiny-simclr", contrast_from="Upload")
    assert "test image" in sent["large"][0]["label"]  # until one is there
    picture = Image.new("RGB", (60, 60), "white")
    picture.paste("black", (20, 10, 40, 50))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    check(at.file_uploader[0].upload("one <b>.png", buffer.getvalue(), "image/png").run())
    assert sent["large"][0]["label"].startswith("x, your picture one")
    assert "it was inverted" in sent["told"][0]
    at.file_uploader[0].upload("no.png", b"words", "image/png").run()
    assert not at.exception and "no picture" in at.error[0].value


# the invariance meter -------------------------------------------------------------------------------------------------


@pytest.fixture
def meter(monkeypatch):
    """What the meter's component was given last."""
    given = {}
    monkeypatch.setattr(invariance, "_METER", lambda *, key, data, on_chosen_change: given.update(data))
    return given


def until_measured(at: AppTest, given: dict, encoders: int) -> str:
    end = time.monotonic() + 120
    while len(given.get("curves", ())) < encoders and time.monotonic() < end:
        time.sleep(0.2)
        check(at.run())
    assert len(given["curves"]) == encoders
    return "\n".join(m.value for m in at.markdown).replace("\\", "") + "\n".join(c.value for c in at.caption)


@pytest.mark.slow
def test_the_meter_measures_each_encoder_of_the_set(meter):
    at = open_page("tiny-simclr", contrast_view="Invariance", contrast_transform="rotate", contrast_at_rotate="15")
    words = until_measured(at, meter, 5)
    names = [curve["name"] for curve in meter["curves"]]
    assert names[0] == "tiny-simclr" and names[-2:] == ["untrained encoder", "whitened patches"]
    assert meter["chosen"] == 15 and meter["labels"][15] == "45°" and len(meter["labels"]) == 25
    own = meter["curves"][0]
    x = load_images("mnist", "test", bundled=True).x[:1].float() / 255
    h = encode(checkpoint.load("tiny-simclr"), torch.cat([x, sweep(x[0], "rotate")])).astype(np.float64)
    cosine = h[1:] @ h[0] / np.linalg.norm(h[1:], axis=1) / np.linalg.norm(h[0])
    np.testing.assert_allclose(own["cosine"], cosine, atol=1e-3)
    assert own["cosine"][SWEEPS["rotate"].start] == 1 and len(own["answer"]) == 25
    assert "The probe's answer" in words and "1,000 bundled test images" in words and "95 % interval" in words
    assert "a “6” becomes a “9” at half a turn" in words  # of the others of the set, since this is a 7

    at.session_state.contrast_image = int(np.flatnonzero(load_images("mnist", "test").y == 6)[0])
    at.session_state.contrast_transform = "flip"
    meter.clear()
    words = until_measured(check(at.run()), meter, 5)
    assert "The label itself changes here" in words and "“6” becomes a “9” when flipped both ways" in words
    assert meter["labels"] == ["as it is", "left to right", "upside down", "both"]


def test_changed_minds_are_told_with_strength_and_share():
    start = SWEEPS["rotate"].start
    answer = [0] * 25
    answer[20:] = [1] * 5
    curve = {"short": "A", "answer": answer, "p": [0.9] * 25, "cosine": [1.0, 0.25, None], "floor": 0.1}
    one, two = invariance.told_of([curve], SWEEPS["rotate"], ("six", "nine"))
    assert "A “six”, then “nine” at 120° (90 %)." in one and "A 0.25 (0.10)" in two
    curve["answer"] = [0] * 25
    assert "A “six” throughout" in invariance.told_of([curve], SWEEPS["rotate"], ("six", "nine"))[0]
    assert start == 12


# what the browser tells ----------------------------------------------------------------------------------------------


def test_what_a_browser_tells_is_held_to_its_bounds():
    base = POLICIES["mnist"]
    told = {"crop": [True, 0.6], "flip": [True, 0.5], "blur": [False, 0.3], "hue": [True, 0.2]}
    changes = switches.changed(base, {}, told, 1)
    policy = switches.apply(base, changes, 1)
    assert (policy.crop, policy.flip, policy.blur, policy.rotate, policy.hue) == (0.6, 0.5, 0.0, 15, base.hue)
    assert switches.read_changes(switches.write_changes(changes)) == changes
    hostile = {"crop": [True, 99], "rotate": "x", "shear": [], "size": [True, 512], "flip": None, "grey": [1, "nan"]}
    assert switches.changed(base, {}, hostile, 1) == {}
    back = switches.changed(base, {"crop": (True, 0.6)}, {"crop": [True, 0.4]}, 1)
    assert back == {}  # as the policy has it


def test_every_transform_of_a_policy_has_a_switch():  # bits are no transform of an image
    off = {s.field: s.off for s in switches.SWITCHES if s.off is not None}
    strengths = {s.field for s in switches.SWITCHES}
    assert strengths == {name for name in ViewPolicy.__dataclass_fields__ if name not in ("size", "bits", "bits_place")}
    x = torch.rand(4, 3, 20, 20)
    views = two_views(x, ViewPolicy(**off))[0]
    torch.testing.assert_close(views, x, atol=1e-5, rtol=0)


def test_a_blur_too_wide_for_small_images_is_narrowed():
    policy = pair.within(ViewPolicy(blur=1.0, blur_sigma=4.0), (1, 7, 7))
    assert policy.blur_sigma == 3 and pair.draw(np.ones((1, 7, 7), np.uint8), policy, [0])[0].x.shape == (2, 1, 7, 7)
