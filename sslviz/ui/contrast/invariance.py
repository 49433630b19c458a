"""The invariance meter: how h, and what a probe reads off it, change with one transform over its whole range."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.data.catalog import DATASETS
from sslviz.data.images import to_float
from sslviz.evaluation.baselines import baseline_title
from sslviz.methods.registry import METHODS, image_methods
from sslviz.methods.sweeps import Sweep, sweeps_of
from sslviz.store import checkpoint
from sslviz.ui.component import component
from sslviz.ui.contrast import source
from sslviz.ui.selection import models
from sslviz.ui.work import call

KEPT = 64  # answers for an image, a transform and a set of models
SECONDS = 20.0  # that a first answer is expected to take

_METER = component(__file__, "meter")


def show(selection: ui.Selection) -> None:
    """Draw the choice of image and transform, and the meter."""
    with st.container():
        shown = source.choose(selection)
    sweeps = sweeps_of(shown.x.shape[0])
    key = ui.bound("contrast_transform", "rotate", among=sweeps)
    st.segmented_control(
        "Transform", list(sweeps), key="contrast_transform", required=True, label_visibility="collapsed",
        format_func=lambda name: sweeps[name].title,
    )  # fmt: skip
    with source.beside_sheet(shown):
        if shown.empty:
            st.markdown("Nothing is drawn yet: draw a sign on the sheet, and turn it here.")
        else:
            _meter(selection, shown, key, sweeps[key])
    _foldouts(selection, shown, key)


def _foldouts(selection: ui.Selection, shown: source.Shown, key: str) -> None:
    """What is measured, and a script that does it."""
    row = shown.row if shown.row is not None else 0
    shelf = source.shelf_of(selection)
    ui.foldouts(
        latex=r"s(t) = \frac{h(x) \cdot h(t(x))}{\lVert h(x) \rVert\,\lVert h(t(x)) \rVert}, \qquad"
        r" s_0 = \operatorname{median}_{i \ne j}\,\cos(h(x_i), h(x_j))",
        symbols={
            "t": ("one transform alone, at a strength that is set", "sweeps.sweep(x, key)"),
            "s(t)": ("1 where the encoder does not see the transform", "invariance.respond(meter, h, h_sweep).cosine"),
            "s_0": ("of two different images: how far s can be expected to fall", "invariance.fit_meter(...).floor"),
            r"p(y\,|\,h)": ("the probe's answer", "Meter.probabilities(h)"),
        },
        source="sslviz.evaluation.invariance:respond",
        command=f"sslviz eval {selection.model} {selection.data} --json",
        script=f"""import torch

from sslviz import encode, load, load_images
from sslviz.data.images import to_float
from sslviz.evaluation.invariance import fit_meter, respond, split_rows
from sslviz.methods.sweeps import sweep

model, test = load("{selection.model}"), load_images("{selection.data}", "test", bundled=True)
x = to_float(test.x[{row}])
fitted, judged = split_rows(test.y.numpy(), {shelf}, most=1000)
meter = fit_meter(encode(model, test.x[fitted]), test.y[fitted].numpy(),
                  encode(model, test.x[judged]), test.y[judged].numpy())
