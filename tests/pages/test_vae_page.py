"""The decode page: the bound that its formula states, bounds of what z tells, ways judged alike, and its address."""

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from visiting import check, open_page, param, said, until

from sslviz import plots
from sslviz.bundled.experiments.results import shipped
from sslviz.data.images import load_images
from sslviz.store import checkpoint
from sslviz.ui import decoding

pytestmark = pytest.mark.usefixtures("on_pages")


def open_view(model: str, view: str, **address: str) -> AppTest:
    return check(open_page("vae", model=model, vae_view=view, **address))


def test_the_page_shows_the_bound_of_the_card_and_says_how_it_is_drawn():
    """101.9 nats with one sample of z, as on the card, where posterior means would give 93.3."""
    text = until(open_view("vae-mnist", "Reconstruct"), "All 10,000")
    nats = checkpoint.load_card("vae-mnist")["results"]["negative_elbo"]
    assert f"All 10,000 test images: {plots.nats(nats)}" in text and "101.9 nats" in text
    assert "one sample of z, seed 0" in text


@pytest.mark.slow
def test_of_a_part_of_the_test_set_it_is_said():
    text = until(open_view("vae-fashion", "Reconstruct"), "All 2,000")
    card, model = checkpoint.load_card("vae-fashion"), checkpoint.load("vae-fashion")
    found = model.evaluate(load_images("fashion_mnist", "test", bundled=True).x, seed=card["seed"])
    assert f"All 2,000 bundled test images: {plots.nats(found['negative_elbo'])}" in text


@pytest.mark.slow
def test_kl_is_called_an_upper_bound_and_nothing_is_carried():
    for view in ("Plane", "Traverse"):
        text = until(open_view("vae-mnist-2d", view), "upper bound")
        assert "carry" not in text and "carries" not in text
    assert "KL of these two numbers is 6.0 nats" in until(open_view("vae-mnist-2d", "Plane"), "upper bound")


def test_ways_are_compared_with_their_own_ends_where_the_bound_can_judge():
    text = until(open_view("vae-mnist", "Interpolate"), "The ends cost")
    assert re.search(r"halfway costs [+−][\d.]+ nats on the linear way, [+−][\d.]+ on the spherical one", text)
    assert "16 samples of z each, seed 0" in text and "What each picture costs" in text and "dearer" not in text


@pytest.mark.slow
def test_no_costs_of_ways_are_drawn_where_grey_is_cheaper_than_real_images():
    at = open_view("vae-cifar10", "Interpolate")
    text = until(at, "No costs are compared here")
    assert re.search(r"uniform grey picture costs −4,\d{3} nats, less than test images do \(−2,1\d\d nats", text)
    assert "What each picture costs" not in text and not at.get("plotly_chart")  # the pictures alone


@pytest.mark.parametrize(("model", "told"), [("vae-mnist", True), ("vae-fashion", False), ("vae-cifar10", False)])
def test_undecided_pixels_are_told_only_where_they_say_something(model, told):
    assert ("undecided" in said(open_view(model, "Sample"))) == told


@pytest.mark.slow
def test_the_address_restores_view_seed_spread_and_images():
    at = open_view("tiny-vae", "Sample", vae_seed="7", vae_spread="0.4")
    assert at.segmented_control(key="vae_view").value == "Sample"
    assert at.number_input(key="vae_seed").value == 7 and at.slider(key="vae_spread").value == 0.4
    assert "Seed 7, spread 0.4" in said(at)
    at = open_view("tiny-vae", "Reconstruct", vae_which="Costliest")
    assert at.segmented_control(key="vae_which").value == "Costliest"
    y = load_images("mnist", "test", bundled=True).y.numpy()
    four, nine = (int(np.flatnonzero(y == label)[0]) for label in (4, 9))
    at = open_view("tiny-vae", "Interpolate", vae_a=str(four), vae_b=str(nine))
    assert "From “4” to “9”" in said(at)
    for bad in ("1e99", "-1", "<b>", "9" * 4000):
        check(open_view("tiny-vae", "Interpolate", vae_a=bad, vae_b=bad, vae_seed=bad))


@pytest.mark.slow
def test_what_takes_long_is_computed_in_the_background(monkeypatch):
    monkeypatch.setattr(decoding, "QUICK", 0.0)
    decoding._kept().clear()
    at = open_view("tiny-colour", "Traverse")
    text = until(at, "upper bounds")
    card, model = checkpoint.load_card("tiny-colour"), checkpoint.load("tiny-colour")
    found = model.bound(load_images("cifar10", "test", bundled=True).x, seed=int(card.get("seed", 0)))
    assert f"{plots.nats(float(found.kl.sum(1).mean()))} in all" in text


def test_one_head_is_shown_beside_two_at_every_step():
    at = open_view("vae-mnist", "One head")
    shared, own = (shipped("shared-head", "mnist").of(key)[0].seen["bound"] for key in ("shared", "own"))
    worse = shared["negative_elbo"] - own["negative_elbo"]
    assert f"the bound is {worse:.1f} nats worse" in said(at) and "step 2,000" in said(at)
    assert f"{shared['recon']:.1f}" in said(at) and "sslviz experiments run shared-head mnist" in said(at)
    check(at.select_slider(key="vae_step").set_value(250).run())
    assert "step 250" in said(at) and param(at, "vae_step") == "250"
    assert next(b for b in at.button if b.key == "contrast_run_now").label == "Run it now with seed 1"


def test_where_no_runs_come_along_it_is_said(monkeypatch):
    monkeypatch.setattr("sslviz.bundled.experiments.results.shipped", lambda name, dataset: None)
    assert "`sslviz experiments run shared-head mnist` makes them" in said(open_view("tiny-vae", "One head"))
