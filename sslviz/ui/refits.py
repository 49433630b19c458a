"""Maps fitted on the page: what was asked for, by a text that stands in the address, and what came of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from sslviz.errors import UserError
from sslviz.evaluation.maps import MAPS, Quality, maps_for
from sslviz.jobs.worker import Progress, Worker
from sslviz.plots import seconds
from sslviz.store.embeddings import EMBEDDINGS
from sslviz.ui.address import bound
from sslviz.ui.page_shell import plain_errors
from sslviz.ui.selection import Selection
from sslviz.ui.stored import Stored, metric_of
from sslviz.ui.work import fit_map, owner, worker

MOST = 4  # refits of a model that stay to compare
SEEDS = (0, 9999)


@dataclass(frozen=True)
class Refit:
    """A map to fit: method, seed and settings in the order of `MAPS`; as text "umap,1,15,0.1"."""

    method: str
    seed: int
    settings: tuple[float, ...]

    def __str__(self) -> str:
        return ",".join([self.method, str(self.seed), *(f"{value:g}" for value in self.settings)])

    @classmethod
    def parse(cls, text: str) -> Refit:
        """Read what `str` writes.

        Raises:
            ValueError, KeyError: it is no map, or a number is out of bounds.
        """
        method, seed, *settings = text.split(",")
        found = cls(method, int(seed), tuple(map(float, settings)))
        bounds = [SEEDS, *((setting.low, setting.high) for setting in MAPS[method].settings)]
        for value, (low, high) in zip([found.seed, *found.settings], bounds, strict=True):
            if not low <= value <= high:
                raise ValueError(f"{value} is out of bounds")
        return found

    @property
    def title(self) -> str:
        """Method, what differs from its defaults, and the seed."""
        pairs = zip(MAPS[self.method].settings, self.settings, strict=True)
        changed = [f"{setting.words} {value:g}" for setting, value in pairs if value != setting.default]
        return ", ".join([MAPS[self.method].title, *changed, f"seed {self.seed}"])

    def arguments(self) -> dict[str, Any]:
        """Of `sslviz.evaluation.maps.fit_map`, besides the metric."""
        names = (setting.name for setting in MAPS[self.method].settings)
        return {"method": self.method, "seed": self.seed} | dict(zip(names, self.settings, strict=True))


def job(selection: Selection, refit: Refit) -> tuple:
    """The name of a refit for the worker: another h is another job."""
    return ("map", selection.model, (selection.folder / EMBEDDINGS).stat().st_mtime_ns, str(refit))


def asked_for(selection: Selection) -> list[Refit]:
    """The refits of a model that this session has asked for, oldest first."""
    return st.session_state.setdefault("map_refits", {}).setdefault(selection.model, [])


def ask(selection: Selection, refit: Refit, h: np.ndarray) -> None:
    """Have a map of h fitted; where it was fitted before, it is there at once."""
    refits = asked_for(selection)
    if refit in refits:
        refits.remove(refit)
    refits.append(refit)
    del refits[:-MOST]
    with plain_errors():
        expected = MAPS[refit.method].expected_seconds(len(h))
        work = functools.partial(fit_map, h, refit.arguments() | {"metric": metric_of(selection)})
        worker().submit(job(selection, refit), owner(), work, seconds=expected)


def progress(selection: Selection, refit: Refit) -> Progress | None:
    """How far a refit is, or None where the worker has forgotten it."""
    return worker().progress(job(selection, refit))


def fitted(selection: Selection) -> dict[str, tuple[np.ndarray, Quality]]:
    """The refits of a model that are done, by their texts."""
    found = {str(refit): progress(selection, refit) for refit in asked_for(selection)}
    return {text: now.result for text, now in found.items() if now is not None and now.state == "done"}


def maps_of(selection: Selection, kept: Stored) -> tuple[dict[str, tuple[np.ndarray, Quality | None]], Refit | None]:
    """The maps of a model that can be shown: the stored ones, then the refits that are done; and the one still fitted.

    A stored map comes without its quality, which `kept` measures when it is asked for.

    A refit that has just ended becomes the one on show. One that the address asks for and that is not there is asked
    for, and shown when it is.

    Raises:
        UserError: the model has no maps.
    """
    state = st.session_state
    if not kept.xy:
        raise UserError(f"The model {selection.model} has no stored maps: run `sslviz models build`.")
    shown = bound("map_method", "", parse=_name)
    waiting = state.get("map_waiting")
    waiting = waiting[1] if waiting and waiting[0] == selection.model else None
    if shown and shown not in MAPS and shown not in fitted(selection):
        state.map_method = shown.split(",")[0]
        if waiting is None:
            waiting = Refit.parse(shown)
            ask(selection, waiting, kept.h)
            state.map_waiting = (selection.model, waiting)
    found: dict[str, tuple[np.ndarray, Quality | None]] = {name: (xy, None) for name, xy in kept.xy.items()}
    found |= fitted(selection)
    if waiting is not None and str(waiting) in found:
        state.map_method, waiting = str(waiting), None
        del state.map_waiting
    return found, waiting


def _name(text: str) -> str:
    return text if text in MAPS else str(Refit.parse(text))


def method_of(name: str) -> str:
    """The key of MAPS in a map's name, which is such a key or a refit as text."""
    return name.split(",")[0]


