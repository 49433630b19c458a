"""The contrast page's matrix, gradient and head: drawn, restored, and answering to what they can't show."""

import re
import time

import numpy as np
import pytest
import streamlit as st
from ownimages import save
from streamlit.testing.v1 import AppTest
from tinyimages import GREY
from visiting import open_page

from sslviz.data.images import load_images
from sslviz.evaluation.embedding import encode
from sslviz.methods.moco import MoCoConfig
from sslviz.methods.simclr import SimCLRConfig
from sslviz.store import checkpoint, embeddings

pytestmark = pytest.mark.usefixtures("on_pages")
SMALL = dict(hidden=8, dim=8)


@pytest.fixture(scope="module")
def models(models):
    """The tiny models, and one that has a queue."""
    model = checkpoint.build("moco", MoCoConfig(GREY, queue_size=64, **SMALL), seed=0).eval()
    checkpoint.save(model, models / "tiny-queue", card={"dataset": "mnist"}, training=True)
    return models


def open_view(view: str, **address: str) -> AppTest:
    at = open_page("contrastive", **{"model": "tiny-simclr", "contrast_view": view, **address})
    assert not at.exception, at.exception
    return at


def words(at: AppTest) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption, *at.error)).replace("\\", "")


def test_the_matrix_says_what_it_is_of_and_how_to_make_it_again():
    at = open_view("Matrix", contrast_batch="32", contrast_temperature="0.07", contrast_row="70")
    assert not at.error
    assert "32 of 10,000 test images, seed 0" in words(at) and "z of 1,024 other test images" in words(at)
    assert "this model has no queue" in words(at)
    assert at.session_state.contrast_row == -1  # there is no row 70 in this batch
    assert any("sslviz contrast tiny-simclr mnist --batch 32 --seed 0 --temperature 0.07" in c.value for c in at.code)
    next(b for b in at.button if b.label == "Another batch").click()
    assert "seed 1;" in words(at.run())


def test_a_model_that_has_a_queue_shows_its_own_keys():
    assert "64 newest keys of this model's own queue" in words(open_view("Matrix", model="tiny-queue"))


@pytest.mark.slow
def test_a_model_stored_without_its_key_side_says_so(models):
    kept = checkpoint.load(models / "tiny-queue")
    checkpoint.save(kept, models / "tiny-bare", card={"dataset": "mnist"}, training=False)
    h = np.random.default_rng(0).normal(size=(10_000, kept.config.encoder.dim))
    embeddings.save_embeddings(models / "tiny-bare", h.astype(np.float32))
    st.cache_resource.clear()
    at = open_view("Matrix", model="tiny-bare")
    assert not at.error and "stored without its key encoder and queue" in words(at)


@pytest.mark.parametrize("view", ["Matrix", "Head"])
def test_a_model_without_projector_says_why_and_offers_one_that_has_it(view):
    at = open_view(view, model="tiny-vae")
    assert not at.error and "tiny-vae has no projector" in words(at) and "decoded from h" in words(at)
    offers = [b for b in at.button if b.label.startswith("Look at ")]
    names = [b.label.replace("\\", "") for b in offers]
    assert names and not any("tiny-plane" in name for name in names)
    offers[0].click()
    at.run()
    assert not at.exception and not at.error
    assert "has no projector" not in words(at) and f"of {names[0].split()[2]} in eval mode" in words(at)


def test_images_without_any_contrastive_model_get_the_command_that_trains_one(models, tmp_path):
    rng = np.random.default_rng(0)
    path = save(tmp_path / "mine.npz", x_test=rng.integers(0, 256, (4, 28, 28), np.uint8), y_test=np.arange(4) % 2)
    checkpoint.save(checkpoint.load(models / "tiny-vae"), models / "mine", card={"dataset": str(path)})
    st.cache_resource.clear()
    at = open_view("Matrix", data="mine", model="mine")
    assert not at.error and "None is trained on mine here yet" in words(at)
    assert at.code[0].value == "sslviz train simclr mine.npz"


def test_the_gradient_needs_no_model_and_refuses_odd_angles():
    at = open_view("Gradient", model="tiny-vae", contrast_angles="10,20,30,40,350")
    assert not at.error and at.session_state.contrast_angles == (10, 20, 30, 40, 350)
    for odd in ("10,20", "10,20,30,40,999", "a,b,c,d,e"):
        assert open_view("Gradient", contrast_angles=odd).session_state.contrast_angles == (50, 120, 190, 260, 330)


@pytest.mark.slow
def test_the_head_compares_h_and_z_at_once_and_by_a_linear_probe_when_asked():
    at = open_view("Head", contrast_head_labels="100")
    assert not at.error and re.search(r"h: .* %.*n = 2,500.*; z: .* %", words(at))
    next(b for b in at.button if b.label == "Fit linear probes").click()
    at.run()
    for _ in range(300):
        if "n = 10,000" in words(at):
            break
        time.sleep(0.2)
        at.run()
    assert "Linear probe on 100 labelled images, 10,000 test images, seed 0" in words(at)
    assert re.search(r"points (above|below) z|no difference from z can be told", words(at))


@pytest.mark.parametrize("n_test", [1, 2, 5])
def test_own_sets_of_a_few_images_get_a_smaller_batch_or_a_sentence(n_test, models, tmp_path):
    rng = np.random.default_rng(0)
    made = {"x_test": rng.integers(0, 256, (n_test, 28, 28), np.uint8), "y_test": np.arange(n_test) % 2}
    path = save(tmp_path / f"few{n_test}.npz", **made)
    model = checkpoint.build("simclr", SimCLRConfig(GREY, **SMALL), seed=0).eval()
    checkpoint.save(model, models / f"few{n_test}", card={"dataset": str(path)})
    embeddings.save_embeddings(models / f"few{n_test}", encode(model, load_images(path, "test").x))
    st.cache_resource.clear()
    for view in ("Matrix", "Head"):
        at = open_view(view, data=f"few{n_test}", model=f"few{n_test}")
        if n_test == 1:
            assert "two test images or more" in at.error[0].value
        else:
            assert not at.error and f"{n_test} of {n_test} test images" in words(at)
            assert view == "Head" or "no queue, since all test images are in the batch" in words(at)
