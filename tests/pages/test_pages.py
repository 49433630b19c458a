"""Every page through AppTest: it draws without an error, answers its controls, and stands bad addresses."""

import re
import subprocess
import sys
import time

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from visiting import ROOT, check, components, open_page, said, until

from sslviz import ui
from sslviz.errors import UserError
from sslviz.paths import assets_dir
from sslviz.store import checkpoint, embeddings

pytestmark = pytest.mark.usefixtures("on_pages")
PAGES = ("home", "vae", "embeddings", "probe")
VIEWS = ("Reconstruct", "Sample", "Traverse", "Interpolate")


def grids(at: AppTest) -> list[dict]:
    """The grids of images that a page draws."""
    return [grid for grid in components(at) if "sheetWidth" in grid]


OTHERS = [pytest.param(model, marks=pytest.mark.slow) for model in ("tiny-plane", "tiny-simclr", "tiny-colour")]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("model", ["tiny-vae", *OTHERS])
def test_every_page_draws_for_every_kind_of_model(page, model):
    at = check(open_page(page, model=model))
    assert at.title[0].value
    assert at.get("plotly_chart") or at.get("bidi_component"), "no picture before anyone presses anything"
    assert all(chart.proto.alt for chart in at.get("plotly_chart"))  # words for those who cannot see it
    path = [link.value for link in at.page_link]
    assert sum(stage in path for stage in ("image", "decode", "map", "probe")) == 3  # the lit one is none
    if page != "home":
        assert [e.label for e in at.expander] == ["The mathematics", "Reproduce", "Input, process, outcome"]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("model", ["tiny-vae", pytest.param("tiny-colour", marks=pytest.mark.slow)])
def test_every_view_of_a_vae(view, model):
    at = check(open_page("vae", model=model, vae_view=view))
    assert all(drawn["alt"] for drawn in grids(at)) and all(chart.proto.alt for chart in at.get("plotly_chart"))
    assert (grids(at) or at.get("plotly_chart")) and re.search(r"\d", said(at))


@pytest.mark.slow
def test_a_flat_vae_opens_on_its_plane_and_another_has_none():
    assert open_page("vae", model="tiny-plane").segmented_control(key="vae_view").value == "Plane"
    at = open_page("vae", model="tiny-vae")
    assert "Plane" not in at.segmented_control(key="vae_view").options
    assert open_page("vae", model="tiny-vae", vae_view="Plane").segmented_control(key="vae_view").value == "Reconstruct"


def test_controls_change_the_picture():
    at = open_page("vae", model="tiny-vae")
    at.segmented_control(key="vae_view").set_value("Sample").run()
    first = grids(at)[0]["source"]
    check(at.number_input(key="vae_seed").set_value(3).run())
    second = grids(at)[0]["source"]
    check(at.slider(key="vae_spread").set_value(0.2).run())
    assert len({first, second, grids(at)[0]["source"]}) == 3


@pytest.mark.slow
def test_the_maps_switch_and_a_selection_is_kept_by_its_ids():
    at = open_page("embeddings", model="tiny-simclr")
    at.session_state["map_ids"], at.session_state["map_image"] = (3, 4, 5), 4
    assert "3 images in the lasso" in said(check(at.run()))
    check(at.segmented_control(key="map_method").set_value("pca").run())
    text = said(at)
    assert "PCA of 10,000 h" in text and "3 images in the lasso" in text and "in h of image 4, " in text


@pytest.mark.slow
def test_a_choice_outlives_the_model_and_ends_with_the_data():
    at = open_page("embeddings", model="tiny-simclr")
    at.session_state["map_image"] = 11
    check(at.run())
    assert "in h of image 11, " in said(check(at.selectbox(key="selection_model").set_value("tiny-vae").run()))
    assert "in h of image 0, " in said(check(at.selectbox(key="selection_data").set_value("cifar10").run()))


def test_the_map_says_how_far_to_trust_it():
    text = said(check(open_page("embeddings", model="tiny-simclr")))
    assert re.search(
        r"Trustworthiness 0\.80 \(k = 15, 2,000 of 10,000 images\); \d\.\d of 10 nearest neighbours kept", text
    )


