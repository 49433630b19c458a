"""What a model's folder keeps of the bundled test images, so that pages show it before anything is computed.

`embeddings.npz` beside the weights, N rows in the order of the bundled test images:

    h_levels, h_low, h_step    h (N, D_h) in `levels_for(D_h)` levels a dimension: h = h_levels * h_step + h_low
    <map>_xy                   float32 (N, 2), for each stored map
    <map>_trustworthiness      float32, of a sample of at most 2,000 rows with 15 neighbours (`evaluation.maps.trust`)
    <map>_neighbours_kept      float32, of 10 (`evaluation.maps.neighbours_kept`)
    y_pred_linear, y_pred_knn  uint8 (N,): what the probes of the card predict, by index of class

The probes of the card were fitted on all training labels that the card's "results" name under "protocol", not on
these images. Imports no torch.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.data import npz
from sslviz.errors import UserError
from sslviz.store.checkpoint import find, load_card

EMBEDDINGS = "embeddings.npz"
PROBES = ("linear", "knn")


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one probe of a model's card predicts on the bundled test images, and how it was fitted.

    Attributes:
        probe: "linear" or "knn".
        y_pred: (N,) uint8, indices of classes, in the order of the bundled test images.
        accuracy: in [0, 1], on the `n_test` test images of the protocol, as the card has it.
        n_train: labelled training images that it was fitted on.
        n_test: test images of `accuracy`; these are the official test set, of which the bundled images may be a part.
        seed: of the probe.
        train_source: where the training images came from, in words.
        about: the probe in words.
    """

    probe: str
    y_pred: np.ndarray
    accuracy: float
    n_train: int
    n_test: int
    seed: int
    train_source: str
    about: str


def levels_for(width: int) -> int:
    """How many values each dimension of an h of this width (D_h) is rounded to.

    Where many dimensions are added up, 32 keep 97 of 100 nearest neighbours at two thirds of the size.
    """
    return 32 if width >= 128 else 256


def save_embeddings(folder: Path, h: np.ndarray, **arrays: np.ndarray) -> None:
    """Write h (N, D_h), rounded to `levels_for(D_h)` levels a dimension, and other arrays of the bundled test images.

    Raises:
        UserError: no space, or a folder that can't be written to.
    """
    low, high = h.min(0), h.max(0)
    step = np.maximum(high - low, 1e-12) / (levels_for(h.shape[1]) - 1)
    levels = np.rint((h - low) / step).astype(np.uint8)
    npz.write(folder / EMBEDDINGS, {"h_levels": levels, "h_low": low, "h_step": step} | arrays, compress=True)


def load_embeddings(name: str | Path) -> dict[str, np.ndarray] | None:
    """The arrays of a model's `embeddings.npz`, with `h` float32 (N, D_h) in place of its levels; None without one.

    Raises:
        UserError: no such model, or the file is damaged.
    """
    path = find(name) / EMBEDDINGS
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        h = arrays.pop("h_levels") * arrays.pop("h_step") + arrays.pop("h_low")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} can't be read ({error}); delete it or restore it.") from error
    return {"h": h.astype(np.float32)} | arrays


def load_predictions(name: str | Path) -> dict[str, Predictions]:
    """The stored predictions of a model by probe ("linear", "knn"); empty where its folder has none.

    Raises:
        UserError: no such model, or its files are damaged.
    """
    path = find(name) / EMBEDDINGS
    results = load_card(name).get("results", {})
    protocol: dict[str, Any] = results.get("protocol") or {}
    if not path.is_file() or not protocol:
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            y_pred = {probe: file[f"y_pred_{probe}"] for probe in PROBES if f"y_pred_{probe}" in file.files}
        return {
            probe: Predictions(
                probe, labels, results[{"linear": "linear_probe", "knn": "knn"}[probe]], protocol["n_train"],
                protocol["n_test"], protocol["seed"], protocol["train_source"], protocol[probe],
            )
            for probe, labels in y_pred.items()
        }  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} can't be read ({error}); delete it or restore it.") from error
