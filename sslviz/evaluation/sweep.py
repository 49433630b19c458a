"""The fits of label efficiency: each encoder's h once, then the same linear probe on every draw of labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sslviz.data import copies
from sslviz.errors import InputError, UserError
from sslviz.evaluation.efficiency import COUNTS, SEEDS, Efficiency, Fit, label_draws
from sslviz.evaluation.probes import LinearProbe
from sslviz.evaluation.protocol import Embed, Progress, embed_images
from sslviz.evaluation.results import Labelled

Encoded = tuple[np.ndarray, np.ndarray]  # h of all training samples (N, D), h of the test samples (M, D)
Others = Mapping[str, Callable[[np.ndarray, int], np.ndarray]]


def sweep(
    encoders: Mapping[str, Any],
    train: Labelled,
    test: Labelled,
    *,
    counts: tuple[int | None, ...] = COUNTS,
    seeds: tuple[int, ...] = tuple(range(SEEDS)),
    embed: Embed = embed_images,
    known: Mapping[str, Encoded] | None = None,
    trained: Others | None = None,
    notes: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Iterator[Efficiency]:
    """Fit the linear probe of every encoder on every draw, telling what there is after each fit.

    The encoder that comes first has all its fits first. Encoders with `fit(x)` are fitted on all training samples,
    without labels, as the others have been: only the probe's labels are few.

    Args:
        encoders: name -> encoder, the one that is evaluated first.
        train: labelled samples to draw from.
        test: labelled samples to count on, of the same classes.
        counts: labels a class, None for all.
        seeds: of the draws, and of the validation rows of each fit.
        embed: h of samples by an encoder: (encoder, x, progress) -> (N, D).
        known: h that need not be computed again, by name.
        trained: rows that are no probes, by name: (rows of the draw, seed) -> predictions of the test samples (M,).
        notes: how these were trained, in words, by name.
        progress: called with an encoder's name, what is done with it, and the fraction of the whole in [0, 1]; may
            raise to cancel.

    Raises:
        UserError: labels that can't be drawn, or an encoder that has collapsed or whose h is not finite. Another row
            for which that is so is left out and said.
    """
    counts = tuple(sorted(set(counts), key=lambda count: (count is None, count or 0)))
    drawn = _draws(train, test, counts, seeds)
    rows = [*encoders, *(trained or {})]
    started = time.monotonic()
    now = Efficiency(
        rows[0], counts, seeds, test.y, test.class_names, test.unit, train.source, test.source, len(train),
        copies=count_copies(train.x, test.x), notes=dict(notes or {}), n_fits=len(rows) * len(drawn),
    )  # fmt: skip

    def tell(name: str, stage: str, fraction: float) -> None:
        if progress:
            progress(name, stage, len(now.fits) / max(1, now.n_fits))

    for name in rows:
        try:
            for fit in _fits(name, encoders, train, test, drawn, embed, known or {}, trained or {}, tell):
                now = replace(now.with_fit(fit), seconds=time.monotonic() - started)
                tell(name, "fit", 1.0)
                yield now
        except InputError as error:
            if name == now.model:
                raise
            now = replace(now, left_out=now.left_out | {name: str(error)}, n_fits=now.n_fits - len(drawn))
            yield now


def _draws(
    train: Labelled, test: Labelled, counts: tuple[int | None, ...], seeds: tuple[int, ...]
) -> dict[tuple[int | None, int], np.ndarray]:
    if not len(test):
        raise UserError(f"There are no test {test.unit} to count on: give some.")
    if (train.y < 0).any() or (test.y < 0).any():
        raise UserError(f"Some {train.unit} have no label: leave them out before probing.")
    drawn = label_draws(train.y, counts, seeds, class_names=train.class_names)
    order = {count: place for place, count in enumerate(counts)}
    return dict(sorted(drawn.items(), key=lambda item: (order[item[0][0]], item[0][1])))


def _fits(
    name: str, encoders: Mapping[str, Any], train: Labelled, test: Labelled,
    drawn: Mapping[tuple[int | None, int], np.ndarray], embed: Embed, known: Mapping[str, Encoded], trained: Others,
    tell: Callable[[str, str, float], None],
) -> Iterator[Fit]:  # fmt: skip
    needed = np.unique(np.concatenate([*drawn.values()]))  # a few labels need the h of few samples
    if name in encoders:
        tell(name, "encode training", 0.0)
        if name in known:
            h, h_test = known[name][0][needed], known[name][1]
        else:
            h, h_test = _encoded(encoders[name], train, needed, test, embed, name, tell)
    for (count, seed), rows in drawn.items():
        started = time.perf_counter()
        l2 = None
        if name in encoders:
            places = np.searchsorted(needed, rows)
            probe = LinearProbe(seed=seed).fit(h[places], train.y[rows], callback=lambda event: tell(name, "fit", 0.0))
            y_pred, l2 = probe.predict(h_test), probe.l2_
        else:
            tell(name, "train", 0.0)
            y_pred = trained[name](rows, seed)
        spent, accuracy = time.perf_counter() - started, float(np.mean(y_pred == test.y))
        yield Fit(name, count, seed, len(rows), accuracy, np.asarray(y_pred).astype(np.uint16), l2, spent)


def _encoded(
    encoder: Any, train: Labelled, needed: np.ndarray, test: Labelled, embed: Embed, name: str,
    tell: Callable[[str, str, float], None],
) -> Encoded:  # fmt: skip
    """h of the training samples that are needed, and of the test samples; fitted on all training samples."""
    if hasattr(encoder, "fit"):
        encoder.fit(train.x)
    some = train if len(needed) == len(train) else train.take(needed)
    h = embed(encoder, some.x, lambda fraction: tell(name, "encode training", fraction))
    return h, embed(encoder, test.x, lambda fraction: tell(name, "encode test", fraction))


def count_copies(x_train: Any, x_test: Any) -> int:
    """How many test images are also among the training images, by a hash of their pixels; 0 for what are no images."""
    if not all(hasattr(x, "numpy") and x.ndim == 4 for x in (x_train, x_test)):
        return 0
    train, test = (copies.digests([x.contiguous().numpy()]) for x in (x_train, x_test))
    return len(copies.find_copies(train, test))
