"""Frozen-representation probes: how much about the labels can be read off h?

Probes take arrays, so the encoder that made h can't be changed by them. Both follow scikit-learn's estimator form.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sslviz.errors import InputError
from sslviz.evaluation import logistic

L2_GRID = tuple(float(f"{l2:.3g}") for l2 in np.logspace(0, -6, 13))  # 1, 0.316, 0.1, ... 1e-6


class LinearProbe(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression on standardised h, with the L2 penalty chosen on validation rows.

    Minimises over W (K, D) and b (K,), the bias unpenalised,

        mean cross-entropy(softmax(W h' + b), y) + l2/2 ||W||^2,    h' = (h - mean) / std of the training rows.

    This is scikit-learn's `LogisticRegression(C=1 / (n * l2))` on the same h'.

    The penalty is chosen on a stratified `val_fraction` of the training rows. The walk over `l2_grid` goes from strong
    to weak, each fit starting from the one before, until two penalties in a row don't improve on the lowest
    validation cross-entropy, a steady score; accuracy, which often gains a little beyond, decides between that lowest
    one and these two. Then all rows are fitted with the chosen penalty. Test rows are never seen.

    The optimiser is L-BFGS on all rows at once in coordinates of its own: see `sslviz.evaluation.logistic`.

    Args:
        l2_grid: penalties to choose from; one alone is used as it is, without validation, and the middle one where no
            class has two rows.
        val_fraction: share of each class held out for the choice (at least one row where a class has two or more).
        max_iter: L-BFGS steps for each fit.
        tol: stop when no component of the gradient, in those coordinates, is larger (100 times that in the choice).
        seed: draws the validation rows.

    Attributes:
        classes_: the K labels, sorted.
        n_features_in_: D.
        mean_, scale_: (D,) statistics of the training rows; scale_ is 1 where a feature is constant.
        coef_, intercept_: (K, D) and (K,), for standardised h; both rows of two classes are kept.
        l2_: the chosen penalty.
        val_scores_: {l2: validation accuracy} of the penalties tried, empty where nothing was to choose.
        n_iter_: L-BFGS steps of the last fit.
        seconds_: wall-clock seconds of `fit`.
    """

    def __init__(
        self,
        *,
        l2_grid: Sequence[float] = L2_GRID,
        val_fraction: float = 0.1,
        max_iter: int = 1000,
        tol: float = 1e-5,
        seed: int = 0,
    ):
        self.l2_grid = l2_grid
        self.val_fraction = val_fraction
        self.max_iter = max_iter
        self.tol = tol
        self.seed = seed

    def fit(self, h: np.ndarray, y: np.ndarray, callback: Callable[[dict], None] | None = None) -> LinearProbe:
        """Fits on h (N, D) and labels y (N,).

        Args:
            h: representations, finite.
            y: labels of any type that sorts; negative integers mean unlabelled and are refused.
            callback: called after each L-BFGS step with `stage` ("choose l2" or "fit"), `fraction` done in [0, 1],
                `l2` and `val_accuracy` (of the last penalty tried; None before the first); may raise to cancel.

        Raises:
            InputError: lengths differ, h is not finite or has one value for all rows, rows without label, or one class
                only.
        """
        start = time.perf_counter()
        h, self.classes_, y = _check_training(self, h, y)
        grid = sorted(self.l2_grid, reverse=True)
        if not grid or grid[-1] < 0:
            raise InputError("l2_grid needs at least one penalty, none negative: leave it at its default.")

        order, n_fit = _split(y, self.val_fraction, np.random.default_rng(self.seed))
        X, self.mean_, self.scale_ = _standardise(h, order)  # (N, D + 1), the last column ones
        X, directions = logistic.compact(X)
        y = y[order]
        problem = logistic.Problem(X, y, len(self.classes_))
        report = _Progress(callback, parts=len(grid) + 1)
        W = np.zeros((len(self.classes_), X.shape[1]))
        self.l2_ = grid[len(grid) // 2]
        self.val_scores_: dict[float, float] = {}
        if len(grid) > 1 and n_fit < len(y):
            W = self._choose_l2(W, problem, n_fit, grid, report)
            problem.renew()
        report.begin("fit", self.l2_, len(grid))
        W, self.n_iter_ = problem.minimise(
            W, self.l2_, n=len(y), tol=self.tol, max_iter=self.max_iter, step=report.step
        )
        report.end()
        self.coef_, self.intercept_ = W[:, :-1] if directions is None else W[:, :-1] @ directions, W[:, -1]
        self.seconds_ = time.perf_counter() - start
        return self

    def _choose_l2(self, W, problem: logistic.Problem, n_fit: int, grid, report: _Progress) -> np.ndarray:
        """Sets l2_ and val_scores_ from the rows after n_fit; returns the weights that go with l2_."""
        X, y = problem.X, problem.y
        tried, losses = [], []
        for position, l2 in enumerate(grid):
            report.begin("choose l2", l2, position)
            W, _ = problem.minimise(W, l2, n=n_fit, tol=100 * self.tol, max_iter=self.max_iter, step=report.step)
            log_p = log_softmax(logistic.logits(W, X[n_fit:]), axis=0)  # (K, N_val)
            losses.append(-log_p[y[n_fit:], np.arange(log_p.shape[1])].mean(dtype=np.float64))
            self.val_scores_[l2] = report.val_accuracy = float(np.mean(log_p.argmax(axis=0) == y[n_fit:]))
            tried.append(W)
            lowest = int(np.argmin(losses))
            if position == lowest + 2:
                break
        chosen = max(range(lowest, len(tried)), key=lambda i: self.val_scores_[grid[i]])  # the strongest of equals
        self.l2_ = grid[chosen]
        return tried[chosen]

    def decision_function(self, h: np.ndarray) -> np.ndarray:
        """Logits (N, K); of two classes the second's less the first's (N,), as scikit-learn has it."""
        logits = self._class_logits(h)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, h: np.ndarray) -> np.ndarray:
        """Class probabilities (N, K)."""
        return softmax(self._class_logits(h), axis=1)

    def predict(self, h: np.ndarray) -> np.ndarray:
        """Labels (N,)."""
        number = self._class_logits(h).argmax(axis=1)
        return self.classes_[number]

    def _class_logits(self, h: np.ndarray) -> np.ndarray:
        """Logits (N, K) float64."""
        check_is_fitted(self)
        h = (_check_h(self, h) - self.mean_) / self.scale_
        return h.astype(np.float64) @ self.coef_.T + self.intercept_


