"""What transfers where: every bundled encoder probed on every dataset, and every level of an encoder on its own.

`sslviz transfer` and `sslviz ladder MODEL` write `assets/evidence/transfer.json`, what is there already kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sslviz.data.catalog import DATASETS
from sslviz.data.images import ImageSet, load_images
from sslviz.evaluation.baselines import make_baselines
from sslviz.evaluation.efficiency import draw_difference, label_draws
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.evaluation.pairs import project
from sslviz.evaluation.probes import LinearProbe
from sslviz.methods import registry
from sslviz.store import checkpoint
from sslviz.store.checkpoint import ModelInfo

LABELS, SEEDS = 100, 5  # labels a class, draws
BASELINE = "whitened patches"
KINDS = ("random", "pixels", BASELINE)
BATCH = 64  # images encoded at once: wide encoders are quicker with few
POOL = 2  # a block's h is the mean over each cell of such a grid, as an encoder's own h
GREY = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
Report = Callable[[str, str, float], None]


class Adapted:
    """An encoder for images of another kind than its own: grey repeated or colour made grey, resized where it must be.

    Args:
        model: with `encode` and a config that says its `input_shape`.
    """

    def __init__(self, model: Any) -> None:
        self.model, self.shape = model, model.config.input_shape

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] of any kind -> h (B, D)."""
        if x.shape[1] == 1 and self.shape[0] == 3:
            x = x.expand(-1, 3, -1, -1)
        elif x.shape[1] == 3 and self.shape[0] == 1:
            x = (x * torch.tensor(GREY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        if len(self.shape) == 3 and x.shape[2:] != tuple(self.shape[1:]):
            x = F.interpolate(x, size=tuple(self.shape[1:]), mode="bilinear", antialias=True)
        with torch.no_grad():
            h = self.model.encode(x)
        found: Tensor = h[0] if isinstance(h, tuple) else h
        return found


def matrix(known: dict[str, Any], *, report: Report) -> Iterator[dict[str, Any]]:
    """Probe every bundled model and three baselines on every known dataset; what is known of the same weights stays.

    Args:
        known: what was written before, or {}.
        report: told whose turn it is, what is done, and how far the whole is.

    Yields:
        the whole so far, after each cell that was measured.
    """
    infos = [info for info in checkpoint.list_models("image") if info.bundled and info.dataset in DATASETS]
    infos.sort(key=lambda info: info.card.get("parameters", 0))  # quick ones first
    by_name = {info.name: info for info in infos}
    names = [*KINDS, *by_name]
    cells = {name: dict(known.get("cells", {}).get(name, {})) for name in names}
    found: dict[str, Any] = known | {"protocol": _protocol(), "columns": dict(known.get("columns", {}))}
    found |= {"rows": [_row(info) for info in infos] + _rows_of_baselines(), "cells": cells}
    for place, dataset in enumerate(DATASETS):
        opening = checkpoint.opens_with([info for info in infos if info.dataset == dataset])
        stamps = {name: _stamp(by_name.get(name, opening), name) for name in names}
        lacking = [name for name in names if cells[name].get(dataset, {}).get("stamp") != stamps[name]]
        if not lacking:
            continue
        train, test = load_images(dataset, "train"), load_images(dataset, "test")
        job, patches = _Column(train, test), None
        found["columns"][dataset] = {
            "title": DATASETS[dataset].title, "n_test": len(test), "n_train": len(train), "test_source": test.source,
        }  # fmt: skip
        baselines = make_baselines(checkpoint.load(opening.path), names=KINDS) if opening else {}
        for number, name in enumerate([BASELINE, *(name for name in lacking if name != BASELINE)]):
            report(name, dataset, (place + number / len(names)) / len(DATASETS))
            right = job.right(Adapted(checkpoint.load(by_name[name].path)) if name in by_name else baselines[name])
            patches = right if patches is None else patches
            cells[name][dataset] = _told(right) | {"stamp": stamps[name]}
            if name != BASELINE:
                cells[name][dataset]["less_patches"] = _difference(right, patches)
            yield found


def _row(info: ModelInfo) -> dict[str, str]:
    kind = "labels" if registry.METHODS[info.method].labels else "model"
    return {"name": info.name, "method": info.method, "kind": kind, "pretrained_on": info.dataset}


def _rows_of_baselines() -> list[dict[str, str]]:
    return [{"name": name, "method": "", "kind": "baseline", "pretrained_on": ""} for name in KINDS]


def _protocol() -> str:
    return (
        f"linear probe on frozen h, {LABELS} labels of each class, mean of {SEEDS} class-balanced draws, the same "
        "for all rows of a column; images are made grey or repeated over three channels, and resized for encoders that "
        "take one size"
    )


def _stamp(info: ModelInfo | None, name: str) -> str:
    digest = hashlib.blake2b(name.encode(), digest_size=8)
    if info is not None and info.name == name:
        digest.update((info.path / checkpoint.WEIGHTS).read_bytes())
    elif info is not None and name == "random":
        digest.update((info.path / checkpoint.CONFIG).read_bytes())
    return digest.hexdigest()


class _Column:
    """Images of a dataset, draws of its labels, and the probes on them."""

    def __init__(self, train: ImageSet, test: ImageSet) -> None:
        self.y, self.y_test, self.train, self.test = train.y.numpy(), test.y.numpy(), train, test
        self.drawn = label_draws(self.y, (LABELS,), range(SEEDS), class_names=train.class_names)
        self.needed = np.unique(np.concatenate([*self.drawn.values()]))
        self.some = train.x[torch.from_numpy(self.needed)]

    def right(self, encoder: Any) -> np.ndarray:
        """Whether the probes of an encoder's h are right (S, M)."""
        if hasattr(encoder, "fit"):
            encoder.fit(self.train.x)
        return self.probed(*(encode(encoder, images, batch_size=BATCH) for images in (self.some, self.test.x)))

    def probed(self, h: np.ndarray, h_test: np.ndarray) -> np.ndarray:
        """Whether probes on h of the needed images are right about the test images (S, M)."""
        found = []
        for (_, seed), rows in self.drawn.items():
            probe = LinearProbe(seed=seed).fit(h[np.searchsorted(self.needed, rows)], self.y[rows])
            found.append(probe.predict(h_test) == self.y_test)
        return np.array(found)


def _told(right: np.ndarray) -> dict[str, Any]:
    draws = [round(float(each.mean()), 6) for each in right]
    low, high = accuracy_interval(float(np.mean(draws)), right.shape[1])
    return {"accuracy": float(np.mean(draws)), "interval_95": [low, high], "draws": draws}


def _difference(a: np.ndarray, b: np.ndarray) -> dict[str, Any]:
    return draw_difference(np.ones(a.shape[1], np.uint8), a.astype(np.uint8), b.astype(np.uint8)).as_dict()


# levels of one encoder ------------------------------------------------------------------------------------------------


def ladder(info: ModelInfo, *, report: Report) -> dict[str, Any]:
    """Probe pixels, the output of every block, h, and z of a model on its own dataset.

    Args:
        info: of the model.
        report: told what is done, and how far it is.

    Returns:
        dataset, protocol, n_test, and levels: name, width, accuracy, interval_95, draws, less_h (None of h itself).
    """
    train, test = load_images(info.dataset, "train"), load_images(info.dataset, "test")
    column, model = _Column(train, test), checkpoint.load(info.path)
    levels_of = _Levels(model)
    h: dict[str, list[np.ndarray]] = {}
    for images in (column.some, test.x):
        report(info.name, f"{len(images):,} images through all levels", 0.3 * bool(h))
        joined = encode(levels_of, images, batch_size=BATCH)  # all levels side by side
        for name, part in zip(levels_of.names, np.split(joined, levels_of.ends[:-1], axis=1), strict=True):
            h.setdefault(name, []).append(part)
    if registry.METHODS[info.method].projector:
        h["z"] = [project(model, part) for part in h["h"]]
    pixels = make_baselines(None, names=("pixels",))["pixels"]
    h = {"pixels": [encode(pixels, images) for images in (column.some, test.x)]} | h
    right = {}
    for number, (name, parts) in enumerate(h.items()):
        report(info.name, f"probes of {name}", 0.6 + 0.4 * number / len(h))
        right[name] = column.probed(*parts)
    widths = {name: parts[0].shape[1] for name, parts in h.items()}
    levels = [
        {"name": name, "width": widths[name]} | _told(each)
        | {"less_h": None if name == "h" else _difference(each, right["h"])}
        for name, each in right.items()
    ]  # fmt: skip
    pooled = f"a block's output is averaged over each cell of a {POOL} x {POOL} grid"
    return {"dataset": info.dataset, "protocol": f"{_protocol()}; {pooled}", "n_test": len(test), "levels": levels}


def _blocks(model: Any) -> Iterator[nn.Module]:
    """The parts of an encoder whose outputs are levels: its layers, or what ends in an activation."""
    layers = getattr(model.encoder, "layers", None)
    if layers is not None:
        yield from layers
        return
    yield from (part for part in model.encoder if isinstance(part, nn.ReLU | nn.GELU | nn.SiLU | nn.LeakyReLU))


class _Levels:
    """What every part of an encoder puts out, averaged over a grid, and h: side by side.

    Attributes:
        names: of the levels.
        ends: where each ends among the columns, known once something was encoded.
    """

    def __init__(self, model: Any) -> None:
        self.model, self.parts = model, list(_blocks(model))
        self.names = [*(f"block {n}" for n in range(1, len(self.parts) + 1)), "h"]
        self.ends: list[int] = []

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> (B, sum of all widths)."""
        kept: list[Tensor] = []
        handles = [part.register_forward_hook(lambda module, given, out: kept.append(out)) for part in self.parts]
        try:
            with torch.no_grad():
                h = self.model.encode(x)
        finally:
            for handle in handles:
                handle.remove()
        outs = [F.adaptive_avg_pool2d(out, POOL) if out.ndim == 4 else out for out in kept]
        found = [*(out.flatten(1) for out in outs), h[0] if isinstance(h, tuple) else h]
        self.ends = np.cumsum([part.shape[1] for part in found]).tolist()
        return torch.cat(found, dim=1)
