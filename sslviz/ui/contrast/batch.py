"""The batch that several views of the contrast page look at: chosen here, put through the model, and kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.data.catalog import DATASETS
from sslviz.errors import UserError
from sslviz.evaluation.contrast import Cosines
from sslviz.jobs.worker import Telling
from sslviz.methods.policies import policy_for
from sslviz.methods.registry import DEFAULT, METHODS
from sslviz.ui.figures import file_names
from sslviz.ui.stored import Images
from sslviz.ui.work import call

if TYPE_CHECKING:
    from sslviz.evaluation.pairs import Pairs

SIZES = (8, 16, 32, 64)  # images of a batch
QUICK = 1.0  # seconds that a page may compute by itself
OFFERED = 3  # models that are offered in place of one without a projector


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch of N test images on show.

    Attributes:
        ids: of the images (N,), class after class.
        y: their labels (N,).
        class_names: () where the images have no labels.
        pairs: their views, h and z.
        queue_ids: (K,) test images whose z stand in for a queue; None where the model has a queue of its own.
        cosines: of z.
        queue_words: what the keys of the queue are.
        key: of all this, for what is kept of it.
    """

    ids: np.ndarray
    y: np.ndarray
    class_names: tuple[str, ...]
    pairs: Pairs
    queue_ids: np.ndarray | None
    cosines: Cosines
    queue_words: str
    key: tuple


def need_projector(selection: ui.Selection) -> bool:
    """Whether the selection's model has a projection z; where not, say why, and offer models that have one."""
    info = METHODS[selection.method]
    if info.projector:
        return True
    why = "its loss compares an image with what is decoded from h" if info.decoder else "its loss works on h itself"
    st.markdown(
        f"**{ui.escape(selection.name)} has no projector.** A model of the method {info.title} sees one picture of an "
        f"image at a time, and {why}. So there is no z of two views to contrast."
    )
    others = [model for model in ui.models() if METHODS[model.method].projector]
    fitting = [model for model in others if model.dataset == selection.data]
    fitting = fitting or [model for model in others if model.dataset in DATASETS]
    fitting.sort(key=lambda model: model.card.get("results", {}).get("linear_probe") or 0.0, reverse=True)
    with st.container(horizontal=True):
        for model in fitting[:OFFERED]:
            words = f"Look at {ui.escape(model.name)} ({METHODS[model.method].title})"
            st.button(words, key=f"offer_{model.name}", on_click=ui.choose, args=(model.dataset, model.name))
    if not any(model.dataset == selection.data for model in others):
        st.markdown(f"None is trained on {ui.escape(selection.title)} here yet. Train one on the train page, or with:")
        st.code(file_names(f"sslviz train {DEFAULT} {selection.data}"), language="bash")
    return False


def choose_batch(selection: ui.Selection) -> Batch | None:
    """Draw the choice of a batch, and put it through the model; None while that is done in the background."""
    images = ui.test_images(selection.data)
    sizes = [size for size in SIZES if size <= len(images.x)] or [len(images.x)]
    size = ui.bound("contrast_batch", 16 if 16 in sizes else sizes[-1], among=sizes)
    seed = ui.bound("contrast_batch_seed", 0, between=(0, 9999))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(sizes) > 1:
            st.segmented_control("Images in the batch", sizes, key="contrast_batch", required=True)
        st.number_input("Seed of images and views", 0, 9999, key="contrast_batch_seed", width=160)
        again = {"contrast_batch_seed": (int(seed) + 1) % 10_000}
        st.button("Another batch", icon=":material/casino:", on_click=st.session_state.update, kwargs=again)
        if size < SIZES[0]:
            st.caption(f"All {size} test images there are; a larger batch needs more of them.")
    return batch(selection, images, int(size), int(seed))


def batch(selection: ui.Selection, images: Images, size: int, seed: int) -> Batch | None:
    """A batch of test images through the selection's model; None while it is computed in the background.

    Raises:
        UserError: there is one image only.
    """
    from sslviz.evaluation.pairs import draw_batch, has_keys

    ids = draw_batch(images.y, size, seed=seed)
    key = ("pairs", selection.model, selection.card.get("created", ""), selection.data, len(images.y), size, seed)
    model = ui.load_model(selection)
    passes = 2 * len(ids) * (1 + has_keys(model))
    if len(ids) < 2 or _seconds_a_view(key[:5], model, images.x[:4]) * passes < QUICK:
        pairs: Pairs | None = _pairs(key, model, images.x[ids], selection.data, seed)
    else:
        pairs = _in_background(key, selection, ids, seed)
    return None if pairs is None else _compared(key, selection, model, images, ids, pairs)


