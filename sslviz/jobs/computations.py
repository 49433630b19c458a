"""What pages have computed in a helper process (`task.Helper.call`): functions of plain values and arrays.

Each takes `report` and returns a dict of arrays and plain values. Torch is imported inside them.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from sslviz.jobs.worker import Report


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


def fit_probe(
    h_test: np.ndarray, dataset: str, model: str, count: int, seed: int, baselines: bool, report: Report
) -> dict[str, Any]:
    """Encode training images, fit a linear probe, and have it name the bundled test images.

    Args:
        h_test: (N, D) stored h of the bundled test images.
        dataset: whose images.
        model: the encoder's name.
        count: labelled training images, the same number of each class.
        seed: of their choice and of the validation split.
        baselines: whether to fit baselines on the same images too.
        report: told what is being done and how far it is.

    Returns:
        `y_pred` (N,) of the bundled test images, `l2`, `fit_seconds`, `seconds` in all, `rivals` {name: accuracy}.
    """
    from sslviz.data import images
    from sslviz.data.sampling import stratified_sample
    from sslviz.evaluation.baselines import fit_baselines
    from sslviz.evaluation.embedding import encode
    from sslviz.evaluation.probes import LinearProbe
    from sslviz.evaluation.protocol import evaluate
    from sslviz.store import checkpoint
    from sslviz.store.names import RANDOM

    started, share = time.monotonic(), 0.3 if baselines else 1.0
    report("reading training images", 0.0)
    train = images.load_images(dataset, "train")
    chosen = stratified_sample(train.y.numpy(), count, seed=seed)
    train = replace(train, x=train.x[chosen], y=train.y[chosen])
    stages = {"choose l2": "choosing the penalty", "fit": "fitting"}
    h = encode(
        checkpoint.load(model), train.x, batch_size=64,
        progress=lambda f: report(f"encoding {count:,} training images", share * f / 2),
    )  # fmt: skip
    linear = LinearProbe(seed=seed).fit(
        h, train.y.numpy(),
        callback=lambda e: report(stages.get(e["stage"], e["stage"]), share * (0.5 + e["fraction"] / 2)),
    )  # fmt: skip
    found = {"y_pred": linear.predict(h_test), "l2": linear.l2_, "fit_seconds": linear.seconds_, "rivals": {}}
    if baselines:
        report("fitting the baselines", share)
        encoders = {**fit_baselines(train.x, seed=seed), "random": checkpoint.load(f"{RANDOM}{model}")}
        found["rivals"] = evaluate(
            encoders, train, images.load_images(dataset, "test", bundled=True), seed=seed,
            callback=lambda e: report(f"{e['encoder']}: {e['stage']}", share + (1 - share) * e["fraction"]),
        )  # fmt: skip
    return {**found, "seconds": time.monotonic() - started}
