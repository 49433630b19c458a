"""The view of sentence vectors through AppTest, on a tiny model and a few of the bundled sentences."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
import tinytext
from streamlit.testing.v1 import AppTest

from sslviz import plots
from sslviz.bundled import topics as drawn
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.language import model as language
from sslviz.language import topics
from sslviz.ui.language import vectors

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
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
    environment = {"SSLVIZ_ASSETS": str(root / "assets"), "SSLVIZ_MODELS": str(root / "models")}
    os.environ |= environment
    for name in ("tiny-bare", "tiny-done"):
        path = tinytext.write("bert", root / "models" / name)
        (path / "card.json").write_text(json.dumps({"method": "mlm", "dataset": "words"}), encoding="utf-8")
    drawn.finish(root / "models" / "tiny-done")
    st.cache_resource.clear()
    st.cache_data.clear()
    yield root
    for key in environment:
        del os.environ[key]
    st.cache_resource.clear()
    st.cache_data.clear()


def open_page(model: str, **address: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    for key, value in ({"language_model": model, "language_view": "Sentences"} | address).items():
        at.query_params[key] = value
    at.run()
    return at.switch_page("pages/language.py").run()


def check(at: AppTest) -> AppTest:
    assert not at.exception, at.exception
    assert not at.error, [e.value for e in at.error]
    return at


def said(at: AppTest) -> str:
    """What the page says, without the signs that escape Markdown."""
    return "\n".join(element.value for kind in (at.markdown, at.caption) for element in kind).replace("\\", "")


def label_of(at: AppTest, text: str):
    return next(button for button in at.button if text in button.label)


def test_a_finished_model_is_shown_before_anything_is_computed(folder):
    at = check(open_page("tiny-done"))
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


def test_without_vectors_a_bag_of_words_is_shown_and_the_rest_is_computed_on_request(folder):
    at = check(open_page("tiny-bare"))
    assert at.segmented_control(key="language_space").options == ["bag of words"]
    assert "without the word that they define" in said(at)
    check(label_of(at, "Compute the vectors of tiny-bare").click().run())
    for _ in range(1000):
        if "Layer 0" in said(at) or "does best with" in said(at):
            break
        time.sleep(0.2)
        at.run()
    assert "does best with" in said(check(at))
    assert at.segmented_control(key="language_space").options == ["tiny-bare", "untrained", "bag of words"]
    at.segmented_control(key="language_space").set_value("tiny-bare").run()
    judged = topics.evaluate_layers(language.load("tiny-bare"))
    check(at.slider(key="language_depth").set_value(1).run())
    value = judged.linear[1]
    assert plots.percent_interval(value, accuracy_interval(value, 64), 64) in said(at)
    for space in ("untrained", "bag of words"):
        check(at.segmented_control(key="language_space").set_value(space).run())
        assert "has a place too" in said(at)


def test_a_clicked_sentence_comes_with_its_nearest():
    at = open_page("tiny-done")
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
