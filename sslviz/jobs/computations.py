"""What pages have computed in a helper process (`task.Helper.call`): functions of plain values and arrays.

Each takes `report` and returns a dict of arrays and plain values. Torch is imported inside them.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.jobs.worker import Report, Telling

MOST_COMPARED = 5000  # test images, halved


def fit_map(h: np.ndarray, settings: dict[str, Any], report: Report) -> dict[str, Any]:
    """Fit a map of h (N, D).

    Args:
        h: representations.
        settings: of `evaluation.maps.fit_map`, "method" among them.
        report: told nothing, as the estimators tell nothing.

    Returns:
        xy (N, 2) float32, and quality, the fields of `evaluation.maps.Quality`.
    """
    from sslviz.evaluation import maps

    found = maps.fit_map(h, **settings)
    return {"xy": found.xy, "quality": asdict(found.quality)}


def fit_probe(h_test: np.ndarray, dataset: str, model: str, count: int, seed: int, report: Telling) -> dict[str, Any]:
    """Fit the linear probe on some labels, beside all baselines on the same labels.

    The encoder's own score comes first and each baseline's when it is there, told by `report.found`.

    Args:
        h_test: (N, D) stored h of the bundled test images.
        dataset: whose images.
        model: the encoder's name.
        count: labelled training images, the same number of each class.
        seed: of their choice, of the validation split and of what baselines draw.
        report: told what is being done and how far it is, and the evaluation so far.

    Returns:
        the evaluation, packed (`evaluation.results.Evaluation.packed`).
    """
    from sslviz.data.images import load_images
    from sslviz.evaluation.baselines import baseline_title, make_baselines
    from sslviz.evaluation.protocol import evaluate, labelled_images
    from sslviz.store import checkpoint

    report("reading training images", 0.0)
    train = labelled_images(load_images(dataset, "train"))
    test = labelled_images(load_images(dataset, "test", bundled=True))
    encoder = checkpoint.load(model)
    return evaluate(
        {model: encoder} | make_baselines(encoder, seed=seed),
        train,
        test,
        n_labels=count,
        seed=seed,
        known={model: (None, h_test)},
        progress=lambda name, stage, done: report(f"{baseline_title(name)}: {stage}", done),
        found=lambda so_far: report.found(so_far.packed()),
    ).packed()


def label_efficiency(
    dataset: str, models: list[str], baselines: list[str], counts: list[int | None], seeds: int, report: Telling,
    scratch_steps: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Fit linear probes on a few labels a class, several draws each, beside baselines on the same draws.

    The first model's fits come first; what there is, is told by `report.found` after each fit.

    Args:
        dataset: whose images; test images are the bundled ones.
        models: names, the one that is evaluated first.
        baselines: of `evaluation.baselines.BASELINES`.
        counts: labels a class, None for all.
        seeds: draws at each count.
        scratch_steps: of a training from scratch on each draw, in the first model's shape; 0 leaves it out.
        report: told what is being done and how far it is, and the result so far.

    Returns:
        the result, packed (`evaluation.efficiency.Efficiency.packed`).
    """
    from sslviz.data.images import load_images
    from sslviz.evaluation.baselines import baseline_title, make_baselines
    from sslviz.evaluation.efficiency import SCRATCH
    from sslviz.evaluation.protocol import labelled_images
    from sslviz.evaluation.sweep import sweep
    from sslviz.store import checkpoint
    from sslviz.training.scratch import FromScratch

    report("reading training images", 0.0)
    splits = load_images(dataset, "train"), load_images(dataset, "test", bundled=True)
    train, test = map(labelled_images, splits)
    rows: dict[str, Any] = {name: checkpoint.load(name) for name in models}
    rows |= make_baselines(rows[models[0]], seed=0, names=baselines)
    so_far, trained, notes = None, {}, {}
    if scratch_steps:
        scratch = FromScratch(*splits, like=rows[models[0]], steps=scratch_steps)
        trained, notes = {SCRATCH: scratch}, {SCRATCH: scratch.words}
    for so_far in sweep(
        rows, train, test, counts=tuple(counts), seeds=tuple(range(seeds)), trained=trained, notes=notes,
        progress=lambda name, stage, done: report(f"{baseline_title(name)}: {stage}", done),
    ):  # fmt: skip
        report.found(so_far.packed())
    return so_far.packed() if so_far else {}


def image_bounds(model: str, dataset: str, seed: int, report: Telling) -> dict[str, Any]:
    """The bound of all bundled test images under a model that has one (`bound`).

    Args:
        model: its name.
        dataset: whose images.
        seed: of the one sample of z an image.
        report: told how far it is.

    Returns:
        mu, kl (N, D) and recon (N,), nats.
    """
    from sslviz.data.images import load_images
    from sslviz.store import checkpoint

    report("loading the model", 0.0)
    x = load_images(dataset, "test", bundled=True).x
    doing = f"encoding and decoding {len(x):,} test images"
    network: Any = checkpoint.load(model)
    found = network.bound(x, seed=seed, progress=lambda done: report(doing, done))
    return {"mu": found.mu.numpy(), "kl": found.kl.numpy(), "recon": found.recon.numpy()}