@pytest.mark.slow
def test_a_refit_is_shown_when_it_is_there_and_stays(models):
    at = open_page("embeddings", model="tiny-colour")
    check(at.segmented_control(key="map_refit").set_value("tsne").run())
    check(at.number_input(key="map_tsne_perplexity").set_value(5).run())
    check(at.button(key="map_refit_begin").click().run())
    until(at, "t-SNE, perplexity 5, seed 1 of 2,000 h")
    assert at.query_params["map_method"] == "tsne,1,5"
    check(at.number_input(key="map_tsne_perplexity").set_value(50).run())  # a moved control leaves it
    assert "t-SNE, perplexity 5, seed 1 of 2,000 h" in said(at)
    check(at.segmented_control(key="map_method").set_value("pca").run())
    check(at.segmented_control(key="map_method").set_value("tsne,1,5").run())
    assert "t-SNE, perplexity 5, seed 1 of 2,000 h" in said(at)
    other = open_page("embeddings", model="tiny-colour", map_method="tsne,1,5")  # the address brings it back
    assert "t-SNE, perplexity 5, seed 1 of 2,000 h" in said(check(other.run()))


@pytest.mark.slow
def test_a_map_of_equal_rows_says_so(models, tmp_path):
    target = models / "tiny-colour" / "embeddings.npz"
    kept = target.read_bytes()
    try:
        h = np.ones((2000, 3), np.float32)
        embeddings.save_embeddings(target.parent, h, pca_xy=h[:, :2], pca_trustworthiness=np.float32(0.99))
        text = said(check(open_page("embeddings", model="tiny-colour")))
        assert "All rows are alike" in text and "0.99" not in text
    finally:
        target.write_bytes(kept)


def test_a_selection_is_dropped_with_its_model():
    at = open_page("embeddings", model="tiny-simclr")
    at.session_state["map_ids"] = (9_999, 4)
    check(at.run())
    check(at.selectbox(key="selection_data").set_value("cifar10").run())
    assert "in the lasso" not in said(at)


@pytest.mark.slow
def test_a_map_is_fitted_in_a_process_of_its_own():
    h, told = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32), []
    xy, quality = ui.fit_map(h, {"method": "pca", "seed": 1}, lambda stage, fraction: told.append((stage, fraction)))
    assert xy.shape == (50, 2) and 0 <= quality.trustworthiness <= 1 and told[0][0].startswith("PCA of 50 h")
    with pytest.raises(UserError, match="out of bounds"):
        ui.fit_map(h, {"method": "pca", "seed": -1}, lambda stage, fraction: None)


@pytest.mark.slow
def test_a_stopped_map_leaves_no_process():
    def stop(stage, fraction):
        raise ui.Stopped

    started = time.monotonic()
    with pytest.raises(ui.Stopped):
        ui.fit_map(np.zeros((50, 4), np.float32), {"method": "umap"}, stop)
    assert time.monotonic() - started < 60


@pytest.mark.slow
def test_the_selection_is_shared_by_all_pages_and_kept_in_the_address():
    at = open_page("embeddings", model="tiny-simclr").run()  # the first run of a visit writes nothing
    assert at.query_params["model"] == "tiny-simclr" and at.query_params["data"] == "mnist"
    at.switch_page("pages/vae.py").run()
    assert at.selectbox(key="selection_model").value in ("tiny-plane", "vae-mnist-2d")  # SimCLR decodes nothing
    at.switch_page("pages/probe.py").run()
    assert at.selectbox(key="selection_model").value == "tiny-simclr"
    at.switch_page("pages/vae.py").run()
    at.selectbox(key="selection_model").set_value("tiny-vae").run()
    check(at.switch_page("pages/embeddings.py").run())
    assert at.selectbox(key="selection_model").value == "tiny-vae" == at.query_params["model"]


def test_a_model_alone_in_the_address_brings_its_data_set():
    at = open_page("embeddings", model="tiny-colour")
    assert at.selectbox(key="selection_data").value == "cifar10"


@pytest.mark.slow
def test_another_data_set_keeps_the_method():
    at = open_page("embeddings", model="tiny-vae")
    check(at.selectbox(key="selection_data").set_value("cifar10").run())
    chosen = at.selectbox(key="selection_model").value
    assert {m.name: m.method for m in checkpoint.list_models()}[chosen] == "vae"


