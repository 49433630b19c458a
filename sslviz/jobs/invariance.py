"""What several encoders make of an image under one transform, computed in a helper process (`task.Helper.call`)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from sslviz.evaluation.invariance import FIELDS, Meter, fit_meter, respond, split_rows
from sslviz.jobs.worker import Telling

MOST = 1000  # bundled test images that a probe is fitted on, and as many that it is counted on
PATCHES = "whitened patches"
UNTRAINED = "random"


def measure(
    x: np.ndarray, sweep: str, dataset: str, models: list[list[str]], shelf: list[int], report: Telling, **known: Any
) -> dict[str, Any]:
    """Cosines of h and answers of probes over the strengths of a transform, for models and two baselines.

    The baselines are the untrained encoder of the first model, and whitened patches. What is there is told by
    `report.found` after each encoder.

    Args:
        x: the image (C, H, W) uint8.
        sweep: key of `methods.sweeps.SWEEPS`.
        dataset: whose bundled test images the probes are fitted on, and counted.
        models: names, and stamps that change when a model does.
        shelf: rows of test images that no probe sees.
        report: told what is being done.
        known: arrays of an earlier answer for the same models, "0_coef" and so on, so that nothing is fitted again.

    Returns:
        `names` (E), the models', then of the baselines; `cosine` (E, S); `p` (E, S, K), without columns where there are
        no labels; `classes` (K,), `accuracy`, `floor` (E,); `n_fitted`, `n_judged`; and the arrays to be known, under
        `known` their names.
    """
    import torch

    from sslviz.data.images import load_arrays, to_float
    from sslviz.evaluation.embedding import encode
    from sslviz.methods.sweeps import sweep as over

    report("reading the test images", 0.0)
    x_test, y = load_arrays(dataset, "test", bundled=True)
    fitted, judged = split_rows(y, shelf, most=MOST)
    image = to_float(np.ascontiguousarray(x))
    pictures = torch.cat([image[None], over(image, sweep)])  # (1 + S, C, H, W)
    names = [name for name, _ in models] + [UNTRAINED, PATCHES]
    kept: dict[str, np.ndarray] = {}
    answers, meters = [], []
    for i, name in enumerate(names):

        def tell(doing: str, done: float = 0.0, i: int = i, name: str = name) -> None:
            report(f"{name}: {doing}", (i + done) / len(names))

        encoder = _encoder(name, models, dataset, known, tell)
        if name == PATCHES:
            kept |= {"filters": encoder.filters.numpy(), "offset": encoder.offset.numpy()}
        if f"{i}_coef" in known:
            meter = Meter.of({field: known[f"{i}_{field}"] for field in FIELDS})
        else:
            meter = _fit(name, encoder, x_test, y, (fitted, judged), tell)
        kept |= {f"{i}_{field}": value for field, value in meter.arrays().items()}
        h = encode(encoder, pictures, batch_size=64)
        answers.append(respond(meter, h[0], h[1:]))
        meters.append(meter)
        so_far = _packed(names, answers, meters, len(fitted), len(judged))
        if i < len(names) - 1:
            report.found(so_far)
    return so_far | kept | {"known": sorted(kept)}


def _packed(names: list[str], answers: list, meters: list[Meter], n_fitted: int, n_judged: int) -> dict[str, Any]:
    classes = max((meter.classes for meter in meters), key=len)
    p = np.zeros((len(answers), len(answers[0].cosine), len(classes)))
    for i, answer in enumerate(answers):
        if answer.p.shape[1]:
            p[i] = answer.p
    return {
        "names": names[: len(answers)],
        "cosine": np.stack([answer.cosine for answer in answers]),
        "p": p,
        "classes": classes,
        "accuracy": np.array([meter.accuracy for meter in meters]),
        "floor": np.array([meter.floor for meter in meters]),
        "n_fitted": n_fitted,
        "n_judged": n_judged,
    }


def _fit(name: str, encoder: Any, x: np.ndarray, y: np.ndarray, rows: tuple[np.ndarray, np.ndarray], tell) -> Meter:
    """The meter of an encoder; h that are stored with it are taken."""
    from sslviz.evaluation.embedding import encode

    tell("encoding test images")
    stored = _stored(name, len(x))
    both = np.concatenate(rows)
    if stored is None:
        progress = lambda done: tell("encoding test images", 0.8 * done)  # noqa: E731
        h = encode(encoder, x[both], batch_size=64, progress=progress)
    else:
        h = stored[both]
    tell("fitting the probe", 0.8)
    labels = (y[rows[0]], y[rows[1]]) if (y >= 0).all() else (None, None)
    n = len(rows[0])
    return fit_meter(h[:n], labels[0], h[n:], labels[1])


def _stored(name: str, count: int) -> np.ndarray | None:
    """h (N, D) of the bundled test images as a model's folder keeps them."""
    from sslviz.store import checkpoint, embeddings

    info = next((info for info in checkpoint.list_models("image") if info.name == name), None)
    if info is None or not (info.path / embeddings.EMBEDDINGS).is_file():
        return None
    found = embeddings.load_embeddings(info.path)
    return found["h"] if found and len(found["h"]) == count else None


def _encoder(name: str, models: list[list[str]], dataset: str, known: dict[str, Any], tell) -> Any:
    """A model by its name, or a baseline."""
    import torch

    from sslviz.data.images import load_images
    from sslviz.evaluation.baselines import make_baselines

    if name in dict(models):
        return _model(name, dict(models)[name])
    encoder = make_baselines(_model(*models[0]), names=(name,))[name]
    if name == PATCHES and "filters" in known:
        encoder.filters, encoder.offset = (torch.from_numpy(known[key]) for key in ("filters", "offset"))
    elif hasattr(encoder, "fit"):
        tell("reading the training images")
        encoder.fit(load_images(dataset, "train").x)
    return encoder


@lru_cache(maxsize=6)
def _model(name: str, stamp: str) -> Any:
    from sslviz.store import checkpoint

    return checkpoint.load(name)
