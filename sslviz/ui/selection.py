"""The selection: dataset and model, shared by all pages, chosen in the sidebar and kept in the address."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from sslviz import plots
from sslviz.data import catalog, images
from sslviz.errors import UserError
from sslviz.jobs import uploads
from sslviz.methods.registry import METHODS
from sslviz.store import checkpoint
from sslviz.ui import address
from sslviz.ui.page_shell import PAGES, PageInfo, begin_page, escape


@dataclass(frozen=True)
class Selection:
    """What all pages look at.

    Attributes:
        data: name of the dataset.
        title: its title for people.
        model: name of the model, or None where the dataset has none that this page can show.
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

    @property
    def name(self) -> str:
        """The model's name, where there must be one.

        Raises:
            UserError: there is none.
        """
        need_model(self)
        return str(self.model)

    @property
    def folder(self) -> Path:
        """The model's folder, where there must be one.

        Raises:
            UserError: there is none.
        """
        need_model(self)
        return Path(str(self.path))


@st.cache_resource(ttl=20, max_entries=1, show_spinner=False)
def models() -> list:
    """All models of images, bundled ones first; of two with one name the first, which is the one that a name loads."""
    found = [model for model in checkpoint.list_models("image") if model.method in METHODS]
    return list({model.name: model for model in reversed(found)}.values())[::-1]


def data_title(name: str) -> str:
    """The title of a dataset for people."""
    return catalog.DATASETS[name].title if name in catalog.DATASETS else Path(name).stem


def datasets() -> dict[str, str]:
    """Datasets by their names in the address: the known ones, and own images that a model here has seen."""
    own = {m.dataset for m in models() if m.dataset and m.dataset not in catalog.DATASETS}
    own -= {m.dataset for m in models() if m.card.get("imported")}
    return {name: name for name in catalog.DATASETS} | {_address(path): path for path in sorted(own) if _is_there(path)}


def _address(path: str) -> str:
    """What an address calls own images: their name, of uploads with the beginning of their hash, since names repeat."""
    file = Path(path)
    return f"{file.stem}-{file.parent.name[:8]}" if file.parent.parent.name == uploads.OWN else file.stem


@st.cache_data(max_entries=32, ttl=60, show_spinner=False)
def _is_there(path: str) -> bool:
    try:
        return bool(images.describe(path).n_test)
    except UserError:
        return False


def _models_of(dataset: str, wants: str = "") -> dict[str, Any]:
    """Models of a dataset by name, of those methods that have what is wanted."""
    return {m.name: m for m in models() if m.dataset == dataset and (not wants or getattr(METHODS[m.method], wants))}


def _first_model(options: dict[str, Any], method: str | None = None) -> str | None:
    """The model to start with: of a method, where there is one of it, that whose linear probe is best."""
    found = checkpoint.opens_with(options.values(), method)
    return found.name if found else None


def _liveliest(options: dict[str, Any], wants: str) -> str | None:
    """The model that a page opens with whose method must have something: a plane, if there is one."""
    flat = next((name for name in options if name.endswith("-2d")), None) if wants else None
    return flat or _first_model(options)


def _read_address() -> None:
    """Take dataset and model from the address once a session; answer what is not here with a sentence.

    `state.selection` holds "data", and "model" by what pages want of its method: a page that cannot show the model of
    the others remembers its own.
    """
    state, known, sets = st.session_state, {m.name: m for m in models()}, datasets()
    state.selection = {"data": "mnist", "model": {}}
    state.notice = []
    asked_data, asked_model = address.asked("data"), address.asked("model")
    if asked_data in sets:
        state.selection["data"] = sets[asked_data]
    elif asked_data is not None:
        state.notice.append(f"There is no dataset “{_shown(asked_data)}” here; this is MNIST.")
    if asked_model is not None and asked_model in known:
        if asked_data not in sets and known[asked_model].dataset in sets.values():
            state.selection["data"] = known[asked_model].dataset
        if known[asked_model].dataset == state.selection["data"]:
            _remember(asked_model)
        else:
            state.notice.append(
                f"The model “{escape(asked_model)}” was trained on {escape(data_title(known[asked_model].dataset))}, "
                f"not on {escape(data_title(str(asked_data)))}; this is another one."
            )
    elif asked_model is not None:
        state.notice.append(f"There is no model “{_shown(asked_model)}” here; this is another one.")


def _shown(text: str) -> str:
    """What may be repeated of an address: a short run of harmless characters."""
    kept = re.sub(r"[^\w. -]", "", text)[:40].strip()
    return escape(kept) or "…"


