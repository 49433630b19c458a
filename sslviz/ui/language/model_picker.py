"""The choice of a language model: bundled, own or of the Hub; its card, and private copies of it.

Imports no torch until a model is asked for.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.jobs.limits import Guest
from sslviz.language import answers
from sslviz.language.answers import NOTHING, StoredAnswers
from sslviz.store import checkpoint
from sslviz.ui.language.loading import LATER, begin_run, heads, load_now, loader, wait_for, when_loaded
from sslviz.ui.language.speaker import Speaker

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

# small masked models of the Hub that are worth a try: parameters in millions, megabytes to fetch, licence, in the words
# of their cards and file lists there
KNOWN = {
    "distilbert/distilbert-base-uncased": (66, 268, "Apache-2.0"),
    "distilbert/distilroberta-base": (82, 331, "Apache-2.0"),
    "google-bert/bert-base-uncased": (110, 440, "Apache-2.0"),
}
REMEMBERED = 5  # other models that were loaded on this server

# --- the model ---


@st.cache_resource(ttl=20, max_entries=1, show_spinner=False)
def language_models() -> dict[str, Any]:
    """The language models here by name, bundled ones first; of two with one name the one that a name loads."""
    found = checkpoint.list_models("language")
    return {model.name: model for model in found} | {model.name: model for model in reversed(found)}


def models() -> dict[str, Any]:
    """Those of them that fill masks."""
    return {name: model for name, model in language_models().items() if model.method == "mlm"}


def choose_model() -> Speaker:
    """Draw the choice of a model in the sidebar, load it, and say what is known of it.

    A model of the Hub is loaded in the background; until it is there, and where it can't be had, the other one answers.

    Raises:
        UserError: there is no language model here, and none was named that can be had.
    """
    begin_run()
    here = models()
    name = ui.bound("language_model", next(iter(here)), among=here) if here else None
    ui.bound("language_hub", "")
    with st.sidebar:
        if here:
            st.selectbox("Model", list(here), key="language_model")
        asked = st.text_input(
            "Or a fill-mask model of the Hub",
            max_chars=96,
            key="language_hub",
            placeholder="bert-base-uncased",
            help="Its name, as the Hub writes it. Empty the field to go back to the model above.",
        ).strip()
        _known_models(asked)
        speaker = _from_hub(asked, name) if asked else None
        if speaker is None and name is not None:
            info = here[name]
            stamp = max((file.stat().st_mtime_ns for file in info.path.glob("*.safetensors")), default=0)
            stored = _stored(str(info.path), stamp)
            model = _model(name, stamp, after=0.0 if stored is NOTHING else LATER)
            speaker = Speaker(name, (name, stamp), stored if model is None else model, info.card or {})
        if speaker is not None:
            for sentence in card_sentences(speaker):
                st.caption(sentence)
            if answering(speaker).trained:
                st.caption(f"Your trained copy of {ui.escape(speaker.name)} answers in its place.")
                st.button("Undo the training", icon=":material/undo:", key="language_undo", on_click=undo)
    if speaker is None:
        raise UserError(
            "No language model comes with this installation yet, and none was trained here: type the name of one of "
            "the Hub in the sidebar, or run `sslviz train mlm` with a text file."
        )
    return speaker


@st.cache_resource(show_spinner=False)
def remembered() -> OrderedDict[str, None]:
    """Models of the Hub that were loaded on this server, the latest last."""
    return OrderedDict()


def _remember(name: str) -> None:
    """Keep a model's name for everybody's list."""
    found = remembered()
    if name not in KNOWN:
        found[name] = None
        found.move_to_end(name)
        while len(found) > REMEMBERED:
            found.popitem(last=False)


def _known_models(asked: str) -> None:
    """Draw a list of models of the Hub, of which one press loads one."""
    with st.expander("Models of the Hub", icon=":material/list:"):
        for name in (*KNOWN, *reversed(remembered())):
            st.button(
                ui.escape(name.rpartition("/")[2]), key=f"language_known_{name}", on_click=_take_known, args=(name,),
                disabled=name == asked, width="stretch", help=ui.escape(name),
            )  # fmt: skip
            if name in KNOWN:
                parameters, megabytes, licence = KNOWN[name]
                st.caption(f"{parameters} million parameters, {megabytes} MB to fetch, {licence}")
            else:
                st.caption("loaded on this server before")
        if offline():
            st.caption("This server works offline: only what was fetched before can be loaded.")


def _take_known(name: str) -> None:
    """Put a model's name into the field and load it."""
    st.session_state.language_hub = name
    _fetch(name)