h = encode(model, torch.cat([x[None], sweep(x, "{key}")]))
found = respond(meter, h[0], h[1:])
print(found.cosine, found.p.argmax(axis=1))""",
        way=(
            "An image, one transform over its range, and encoders that were trained on the same images or not at all.",
            "Each picture through each encoder; a linear probe on h, fitted on images that are not on show.",
            "Which changes h ignores, which it notices, and from where on it takes the picture for something else.",
        ),
    )


def _meter(selection: ui.Selection, shown: source.Shown, key: str, sweep: Sweep) -> None:
    encoders = encoders_of(selection)
    found = _found(selection, shown, key, encoders)
    if found is None:
        return
    labelled, names = ui.test_images(selection.data).labelled, ui.test_images(selection.data).class_names
    at = ui.bound(f"contrast_at_{key}", sweep.start, between=(0, len(sweep.strengths) - 1))
    scaled = ui.bound("contrast_scaled", False, among=(False, True))
    curves = curves_of(found, encoders, labelled=labelled)

    def chosen() -> None:
        told = st.session_state.contrast_meter.get("chosen")
        number = told.get("at") if isinstance(told, dict) else None
        if isinstance(number, int) and 0 <= number < len(sweep.strengths):
            st.session_state[f"contrast_at_{key}"] = number
            st.session_state.contrast_scaled = told.get("scaled") is True

    tiles = _pictures(shown.digest, key, shown.x)
    height, width = tiles.shape[1:3]
    _METER(
        key="contrast_meter",
        data={
            "title": sweep.title, "axis": sweep.unit, "of": f"{shown.digest} {key}", "start": sweep.start,
            "labels": [sweep.label(i) for i in range(len(sweep.strengths))], "chosen": at, "scaled": scaled,
            "sheet": plots.data_uri(np.concatenate(list(tiles), axis=1)),
            "tile": {"width": width, "height": height, "grown": max(1, source.SHEET // max(width, height))},
            "curves": curves, "classes": list(names), "palette": list(plots.PETROFF),
            "alt": f"Cosine of h of {shown.name} and of what {sweep.title.lower()} makes of it, by encoder",
        },
        on_chosen_change=chosen,
    )  # fmt: skip
    for sentence in (*told_of(curves, sweep, names), label_changes(selection.data, shown, key, names)):
        if sentence:
            st.markdown(sentence)
    st.caption(protocol(found, curves))


@st.cache_resource(max_entries=64, show_spinner=False)
def _pictures(digest: str, key: str, _x: np.ndarray) -> np.ndarray:
    """The image (C, H, W) uint8 at every strength (S, H, W, 3) uint8."""
    from sslviz.methods.sweeps import sweep

    return plots.pixels(sweep(to_float(_x[None])[0], key).numpy())


# who is asked ---------------------------------------------------------------------------------------------------------


def encoders_of(selection: ui.Selection) -> dict[str, str]:
    """The models that are asked, name -> method: the selection's first, then the one of each other method."""
    found = {selection.name: selection.method}
    here = [model for model in models() if model.dataset == selection.data]
    for method in image_methods():
        first = checkpoint.opens_with(here, method)
        if first is not None and first.method == method and method != selection.method:
            found[first.name] = method
    return found


def curves_of(found: Mapping[str, Any], encoders: Mapping[str, str], *, labelled: bool) -> list[dict[str, Any]]:
    """What there is to draw of each encoder that has answered: its name, colour, cosines and answers."""
    curves = []
    for i, name in enumerate(found["names"]):
        method = METHODS.get(encoders.get(name, ""))
        p = np.asarray(found["p"][i])
        answered = labelled and p.shape[1] and np.isfinite(found["accuracy"][i])
        best = p.argmax(axis=1) if answered else np.empty(0, int)
        curves.append({
            "name": name if method else baseline_title(name),
            "short": method.title if method else {"random": "untrained", "whitened patches": "patches"}.get(name, name),
            "colour": method.colour if method else plots.BASELINE_GREY,
            "dash": "dashed" if name == "whitened patches" else "solid",
            "cosine": [float(f"{v:.4g}") if np.isfinite(v) else None for v in found["cosine"][i]],
            "floor": float(f"{found['floor'][i]:.4g}") if found["floor"][i] < 0.999 else None,
            "answer": [int(k) for k in np.asarray(found["classes"])[best]] if answered else None,
            "p": [float(f"{row[k]:.4g}") for row, k in zip(p, best, strict=True)] if answered else None,
            "accuracy": float(found["accuracy"][i]),
        })  # fmt: skip
    return curves


@st.cache_resource(show_spinner=False)
def _answers() -> OrderedDict[tuple, dict[str, Any]]:
    """Complete answers by their keys."""
    return OrderedDict()


@st.cache_resource(show_spinner=False)
def _meters() -> OrderedDict[tuple, dict[str, np.ndarray]]:
    """Arrays of the fitted probes by dataset and models."""
    return OrderedDict()


