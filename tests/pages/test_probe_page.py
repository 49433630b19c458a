"""The probe page: one protocol at a time, verdicts only on equal labels, results that come one by one and stay."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from visiting import button, check, open_page, param, places, said, until

from sslviz import plots
from sslviz.data.images import load_images
from sslviz.evaluation.intervals import paired_difference
from sslviz.store import checkpoint, embeddings

DIFFERENCE = {"value": -0.038, "interval_95": [-0.044, -0.032], "n": 10_000, "only_a": 100, "only_b": 480, "told": True}


@pytest.fixture(scope="module", autouse=True)
def folder(models):
    """Where "tiny-simclr" has predictions and a difference, and "tiny-vae" no results."""
    y = load_images("mnist", "test", bundled=True).y.numpy()
    stored = embeddings.load_embeddings(models / "tiny-simclr")
    y_pred = np.where(np.arange(len(y)) % 10 == 0, (y + 1) % 10, y).astype(np.uint8)  # one in ten is wrong
    kept = {key: value for key, value in stored.items() if key != "h"}
    embeddings.save_embeddings(models / "tiny-simclr", stored["h"], **kept | {"y_pred_linear": y_pred})
    card = checkpoint.load_card(models / "tiny-simclr")
    card["results"]["differences"] = {"whitened patches": DIFFERENCE}
    checkpoint.write_json(card, models / "tiny-simclr" / checkpoint.CARD)
    own = checkpoint.load_card(models / "tiny-vae") | {"results": {}}
    checkpoint.write_json(own, models / "tiny-vae" / checkpoint.CARD)
    with places(SSLVIZ_MODELS=models):
        yield


def open_probe(model: str, **address: str) -> AppTest:
    return check(open_page("probe", model=model, **{"probe_view": "Labels", "probe_part": "One fit"} | address))


def fit(at: AppTest, labels: int, seed: int = 0) -> AppTest:
    at.select_slider(key="probe_labels").set_value(labels).run()
    at.number_input(key="probe_seed").set_value(seed).run()
    check(button(at, "Fit the probe").click().run())
    shown = f"on {labels:,} labelled images, 10,000 test images, seed {seed}"
    until(at, lambda: shown in said(at) and "so far" not in said(at) and "follow." not in said(at))
    return check(at)


def test_before_a_fit_all_is_of_the_cards_probe():
    at = open_probe("tiny-simclr")
    text = said(at)
    assert "91.2 % (90.6 to 91.7, n = 10,000)" in text
    assert "3.8 points below the best baseline, whitened patches (3.2 to 4.4)" in text, text
    assert "95 %, Wilson, over test images; one training seed" in text and "paired" in text
    assert "1,000 of 10,000 are wrong" in text  # of the stored predictions, and not of k-NN
    shown = said(at)
    assert "Linear probe on 60,000 labelled images" in shown
    assert "What this probe confuses (% of the true class)" in shown
    assert "k-NN" not in said(at)


@pytest.mark.slow
def test_a_card_without_paired_predictions_gives_no_number_for_the_difference():
    text = said(open_probe("tiny-colour"))
    assert "points" not in text.split("Intervals")[0]
    assert "the best baseline, whitened patches: 95.0 %" in text
    assert "no predictions of its probe" in " ".join(c.value for c in open_probe("tiny-colour").caption)


def test_a_model_without_results_shows_one_protocol_and_says_that_nothing_was_fitted():
    at = open_probe("tiny-vae")
    assert "k-NN: 2,500 test images vote on 2,500 others" in said(at)
    assert "Nothing was fitted" in said(at) and "baseline," not in said(at)
    assert "Linear probe on" not in said(at)


@pytest.mark.slow
def test_a_fit_is_compared_with_baselines_on_the_same_labels_and_stays():
    at = fit(open_probe("tiny-simclr"), 100)
    text = said(at)
    assert "L2 penalty, " in text and "n = 10,000" in text
    found = at.session_state["probe_found"]
    (evaluation,) = found.values()
    assert list(evaluation.scores) == ["tiny-simclr", "pixels", "pca", "random", "whitened patches"]
    assert evaluation.n_train == 100 and evaluation.complete
    best = evaluation.best_baseline
    expected = paired_difference(evaluation.y, evaluation.score.y_pred, best.y_pred)
    assert f"{abs(100 * expected.value):.1f} points below the best baseline, " in text
    assert "Linear probe on 60,000" not in said(at)
    # a moved control does not take it away, and another fit comes beside it
    at.select_slider(key="probe_labels").set_value(300).run()
    assert "on 100 labelled images" in said(check(at))
    fit(at, 300, seed=1)
    table = next(m.value for m in at.markdown if m.value.startswith("| labels"))
    assert [line.split(" | ")[:2] for line in table.splitlines()[2:]] == [["| 100", "0"], ["| 300", "1"]]
    check(at.segmented_control(key="probe_on_show").set_value("100-0").run())
    assert "on 100 labelled images" in said(at) and param(at, "probe_shown") == "100-0"
    # another session that opens the address sees the same fit, without computing it again
    other = open_probe("tiny-simclr", probe_shown="300-1", probe_labels="300", probe_seed="1")
    assert "on 300 labelled images, 10,000 test images, seed 1" in said(other)


@pytest.mark.slow
def test_an_address_begins_no_work_and_restores_controls():
    at = open_probe("tiny-simclr", probe_shown="3000-7", probe_labels="3000", probe_seed="7", probe_cell="2,3")
    assert at.select_slider(key="probe_labels").value == 3000 and at.number_input(key="probe_seed").value == 7
    assert not at.get("progress") and "Linear probe on 60,000" in said(at)
    assert "“2” read as “3”" in said(at)
    for bad in ("1e9-0", "../x", "-5", "100-0-0", "9" * 3000):
        check(open_probe("tiny-simclr", probe_shown=bad, probe_cell=bad))


def test_a_cell_of_the_confusion_matrix_brings_its_images():
    at = open_probe("tiny-simclr")
    at.session_state["probe_cell"] = (2, 7)
    assert "“2” read as “7”: 0 images" in said(check(at.run()))
    at.session_state["probe_cell"] = (2, 3)
    y = load_images("mnist", "test", bundled=True).y.numpy()
    count = int(((y == 2) & (np.arange(len(y)) % 10 == 0)).sum())
    assert f"“2” read as “3”: {count:,} images" in said(check(at.run()))


def test_the_confusion_is_in_one_unit_with_counts_on_hover():
    matrix = np.array([[80, 20, 0], [1, 999, 0], [0, 4, 6]])
    heat, cells = plots.plot_confusion(matrix, ["a", "b", "c"], title="t").data
    np.testing.assert_allclose(heat.z[0], [np.nan, 20, np.nan])
    np.testing.assert_allclose(heat.z[2], [np.nan, 40, np.nan])
    texts = {(a.y, a.x): a.text for a in plots.plot_confusion(matrix, ["a", "b", "c"], title="t").layout.annotations}
    assert texts["a", "a"] == "<b>80</b>" and texts["a", "b"] == "20" and texts["a", "c"] == ""
    assert texts["b", "a"] == "0.1" and texts["b", "b"] == "<b>100</b>" and texts["c", "b"] == "40"
    assert cells.text[1] == "20 of 100 images, 20.0 %"
