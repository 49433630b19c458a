"""What is loaded once for all users: test images, models, and what models make of these images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from sslviz.data import images as data
from sslviz.errors import UserError
from sslviz.evaluation.maps import MAPS, Quality, stored_quality
from sslviz.evaluation.neighbours import Metric
from sslviz.methods.registry import METHODS
from sslviz.store import checkpoint, embeddings
from sslviz.ui.selection import Selection

if TYPE_CHECKING:
    from sslviz.evaluation.results import Evaluation


@dataclass(frozen=True, eq=False)
class Images:
    """Test images as arrays: x (N, C, H, W) uint8, y (N,) int64, class_names, and where they come from.

    Images without labels are shown as one class; `labelled` tells.
    """

    x: np.ndarray
    y: np.ndarray
    class_names: tuple[str, ...]
    source: str
    labelled: bool = True


@st.cache_resource(max_entries=3, show_spinner=False)
def test_images(dataset: str) -> Images:
    """Load the bundled test images, or own ones, in the order of the stored representations, without torch."""
    about = data.describe(dataset, bundled=True)
    x, y = data.load_arrays(dataset, "test", bundled=True)
    whose = "test images of yours" if about.kind == "own" else "bundled test images"
    if not about.class_names:
        return Images(x, np.zeros(len(x), np.int64), ("no label",), f"{len(x):,} {whose}", labelled=False)
    return Images(x=x, y=y, class_names=about.class_names, source=f"{len(x):,} {whose}")


def need_labels(images: Images) -> None:
    """Stop a page that judges by labels with one sentence where the images have none.

    Raises:
        UserError: they have none.
    """
    if not images.labelled:
        raise UserError(
            "These images have no labels, which a probe needs: look at their map, or bring them again with y_train and "
            "y_test."
        )


@dataclass(frozen=True, eq=False)
class Stored:
    """What a model's folder keeps of the bundled test images.

    Attributes:
        h: (N, D) float32.
        xy, quality: places (N, 2) and what they are worth, by map.
        y_pred: predictions (N,) int64 of the card's probes, by "linear" and "knn".
    """

    h: np.ndarray
    xy: dict[str, np.ndarray]
    quality: dict[str, Quality]
    y_pred: dict[str, np.ndarray]


class _Qualities(dict):
    """Quality by map, measured when it is first asked for, since it takes a second and few pages show it."""

    def __init__(self, found: dict[str, np.ndarray], metric: Metric) -> None:
        super().__init__()
        self._found, self._metric = found, metric

    def __missing__(self, key: str) -> Quality:
        return self.setdefault(key, stored_quality(self._found, key, metric=self._metric))


def metric_of(selection: Selection) -> Metric:
    """How near two h of the selection's model are: by their angle, or by their distance."""
    return METHODS[selection.method].metric


def stored(selection: Selection) -> Stored:
    """Load a model's stored representations and maps.

    Raises:
        UserError: the folder has none, or they are damaged or of other images.
    """
    file = selection.folder / embeddings.EMBEDDINGS
    if not file.exists():
        raise UserError(
            f"The representations of {selection.model} are not stored yet: wait a moment where it was trained or "
            f"brought just now, else run `sslviz models maps {selection.model}`."
        )
    return _stored(
        str(selection.path), file.stat().st_mtime_ns, len(test_images(selection.data).y), metric_of(selection)
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def _stored(folder: str, stamp: int, count: int, metric: Metric) -> Stored:
    found = embeddings.load_embeddings(folder)
    if found is None:
        raise UserError(f"The representations of {Path(folder).name} have gone meanwhile: draw the page again.")
    xy = {key[:-3]: value.astype(np.float32) for key, value in found.items() if key.endswith("_xy")}
    xy = {key: xy[key] for key in MAPS if key in xy}
    if len(found["h"]) != count:
        raise UserError(
            f"{Path(folder).name} describes {len(found['h']):,} images, but {count:,} are bundled: train it again."
        )
    y_pred = {
        key.removeprefix("y_pred_"): value.astype(np.int64)
        for key, value in found.items()
        if key.startswith("y_pred_") and value.shape == (count,)
    }
    return Stored(h=found["h"], xy=xy, quality=_Qualities(found, metric), y_pred=y_pred)


def load_model(selection: Selection) -> Any:
    """Load a model in eval mode; this imports torch."""
    stamp = max((file.stat().st_mtime_ns for file in selection.folder.glob("*.safetensors")), default=0)
    return _load_model(selection.name, stamp)


@st.cache_resource(max_entries=4, show_spinner="Loading the model …")
def _load_model(name: str, stamp: int) -> Any:
    return checkpoint.load(name)


def decode(model: Any, z: np.ndarray) -> np.ndarray:
    """z (N, D) -> decoded images (N, C, H, W) in [0, 1]."""
    import torch

    with torch.inference_mode():
        return model.decode(torch.from_numpy(np.ascontiguousarray(z, np.float32))).numpy()


@st.cache_data(max_entries=6, show_spinner=False)
def some_of_each(dataset: str, per_class: int) -> list[int]:
    """Indices of the first test images of each class, class after class."""
    y = test_images(dataset).y
    return [int(i) for label in range(int(y.max()) + 1) for i in np.flatnonzero(y == label)[:per_class]]


def neighbour_votes(selection: Selection) -> tuple[Evaluation, np.ndarray]:
    """Classes read off stored h by k-NN, and the ids of the images that were judged.

    Half of the test images (at most 2,500) vote on as many others, so that something is to be seen before any fit.
    """
    return _neighbour_votes(selection.name, selection.data, selection.method, stored(selection))


@st.cache_resource(max_entries=8, show_spinner=False)
def _neighbour_votes(name: str, dataset: str, method: str, _kept: Stored) -> tuple[Evaluation, np.ndarray]:
    from sslviz.evaluation.protocol import evaluate_halves

    images = test_images(dataset)
    return evaluate_halves(name, _kept.h, images.y, images.class_names, metric=METHODS[method].metric)