def _remember(name: str) -> None:
    """Keep a model as the choice of all pages that can show it."""
    method = next((m.method for m in models() if m.name == name), None)
    for wants in {page.wants for page in PAGES.values()}:
        if method and (not wants or getattr(METHODS[method], wants)):
            st.session_state.selection["model"][wants] = name


def choose(dataset: str, model: str) -> None:
    """Make a dataset and one of its models the choice of all pages."""
    st.session_state.selection, st.session_state.notice = {"data": dataset, "model": {}}, []
    _remember(model)


def _change_data(key: str) -> None:
    """Another dataset: keep the method of the model that was on show, where the new set has one."""
    state = st.session_state
    before = {m.name: m.method for m in models()}.get(state.selection["model"].get("") or "")
    state.selection, state.notice = {"data": state[key], "model": {}}, []
    if first := _first_model(_models_of(state[key]), before):
        state.selection["model"][""] = first


def _change_model(key: str) -> None:
    """Another model."""
    _remember(st.session_state[key])
    st.session_state.notice = []


def _select(page: PageInfo) -> Selection:
    """Draw the choice of dataset and model, in the sidebar and for narrow screens in the head, and note it."""
    state = st.session_state
    if "selection" not in state:
        _read_address()
    here = state.selection
    sets = {name: short for short, name in datasets().items()}
    if here["data"] not in sets:  # own images whose last model has gone
        here |= {"data": "mnist", "model": {}}
    options = _models_of(here["data"], page.wants) if page.model else {}
    name = next((here["model"].get(slot) for slot in (page.wants, "") if here["model"].get(slot) in options), None)
    if options:
        name = here["model"][page.wants] = name or _liveliest(options, page.wants)
    chosen = options.get(name or "")
    for brought in (here["data"], chosen.path if chosen else None):
        uploads.touch(brought)  # what is looked at does not age
    title = data_title(here["data"])
    with st.container(key="head_selection"), st.popover(" · ".join(filter(None, (title, name))), width="stretch"):
        _choices("head", here["data"], name, sets, options)
    with st.sidebar:
        _choices("selection", here["data"], name, sets, options)
        _selection_facts(here["data"], chosen)
    address.put("data", sets[here["data"]])
    address.put("model", name)
    for sentence in state.notice:
        st.warning(sentence, icon=":material/link_off:")
    if chosen is None:
        return Selection(here["data"], title, None, "", {}, None)
    return Selection(here["data"], title, chosen.name, chosen.method, chosen.card or {}, chosen.path)


def _choices(where: str, dataset: str, model: str | None, sets: dict[str, str], options: dict[str, Any]) -> None:
    """Two boxes, for dataset and model; the latter only where a page has models to choose from."""
    key = f"{where}_data", f"{where}_model"
    st.session_state[key[0]] = dataset
    st.selectbox("Dataset", list(sets), format_func=data_title, key=key[0], on_change=_change_data, args=key[:1])
    if options:
        st.session_state[key[1]] = model
        st.selectbox("Model", list(options), key=key[1], on_change=_change_model, args=key[1:])


def _selection_facts(dataset: str, model: Any) -> None:
    """Say in the sidebar which images are in use, and what the model was trained on."""
    try:
        about = images.describe(dataset)
        st.caption(f"**Images here.** {escape(about.source + say_copies(about))}.")
    except UserError as error:
        st.caption(escape(str(error)))
    card = (model.card or {}) if model else {}
    if card.get("n_train"):
        told = "with their labels" if METHODS[model.method].labels else "without labels"
        st.caption(
            f"**Model.** {METHODS[model.method].title} trained on {card['n_train']:,} images {told}, "
            f"{plots.seconds(60 * card.get('minutes', 0))} on {escape(str(card.get('hardware', '?')))}."
        )


def say_copies(about: images.Description) -> str:
    """Of own files that are read within a second: how many test images are copies of training images; else ""."""
    small = (about.n_train + about.n_test) * math.prod(about.shape) <= uploads.MAX_UNPACKED
    n = _count_copies(str(about.path)) if about.kind == "own" and about.path.is_file() and small else 0
    return f"; {n:,} of the test images are copies of training images" if n else ""


@st.cache_data(max_entries=32, show_spinner=False)
def _count_copies(path: str) -> int:
    return images.count_copies(path)


def need_model(selection: Selection) -> None:
    """Stop the page with one sentence where the selection has no model."""
    if selection.model is None:
        raise UserError(
            f"There is no model for {selection.title} here yet: choose another dataset, or run `sslviz models build`."
        )


def open_page(key: str) -> Selection:
    """Begin a page that looks at the selection: `begin_page`, then dataset and model."""
    begin_page(key)
    return _select(PAGES[key])
