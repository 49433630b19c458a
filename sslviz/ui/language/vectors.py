"""Sentences as vectors: a map of labelled ones, what probes read off them, and where one's own sentence lands."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.evaluation import maps
from sslviz.evaluation.neighbours import neighbours
from sslviz.evaluation.results import Labelled
from sslviz.language import topics
from sslviz.methods.registry import METHODS
from sslviz.store import checkpoint, embeddings
from sslviz.ui.language.model_picker import causal_names, language_models, other_head
from sslviz.ui.language.questions import Working, ask, need_model
from sslviz.ui.language.sentence_input import Asked
from sslviz.ui.language.speaker import Speaker

UNTRAINED, WORDS = "untrained", "bag of words"
PROBES = {"linear": "Linear", "knn": "k-NN"}
HEIGHT, NEAREST = 440, 5
COUNTING = ("topics words",)  # the job that counts words


@dataclass(frozen=True, eq=False)
class Known:
    """What is at hand of a model's vectors of the test sentences.

    Attributes:
        layers: h (N, D) of each layer that is at hand, embeddings are 0.
        untrained: h of the model untrained, or None.
        scores: accuracies of each probe, "linear" and "knn": the model's by layer, and those of its baselines.
        umap: (xy, its quality) of the last layer, or None.
    """

    layers: dict[int, np.ndarray]
    untrained: np.ndarray | None
    scores: dict[str, tuple[list[float], dict[str, float]]]
    umap: tuple[np.ndarray, maps.Quality] | None


class Kept:
    """Evaluated models, the oldest let go: results of jobs that are too large to stay with the worker."""

    MOST = 4

    def __init__(self) -> None:
        self._lock, self._found = threading.Lock(), OrderedDict[tuple, topics.ByLayer]()

    def put(self, key: tuple, judged: topics.ByLayer) -> None:
        """Keep what a model was found to be worth."""
        with self._lock:
            self._found[key] = judged
            while len(self._found) > self.MOST:
                self._found.popitem(last=False)

    def get(self, key: tuple) -> topics.ByLayer | None:
        """What is kept of a model, or None."""
        with self._lock:
            return self._found.get(key)


@st.cache_resource(show_spinner=False)
def kept() -> Kept:
    """The evaluated models of this server."""
    return Kept()


@st.cache_resource(max_entries=1, show_spinner=False)
def _test() -> Labelled:
    return topics.load_topics("test")


@dataclass(frozen=True, eq=False)
class Counted:
    """The bag of words of the test sentences, h (N, V), and its PCA map xy (N, 2)."""

    h: np.ndarray
    xy: np.ndarray
    quality: maps.Quality


def _words() -> Counted | None:
    """The bag of words and its map; None while they are counted in the background, whose progress is then drawn."""
    now = ui.worker().progress(COUNTING)

    def count() -> None:
        with ui.plain_errors():
            ui.worker().submit(COUNTING, ui.owner(), work, seconds=10.0)

    def work(report: topics.Report) -> Counted:
        found = ui.call("sslviz.jobs.computations:count_words", report)
        return Counted(found["h"], found["xy"], maps.Quality(**found["quality"]))

    if now is None:
        count()
    if now is not None and now.state == "done":
        return cast(Counted, now.result)
    with st.container(height=HEIGHT, border=False):  # as high as the map will be
        ui.watch(COUNTING)
        if now is not None and now.state in ("failed", "stopped"):
            st.button("Count the words again", icon=":material/refresh:", key="language_count", on_click=count)
    return None


def known(speaker: Speaker) -> Known | None:
    """What was computed here of a model, else what its folder keeps, else None."""
    judged = kept().get(speaker.key)
    stored, info = None, language_models().get(speaker.name)
    if info is not None and not speaker.trained and (file := info.path / embeddings.EMBEDDINGS).is_file():
        stored = _stored(speaker.name, file.stat().st_mtime_ns)
    if judged is None:
        return stored
    scores = {
        probe: (list(getattr(judged, probe)), {name: found[probe] for name, found in judged.baselines.items()})
        for probe in PROBES
    }
    layers = {layer: h.astype(np.float32) for layer, h in enumerate(judged.h)}
    return Known(layers, judged.h_untrained.astype(np.float32), scores, stored.umap if stored else None)


@st.cache_resource(max_entries=4, show_spinner=False)
def _stored(name: str, stamp: int) -> Known | None:
    path = language_models()[name].path
    found = checkpoint.load_card(path).get("results", {}).get(topics.NAME)
    arrays = embeddings.load_embeddings(path) if found else None
    if not found or arrays is None or len(arrays["h"]) != len(_test()):
        return None
    scores = {
        probe: (list(found[probe]), {name: values[probe] for name, values in found["baselines"].items()})
        for probe in PROBES
    }
    umap = (arrays["umap_xy"], maps.stored_quality(arrays, "umap")) if "umap_xy" in arrays else None
    return Known({len(found["linear"]) - 1: arrays["h"]}, None, scores, umap)


def sentences(asked: Asked) -> None:
    """A map of the labelled test sentences, the probes beside it, neighbours of a sentence and of one's own."""
    need_model(asked.speaker)
    asked = _read_by(asked)
    speaker = asked.speaker
    found = known(speaker)
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    space, layer = _choose_space(bar, speaker, found)
    grid = st.grid(3, min_column_width=280, gap="medium")
    left, right = grid.cell(column_span=2), grid.cell()
    own, chosen = _own(asked, layer) if space == speaker.name else None, 0
    with left:
        counted = _words() if space == WORDS or found is None else None
        h = _vectors(found, space, layer) if counted is None else counted.h
        if h is not None:
            chosen = _map(bar, asked, (space, layer), h, own, found, counted)
    with right:
        if found is None:
            _explain(speaker)
        else:
            _scores(speaker, found, layer)
    if h is None:
        return
    grid = st.grid(2, min_column_width=320, gap="medium")
    with grid.cell():
        text = _test().x[chosen]
        _nearest(f"A sentence of the map: {text}", h, h[chosen], skip=chosen, label=int(_test().y[chosen]))
    with grid.cell():
        if own is not None:
            _nearest(f"Yours: {asked.text}", h, own)
        else:
            st.caption(f"In the vectors of {ui.escape(speaker.name)} your own sentence above has a place too.")


