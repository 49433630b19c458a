"""The view of sentence vectors through AppTest, on a tiny model and a few of the bundled sentences."""

import json

import numpy as np
import pytest
import tinytext
from streamlit.testing.v1 import AppTest
from visiting import check, open_page, places, said, until

from sslviz import plots
from sslviz.bundled import topics as drawn
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.language import model as language
from sslviz.language import topics
from sslviz.ui.language import vectors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two own models, one of them finished, and an assets folder with a few sentences of each class."""
    root = tmp_path_factory.mktemp("vectors")
    (root / "assets" / "data").mkdir(parents=True)
    lines = ["split\tlabel\tsentence"]
    for split, n in (("train", 20), ("test", 8)):
        found = topics.load_topics(split)
        for label, name in enumerate(found.class_names):
            lines += [f"{split}\t{name}\t{found.x[row]}" for row in np.flatnonzero(found.y == label)[:n]]
    (root / "assets" / "data" / "topics.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in ("tiny-bare", "tiny-done"):
        path = tinytext.write("bert", root / "models" / name)
        (path / "card.json").write_text(json.dumps({"method": "mlm", "dataset": "words"}), encoding="utf-8")
    with places(SSLVIZ_ASSETS=root / "assets", SSLVIZ_MODELS=root / "models"):
        drawn.finish(root / "models" / "tiny-done")
        yield root


def open_view(model: str) -> AppTest:
    return check(open_page("language", language_model=model, language_view="Sentences"))


def label_of(at: AppTest, text: str):
    return next(button for button in at.button if text in button.label)


@pytest.mark.slow
def test_a_finished_model_is_shown_before_anything_is_computed(folder):
    at = open_view("tiny-done")
    card = json.loads((folder / "models" / "tiny-done" / "card.json").read_text(encoding="utf-8"))
    value = card["results"]["topics"]["linear"][-1]
    assert plots.percent_interval(value, accuracy_interval(value, 64), 64) in said(at)
    assert at.segmented_control(key="language_space").options == ["tiny-done", "bag of words"]
    assert at.segmented_control(key="language_map").options == ["PCA", "UMAP"]
    assert "Yours: Paris is the capital of France." in said(at)
    assert all(chart.proto.alt for chart in at.get("plotly_chart"))
    check(at.segmented_control(key="language_map").set_value("UMAP").run())
    value = card["results"]["topics"]["knn"][-1]
    check(at.segmented_control(key="language_probe").set_value("knn").run())
    assert plots.percent_interval(value, accuracy_interval(value, 64), 64) in said(at)


@pytest.mark.slow
def test_without_vectors_a_bag_of_words_is_shown_and_the_rest_is_computed_on_request(folder):
    at = open_view("tiny-bare")
    assert at.segmented_control(key="language_space").options == ["bag of words"]
    assert "without the word that they define" in said(at)
    check(label_of(at, "Compute the vectors of tiny-bare").click().run())
    until(at, "does best with")
    check(at)
    assert at.segmented_control(key="language_space").options == ["tiny-bare", "untrained", "bag of words"]
    at.segmented_control(key="language_space").set_value("tiny-bare").run()
    judged = topics.evaluate_layers(language.load("tiny-bare"))
    check(at.slider(key="language_depth").set_value(1).run())
    value = judged.linear[1]
    assert plots.percent_interval(value, accuracy_interval(value, 64), 64) in said(at)
    for space in ("untrained", "bag of words"):
        check(at.segmented_control(key="language_space").set_value(space).run())
        assert "has a place too" in said(at)


@pytest.mark.slow
def test_a_clicked_sentence_comes_with_its_nearest(folder):
    at = open_view("tiny-done")
    test = topics.load_topics("test")
    at.session_state["language_topic"] = 20
    check(at.run())
    assert f"A sentence of the map: {test.x[20]}" in said(at)
    assert f"({test.class_names[test.y[20]]})" in said(at)
    for stale in (10**6, -1, "x"):
        at.session_state["language_topic"] = stale
        check(at.run())
        assert f"A sentence of the map: {test.x[0]}" in said(at)


def test_judged_models_are_kept_boundedly():
    kept = vectors.Kept()
    for n in range(vectors.Kept.MOST + 2):
        kept.put((n,), n)
    assert kept.get((0,)) is None and kept.get((vectors.Kept.MOST + 1,)) is not None
    assert sum(kept.get((n,)) is not None for n in range(10)) == vectors.Kept.MOST
