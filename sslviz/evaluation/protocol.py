"""The one way from labelled samples to a comparison: sample, encode, probe, count, beside baselines.

    labelled samples -> the same number of labels a class -> h of each encoder -> the same probe on each -> accuracies
    on the same test samples, with intervals, and paired differences

Pages, the command line, the cards of the bundled models and the sentences of the language page all come through here,
so that accuracies stand side by side only where labels, test samples, probe and seed were the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sslviz.data.images import ImageSet
from sslviz.data.sampling import largest_class_share, stratified_sample
from sslviz.errors import InputError, UserError
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.evaluation.probes import KNNProbe, LinearProbe
from sslviz.evaluation.results import PROBE_TITLES, Evaluation, Labelled, Metric, ProbeName, Score
from sslviz.methods import registry

FRACTIONS = {"encode training": (0.0, 0.4), "encode test": (0.4, 0.6), "fit": (0.6, 1.0)}  # of one encoder's work


def labelled_images(images: ImageSet) -> Labelled:
    """The images of one split.

    Raises:
        UserError: the images have no labels.
    """
    if not images.labelled:
        raise UserError(f"The images of {images.name} have no label, so nothing can be probed: add labels to the file.")
    return Labelled(images.x, images.y.numpy(), images.class_names, images.source)


Embed = Callable[[Any, Any, Callable[[float], None]], np.ndarray]
Progress = Callable[[str, str, float], None]


def embed_images(encoder: Any, x: Any, progress: Callable[[float], None]) -> np.ndarray:
    """h (N, D) of images x (N, C, H, W), a few images at a time so that a stop is heard within a moment."""
    return encode(encoder, x, batch_size=128, progress=progress)


def evaluate(
    encoders: Mapping[str, Any],
    train: Labelled,
    test: Labelled,
    *,
    probe: ProbeName = "linear",
    n_labels: int | None = None,
    seed: int = 0,
    embed: Embed = embed_images,
    known: Mapping[str, tuple[np.ndarray | None, np.ndarray | None]] | None = None,
    progress: Progress | None = None,
    found: Callable[[Evaluation], None] | None = None,
) -> Evaluation:
    """Fits the same probe on the same labels for each encoder's h, and counts on the same test samples.

    Args:
        encoders: name -> encoder, the one that is evaluated first, then its baselines. One with `fit(x)` is fitted on
            the training samples, without labels; `h_metric` says which k-NN suits its h, else its `method` does.
        train: labelled samples to fit on.
        test: labelled samples to count on, of the same classes.
        probe: "linear" (`LinearProbe`) or "knn" (`KNNProbe`).
        n_labels: how many of the training samples, the same number of each class; all by default.
        seed: draws labels and validation rows.
        embed: h of samples by an encoder: (encoder, x, progress) -> (N, D).
        known: h that need not be computed again, by name: of all training samples, of the test samples.
        progress: called with an encoder's name, what is done with it, and the fraction of the whole in [0, 1]; may
            raise to cancel.
        found: called after each encoder with the evaluation so far.

    Raises:
        UserError: unknown probe, fewer training samples than classes or than `n_labels`, no test samples, one class
            only, or an encoder that has collapsed. A baseline that can't be fitted is left out and said.
    """
    if probe not in PROBE_TITLES:
        raise UserError(f"There is no probe {probe!r}: choose linear or knn.")
    rows = _rows(train, test, n_labels, seed)
    drawn, started = train if rows is None else train.take(rows), time.monotonic()
    now = Evaluation(
        next(iter(encoders)), probe, len(drawn), seed, test.y, test.class_names, test.unit, train.source, test.source,
        largest_class_share(test.y), n_encoders=len(encoders),
    )  # fmt: skip
    for number, (name, encoder) in enumerate(encoders.items()):

        def tell(stage: str, fraction: float, name: str = name, number: int = number) -> None:
            low, high = FRACTIONS[stage]
            if progress:
                progress(name, stage, (number + low + (high - low) * fraction) / len(encoders))

        h_train, h_test = (known or {}).get(name, (None, None))
        if h_train is not None and rows is not None:
            h_train = h_train[rows]
        try:
            score = _score(name, encoder, drawn, test, (h_train, h_test), probe, seed, embed, tell)
            now = replace(now, scores=now.scores | {name: score}, seconds=time.monotonic() - started)
        except InputError as error:
            if name == now.model:
                raise
            now = replace(now, left_out=now.left_out | {name: str(error)}, seconds=time.monotonic() - started)
        if found:
            found(now)
    return now


def evaluate_halves(
    name: str, h: np.ndarray, y: np.ndarray, class_names: tuple[str, ...], *, metric: Metric, most: int = 5000
) -> tuple[Evaluation, np.ndarray]:
    """k-NN among test samples alone: one half of them votes on the other, so nothing but their h is needed.

    Args:
        name: of the encoder.
        h: of the test samples (N, D).
        y: their labels (N,).
        class_names: in the order of the labels.
        metric: that suits h.
        most: samples taken, drawn with a fixed seed.

    Returns:
        the evaluation, and the rows of h that were judged.
    """
    order = np.random.default_rng(0).permutation(len(y))[:most]
    bank, judged = np.sort(order[::2]), np.sort(order[1::2])
    train, test = (Labelled(h[rows], y[rows], class_names, "one half of the test images") for rows in (bank, judged))
    found = KNNProbe(metric=metric).fit(train.x, train.y)
    scores = {name: _counted(name, found, test.x, test.y, metric=metric)}
    sources, share = (train.source, test.source), largest_class_share(test.y)
    return Evaluation(name, "knn", len(bank), 0, test.y, class_names, "images", *sources, share, scores), judged


def online_accuracy(
    h: np.ndarray, y: np.ndarray, h_test: np.ndarray, y_test: np.ndarray, *, metric: Metric
) -> float | None:
    """Accuracy of k-NN in [0, 1] while an encoder trains; None where there is nothing to tell apart.

    Args:
        h, y: rows that vote (N, D), (N,).
        h_test, y_test: rows that are judged (M, D), (M,).
        metric: that suits h.
    """
    try:
        return float(np.mean(KNNProbe(metric=metric).fit(h, y).predict(h_test) == y_test))
    except InputError:  # one class only, or the encoder has collapsed
        return None


def _rows(train: Labelled, test: Labelled, n_labels: int | None, seed: int) -> np.ndarray | None:
    """Which training samples are fitted on; None for all."""
    classes = len(train.class_names)
    if not len(test):
        raise UserError(f"There are no test {test.unit} to count on: give some.")
    if (train.y < 0).any() or (test.y < 0).any():
        raise UserError(f"Some {train.unit} have no label: leave them out before probing.")
    wanted = len(train) if n_labels is None else n_labels
    if wanted < classes or len(train) < wanted:
        raise UserError(
            f"{wanted:,} of {len(train):,} labelled {train.unit} can't be drawn from {classes} classes: "
            f"choose from {classes} to {len(train):,}."
        )
    return None if wanted == len(train) else stratified_sample(train.y, wanted, seed=seed)


def _score(
    name: str,
    encoder: Any,
    train: Labelled,
    test: Labelled,
    known: tuple[np.ndarray | None, np.ndarray | None],
    probe: ProbeName,
    seed: int,
    embed: Embed,
    tell: Callable[[str, float], None],
) -> Score:
    """Embeds, fits and counts for one encoder."""
    h_train, h_test = known
    tell("encode training", 0.0)
    if hasattr(encoder, "fit"):
        encoder.fit(train.x)
    if h_train is None:
        h_train = embed(encoder, train.x, lambda fraction: tell("encode training", fraction))
    if h_test is None:
        h_test = embed(encoder, test.x, lambda fraction: tell("encode test", fraction))
    started = time.perf_counter()
    tell("fit", 0.0)
    metric: Metric | None = None
    fitted: LinearProbe | KNNProbe
    if probe == "linear":
        fitted = LinearProbe(seed=seed).fit(h_train, train.y, callback=lambda event: tell("fit", event["fraction"]))
    else:
        metric = metric_of(encoder)
        fitted = KNNProbe(metric=metric).fit(h_train, train.y)
    spent = time.perf_counter() - started
    score = _counted(name, fitted, h_test, test.y, metric=metric, fit_seconds=spent)
    tell("fit", 1.0)
    return score


def metric_of(encoder: Any) -> Metric:
    """How near two h of an encoder are: what a baseline says of itself, or what is known of the encoder's method."""
    own = getattr(encoder, "h_metric", None)
    method = getattr(encoder, "method", None)
    return own or (registry.METHODS[method].metric if method in registry.METHODS else "cosine")


def _counted(
    name: str,
    fitted: LinearProbe | KNNProbe,
    h: np.ndarray,
    y: np.ndarray,
    *,
    metric: Metric | None,
    fit_seconds: float = 0.0,
) -> Score:
    """What a fitted probe gets right of h (N, D) with labels y (N,)."""
    y_pred = np.asarray(fitted.predict(h))
    accuracy = float(np.mean(y_pred == y))
    interval = accuracy_interval(accuracy, len(y))
    return Score(name, y_pred, accuracy, interval, metric, getattr(fitted, "l2_", None), fit_seconds)