# --- what is shown, and computing it ---


def _read_by(asked: Asked) -> Asked:
    """Draw the choice of who reads the sentences: the model of the page, or one that reads from the left.

    Raises:
        Working: that one is loading.
    """
    others = [name for name in causal_names() if name in language_models()]
    own = asked.speaker.name
    if not others:
        return asked
    ui.bound("language_reader", own, among=(own, *others))
    name = str(st.segmented_control("Read by", [own, *others], key="language_reader", required=True))
    if name == own:
        return asked
    model = other_head("load_causal", name)
    if model is None:
        raise Working(lambda: None)  # what is known of it is drawn already
    speaker = Speaker(name, (name, "causal"), model, language_models()[name].card)
    return replace(asked, base=speaker, speaker=speaker)


def _vectors(found: Known | None, space: str, layer: int) -> np.ndarray | None:
    """Of the test sentences (N, D) in a space that is a model's; None elsewhere."""
    if found is None or space == WORDS:
        return None
    return found.untrained if space == UNTRAINED else found.layers[layer]


def _choose_space(bar: Any, speaker: Speaker, found: Known | None) -> tuple[str, int]:
    """Whose vectors are on show, and of which layer."""
    state = st.session_state
    fresh = [UNTRAINED] if found and found.untrained is not None else []
    options = ([speaker.name] if found else []) + fresh + [WORDS]
    ui.bound("language_space", options[0], among=options)
    with bar:
        space = str(st.segmented_control("Vectors of", options, key="language_space", required=True, width="content"))
        layers = sorted(found.layers) if found else []
        layer = layers[-1] if layers else -1
        if space == speaker.name and len(layers) > 1:
            ui.bound("language_depth", layer, among=layers)
            layer = st.slider("Layer (0: embeddings)", layers[0], layers[-1], key="language_depth", width=190)
    job = state.get("language_judging")
    now = ui.worker().progress(job) if job and job[1:-1] == speaker.key else None
    only = found is not None and len(found.scores["linear"][0]) == 1  # of a recurrent model there is one
    if len(layers) < 2 and not only and (now is None or now.state not in ("waiting", "running")):
        label = "Compute all layers" if found else f"Compute the vectors of {speaker.name}"
        bar.button(label, icon=":material/calculate:", key="language_judge", on_click=_judge, args=(speaker,))
    if job is not None and now is not None and now.state != "done":
        ui.watch(job)
    return space, layer