def title_of(name: str) -> str:
    """A map's name for people."""
    return MAPS[name].title if name in MAPS else Refit.parse(name).title


def arguments(name: str, seed: int = 0) -> dict[str, Any]:
    """The arguments of `fit_map` that make a map, by its name; `seed` is that of stored ones."""
    return {"method": name, "seed": seed} if name in MAPS else Refit.parse(name).arguments()


def options(arguments: dict[str, Any]) -> str:
    """Arguments of `fit_map` as options of `sslviz map`."""
    rest = {name: value for name, value in arguments.items() if name not in ("method", "seed")}
    settings = " --settings " + " ".join(f"{name} {value:g}" for name, value in rest.items()) if rest else ""
    return f"--method {arguments['method']} --seed {arguments['seed']}{settings}"


def reproduce(selection: Selection, name: str, metric: str, centre: int) -> tuple[str, str]:
    """The commands and the script that give a map again, and the neighbours of an image."""
    asked = arguments(name, selection.card.get("seed", 0))
    command = f"""sslviz embed {selection.model} {selection.data} --bundled --out h.npz
sslviz map {selection.model} {selection.data} --bundled {options(asked)} --out map.npz
# {MAPS[method_of(name)].again}"""
    given = ", ".join(f"{key}={value!r}" for key, value in (asked | {"metric": metric}).items())
    script = f"""from sslviz import encode, fit_map, load, load_images
from sslviz.evaluation.neighbours import neighbours

h = encode(load("{selection.model}"), load_images("{selection.data}", "test", bundled=True).x)
found = fit_map(h, {given})
print(found.quality, neighbours(h, {centre}, 10, metric="{metric}"))"""
    return command, script


def form(selection: Selection, h: np.ndarray) -> None:
    """A button that opens the settings of a refit; one for each map that has any."""
    state, state_key = st.session_state, "map_refit"
    options = [name for name in MAPS if MAPS[name].settings and name in maps_for(len(h))]
    if not options:
        return

    def begin() -> None:
        name = state[state_key]
        values = tuple(float(state[f"map_{name}_{setting.name}"]) for setting in MAPS[name].settings)
        refit = Refit(name, int(state.map_seed), values)
        ask(selection, refit, h)
        state.map_waiting = (selection.model, refit)

    with st.popover("Refit", icon=":material/refresh:"):
        name = bound(state_key, options[0], among=options)
        st.segmented_control("Map to fit", options, format_func=title_of, key=state_key, required=True)
        for setting in MAPS[name].settings:
            whole = setting.step >= 1
            low, high, default, step = (
                int(value) if whole else float(value)
                for value in (setting.low, setting.high, setting.default, setting.step)
            )
            bound(f"map_{name}_{setting.name}", default, between=(low, high))
            st.number_input(setting.title, low, high, step=step, key=f"map_{name}_{setting.name}")
        bound("map_seed", 1, between=SEEDS)
        st.number_input("Seed", *SEEDS, key="map_seed")
        st.button(f"Refit {MAPS[name].title}", on_click=begin, key="map_refit_begin")
        about = seconds(MAPS[name].expected_seconds(len(h)))
        st.caption(
            f"About {about} for {len(h):,} images on one core, {seconds(Worker.LONGEST)} at the most. It can be "
            "stopped, and is shown when it is there."
        )
