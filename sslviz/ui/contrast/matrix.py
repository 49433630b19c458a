"""The cosines of a real batch, and what three contrastive losses make of a row at a temperature moved by hand."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import streamlit as st

from sslviz import ui
from sslviz.evaluation.contrast import OBJECTIVES, largest_negatives
from sslviz.ui.component import component
from sslviz.ui.contrast.batch import Batch, about, choose_batch, need_projector, tile_sheet

_MATRIX = component(__file__, "contrast_matrix")
NAMES = {"nt_xent": "NT-Xent", "cross_view": "InfoNCE across the views", "queue": "InfoNCE with a queue"}
TITLES = {
    "nt_xent": "all other views (NT-Xent)",
    "cross_view": "the other side (InfoNCE)",
    "queue": "a queue (InfoNCE)",
}
LOW, HIGH = 0.02, 2.0  # temperatures
SHOWN = 6  # negatives that are shown of a row


def show(selection: ui.Selection) -> None:
    """Draw the matrix of a batch, the losses and a row of it."""
    if not need_projector(selection):
        return
    if (shown := choose_batch(selection)) is not None:
        with st.container():
            _board(selection, shown)


@st.fragment
def _board(selection: ui.Selection, shown: Batch) -> None:
    n, trained = len(shown.ids), float(getattr(ui.load_model(selection).config, "temperature", 0.2))
    possible = [name for name in OBJECTIVES if name != "queue" or shown.cosines.queue.shape[1]]
    row = ui.bound("contrast_row", -1, between=(-1, 2 * n - 1))  # -1: the one that costs most
    temperature = ui.bound("contrast_temperature", min(HIGH, max(LOW, trained)), between=(LOW, HIGH))
    objective = ui.bound("contrast_objective", OBJECTIVES[0], among=possible)
    same = ui.bound("contrast_same", False)
    key = "contrast_matrix"

    def chosen() -> None:
        value = st.session_state[key].get("chosen")
        if isinstance(value, list) and len(value) == 4 and all(isinstance(part, int | float) for part in value):
            names = dict(enumerate(OBJECTIVES))
            st.session_state.update(
                contrast_row=int(value[0]), contrast_temperature=float(value[1]), contrast_same=bool(value[3]),
                contrast_objective=names.get(int(value[2]), OBJECTIVES[0]),
            )  # fmt: skip

    sent = _sent(shown.key, shown, ui.test_images(selection.data))
    now = {"row": row, "temperature": temperature, "objective": objective, "same": same, "dark": ui.theme() == "dark"}
    _MATRIX(key=key, data=sent | now, on_chosen_change=chosen)
    st.caption(f"Trained at temperature {trained:g}. {ui.escape(about(selection, shown))}")
    _foldouts(selection, n, shown.key[-1], temperature)


@st.cache_resource(max_entries=12, show_spinner=False)
def _sent(key: tuple, _shown: Batch, _images: Any) -> dict[str, Any]:
    """What the browser is given of a batch, once."""
    n, k, queue_ids = len(_shown.ids), _shown.cosines.queue.shape[1], _shown.queue_ids
    queue: dict[str, Any] = {"ids": [], "labels": [], "tiles": {}, "sheet": tile_sheet(_images.x[:0])}
    if queue_ids is not None and k:
        hardest = np.unique(largest_negatives(_shown.cosines.queue, SHOWN))
        queue = {
            "ids": queue_ids.tolist(),
            "labels": _images.y[queue_ids].tolist(),
            "tiles": {int(place): tile for tile, place in enumerate(hardest)},
            "sheet": tile_sheet(_images.x[queue_ids[hardest]]),
        }
    counts = {"nt_xent": 2 * n - 2, "cross_view": n - 1, "queue": k}
    return {
        "token": "-".join(map(str, key)),
        "n": n,
        "k": k,
        "floats": base64.b64encode(_shown.cosines.as_floats()).decode("ascii"),
        "ids": _shown.ids.tolist(),
        "labels": _shown.y.tolist(),
        "names": list(_shown.class_names),
        "sheet": tile_sheet(_shown.pairs.views),
        "queue": queue,
        "objectives": [
            {"key": name, "title": TITLES[name], "name": NAMES[name], "negatives": counts[name]} for name in OBJECTIVES
        ],
    }


def _foldouts(selection: ui.Selection, n: int, seed: int, temperature: float) -> None:
    ui.foldouts(
        latex=r"\ell_i = -\log p_{i0}, \qquad p_{ik} = \frac{\exp(s_{ik}/\tau)}{\sum_{c} \exp(s_{ic}/\tau)}, \qquad"
        r"\frac{\partial \ell_i}{\partial s_{i0}} = -\frac{1 - p_{i0}}{\tau}, \qquad"
        r"\frac{\partial \ell_i}{\partial s_{ik}} = \frac{p_{ik}}{\tau}, \qquad"
        r"\mathrm{share}_{ik} = \frac{p_{ik}}{1 - p_{i0}}",
        symbols={
            "s_{ik}": ("cosine of view i and candidate k, 0 its positive", "contrast.cosines(z1, z2).views"),
            "c": ("all candidates: what an objective counts as one", "contrast.candidates(batch, objective, i)"),
            r"\tau": ("temperature", f"{temperature:g}"),
            "p_{ik}": ("softmax over the candidates", "contrast.probabilities(s, temperature)"),
            r"\ell_i": ("loss of a row; NT-Xent is its mean over all 2N rows", "losses.nt_xent, losses.info_nce"),
            r"\mathrm{share}_{ik}": ("of the push, by negative (Wang & Liu 2021)", "contrast.gradient_shares"),
        },
        source="sslviz.evaluation.contrast:gradient_shares",
        command=f"sslviz contrast {selection.model} {selection.data} --batch {n} --seed {seed} "
        f"--temperature {temperature:g} --json",
        script=f'''import torch
from sslviz import load, load_images, nt_xent
from sslviz.evaluation.pairs import draw_batch, embed_pairs
from sslviz.methods.policies import policy_for

model, test = load("{selection.model}"), load_images("{selection.data}", "test", bundled=True)
ids = draw_batch(test.y.numpy(), {n}, seed={seed})
pairs = embed_pairs(model, test.x[ids], policy_for("{selection.data}", test.x.shape[1]), seed={seed})
print(nt_xent(*torch.from_numpy(pairs.z).chunk(2), temperature={temperature:g}))''',
        way=(
            f"{n} test images, two views of each, and what encoder and projector make of them.",
            "Cosines of all views; a softmax over the candidates of a row says how sure it is of its other view.",
            "A loss whose gradient pulls the positive and pushes each negative by its probability.",
        ),
    )