def _judge(speaker: Speaker) -> None:
    """Ask for a model's vectors and probes; what comes out goes into `kept`."""
    key = ("topics", *speaker.key, uuid.uuid4().hex)

    def work(report: topics.Report) -> None:
        kept().put(speaker.key, topics.evaluate_layers(speaker.model, report=report))

    with ui.plain_errors():
        ui.worker().submit(key, ui.owner(), work, seconds=60.0)
        st.session_state.language_judging = key


def _explain(speaker: Speaker) -> None:
    train = topics.load_topics("train")
    st.markdown(
        f"**{len(_test()):,} definitions of WordNet, without the word that they define**  \nThe colour is the kind of "
        f"thing that is defined, one of {len(train.class_names)}; no model was trained on it. This is what counting "
        f"words gives. The vectors of {ui.escape(speaker.name)} take some 15 s to a minute for {len(train):,} training "
        f"and {len(_test()):,} test sentences; then they are mapped and probed beside it."
    )


def _own(asked: Asked, layer: int) -> np.ndarray:
    """The vector of the sentence above, (D,)."""
    return ask(asked.speaker, "sentence_vectors", (asked.text,), layer=layer)[0]


# --- the map ---


def _map(
    bar: Any,
    asked: Asked,
    of: tuple[str, int],
    h: np.ndarray,
    own: np.ndarray | None,
    found: Known | None,
    counted: Counted | None,
) -> int:
    """Draw the map of vectors of a space and layer; the row of the sentence that was clicked."""
    state, test, (space, layer) = st.session_state, _test(), of
    name = (*asked.speaker.key, layer) if space == asked.speaker.name else (*asked.speaker.key, UNTRAINED)
    name = ("words",) if space == WORDS else name
    last = found is not None and space == asked.speaker.name and layer == len(found.scores["linear"][0]) - 1
    job = ("topics map", *name)
    now = ui.worker().progress(job)
    umap = now.result if now is not None and now.state == "done" else found.umap if found and last else None

    def fit() -> None:
        with ui.plain_errors():
            settings = {"method": "umap", "seed": 0}
            ui.worker().submit(job, ui.owner(), lambda report: ui.fit_map(h, settings, report))
            state.language_map, state.language_mapping = "UMAP", job

    options = ["PCA", "UMAP"] if umap is not None else ["PCA"]
    coming = now is not None and now.state in ("waiting", "running")
    ui.bound("language_map", "PCA", among=("PCA", "UMAP") if coming else options)
    with bar:
        if umap is not None:
            st.segmented_control("Map", options, key="language_map", required=True)
        elif now is None or now.state not in ("waiting", "running"):
            st.button("Fit a UMAP", icon=":material/scatter_plot:", key="language_umap", on_click=fit)
    if umap is None and now is not None:
        ui.watch(job)
    guest = None
    if umap is not None and state.language_map == "UMAP":
        way, (xy, quality) = "UMAP", umap
    elif counted is not None:
        way, xy, quality = "PCA", counted.xy, counted.quality
    else:
        pca = _pca(name, h)
        way, xy, quality = "PCA", pca.xy, pca.quality
        if own is not None:
            x, y = pca.transform(own[None])[0]
            guest = (float(x), float(y))
    chosen = int(ui.bound("language_topic", 0, between=(0, len(test) - 1)))

    def picked(ids: list[int]) -> None:
        state.language_topic = ids[0]

    said = quality.words("sentences")
    st.markdown(f"**{way} of {len(xy):,} definitions, {h.shape[1]:,} numbers each.** {said[:1].upper()}{said[1:]}.")
    ui.show_map(
        xy,
        test.y,
        test.class_names,
        key="language_topics_map",
        label=f"{way} map of the test sentences, coloured by what they define. Arrow keys walk, Enter chooses.",
        chosen=chosen,
        hints=_hints(),
        guest=guest,
        tools=False,
        size=HEIGHT,
        on_pick=picked,
    )
    st.markdown("The star is your sentence above. " * (guest is not None) + "Click a point to read its definition.")
    return chosen