def _from_hub(name: str, instead: str | None) -> Speaker | None:
    """The model of the Hub that was asked for, or None with the reason, or the progress, on the page."""
    from sslviz.language import hub

    fallback = f" {ui.escape(instead)} answers meanwhile." if instead else ""
    if not hub.NAME.fullmatch(name):
        st.warning("This is not the name of a model on the Hub; write it as in bert-base-uncased." + fallback)
        return None
    key = ("language", name)
    now = ui.worker().progress(key)
    if now is None and hub.find(name) is not None:
        _fetch(name)
        now = ui.worker().progress(key)
    if now is not None and now.state == "done":
        model = _model(name, "hub")
        _remember(name)
        return Speaker(name, (name, "hub"), NOTHING if model is None else model, {})
    if now is not None and now.state == "failed":
        st.warning(ui.escape(now.error) + fallback)
    elif now is not None and now.state in ("waiting", "running"):
        st.caption(f"{ui.escape(name)} is being loaded.{fallback}")
        ui.watch(key)
        return None
    label = "Load it" if now is None else "Try again"
    st.button(label, icon=":material/download:", key="language_fetch", on_click=_fetch, args=(name,))
    if now is None:
        st.caption(f"{ui.escape(name)} is not on this machine and has to be fetched.{fallback}")
    return None


def _fetch(name: str) -> None:
    """Load a model in the background, fetched first where it is not on this machine."""

    def work(report: Callable[[str, float], None]) -> None:
        report(f"loading {name}", 0.0)
        load_now(loader(), (name, "hub"), partial(_load, name, lambda share: report(f"fetching {name}", share)))

    with ui.plain_errors():
        ui.worker().submit(("language", name), ui.owner(), work, seconds=120.0, longest=3600.0)


def _model(name: str, stamp: object, *, after: float = 0.0) -> Any:
    """A model, or None while it is being loaded."""
    return when_loaded(loader(), (name, stamp), partial(_load, name), after=after)


def _load(name: str, progress: Callable[[float], None] | None = None) -> Any:
    from sslviz.language import model as language

    return language.load(name, progress=progress)


@st.cache_resource(max_entries=4, show_spinner=False)
def _stored(folder: str, stamp: int) -> StoredAnswers:
    return answers.read(Path(folder))


# --- models with other heads ---

CAUSAL, NEXT = "gpt2", "bert-base-uncased"


def causal_names() -> tuple[str, ...]:
    """The models that read from the left: those that are here, else one of the Hub."""
    from sslviz.language import hub

    return tuple(name for name in (hub.TWIN, hub.GRU) if hub.find(name) is not None) or (CAUSAL,)


def counted() -> tuple[Path, dict[str, Any]]:
    """Folder and card of the bundled model that has trigrams of its text beside it."""
    from sslviz.language.hub import COUNTED
    from sslviz.store.names import folders_of

    folder = next((place for place in folders_of(COUNTED) if place.is_dir()), Path(COUNTED))
    return folder, _card(str(folder))


@st.cache_resource(max_entries=4, ttl=60, show_spinner=False)
def _card(folder: str) -> dict[str, Any]:
    try:
        return checkpoint.load_card(Path(folder))
    except UserError:
        return {}


def offline() -> bool:
    """Whether this server was told to leave the Hub alone."""
    return any(os.environ.get(key, "").lower() in ("1", "true", "yes", "on") for key in OFFLINE)