HOSTILE = (
    "nowhere",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "![x](http://a.example/x)",
    "$\\frac{a}{b}$",
    "%00",
    "",
)
FEW = [HOSTILE[2], *(pytest.param(value, marks=pytest.mark.slow) for value in HOSTILE if value != HOSTILE[2])]


@pytest.mark.parametrize("value", FEW)
def test_bad_addresses_get_a_sentence_and_a_sane_default(value):
    at = check(open_page(model=value, data=value))
    assert at.selectbox(key="selection_data").value == "mnist" and at.selectbox(key="selection_model").value
    assert len(at.warning) == 2 and all(w.value.startswith("There is no") for w in at.warning)
    assert not any(bad in w.value for w in at.warning for bad in ("<", "](", "$", "/etc"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_page_stands_a_bad_address(page):
    check(open_page(page, model="nowhere", data="<b>"))


def test_the_notice_goes_when_the_selection_changes():
    at = open_page(model="nowhere")
    assert at.warning
    assert not at.selectbox(key="selection_data").set_value("cifar10").run().warning


def test_a_model_of_another_data_set_is_explained():
    at = check(open_page(model="tiny-colour", data="mnist"))
    assert at.selectbox(key="selection_data").value == "mnist" and "trained on CIFAR" in at.warning[0].value


@pytest.mark.slow
@pytest.mark.parametrize("key, value", [("vae_view", "'; DROP"), ("vae_seed", "1e99"), ("vae_which", "<b>")])
def test_hostile_parameters_of_a_page(key, value):
    at = check(open_page("vae", model="tiny-vae", **{key: value}))
    for view in ("Sample", "Reconstruct"):
        check(at.segmented_control(key="vae_view").set_value(view).run())


def test_a_damaged_model_is_one_sentence_and_no_traceback(models):
    target = models / "tiny-simclr" / "embeddings.npz"
    kept = target.read_bytes()
    try:
        target.write_bytes(b"not a zip")
        at = open_page("embeddings", model="tiny-simclr")
        assert not at.exception and len(at.error) == 1 and "\n" not in at.error[0].value
    finally:
        target.write_bytes(kept)


@pytest.mark.slow
def test_no_models_at_all_is_one_sentence(models, monkeypatch, tmp_path):
    monkeypatch.setenv("SSLVIZ_MODELS", str(tmp_path))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "data").symlink_to(assets_dir() / "data")
    monkeypatch.setenv("SSLVIZ_ASSETS", str(tmp_path / "assets"))
    st.cache_resource.clear()
    for page in PAGES:
        at = open_page(page)
        assert not at.exception and "sslviz models build" in at.error[0].value
    st.cache_resource.clear()


def test_a_page_that_is_run_without_the_router_goes_through_it(monkeypatch):
    """Streamlit runs a page's file alone when a deep link comes first: the guard starts the app instead."""
    calls = []
    monkeypatch.setattr("sslviz.ui.page_shell.start", lambda: calls.append("start"))
    at = AppTest.from_string("from sslviz import ui; ui.open_page('vae')", default_timeout=60).run()
    assert calls == ["start"] and not at.title


@pytest.mark.parametrize("page", [pytest.param("home", marks=pytest.mark.slow), "embeddings"])
def test_pages_that_only_look_import_no_torch(page, models):
    code = f"""
import sys
from streamlit.testing.v1 import AppTest
at = AppTest.from_file({str(ROOT / "app.py")!r}, default_timeout=60)
at.query_params["model"] = "tiny-simclr"
at.run()
if {page!r} != "home":
    at.switch_page("pages/{page}.py").run()
assert at.title and not at.exception and not at.error, (at.exception, at.error)
heavy = {{"torch", "transformers", "umap", "torchvision", "safetensors", "pandas", "pyarrow", "scipy", "sklearn"}}
print(sorted(heavy & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.strip().splitlines()[-1] == "[]"


def test_pages_stay_thin_and_import_what_they_may():
    for page in PAGES:
        source = (ROOT / "pages" / f"{page}.py").read_text()
        assert not re.search(r"^(import|from) torch", source, re.M), page