class KNNProbe(ClassifierMixin, BaseEstimator):
    """Votes of the nearest training rows: nothing is fitted, so it is quick and has no say in what it finds.

    "cosine" for representations whose length means nothing, such as those of contrastive methods: the nearest by cosine
    similarity vote with weight exp(similarity / temperature), the k-NN test of Wu et al. 2018 (arXiv:1805.01978,
    section 3.4). "euclidean" for places in a space, such as a VAE's mu, principal components or pixels: the nearest by
    distance vote with weight 1 / distance (Dudani 1976), those at distance 0 alone where there are any.

    Nearness is exact to 1e-9 and equally near rows are taken in the order of their numbers, so results depend neither
    on batch size nor on the machine.

    Args:
        n_neighbors: rows that vote; all of them where the training set has fewer.
        temperature: of the cosine's weights; small ones let the nearest decide.
        metric: "cosine" or "euclidean".
        batch_size: rows looked up at once; memory is about 4 bytes * batch_size * training rows.

    Attributes:
        classes_: the K labels, sorted.
        n_features_in_: D.
    """

    def __init__(
        self,
        n_neighbors: int = 20,
        temperature: float = 0.1,
        *,
        metric: Literal["cosine", "euclidean"] = "cosine",
        batch_size: int = 1024,
    ):
        self.n_neighbors = n_neighbors
        self.temperature = temperature
        self.metric = metric
        self.batch_size = batch_size

    def fit(self, h: np.ndarray, y: np.ndarray) -> KNNProbe:
        """Keeps h (N, D) and labels y (N,).

        Raises:
            InputError: lengths differ, h is not finite or has one value for all rows, rows without label, one class
                only, or parameters out of range.
        """
        h, self.classes_, self._y = _check_training(self, h, y)
        if self.n_neighbors < 1 or self.temperature <= 0 or self.batch_size < 1:
            raise InputError("KNNProbe needs n_neighbors and batch_size of at least 1 and a temperature above 0.")
        if self.metric not in ("cosine", "euclidean"):
            raise InputError(f"KNNProbe has no metric {self.metric!r}: choose cosine or euclidean.")
        self._centre = h.mean(axis=0, dtype=np.float64) if self.metric == "euclidean" else np.zeros(h.shape[1])
        self._h = h - self._centre if self.metric == "euclidean" else h  # (N, D); float64 where centred
        self._rows, self._length = self._scaled(self._h)
        return self

    def kneighbors(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest training rows, nearest first.

        Args:
            h: (N, D).

        Returns:
            nearness (N, k) float64: cosine similarities, falling, or distances, rising; row numbers (N, k).
        """
        check_is_fitted(self)
        h = _check_h(self, h)
        if self.metric == "euclidean":
            h = h - self._centre
        found = [self._nearest(h[i : i + self.batch_size]) for i in range(0, len(h), self.batch_size)]
        nearness, ids = (np.concatenate(part) for part in zip(*found, strict=True))
        return nearness, ids

    def _scaled(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows as they are multiplied (N, D) float32, at length 1 for the cosine, and their lengths (N,) float64."""
        length = np.sqrt(np.einsum("nd,nd->n", h, h, dtype=np.float64))
        if self.metric == "euclidean":
            return h.astype(np.float32), length
        length[length == 0] = 1  # rows of zeros have cosine 0 to all others
        return (h / length[:, None]).astype(np.float32), length

    def _nearest(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`kneighbors` of one batch (B, D).

        The k-th largest of the maxima over disjoint blocks of rows is no larger than the k-th largest similarity, so
        what lies above it holds all k nearest and few others: two passes over (B, N) in place of a sort. Only these
        candidates are computed in float64, rounded to make equal what is equal but for rounding, and sorted. The
        similarity of places is x y - y^2 / 2, which falls as their distance rises.
        """
        n, k = len(self._h), min(self.n_neighbors, len(self._h))
        rows, length = self._scaled(h)
        similarity = rows @ self._rows.T  # (B, N) float32
        margin = np.full((len(h), 1), 1e-5, np.float32)
        if self.metric == "euclidean":
            similarity -= (self._length**2 / 2).astype(np.float32)
            margin *= ((length[:, None] + self._length.max()) ** 2).astype(np.float32)
        blocks = np.arange(0, n, max(1, n // (16 * k)))
        floor = np.partition(np.maximum.reduceat(similarity, blocks, axis=1), -k, axis=1)[:, -k, None]  # (B, 1)
        candidates = similarity >= floor - margin
        for row in np.flatnonzero(np.count_nonzero(candidates, axis=1) > 64 * k):  # nearly all alike: h has collapsed
            candidates[row] = False
            coarse = np.rint(similarity[row] / margin[row])
            candidates[row, np.argsort(-coarse, kind="stable")[:k]] = True
        at, ids = np.nonzero(candidates)
        exact = self._exact(h, at, ids, length)
        order = np.lexsort((ids, exact if self.metric == "euclidean" else -exact, at))
        first = np.searchsorted(at, np.arange(len(h)))
        nearest = order[first[:, None] + np.arange(k)]  # (B, k)
        return exact[nearest], ids[nearest]

    def _exact(self, h: np.ndarray, at: np.ndarray, ids: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Nearness of the pairs h[at], training row ids: (C,) float64, to nine decimals."""
        if self.metric == "euclidean":
            apart = h[at] - self._h[ids]
            return np.sqrt(np.einsum("cd,cd->c", apart, apart, dtype=np.float64)).round(9)
        dot = np.einsum("cd,cd->c", h[at], self._h[ids], dtype=np.float64)
        return (dot / (length[at] * self._length[ids])).round(9)

    def predict_proba(self, h: np.ndarray) -> np.ndarray:
        """Shares of the vote (N, K)."""
        nearness, ids = self.kneighbors(h)
        if self.metric == "cosine":
            weight = np.exp((nearness - nearness[:, :1]) / self.temperature)  # (N, k), the nearest has 1
        else:
            same = nearness == 0
            weight = np.where(same.any(axis=1, keepdims=True), same, 1 / np.where(same, 1, nearness))
        votes = np.zeros((len(ids), len(self.classes_)))
        np.add.at(votes, (np.arange(len(ids))[:, None], self._y[ids]), weight)
        return votes / votes.sum(axis=1, keepdims=True)

    def predict(self, h: np.ndarray) -> np.ndarray:
        """Labels (N,)."""
        number = self.predict_proba(h).argmax(axis=1)
        return self.classes_[number]


def _check_training(probe: BaseEstimator, h: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h (N, D) float32, the labels that occur (K,), and their numbers by row (N,); sets `n_features_in_`.

    Raises:
        InputError: see `fit` of the probes.
    """
    _check_finite(h)
    try:
        h, y = validate_data(probe, h, y, dtype=np.float32, ensure_all_finite=True)
        check_classification_targets(y)
    except ValueError as error:
        raise InputError(f"{error} Give h as numbers (N, D), at least one row, and one label a row as y.") from error
    if y.dtype.kind in "if" and (y < 0).any():
        raise InputError("Some rows have no label (y is negative): leave them out before probing.")
    classes, y = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise InputError("All labels are of one class: a probe needs at least two classes to tell apart.")
    if len(h) > 1 and (h == h[0]).all():
        raise InputError(
            "All rows of h are alike, so they tell no class from another: the images are all the same, or the encoder "
            "has collapsed. Use other images, or train it anew."
        )
    return h, classes, y


def _check_h(probe: BaseEstimator, h: np.ndarray) -> np.ndarray:
    """h (N, D) float32, with the columns that the probe was fitted on."""
    _check_finite(h)
    try:
        return validate_data(probe, h, dtype=np.float32, reset=False)
    except ValueError as error:
        raise InputError(f"{error} Use the encoder that the probe was fitted with.") from error


def _check_finite(h: np.ndarray) -> None:
    h = np.asarray(h) if isinstance(h, list | np.ndarray) else np.empty(0)
    if h.dtype.kind == "f" and not np.isfinite(h).all():
        raise InputError("h has NaN or inf entries: train the encoder again, at a lower learning rate.")


def _split(y: np.ndarray, val_fraction: float, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Random order of the rows, and how many come before the validation rows, which take their share of each class."""
    order = rng.permutation(len(y))
    held_out = np.zeros(len(y), bool)
    for label in range(y.max() + 1):
        rows = order[y[order] == label]
        if len(rows) > 1:
            held_out[rows[: min(len(rows) - 1, max(1, round(val_fraction * len(rows))))]] = True
    return np.concatenate([order[~held_out[order]], order[held_out[order]]]), len(y) - int(held_out.sum())


def _standardise(h: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of h in this order (N, D + 1), zero mean and unit variance, a last column of ones; mean and scale (D,)."""
    mean = h.mean(axis=0, dtype=np.float64)
    X = np.empty((len(h), h.shape[1] + 1), np.float32)
    X[:, :-1] = h[order]
    X[:, :-1] -= mean.astype(np.float32)
    scale = np.sqrt(np.einsum("nd,nd->d", X[:, :-1], X[:, :-1], dtype=np.float64) / len(h))
    scale[scale <= 1e-6 * np.abs(mean)] = 1  # constant but for rounding
    X[:, :-1] /= scale.astype(np.float32)
    X[:, -1] = 1
    return X, mean.astype(np.float32), scale.astype(np.float32)


class _Progress:
    """Tells a callback how far a fit is. How many steps a solve takes isn't known before: each tends to its share."""

    def __init__(self, callback: Callable[[dict], None] | None, *, parts: int):
        self.callback, self.parts = callback, parts
        self.val_accuracy: float | None = None

    def begin(self, stage: str, l2: float, position: int) -> None:
        self.stage, self.l2, self.position, self.steps = stage, l2, position, 0

    def step(self, _=None) -> None:
        self.steps += 1
        self._report((self.position + self.steps / (self.steps + 30)) / self.parts)

    def end(self) -> None:
        self._report(1.0)

    def _report(self, fraction: float) -> None:
        if self.callback:
            self.callback({"stage": self.stage, "fraction": fraction, "l2": self.l2, "val_accuracy": self.val_accuracy})