def other_head(loader: str, name: str) -> Any:
    """A model with another head, or None with the reason, and where the Hub may be asked a button, on the page.

    Args:
        loader: "load_causal" or "load_next_sentence", functions of `models.language`.
        name: bundled, own, or on the Hub.
    """
    from sslviz.language import hub

    key = (loader, name)
    if hub.find(name) is not None:
        model = when_loaded(heads(), key, partial(_load_head, loader, name))
        if model is None:
            wait_for(heads(), key, name)
        return model
    task = f"This takes {ui.escape(name)}, which is not on this machine"
    now = ui.worker().progress(key)
    if now is not None and now.state in ("waiting", "running"):
        ui.watch(key)
        return None
    if now is not None and now.state == "failed":
        st.warning(ui.escape(now.error))
    elif offline():
        st.caption(f"{task}; this server works offline, so it can't be fetched.")
        return None
    else:
        st.caption(f"{task}: it has to be fetched from the Hub once.")

    def fetch() -> None:
        def work(report: Callable[[str, float], None]) -> None:
            report(f"loading {name}", 0.0)
            load_now(heads(), key, partial(_load_head, loader, name, lambda share: report(f"fetching {name}", share)))

        with ui.plain_errors():
            ui.worker().submit(key, ui.owner(), work)

    st.button(f"Fetch {name}", icon=":material/download:", key=f"language_{loader}", on_click=fetch)
    return None


def _load_head(loader: str, name: str, progress: Callable[[float], None] | None = None) -> Any:
    from sslviz.language import model as language

    return getattr(language, loader)(name, progress=progress)


def card_sentences(speaker: Speaker) -> Iterator[str]:
    """What a model's card says of its size and of how often it is right, in sentences; nothing is made up."""
    card, results = speaker.card, speaker.card.get("results", {})
    if card.get("parameters"):
        size = card["parameters"] / 1e6
        small = ", a small model: BERT-base has 110 million" if size < 60 else ""
        yield f"**{ui.escape(speaker.name)}** has {size:.0f} million parameters{small}."
    if "top1" in results:
        words = f"{results['n_masked']:,} masked words" if "n_masked" in results else "masked words"
        said = (
            f"On {words} of sentences that were held out of its training text, its first answer is right "
            f"{plots.percent(results['top1'])} of the time"
        )
        if "top5" in results:
            said += f", one of its first five {plots.percent(results['top5'])}"
        if "trigram_top1" in results:
            which = f", {results['trigram_counts']} counts" if "trigram_counts" in results else ""
            said += f"; counting trigrams of the same text{which} finds {plots.percent(results['trigram_top1'])}"
        if "trigram_left_top1" in results:
            said += f", and {plots.percent(results['trigram_left_top1'])} from the words on the left alone"
        yield said + "."
    if (base := card.get("base")) and "top1" in results:
        named = base.get("model", "").partition(":")[0] if isinstance(base, dict) else ""
        of = f", {ui.escape(named)}," if named else ""
        yield f"What the model that it began from{of} had read before is not known: these sentences may be among it."


# --- private copies ---


class Copies:
    """Trained copies, one an owner, the oldest let go when there are too many bytes of them."""

    BYTES = 500_000_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Guest, tuple[str, str, Any]] = OrderedDict()

    def keep(self, owner: Guest, base: str, name: str, model: Any) -> None:
        """Keep an owner's copy of the model `base` in place of the one before."""
        with self._lock:
            self._kept.pop(owner, None)
            self._kept[owner] = (base, name, model)
            while len(self._kept) > 1 and sum(_bytes(kept) for *_, kept in self._kept.values()) > self.BYTES:
                self._kept.popitem(last=False)

    def of(self, owner: Guest) -> tuple[str, str, Any] | None:
        """An owner's copy: the model that it was made from, its own name, and itself."""
        with self._lock:
            return self._kept.get(owner)

    def drop(self, owner: Guest) -> None:
        """Let go of an owner's copy."""
        with self._lock:
            self._kept.pop(owner, None)


def undo() -> None:
    """Let go of this session's trained copy; the shared model, which was never changed, answers again."""
    copies().drop(ui.owner())
    st.session_state.pop("language_practice", None)


def _bytes(model: Any) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters())


@st.cache_resource(show_spinner=False)
def copies() -> Copies:
    """The trained copies of this server."""
    return Copies()


def answering(base: Speaker) -> Speaker:
    """This session's trained copy of a model where there is one, else the model."""
    kept = copies().of(ui.owner())
    if kept is None or kept[0] != base.name:
        return base
    return Speaker(f"your copy of {base.name}", (*base.key, kept[1]), kept[2], {}, trained=True)
