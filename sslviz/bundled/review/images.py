"""Figures of the methods that learn from images: who finds whom, what is rebuilt, probes, and mistakes made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sslviz.bundled.experiments.results import Run, shipped
from sslviz.bundled.review import DATASET, Subject
from sslviz.bundled.review.words import percent, percent_interval
from sslviz.data.images import ImageSet, load_images, to_float
from sslviz.data.packing import pack, unpack
from sslviz.data.sampling import stratified_sample
from sslviz.errors import UserError
from sslviz.evaluation import sins
from sslviz.evaluation.baselines import baseline_title, make_baselines
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.intervals import paired_difference
from sslviz.evaluation.neighbours import neighbours
from sslviz.evaluation.probes import LinearProbe
from sslviz.evaluation.protocol import evaluate, labelled_images
from sslviz.evaluation.results import difference_words
from sslviz.methods.base import picture
from sslviz.methods.losses import info_nce, nt_xent
from sslviz.methods.policies import policy_for
from sslviz.methods.registry import METHODS
from sslviz.methods.views import two_views
from sslviz.store import checkpoint
from sslviz.store.checkpoint import ModelInfo

SHOWN, MATRIX, NEIGHBOURS, DRAWN = 5, 12, 5, 8  # pictures in a row
Tell = Callable[[str, float], None]


def probe(models: list[ModelInfo], sizes: Any, probes: dict[str, Any], tell: Tell) -> None:
    """Probe all encoders and the baselines on the same labels and test images; `probes` takes what is found.

    Args:
        models: of the page's dataset.
        sizes: a `figures.Sizes`.
        probes: gets "evaluation", the images "train" and "test", and "h" by name, of both.
        tell: told how far it is.
    """
    train, test = (load_images(DATASET, split, bundled=True) for split in ("train", "test"))
    test, train = _some(test, sizes.images), _some(train, sizes.labels)
    encoders: dict[str, Any] = {info.name: checkpoint.load(info.path) for info in models}
    probes |= {"models": encoders, "train": train, "test": test}
    if not encoders:
        return
    known = {}
    for number, (name, encoder) in enumerate(encoders.items()):
        tell(f"{name}: encoding images", 0.3 * number / len(encoders))
        known[name] = (encode(encoder, train.x), encode(encoder, test.x))
    probes["h"] = known
    everyone = encoders | make_baselines(next(iter(encoders.values())), seed=0)
    probes["evaluation"] = evaluate(
        everyone, labelled_images(train), labelled_images(test), known=known,
        progress=lambda name, stage, share: tell(f"{baseline_title(name)}: {stage}", 0.3 + 0.7 * share),
    )  # fmt: skip


def _some(images: ImageSet, count: int) -> ImageSet:
    rows = torch.from_numpy(stratified_sample(images.y.numpy(), count, seed=0))
    return replace(images, x=images.x[rows], y=images.y[rows])


def few_labels(probes: dict[str, Any], sizes: Any) -> dict[str, Any]:
    """Accuracy of linear probes with one label a class, mean over draws, by title; the same labels for all."""
    if not probes.get("h"):
        return {"few": {}, "few_labels": 0, "few_draws": 0}
    train, test = probes["train"], probes["test"]
    y, y_test = train.y.numpy(), test.y.numpy()
    rows = {METHODS[probes["models"][name].method].title: h for name, h in probes["h"].items()}
    rows["Pixels"] = tuple(to_float(images.x).flatten(1).numpy() for images in (train, test))
    found = {}
    draws = [stratified_sample(y, len(train.class_names), seed=seed) for seed in range(sizes.few)]
    for title, (h, h_test) in rows.items():
        right = [np.mean(LinearProbe().fit(h[drawn], y[drawn]).predict(h_test) == y_test) for drawn in draws]
        found[title] = float(np.mean(right))
    return {"few": found, "few_labels": len(train.class_names), "few_draws": sizes.few}


def of_subject(subject: Subject, info: ModelInfo, *, sizes: Any, probes: dict[str, Any]) -> dict[str, Any]:
    """Values and pictures of one method of images."""
    model, test = probes["models"][info.name], probes["test"]
    seen = {"values": _transfer(info.name, probes), "pictures": {}}
    for part in (PARTS[subject.key](model, test, sizes), WRONG[subject.key](model, probes, sizes)):
        seen = {key: seen[key] | part[key] for key in seen}
    values = seen["values"]
    values["row"] = {"pretext": values.pop("pretext_cell"), **values.pop("cells")}
    return seen


def _transfer(name: str, probes: dict[str, Any]) -> dict[str, Any]:
    """What the probe has found, beside the best baseline on the same labels."""
    found, train, test = probes["evaluation"], probes["train"], probes["test"]
    baselines = {key: score for key, score in found.scores.items() if key not in probes["models"]}
    best = max(baselines, key=lambda key: baselines[key].accuracy)
    own, other = found.scores[name], baselines[best]
    linear, baseline = (percent_interval(score.accuracy, score.interval) for score in (own, other))
    apart = paired_difference(found.y, own.y_pred, other.y_pred)
    cells = {"transfer": linear, "baseline": f"{baseline} ({baseline_title(best)})"}
    cells["protocol"] = f"linear, {len(train):,} labels, {len(test):,} test images"
    return {
        "labels": len(train), "n_test": len(test), "linear": linear, "baseline": baseline,
        "baseline_name": baseline_title(best), "cells": cells, "apart_by": [apart.low, apart.high],
    }  # fmt: skip


# the row of pictures and the pretext task -----------------------------------------------------------------------------


def _images(x: np.ndarray, columns: int) -> dict[str, Any]:
    return {"kind": "images", "x": pack(np.ascontiguousarray(x)), "columns": columns}


@torch.no_grad()
def _decoded(model: Any, test: Any, sizes: Any) -> dict[str, Any]:
    """Of a model that decodes."""
    first = _one_of_each(test)[: 2 * SHOWN]
    x = to_float(test.x[first])
    mu, logvar = model.encode(x)
    samples = model.sample(2 * SHOWN, generator=torch.Generator().manual_seed(0))
    bound = model.evaluate(test.x, seed=0)
    rows = np.concatenate([picture(model.decode(mu)), picture(samples)])
    return {
        "values": {
            "side": x.shape[2], "dim": mu.shape[1], "n_pretext": len(test), "elbo": bound["negative_elbo"],
            "recon": bound["recon"], "kl": bound["kl"], "pretext_cell": f"negative ELBO "
            f"{bound['negative_elbo']:.1f} nats",
        },
        "pictures": {
            "input": _images(picture(x), SHOWN),
            "process": {"kind": "posterior", "mu": mu[0].tolist(), "sigma": (0.5 * logvar[0]).exp().tolist()},
            "outcome": _images(rows, SHOWN),
        },
    }  # fmt: skip


@torch.no_grad()
def _compared(model: Any, test: Any, sizes: Any, *, queries: bool) -> dict[str, Any]:
    """Of a model that compares views: its views, the cosines of their z, and the neighbours of h."""
    x = to_float(test.x[: sizes.batch])
    x1, x2 = two_views(x, policy_for(DATASET, x.shape[1]), generator=torch.Generator().manual_seed(0))
    z1, z2 = (F.normalize(model(view), dim=1) for view in (x1, x2))
    cosines = z1 @ z2.T
    temperature = model.config.temperature
    if queries:  # each query among the keys of the batch
        logits, loss = cosines, float(info_nce(z1, z2, temperature=temperature))
    else:  # each view among all others of both views
        logits, loss = _among_all(z1, z2), float(nt_xent(z1, z2, temperature=temperature))
    found = float((logits.argmax(1) == _partners(len(x), queries)).float().mean())
    off = ~torch.eye(len(x), dtype=torch.bool)
    h = encode(model, test.x)
    near, _ = neighbours(h, 0, NEIGHBOURS, metric=METHODS[model.method].metric)
    y = test.y.numpy()
    candidates = len(x) if queries else 2 * len(x) - 1
    return {
        "values": {
            "shown": SHOWN, "batch": len(x), "positive": float(cosines.diagonal().mean()),
            "negative": float(cosines[off].mean()), "same": int((y[near] == y[0]).sum()), "neighbours": len(near),
            "candidates": candidates, "found": percent(found), "loss": loss, "n_pretext": len(x),
            "pretext_cell": f"partner found among {candidates:,}: {percent(found)}",
        },
        "pictures": {
            "input": _images(np.concatenate([picture(x1[:SHOWN]), picture(x2[:SHOWN])]), SHOWN),
            "process": {"kind": "matrix", "values": cosines[:MATRIX, :MATRIX].tolist()},
            "outcome": _images(test.x[[0, *near]].numpy(), 1 + NEIGHBOURS),
        },
    }  # fmt: skip


def _among_all(z1: Tensor, z2: Tensor) -> Tensor:
    z = torch.cat([z1, z2])
    return (z @ z.T).fill_diagonal_(-2.0)


def _partners(n: int, queries: bool) -> Tensor:
    return torch.arange(n) if queries else torch.arange(2 * n).roll(n)


def _one_of_each(test: Any) -> Tensor:
    """Rows of the first test image of each class."""
    return torch.stack([(test.y == label).nonzero()[0, 0] for label in range(len(test.class_names))])


# the step that goes wrong ---------------------------------------------------------------------------------------------


def _run(name: str, cell: str) -> Run:
    results = shipped(name, DATASET)
    if results is None or not results.of(cell):
        raise UserError(f"The runs of {name} are not here: run `sslviz experiments run {name} {DATASET}`.")
    return results.of(cell)[0]


def _one_head(model: Any, probes: dict[str, Any], sizes: Any) -> dict[str, Any]:
    """The mean taken for the log-variance, beside two heads: short runs that come along."""
    runs = {cell: _run("shared-head", cell) for cell in ("shared", "own")}
    shared, own = runs.values()
    drawn = [unpack(run.seen["pictures"][-1]["samples"])[:DRAWN] for run in runs.values()]
    (low, high), (low2, high2) = (run.interval("linear") for run in (shared, own))
    apart = low > high2 or low2 > high
    values = {
        f"{name}_{short}": run.seen["bound"][key]
        for name, run in runs.items()
        for short, key in (("elbo", "negative_elbo"), ("kl", "kl"))
    }
    values |= {f"{n}_linear": percent_interval(r.linear, r.interval("linear")) for n, r in runs.items()}
    values["verdict"] = "the probe tells the two apart" if apart else "the probe does not tell the two apart"
    return {"values": values, "pictures": {"wrong": _images(np.concatenate(drawn), DRAWN)}}


def _no_negatives(model: Any, probes: dict[str, Any], sizes: Any) -> dict[str, Any]:
    """A loss without negatives, beside the same run with them: short runs that come along."""
    results = shipped("collapse", DATASET)
    runs = {cell: _run("collapse", cell) for cell in ("without", "with")}
    without, control = runs.values()
    temperature = without.settings.get("model.temperature", METHODS[model.method].settings[0].default)
    curves = [
        {"name": cell, "x": run.seen["curves"]["negative"]["step"], "y": run.seen["curves"]["negative"]["value"]}
        for cell, run in runs.items()
    ]
    untrained = results.untrained["knn"] if results else 0.0
    return {
        "values": {
            "lost": without.loss, "least": -1 / float(temperature), "apart": curves[0]["y"][-1],
            "apart_with": curves[1]["y"][-1], "knn": percent(without.knn), "knn_with": percent(control.knn),
            "knn_untrained": percent(untrained), "knns": [without.knn, control.knn, untrained],
            "classes": len(probes["test"].class_names),
        },
        "pictures": {"wrong": {"kind": "curve", "curves": curves, "title": "cosine of two images, over steps"}},
    }  # fmt: skip


def _learns_along(model: Any, probes: dict[str, Any], sizes: Any) -> dict[str, Any]:
    """A probe that does not leave its encoder alone, beside one that does."""
    train, test = probes["train"], probes["test"]
    few = slice(0, sizes.along)
    parts = [(train.x[few], train.y[few].numpy()), (test.x, test.y.numpy())]
    broken = sins.encoder_trained_along(model, *parts, epochs=sizes.epochs)
    before, after = broken.digests
    return {
        "values": {
            "epochs": sizes.epochs, "labels_along": len(parts[0][1]), "n_along": len(parts[1][1]),
            "honest": percent(broken.honest), "inflated": percent(broken.inflated), "before": before[:6],
            "after": after[:6], "gain": broken.inflated - broken.honest,
            "told": difference_words(broken.difference, "the honest score"),
        },
        "pictures": {
            "wrong": {"kind": "bars", "labels": ["frozen", "learns along"], "values": [broken.honest, broken.inflated]}
        },
    }  # fmt: skip


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "vae": _decoded,
    "simclr": lambda *given: _compared(*given, queries=False),
    "moco": lambda *given: _compared(*given, queries=True),
}
WRONG: dict[str, Callable[..., dict[str, Any]]] = {"vae": _one_head, "simclr": _no_negatives, "moco": _learns_along}