def count_words(report: Report) -> dict[str, Any]:
    """The baseline of the labelled sentences: their bag of words, and a PCA map of it.

    Args:
        report: told what is being done.

    Returns:
        h (N, V) float32 of the test sentences, xy (N, 2) float32, and quality, the fields of `evaluation.maps.Quality`.
    """
    from sslviz.evaluation import maps
    from sslviz.language import topics

    report("counting words", 0.1)
    h = topics.BagOfWords().fit(topics.load_topics("train").x).encode(topics.load_topics("test").x)
    report(f"PCA of {h.shape[1]:,} counts of {len(h):,} sentences", 0.4)
    found = maps.fit_map(h, method="pca")
    return {"h": h, "xy": found.xy, "quality": asdict(found.quality)}


def keep_model(path: str, owner: str, report: Report) -> dict[str, Any]:
    """Check a model that somebody brings, and make it one of those here, see `jobs.uploads.keep_model`.

    Args:
        path: of its file.
        owner: who brings it.
        report: told what is being done.

    Returns:
        name, that the model has here.
    """
    from sslviz.jobs import uploads

    report("checking every tensor of the file", 0.1)
    return {"name": uploads.keep_model(Path(path), owner).name}


def compare(models: list[str], dataset: str, seed: int, report: Report) -> dict[str, Any]:
    """Evaluate models on the same halves of a dataset's bundled test images: one half to learn from, one to test.

    Args:
        models: names; those without stored h of these images are left out.
        dataset: whose images.
        seed: of the halves and of the linear probe.
        report: told which model's turn it is.

    Returns:
        `models`, those that were evaluated; `linear` and `knn` (M,), accuracies in [0, 1], NaN where a probe could not
        be fitted; `n_train` and `n_test`.
    """
    from sslviz.data import images
    from sslviz.errors import UserError
    from sslviz.evaluation.probes import KNNProbe, LinearProbe
    from sslviz.methods.registry import METHODS
    from sslviz.store import checkpoint, embeddings

    y = images.load_images(dataset, "test", bundled=True).y.numpy()
    order = np.random.default_rng(seed).permutation(len(y))[:MOST_COMPARED]
    bank, tested = order[::2], np.sort(order[1::2])
    known = {info.name: info for info in checkpoint.list_models("image")}
    found: dict[str, list[float]] = {"linear": [], "knn": []}
    evaluated = []
    for i, name in enumerate(models):
        report(f"evaluating {name}", i / len(models))
        stored = embeddings.load_embeddings(known[name].path) if name in known else None
        if not stored or len(stored["h"]) != len(y):
            continue
        evaluated.append(name)
        h, metric = stored["h"], METHODS[known[name].method].metric
        for key, probe in (("linear", LinearProbe(seed=seed)), ("knn", KNNProbe(metric=metric))):
            try:
                found[key].append(float(probe.fit(h[bank], y[bank]).score(h[tested], y[tested])))
            except UserError:
                found[key].append(float("nan"))
    accuracies = {key: np.array(values, np.float64) for key, values in found.items()}
    return {"models": evaluated, "n_train": len(bank), "n_test": len(tested)} | accuracies


def contrast_pairs(ids: np.ndarray, model: str, dataset: str, seed: int, report: Report) -> dict[str, Any]:
    """Two views of some test images through a model, as `evaluation.pairs.embed_pairs` makes them.

    Args:
        ids: of the test images (N,).
        model: its name.
        dataset: whose images, and whose views.
        seed: of the views.
        report: told how far it is.

    Returns:
        the fields of `evaluation.pairs.Pairs`.
    """
    from sslviz.data.images import load_images
    from sslviz.evaluation.pairs import embed_pairs
    from sslviz.methods.policies import policy_for
    from sslviz.store import checkpoint

    report("loading the model", 0.0)
    x = load_images(dataset, "test", bundled=True).x[ids]
    doing, policy = f"encoding {2 * len(ids)} views", policy_for(dataset, x.shape[1])
    return vars(embed_pairs(checkpoint.load(model), x, policy, seed=seed, progress=lambda done: report(doing, done)))


def probe_head(h_test: np.ndarray, dataset: str, model: str, count: int, seed: int, report: Report) -> dict[str, Any]:
    """Fit a linear probe on h and on z, as `evaluation.head.evaluate_head`.

    Args:
        h_test: (N, D) stored h of the bundled test images.
        dataset: whose images.
        model: the encoder's name.
        count: labelled training images.
        seed: of their choice and of the validation rows.
        report: told what is being done and how far it is.

    Returns:
        the evaluation, packed.
    """
    from sslviz.data.images import load_images
    from sslviz.evaluation.head import evaluate_head
    from sslviz.evaluation.protocol import labelled_images
    from sslviz.store import checkpoint

    report("reading training images", 0.0)
    train = labelled_images(load_images(dataset, "train"))
    test = labelled_images(load_images(dataset, "test", bundled=True))
    return evaluate_head(
        checkpoint.load(model), train, test, n_labels=count, h_test=h_test, seed=seed, progress=report
    ).packed()
