"""What the projection head throws away: the same probe on h and on z = project(h), on the same labels and test images.

Chen et al. 2020 (arXiv:2002.05709, section 4.2) find h the better representation by more than ten points on ImageNet:
the loss asks z to be equal for both views, so what the views change is lost there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sslviz.data.sampling import stratified_sample
from sslviz.errors import UserError
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.neighbours import Metric
from sslviz.evaluation.pairs import project
from sslviz.evaluation.protocol import evaluate, evaluate_halves
from sslviz.evaluation.results import Evaluation, Labelled

ENCODING = 0.3  # share of the work


def evaluate_head(
    model: Any,
    train: Labelled,
    test: Labelled,
    *,
    n_labels: int,
    h_test: np.ndarray | None = None,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> Evaluation:
    """Fit a linear probe on h and one on z, on the same labels, and count both on the same test images.

    Args:
        model: with `encode` and `project`.
        train, test: labelled images.
        n_labels: how many of the training images, the same number of each class.
        h_test: h of the test images (N, D_h), where it is known.
        seed: of labels and validation rows.
        progress: told what is done and how far it is, in [0, 1]; may raise to cancel.

    Returns:
        an evaluation whose encoder is "h", with "z" beside it: `difference("z")` is that of h and z.

    Raises:
        UserError: as `protocol.evaluate`.
    """
    tell = progress or (lambda stage, fraction: None)
    classes = len(train.class_names)
    if not classes <= n_labels <= len(train):
        raise UserError(f"{n_labels:,} labels can't be had: choose from {classes} to {len(train):,}.")
    drawn = train.take(stratified_sample(train.y, n_labels, seed=seed)) if n_labels < len(train) else train
    doing = f"encoding {len(drawn):,} training images"
    h_train = encode(model, drawn.x, batch_size=128, progress=lambda done: tell(doing, ENCODING * done))
    if h_test is None:
        h_test = encode(model, test.x, batch_size=128, progress=lambda done: tell("encoding test images", ENCODING))
    known = {"h": (h_train, h_test), "z": (project(model, h_train), project(model, h_test))}

    def told(name: str, stage: str, done: float) -> None:
        tell(f"probe on {name}: {stage}", ENCODING + (1 - ENCODING) * done)

    return evaluate(dict.fromkeys(known, model), drawn, test, seed=seed, known=known, progress=told)


def evaluate_head_halves(
    h: np.ndarray, z: np.ndarray, y: np.ndarray, class_names: tuple[str, ...], *, metric: Metric
) -> Evaluation:
    """k-NN in h and in z among the test images alone, one half voting on the other: nothing is fitted.

    Args:
        h, z: of the test images (N, D_h), (N, D_z).
        y: their labels (N,).
        class_names: in the order of the labels.
        metric: of k-NN.
    """
    found, _ = evaluate_halves("h", h, y, class_names, metric=metric)
    other, _ = evaluate_halves("z", z, y, class_names, metric=metric)
    return found.beside(other)