def _found(
    selection: ui.Selection, shown: source.Shown, key: str, encoders: Mapping[str, str]
) -> dict[str, Any] | None:
    """The answers; what there is of them while they are computed, whose progress is then drawn."""
    who = tuple((name, _stamp(name)) for name in encoders)
    job = ("invariance", selection.data, who, shown.digest, key)
    if (kept := _answers().get(job)) is not None:
        return kept
    shelf = source.shelf_of(selection)
    known = _meters().get((selection.data, who), {})

    def work(report: Any) -> dict[str, Any]:
        found = call(
            "sslviz.jobs.invariance:measure", report, arrays={"x": shown.x, **known}, found=report.found, sweep=key,
            dataset=selection.data, models=[list(one) for one in who], shelf=shelf,
        )  # fmt: skip
        names = found.pop("known")
        _keep(_meters(), (selection.data, who), {name: found.pop(name) for name in names}, 8)
        _keep(_answers(), job, found, KEPT)
        return found

    def ask() -> None:
        with ui.plain_errors():
            ui.worker().submit(job, ui.owner(), work, seconds=2.0 if known else SECONDS)

    now = ui.worker().progress(job)
    if now is None or now.state == "done":  # done, and no longer kept
        ask()
    now = ui.watch(job)
    if now is not None and now.state in ("failed", "stopped"):
        st.button("Measure again", icon=":material/refresh:", on_click=ask)
    return now.result if now is not None and now.result else None


def _stamp(name: str) -> str:
    """Changes when a model does."""
    path = next(model.path for model in models() if model.name == name)
    return str(max((file.stat().st_mtime_ns for file in path.glob("*.safetensors")), default=0))


def _keep(kept: OrderedDict, key: tuple, value: Any, most: int) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)


# what is said ---------------------------------------------------------------------------------------------------------


def told_of(curves: list[dict[str, Any]], sweep: Sweep, names: tuple[str, ...]) -> list[str]:
    """Where each probe changes its mind, and how far the cosines fall."""
    from sslviz.evaluation.invariance import first_changes

    minds = []
    for curve in curves:
        if curve["answer"] is None:
            continue
        own = f"“{ui.escape(names[curve['answer'][sweep.start]])}”"
        turns = [
            f"“{ui.escape(names[curve['answer'][i]])}” at {sweep.label(i)} ({plots.share(curve['p'][i])})"
            for i in first_changes(np.array(curve["answer"]), sweep.start)
        ]
        minds.append(
            f"{ui.escape(curve['short'])} {own}, then {' and '.join(turns)}"
            if turns
            else f"{ui.escape(curve['short'])} {own} throughout"
        )
    sentences = []
    if minds:
        sentences.append("**The probe's answer**, from the image outwards: " + "; ".join(minds) + ".")
    least = [(min(v for v in c["cosine"] if v is not None), c) for c in curves if any(c["cosine"])]
    if least:
        told = [
            f"{ui.escape(c['short'])} {v:.2f}" + (f" ({c['floor']:.2f})" if c["floor"] is not None else "")
            for v, c in least
        ]
        words = ", ".join(told).replace("-", "−").replace("\\−", "\\-")
        sentences.append(f"**Lowest cosine** in this range, and in brackets that of two different images: {words}.")
    return sentences


def label_changes(dataset: str, shown: source.Shown, key: str, names: tuple[str, ...]) -> str:
    """Whether this transform makes another class of this image, so that agreeing would be wrong."""
    about = DATASETS.get(dataset)
    alters = about.alters.get(key, {}) if about else {}
    if not alters:
        return ""
    own = names[shown.label] if shown.label is not None else ""
    if own in alters:
        return (
            f"**The label itself changes here**: a “{own}” becomes {alters[own]}. An encoder that calls both alike has "
            "lost what tells them apart, however invariant it is."
        )
    pairs = "; ".join(f"a “{name}” becomes {other}" for name, other in alters.items())
    return f"Of other images of this set the label itself changes: {pairs}."


def protocol(found: Mapping[str, Any], curves: list[dict[str, Any]]) -> str:
    """How the probes were fitted, and what they get right."""
    from sslviz.evaluation.intervals import accuracy_interval

    told = [
        f"{ui.escape(c['short'])} {plots.percent_interval(c['accuracy'], accuracy_interval(c['accuracy'], n), n)}"
        for c in curves
        for n in [int(found["n_judged"])]
        if c["answer"] is not None
    ]
    asked = ", ".join(ui.escape(c["name"]) for c in curves)
    if not told:
        return f"Encoders: {asked}. These images have no labels, so no probe is asked."
    return (
        f"Encoders: {asked}. Probe: linear, on h of the same {found['n_fitted']:,} bundled test images for each, seed "
        f"0; right on {found['n_judged']:,} others (95 % interval): {', '.join(told)}. "
        "The images to choose from are among neither. One training seed each."
    )