@st.cache_data(max_entries=16, show_spinner=False)
def _seconds_a_view(key: tuple, _model: Any, _x: np.ndarray) -> float:
    """Seconds that a view takes, by some images (n, C, H, W)."""
    from sslviz.evaluation.embedding import encode

    encode(_model, _x)  # the first call of a process also loads what the others use
    began = time.perf_counter()
    encode(_model, _x)
    return (time.perf_counter() - began) / len(_x)


@st.cache_resource(max_entries=12, show_spinner=False)
def _pairs(key: tuple, _model: Any, _x: np.ndarray, dataset: str, seed: int) -> Pairs:
    from sslviz.evaluation.pairs import embed_pairs

    return embed_pairs(_model, _x, policy_for(dataset, _x.shape[1]), seed=seed)


def _in_background(key: tuple, selection: ui.Selection, ids: np.ndarray, seed: int) -> Pairs | None:
    def work(report: Telling) -> Pairs:
        from sslviz.evaluation.pairs import Pairs

        asked = {"model": selection.model, "dataset": selection.data, "seed": seed, "ids": ids.tolist()}
        return Pairs(**call("sslviz.jobs.computations:contrast_pairs", report, **asked))

    def ask() -> None:
        with ui.plain_errors():
            ui.worker().submit(key, ui.owner(), work, seconds=10 + len(ids) / 4)

    now = ui.worker().progress(key)
    if now is None:
        ask()
    if now is None or now.state != "done":
        ui.watch(key)
        if now is not None and now.state in ("failed", "stopped"):
            st.button("Encode the batch again", icon=":material/refresh:", on_click=ask)
        return None
    return now.result


@st.cache_resource(max_entries=12, show_spinner=False)
def _compared(
    key: tuple, _selection: ui.Selection, _model: Any, _images: Images, _ids: np.ndarray, _pairs: Pairs
) -> Batch:
    queue_ids, queue = None, None
    if len(_pairs.queue):
        words = f"the {len(_pairs.queue):,} newest keys of this model's own queue, and its key encoder's keys"
    else:
        queue_ids, queue, words = _stand_in(_selection, _model, _ids, seed=key[-1])
    names = _images.class_names if _images.labelled else ()
    cosines = _pairs.cosines(queue)
    return Batch(_ids, _images.y[_ids], names, _pairs, queue_ids, cosines, words, key)


def _stand_in(
    selection: ui.Selection, model: Any, ids: np.ndarray, *, seed: int
) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Test images of other ids whose stored h, projected, stand in for a queue, and words that say so."""
    from sslviz.evaluation.pairs import QUEUE, project

    try:
        h = ui.stored(selection).h
    except UserError as error:  # not stored yet
        return np.empty(0, np.int64), None, f"no queue: {error}"
    others = np.setdiff1d(np.arange(len(h)), ids)
    if not len(others):
        return others, None, "no queue, since all test images are in the batch"
    chosen = np.sort(np.random.default_rng(seed).choice(others, min(QUEUE, len(others)), replace=False))
    lack = "was stored without its key encoder and queue" if "queue" in model.training_only else "has no queue"
    words = f"this model {lack}: in its place stand z of {len(chosen):,} other test images, whole and without a view"
    return chosen, project(model, h[chosen]), words


def about(selection: ui.Selection, shown: Batch) -> str:
    """Where the numbers of a batch come from, in words."""
    count = len(ui.test_images(selection.data).y)
    side = shown.pairs.views.shape[-1]
    return (
        f"{len(shown.ids)} of {count:,} test images, seed {shown.key[-1]}; two views each by the policy of training "
        f"({side} x {side} pixels); encoder and projector of {selection.model} in eval mode, "
        f"z of {shown.pairs.z.shape[1]} numbers at length 1. The queue: {shown.queue_words}."
    )


def tile_sheet(x: np.ndarray) -> dict[str, Any]:
    """Images (n, C, H, W) uint8 as one picture for the browser."""
    columns = 16
    sheet = plots.mosaic(x, columns=columns, gap=0) if len(x) else np.zeros((1, 1, 4), np.uint8)
    height, width = x.shape[2:] if len(x) else (1, 1)
    return {"source": plots.data_uri(sheet), "columns": columns, "width": width, "height": height, "count": len(x)}
