"""The probe page: one protocol at a time, verdicts only on equal labels, results that come one by one and stay."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from tinyimages import make_models

from sslviz import plots
from sslviz.data.images import load_images
from sslviz.evaluation.intervals import paired_difference
from sslviz.store import checkpoint, embeddings

ROOT = Path(__file__).parents[2]
DIFFERENCE = {"value": -0.038, "interval_95": [-0.044, -0.032], "n": 10_000, "only_a": 100, "only_b": 480, "told": True}


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory):
    """Tiny models in a folder of their own; "tiny-simclr" has predictions and a difference, "tiny-own" no results."""
    folder = tmp_path_factory.mktemp("models")
    make_models(folder)
    y = load_images("mnist", "test", bundled=True).y.numpy()
    stored = embeddings.load_embeddings(folder / "tiny-simclr")
    y_pred = np.where(np.arange(len(y)) % 10 == 0, (y + 1) % 10, y).astype(np.uint8)  # one in ten is wrong
    kept = {key: value for key, value in stored.items() if key != "h"}
    embeddings.save_embeddings(folder / "tiny-simclr", stored["h"], **kept | {"y_pred_linear": y_pred})
    card = checkpoint.load_card(folder / "tiny-simclr")
    card["results"]["differences"] = {"whitened patches": DIFFERENCE}
    checkpoint.write_json(card, folder / "tiny-simclr" / checkpoint.CARD)
    own = checkpoint.load_card(folder / "tiny-vae") | {"results": {}}
    checkpoint.write_json(own, folder / "tiny-vae" / checkpoint.CARD)
    os.environ["SSLVIZ_MODELS"] = str(folder)
    st.cache_resource.clear()
    yield folder
    del os.environ["SSLVIZ_MODELS"]
    st.cache_resource.clear()


def open_probe(model: str, **address: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    for key, value in {"model": model, **address}.items():
        at.query_params[key] = value
    at.run()
    return check(at.switch_page("pages/probe.py").run())


def check(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    assert not at.error, [e.value for e in at.error]
    return at


def words(at: AppTest) -> str:
    return "\n".join(m.value for m in (*at.markdown, *at.caption)).replace("\\", "")


def titles(at: AppTest) -> str:
    """What the page says above its figures."""
    return " ".join(m.value for m in (*at.markdown, *at.subheader, *at.caption)).replace("\\", "")


def fit(at: AppTest, labels: int, seed: int = 0) -> AppTest:
    at.select_slider(key="probe_labels").set_value(labels).run()
    at.number_input(key="probe_seed").set_value(seed).run()
    check(next(b for b in at.button if b.label == "Fit the probe").click().run())
    for _ in range(600):
        shown = f"on {labels:,} labelled images, 10,000 test images, seed {seed}" in titles(at)
        if shown and "so far" not in words(at) and "follow." not in words(at):
            return at
        time.sleep(0.2)
        check(at.run())
    raise AssertionError(words(at))


def test_before_a_fit_all_is_of_the_cards_probe():
    at = open_probe("tiny-simclr")
    text = words(at)
    assert "91.2 % (90.6 to 91.7, n = 10,000)" in text
    assert "3.8 points below the best baseline, whitened patches (3.2 to 4.4)" in text, text
    assert "95 %, Wilson, over test images; one training seed" in text and "paired" in text
    assert "1,000 of 10,000 are wrong" in text  # of the stored predictions, and not of k-NN
    shown = titles(at)
    assert "Linear probe on 60,000 labelled images" in shown
    assert "What this probe confuses (% of the true class)" in shown
    assert "k-NN" not in titles(at)


def test_a_card_without_paired_predictions_gives_no_number_for_the_difference():
    text = words(open_probe("tiny-colour"))
    assert "points" not in text.split("Intervals")[0]
    assert "the best baseline, whitened patches: 95.0 %" in text
    assert "no predictions of its probe" in " ".join(c.value for c in open_probe("tiny-colour").caption)


def test_a_model_without_results_shows_one_protocol_and_says_that_nothing_was_fitted():
    at = open_probe("tiny-vae")
    assert "k-NN: 2,500 test images vote on 2,500 others" in titles(at)
    assert "Nothing was fitted" in words(at) and "baseline," not in words(at)
    assert "Linear probe on" not in titles(at)


def test_a_fit_is_compared_with_baselines_on_the_same_labels_and_stays(models):
    at = fit(open_probe("tiny-simclr"), 100)
    text = words(at)
    assert "L2 penalty, " in text and "n = 10,000" in text
    found = at.session_state["probe_found"]
    (evaluation,) = found.values()
    assert list(evaluation.scores) == ["tiny-simclr", "pixels", "pca", "random", "whitened patches"]
    assert evaluation.n_train == 100 and evaluation.complete
    best = evaluation.best_baseline
    expected = paired_difference(evaluation.y, evaluation.score.y_pred, best.y_pred)
    assert f"{abs(100 * expected.value):.1f} points below the best baseline, " in text
    assert "Linear probe on 60,000" not in titles(at)
    # a moved control does not take it away, and another fit comes beside it
    at.select_slider(key="probe_labels").set_value(300).run()
    assert "on 100 labelled images" in titles(check(at))
    fit(at, 300, seed=1)
    table = next(m.value for m in at.markdown if m.value.startswith("| labels"))
    assert [line.split(" | ")[:2] for line in table.splitlines()[2:]] == [["| 100", "0"], ["| 300", "1"]]
    check(at.segmented_control(key="probe_on_show").set_value("100-0").run())
    assert "on 100 labelled images" in titles(at) and at.query_params["probe_shown"] in ("100-0", ["100-0"])
    # another session that opens the address sees the same fit, without computing it again
    other = open_probe("tiny-simclr", probe_shown="300-1", probe_labels="300", probe_seed="1")
    assert "on 300 labelled images, 10,000 test images, seed 1" in titles(other)


def test_an_address_begins_no_work_and_restores_controls():
    at = open_probe("tiny-simclr", probe_shown="3000-7", probe_labels="3000", probe_seed="7", probe_cell="2,3")
    assert at.select_slider(key="probe_labels").value == 3000 and at.number_input(key="probe_seed").value == 7
    assert not at.get("progress") and "Linear probe on 60,000" in titles(at)
    assert "“2” read as “3”" in words(at)
    for bad in ("1e9-0", "../x", "-5", "100-0-0", "9" * 3000):
        check(open_probe("tiny-simclr", probe_shown=bad, probe_cell=bad))


def test_a_cell_of_the_confusion_matrix_brings_its_images():
    at = open_probe("tiny-simclr")
    at.session_state["probe_cell"] = (2, 7)
    assert "“2” read as “7”: 0 images" in words(check(at.run()))
    at.session_state["probe_cell"] = (2, 3)
    y = load_images("mnist", "test", bundled=True).y.numpy()
    count = int(((y == 2) & (np.arange(len(y)) % 10 == 0)).sum())
    assert f"“2” read as “3”: {count:,} images" in words(check(at.run()))


def test_the_confusion_is_in_one_unit_with_counts_on_hover():
    matrix = np.array([[80, 20, 0], [1, 999, 0], [0, 4, 6]])
    heat, cells = plots.plot_confusion(matrix, ["a", "b", "c"], title="t").data
    np.testing.assert_allclose(heat.z[0], [np.nan, 20, np.nan])
    np.testing.assert_allclose(heat.z[2], [np.nan, 40, np.nan])
    texts = {(a.y, a.x): a.text for a in plots.plot_confusion(matrix, ["a", "b", "c"], title="t").layout.annotations}
    assert texts["a", "a"] == "<b>80</b>" and texts["a", "b"] == "20" and texts["a", "c"] == ""
    assert texts["b", "a"] == "0.1" and texts["b", "b"] == "<b>100</b>" and texts["c", "b"] == "40"
    assert cells.text[1] == "20 of 100 images, 20.0 %"