@st.cache_data(max_entries=1, show_spinner=False)
def _hints() -> list[str]:
    """What a point of the map says under the mouse: its class and its sentence."""
    test = _test()
    return [f"{test.class_names[label]}: {text}" for label, text in zip(test.y, test.x, strict=True)]


@st.cache_resource(max_entries=16, show_spinner="Drawing the map …")
def _pca(name: tuple, _h: np.ndarray) -> maps.Map:
    return maps.fit_map(_h, method="pca")


def _nearest(
    title: str, h: np.ndarray, vector: np.ndarray, *, skip: int | None = None, label: int | None = None
) -> None:
    """A sentence and the test sentences whose vectors are most like its own, by cosine."""
    test = _test()
    if skip is None:
        ids, cosines = neighbours(np.vstack([h, vector[None]]), len(h), NEAREST)
    else:
        ids, cosines = neighbours(h, skip, NEAREST)
    named = "" if label is None else f" ({test.class_names[label]})"
    st.markdown(f"**{ui.escape(title)}**{named}")
    rows = [
        f"| {cosine:.2f} | {test.class_names[test.y[i]]} | {ui.escape(test.x[i])} |"
        for i, cosine in zip(ids, cosines, strict=True)
    ]
    st.markdown("\n".join(["| cosine | kind | nearest in h |", "|---|---|---|", *rows]))


# --- the probes ---


def _scores(speaker: Speaker, found: Known, layer: int) -> None:
    """Accuracy beside the baselines, and from layer to layer."""
    from sslviz.evaluation.intervals import accuracy_interval

    n, names = len(_test()), {"random": UNTRAINED, WORDS: WORDS}
    ui.bound("language_probe", "linear", among=PROBES)
    probe = str(st.segmented_control(
        "Probe", list(PROBES), key="language_probe", required=True, format_func=lambda key: PROBES[key],
        label_visibility="collapsed",
    ))  # fmt: skip
    by_layer, baselines = found.scores[probe]
    values = {speaker.name: by_layer[layer]} | {names[key]: value for key, value in baselines.items()}
    rows = [
        {
            "label": name,
            "accuracy": value,
            "interval": accuracy_interval(value, n),
            "colour": METHODS["mlm"].colour if name == speaker.name else None,
        }
        for name, value in values.items()
    ]
    figure = plots.plot_accuracy(
        rows,
        title=f"{PROBES[probe]} probe of {f'layer {layer}' if len(by_layer) > 1 else 'the states'}",
        chance=1 / len(_test().class_names),
        height=245,
    )
    figure.update_xaxes(title="accuracy on test sentences (%)")
    interval = accuracy_interval(by_layer[layer], n)
    best = max(baselines, key=lambda name: baselines[name])
    ui.show(
        figure,
        key="language_scores",
        alt="Accuracy of the probe beside baselines",
        still=True,
        caption=f"{plots.percent_interval(by_layer[layer], interval, n)}; the better baseline, {names[best]}, "
        f"{plots.percent_interval(baselines[best], accuracy_interval(baselines[best], n), n)}.",
    )
    if len(by_layer) == 1:
        st.caption("A recurrent model has one layer of states: the vector is their mean over the words.")
        return
    x = list(range(len(by_layer)))
    curves = [
        (PROBES[key], x, [100 * value for value in found.scores[key][0]], METHODS["mlm"].colour, dash)
        for key, dash in (("linear", "solid"), ("knn", "dot"))
    ]
    top = int(np.argmax(by_layer))
    low, high = accuracy_interval(by_layer[top], n)
    alike = [i for i, value in enumerate(by_layer) if low <= value <= high]
    told = f"Layer {top} does best with {plots.percent(by_layer[top], half_width=(high - low) / 2)}"
    told += f"; {len(alike) - 1} of the {len(by_layer) - 1} others lie within its interval." if len(alike) > 1 else "."
    if "wordnet" in (speaker.card.get("corpus") or {}):
        told += " Most of these definitions were in its training text, without the labels."
    ui.show(
        plots.plot_curves([("accuracy (%)", curves)], title="Layer by layer", x_title="layer", height=220),
        key="language_by_layer",
        alt="Accuracy of both probes by layer",
        still=True,
        caption=told,
    )
