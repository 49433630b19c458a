"""Each rule of an honest probe, broken: functions that really get the inflated score, beside the honest one.

They are for showing what a rule is worth, and that the checks of `sslviz.evaluation.honesty` see it broken. Whether a
score is inflated, and by how much, is what the fit says: on some images a broken rule gains nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import SGDClassifier
from torch import nn

from sslviz.data.images import to_float
from sslviz.evaluation import honesty
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.honesty import Check, Sealed
from sslviz.evaluation.intervals import Difference, paired_difference
from sslviz.evaluation.neighbours import Metric
from sslviz.evaluation.probes import L2_GRID, KNNProbe, LinearProbe

# what a fit is given: images x (N, C, H, W) uint8 or h (N, D), and labels (N,); of training, of test
Split = tuple[Any, np.ndarray]


@dataclass(frozen=True, eq=False)
class Broken:
    """A score that breaks a rule, beside the honest one on the same labels and test rows.

    Attributes:
        rule: that is broken, in a few words.
        honest, inflated: accuracies in [0, 1].
        difference: inflated less honest, paired.
        checks: of `honesty`, of how the inflated score came about; one of them is not held where it can be seen.
        words: what was done.
        digests: `honesty.digest` of the encoder before and after, where it is the encoder that changes.
    """

    rule: str
    honest: float
    inflated: float
    difference: Difference
    words: str
    checks: list[Check] = field(default_factory=list)
    digests: tuple[str, ...] = ()


def _compared(rule: str, y: np.ndarray, honest: Any, inflated: Any, words: str, checks: list[Check]) -> Broken:
    """Of the predictions of both (M,)."""
    honest, inflated = np.asarray(honest), np.asarray(inflated)
    right = float(np.mean(honest == y)), float(np.mean(inflated == y))
    return Broken(rule, *right, paired_difference(y, inflated, honest), words, checks)


def encoder_trained_along(
    model: Any, train: Split, test: Split, *, epochs: int = 3, lr: float = 1e-3, batch_size: int = 128, seed: int = 0
) -> Broken:
    """The encoder learns from the probe's labels too, and the score is still called one of a frozen encoder.

    Args:
        model: the encoder, which is copied first.
        train, test: images and labels.
        epochs, lr, batch_size: of AdamW on the cross-entropy of a linear layer on h.
        seed: of the order of images, the layer and the probes.
    """
    (x, y), (x_test, y_test) = train, test
    honest = LinearProbe(seed=seed).fit(encode(model, x), y).predict(encode(model, x_test))
    along, before = copy.deepcopy(model), honesty.digest(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(encode(model, x[:2]).shape[1], int(y.max()) + 1)
    labels, images = torch.as_tensor(y), torch.as_tensor(x)
    optimizer = torch.optim.AdamW([*along.parameters(), *layer.parameters()], lr=lr)
    along.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(y), generator=generator).split(batch_size):
            if len(rows) < 2:
                continue
            h = along.encode(to_float(images[rows]))
            loss = F.cross_entropy(layer(h[0] if isinstance(h, tuple) else h), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    along.eval()
    inflated = LinearProbe(seed=seed).fit(encode(along, x), y).predict(encode(along, x_test))
    words = f"The encoder was trained with the labels of the probe, {epochs} epochs, and then probed."
    digests = before, honesty.digest(along)
    checks = [honesty.frozen(*digests), honesty.evaluating(along)]
    return replace(_compared("encoder frozen", y_test, honest, inflated, words, checks), digests=digests)


def batch_norm_in_training(
    model: Any, train: Split, test: Split, *, batch_size: int = 100, by_class: bool = True, seed: int = 0
) -> Broken:
    """No weight moves, but the encoder is left in training mode: an image's h depends on the others of its batch.

    Args:
        model: the encoder, which is copied first.
        train, test: images and labels.
        batch_size: images encoded at once.
        by_class: whether images come in the order of their classes, as a folder of class folders gives them: then the
            statistics of a batch are those of its class. Else in the order given.
        seed: of the probes.
    """
    (x, y), (x_test, y_test) = train, test
    honest = LinearProbe(seed=seed).fit(encode(model, x), y).predict(encode(model, x_test))
    left, before = copy.deepcopy(model).train(), honesty.digest(model)

    def encoded(images: Any, labels: np.ndarray) -> np.ndarray:
        images = torch.as_tensor(images)
        order = np.argsort(labels, kind="stable") if by_class else np.arange(len(labels))
        parts = []
        with torch.no_grad():
            for rows in torch.from_numpy(order).split(batch_size):
                h = left.encode(to_float(images[rows]))
                parts.append((h[0] if isinstance(h, tuple) else h).numpy())
        found = np.concatenate(parts)
        return found[np.argsort(order, kind="stable")]

    inflated = LinearProbe(seed=seed).fit(encoded(x, y), y).predict(encoded(x_test, y_test))
    order = "in the order of their classes" if by_class else "in the order given"
    words = f"The encoder was in training mode, and images came {order}, {batch_size} at a time."
    checks = [honesty.evaluating(left), honesty.frozen(before, honesty.digest(left))]
    return _compared("eval mode", y_test, honest, inflated, words, checks)


def best_epoch_on_test(train: Split, test: Split, *, epochs: int = 30, alpha: float = 1e-4, seed: int = 0) -> Broken:
    """The probe is trained by SGD, counted on the test set after every epoch, and the best epoch is reported.

    Args:
        train, test: h (N, D) and labels.
        epochs: how many; the honest score is that of the last.
        alpha: penalty of scikit-learn's `SGDClassifier`.
        seed: of its order of rows.
    """
    (h, y), (h_test, y_test) = train, test
    mean, scale = h.mean(0), np.maximum(h.std(0), 1e-6)
    sealed, probe = (
        Sealed((h_test - mean) / scale, y_test),
        SGDClassifier(loss="log_loss", alpha=alpha, random_state=seed),
    )
    told = []
    for _ in range(epochs):
        probe.partial_fit((h - mean) / scale, y, classes=np.unique(y))
        told.append(sealed.predictions(probe))
    best = max(told, key=lambda y_pred: float(np.mean(y_pred == y_test)))
    words = f"Of {epochs} epochs of the probe the one that is best on the test set was reported, in place of the last."
    return _compared("test touched once", y_test, told[-1], best, words, [honesty.touched_once(sealed)])


def penalty_chosen_on_test(train: Split, test: Split, *, grid: tuple[float, ...] = L2_GRID, seed: int = 0) -> Broken:
    """Every penalty is tried on the test set, and the best of them reported.

    Args:
        train, test: h (N, D) and labels.
        grid: penalties.
        seed: of the honest probe's validation rows.
    """
    (h, y), (h_test, y_test) = train, test
    honest = LinearProbe(l2_grid=grid, seed=seed).fit(h, y).predict(h_test)
    sealed, tried = Sealed(h_test, y_test), {}
    for l2 in grid:
        probe = LinearProbe(l2_grid=(l2,)).fit(h, y)
        tried[l2] = (sealed.predictions(probe), probe)
    y_pred, chosen = max(tried.values(), key=lambda each: float(np.mean(each[0] == y_test)))
    words = f"Of {len(grid)} penalties the one that is best on the test set was reported: {chosen.l2_:g}."
    checks = [honesty.penalty_from_validation(chosen, sealed.looks), honesty.touched_once(sealed)]
    return _compared("penalty chosen on validation", y_test, honest, y_pred, words, checks)


def pretrained_on_both(
    pretrain: Callable[[Any], Any], train: Split, test: Split, *, pool: Any = None, seed: int = 0
) -> Broken:
    """The encoder has learnt from the test images too, without their labels.

    Args:
        pretrain: images (N, C, H, W) -> an encoder that has learnt from them.
        train, test: images and labels of the probe.
        pool: images that the encoder honestly learns from; those of `train` by default.
        seed: of the probes.
    """
    (x, y), (x_test, y_test) = train, test
    pool = torch.as_tensor(x if pool is None else pool)
    both = torch.cat([pool, torch.as_tensor(x_test)])
    told = []
    for images in (pool, both):
        encoder = pretrain(images)
        told.append(LinearProbe(seed=seed).fit(encode(encoder, x), y).predict(encode(encoder, x_test)))
    words = f"The encoder learnt from {len(both):,} images, the {len(x_test):,} of the test set among them."
    seen = [honesty.hashes(images.numpy()) for images in (both, torch.as_tensor(x_test))]
    checks = [honesty.disjoint(*seen, what="pretraining")]
    return _compared("pretraining and test disjoint", y_test, told[0], told[1], words, checks)


def copies_across_the_split(
    encoder: Any, train: Split, test: Split, *, share: float = 0.2, metric: Metric = "cosine", seed: int = 0
) -> Broken:
    """Some test images are among the training images, with their labels, as duplicates on the web are.

    Args:
        encoder: frozen.
        train, test: images and labels.
        share: of the test images that are copied.
        metric: of k-NN, whose nearest neighbour of a copy is itself.
        seed: of the choice.
    """
    (x, y), (x_test, y_test) = train, test
    chosen = np.random.default_rng(seed).permutation(len(y_test))[: round(share * len(y_test))]
    h, h_test = encode(encoder, x), encode(encoder, x_test)
    honest = KNNProbe(metric=metric).fit(h, y).predict(h_test)
    more = np.concatenate([h, h_test[chosen]]), np.concatenate([y, y_test[chosen]])
    inflated = KNNProbe(n_neighbors=1, metric=metric).fit(*more).predict(h_test)
    words = f"{len(chosen):,} of {len(y_test):,} test images were among the training images, and the nearest one voted."
    images = np.concatenate([np.asarray(x), np.asarray(x_test)[chosen]])
    checks = [honesty.disjoint(honesty.hashes(images), honesty.hashes(np.asarray(x_test)))]
    return _compared("training and test disjoint", y_test, honest, inflated, words, checks)


def other_metric(train: Split, test: Split, *, metric: Metric) -> Broken:
    """k-NN by the metric that does not suit h, which makes a rival look worse, or oneself better.

    Args:
        train, test: h (N, D) and labels.
        metric: that suits h.
    """
    (h, y), (h_test, y_test) = train, test
    wrong: Metric = "euclidean" if metric == "cosine" else "cosine"
    told = [KNNProbe(metric=each).fit(h, y).predict(h_test) for each in (metric, wrong)]
    words = f"Neighbours were counted by {wrong}, where {metric} suits this h."
    return _compared(
        "the metric that suits h", y_test, told[0], told[1], words, [Check("the metric that suits h", False, words)]
    )
