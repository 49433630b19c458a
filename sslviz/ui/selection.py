"""The scene: data set and model, shared by all pages, chosen in the sidebar and kept in the address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from sslviz import plots
from sslviz.data import catalog, images
from sslviz.errors import UserError
from sslviz.jobs import uploads
from sslviz.store import checkpoint
from sslviz.ui import address
from sslviz.ui.page_shell import PAGES, begin_page, escape

METHODS = {"vae": "VAE", "simclr": "SimCLR", "moco": "MoCo"}
BASELINES = {"pca": "PCA", "random": "random encoder"}  # others are called what they are


@dataclass(frozen=True)
class Scene:
    """What all pages look at.

    Attributes:
        data: name of the data set.
        title: its title for people.
        model: name of the model, or None where the data set has none that this page can show.
        method: the model's method, or "".
        card: its card, or {}.
        path: its folder, or None.
    """

    data: str
    title: str
    model: str | None
    method: str
    card: dict
    path: Path | None


@st.cache_resource(ttl=20, max_entries=1, show_spinner=False)
def models() -> list:
    """All models of images, bundled ones first; of two with one name the first, which is the one that a name loads."""
    return list({model.name: model for model in reversed(checkpoint.list_models("image"))}.values())[::-1]


def data_title(name: str) -> str:
    """The title of a data set for people."""
    return catalog.DATASETS[name].title if name in catalog.DATASETS else Path(name).stem


def datasets() -> dict[str, str]:
    """Data sets by their names in the address: the known ones, and labelled own images that a model here has seen."""
    own = {m.dataset for m in models() if m.dataset not in catalog.DATASETS and not m.card.get("imported")}
    return {name: name for name in catalog.DATASETS} | {_address(path): path for path in sorted(own) if _labelled(path)}


def _address(path: str) -> str:
    """What an address calls own images: their name, of uploads with the beginning of their hash, since names repeat."""
    file = Path(path)
    return f"{file.stem}-{file.parent.name[:8]}" if file.parent.parent.name == uploads.OWN else file.stem


@st.cache_data(max_entries=32, ttl=60, show_spinner=False)
def _labelled(path: str) -> bool:
    try:
        return bool(images.describe(path).class_names)
    except UserError:
        return False


def _models_of(dataset: str, methods: tuple[str, ...] | None) -> dict[str, Any]:
    return {m.name: m for m in models() if m.dataset == dataset and (methods is None or m.method in methods)}


def _first_model(options: dict[str, Any], wanted: str = "simclr") -> str | None:
    """The model to start with: one of the wanted method, else the first."""
    return next((name for name, m in options.items() if m.method == wanted), next(iter(options), None))


def _read_address() -> None:
    """Take data set and model from the address once a session; answer what is not here with a sentence."""
    state, known, sets = st.session_state, {m.name: m for m in models()}, datasets()
    state.scene = {"data": "mnist", "model": None, "vae": None}
    state.notice = []
    asked_data, asked_model = st.query_params.get("data"), st.query_params.get("model")
    if asked_data in sets:
        state.scene["data"] = sets[asked_data]
    elif asked_data is not None:
        state.notice.append(f"There is no data set “{_shown(asked_data)}” here; this is MNIST.")
    if asked_model in known:
        if asked_data not in sets and known[asked_model].dataset in sets.values():
            state.scene["data"] = known[asked_model].dataset
        if known[asked_model].dataset == state.scene["data"]:
            state.scene["model"] = asked_model
            state.scene["vae"] = asked_model if known[asked_model].method == "vae" else None
        else:
            state.notice.append(
                f"The model “{asked_model}” was trained on {data_title(known[asked_model].dataset)}, "
                f"not on {data_title(asked_data)}; this is another one."
            )
    elif asked_model is not None:
        state.notice.append(f"There is no model “{_shown(asked_model)}” here; this is another one.")


def _shown(text: str) -> str:
    """What may be repeated of an address: a short run of harmless characters."""
    kept = re.sub(r"[^A-Za-z0-9._ -]", "", text)[:40].strip()
    return escape(kept) or "…"


def _change_data() -> None:
    """Another data set: keep the method of the model that was on show, where the new set has one."""
    state = st.session_state
    before = {m.name: m.method for m in models()}.get(state.scene["model"] or "", "simclr")
    state.scene = {"data": state.scene_data, "vae": None}
    state.scene["model"] = _first_model(_models_of(state.scene_data, None), before)
    state.notice = []


def _change_model() -> None:
    """Another model: a VAE is remembered for the page that can show nothing else."""
    state = st.session_state
    state.scene["model"] = state.scene_model
    if {m.name: m.method for m in models()}.get(state.scene_model) == "vae":
        state.scene["vae"] = state.scene_model
    state.notice = []


def _scene(methods: tuple[str, ...] | None) -> Scene:
    """Draw the sidebar's data set and model, and write both into the address."""
    state = st.session_state
    if "scene" not in state:
        _read_address()
    here = state.scene
    options = _models_of(here["data"], methods)
    slot = "vae" if methods == ("vae",) else "model"
    if here.get(slot) not in options:
        flat = next((name for name in options if name.endswith("-2d")), None)  # a plane is the liveliest start
        here[slot] = here["model"] if here["model"] in options else (slot == "vae" and flat) or _first_model(options)
    if here["data"] not in datasets().values():  # own images whose last model has gone
        here["data"], options = "mnist", _models_of("mnist", methods)
        here[slot] = _first_model(options)
    state.scene_data, state.scene_model = here["data"], here[slot]
    with st.sidebar:
        sets = {name: short for short, name in datasets().items()}
        st.selectbox("Data set", list(sets), format_func=data_title, key="scene_data", on_change=_change_data)
        if options:
            st.selectbox("Model", list(options), key="scene_model", on_change=_change_model)
        chosen = options.get(here[slot])
        _scene_facts(here["data"], chosen)
    for name, value in (("data", sets.get(here["data"])), ("model", here[slot])):
        if value:
            address.put(name, value)
    for sentence in state.notice:
        st.warning(sentence, icon=":material/link_off:")
    if chosen is None:
        return Scene(here["data"], data_title(here["data"]), None, "", {}, None)
    return Scene(here["data"], data_title(here["data"]), chosen.name, chosen.method, chosen.card or {}, chosen.path)


def _scene_facts(dataset: str, model: Any) -> None:
    """Say in the sidebar which images are in use, and what the model was trained on."""
    try:
        st.caption(f"**Images here.** {escape(images.describe(dataset).source)}.")
    except UserError as error:
        st.caption(escape(str(error)))
    card = (model.card or {}) if model else {}
    if card.get("n_train"):
        st.caption(
            f"**Model.** {METHODS.get(model.method, model.method)} trained on {card['n_train']:,} images without "
            f"labels, {plots.seconds(60 * card.get('minutes', 0))} on {escape(str(card.get('hardware', '?')))}."
        )


def need_model(scene: Scene) -> None:
    """Stop the page with one sentence where the scene has no model."""
    if scene.model is None:
        raise UserError(
            f"There is no model for {scene.title} here yet: choose another data set, or run `sslviz models build`."
        )


def open_page(key: str) -> Scene:
    """Begin a page that looks at the scene: `begin_page`, then data set and model."""
    begin_page(key)
    return _scene(PAGES[key].methods)
