"""Frozen-representation probes: how much about the labels can be read off h?

Probes take arrays, so the encoder that made h can't be changed by them. Both follow scikit-learn's estimator form.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from sslviz.errors import UserError

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

    The optimiser is L-BFGS (Liu & Nocedal 1989) on all rows at once, run in coordinates in which the Hessian is close
    to the identity: that takes tens of steps where plain L-BFGS takes hundreds.

    Args:
        l2_grid: penalties to choose from; one alone is used as it is, without validation, and the middle one where no
            class has two rows.
        val_fraction: share of each class held out for the choice (at least one row where a class has two or more).
        max_iter: L-BFGS steps for each fit.
        tol: stop when no component of the gradient, in those coordinates, is larger (100 times that in the choice).
        seed: draws the validation rows.

    Attributes:
        classes_: the K labels, sorted.
        mean_, scale_: (D,) statistics of the training rows; scale_ is 1 where a feature is constant.
        coef_, intercept_: (K, D) and (K,), for standardised h.
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
            UserError: lengths differ, h is not finite, rows without label, or one class only.
        """
        start = time.perf_counter()
        h = _check_h(h)
        self.classes_, y = np.unique(_check_y(y, len(h)), return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError("All labels are the same: a linear probe needs images of at least two classes.")
        grid = sorted(self.l2_grid, reverse=True)
        if not grid or grid[-1] < 0:
            raise UserError("l2_grid needs at least one penalty, none negative: leave it at its default.")

        order, n_fit = _split(y, self.val_fraction, np.random.default_rng(self.seed))
        X, self.mean_, self.scale_ = _standardise(h, order)  # (N, D + 1), the last column ones
        y = y[order]
        report = _Progress(callback, parts=len(grid) + 1)
        W = np.zeros((len(self.classes_), X.shape[1]))
        self.l2_, self.val_scores_ = grid[len(grid) // 2], {}
        if len(grid) > 1 and n_fit < len(y):
            W = self._choose_l2(W, X, y, n_fit, grid, report)
        report.begin("fit", self.l2_, len(grid))
        W, self.n_iter_ = _minimise(W, X, y, self.l2_, tol=self.tol, max_iter=self.max_iter, step=report.step)
        report.end()
        self.coef_, self.intercept_ = W[:, :-1], W[:, -1]
        self.seconds_ = time.perf_counter() - start
        return self

    def _choose_l2(self, W, X, y, n_fit: int, grid, report: _Progress) -> np.ndarray:
        """Sets l2_ and val_scores_ from the rows after n_fit; returns the weights that go with l2_."""
        tried, losses = [], []
        for position, l2 in enumerate(grid):
            report.begin("choose l2", l2, position)
            W, _ = _minimise(W, X[:n_fit], y[:n_fit], l2, tol=100 * self.tol, max_iter=self.max_iter, step=report.step)
            log_p = log_softmax(_logits(W, X[n_fit:]), axis=0)  # (K, N_val)
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
        """Logits (N, K)."""
        check_is_fitted(self)
        h = (_check_h(h, len(self.mean_)) - self.mean_) / self.scale_
        return h @ self.coef_.T.astype(np.float32) + self.intercept_

    def predict_proba(self, h: np.ndarray) -> np.ndarray:
        """Class probabilities (N, K)."""
        return softmax(self.decision_function(h), axis=1)

    def predict(self, h: np.ndarray) -> np.ndarray:
        """Labels (N,)."""
        return self.classes_[self.decision_function(h).argmax(axis=1)]


class KNNProbe(ClassifierMixin, BaseEstimator):
    """Votes of the nearest training rows by cosine similarity, weighted by exp(similarity / temperature).

    The k-NN test of Wu et al. 2018 (arXiv:1805.01978, section 3.4). Nothing is fitted, so it is quick and has no say in
    what it finds. Similarities are exact to 1e-9 and equal ones are taken in the order of their row numbers, so results
    depend neither on batch size nor on the machine.

    Args:
        n_neighbors: rows that vote; all of them where the training set has fewer.
        temperature: small ones let the nearest decide.
        batch_size: rows looked up at once; memory is about 4 bytes * batch_size * training rows.

    Attributes:
        classes_: the K labels, sorted.
    """

    def __init__(self, n_neighbors: int = 20, temperature: float = 0.1, *, batch_size: int = 1024):
        self.n_neighbors = n_neighbors
        self.temperature = temperature
        self.batch_size = batch_size

    def fit(self, h: np.ndarray, y: np.ndarray) -> KNNProbe:
        """Keeps h (N, D) and labels y (N,).

        Raises:
            UserError: lengths differ, h is not finite, rows without label, or parameters out of range.
        """
        h = _check_h(h)
        if self.n_neighbors < 1 or self.temperature <= 0:
            raise UserError("KNNProbe needs n_neighbors of at least 1 and a temperature above 0.")
        self.classes_, self._y = np.unique(_check_y(y, len(h)), return_inverse=True)
        self._h, (self._unit, self._length) = h, _unit(h)
        return self

    def kneighbors(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine similarities (N, k) float64, largest first, and row numbers (N, k) of the nearest training rows."""
        check_is_fitted(self)
        h = _check_h(h, self._h.shape[1])
        found = [self._nearest(h[i : i + self.batch_size]) for i in range(0, len(h), self.batch_size)]
        return tuple(np.concatenate(part) for part in zip(*found, strict=True))

    def _nearest(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`kneighbors` of one batch (B, D).

        The k-th largest of the maxima over disjoint blocks of rows is no larger than the k-th largest similarity, so
        what lies above it holds all k nearest and few others: two passes over (B, N) in place of a sort. Only these
        candidates are computed in float64, rounded to make equal what is equal but for rounding, and sorted.
        """
        n, k = len(self._h), min(self.n_neighbors, len(self._h))
        unit, length = _unit(h)
        similarity = unit @ self._unit.T  # (B, N) float32
        blocks = np.arange(0, n, max(1, n // (16 * k)))
        floor = np.partition(np.maximum.reduceat(similarity, blocks, axis=1), -k, axis=1)[:, -k, None]  # (B, 1)
        candidates = similarity >= floor - 1e-5
        for row in np.flatnonzero(np.count_nonzero(candidates, axis=1) > 64 * k):  # nearly all alike: h has collapsed
            candidates[row] = False
            candidates[row, np.argsort(-similarity[row].round(5), kind="stable")[:k]] = True
        rows, ids = np.nonzero(candidates)
        dot = np.einsum("cd,cd->c", h[rows], self._h[ids], dtype=np.float64)
        exact = (dot / (length[rows] * self._length[ids])).round(9)
        order = np.lexsort((ids, -exact, rows))
        first = np.searchsorted(rows, np.arange(len(h)))
        nearest = order[first[:, None] + np.arange(k)]  # (B, k)
        return exact[nearest], ids[nearest]

    def predict_proba(self, h: np.ndarray) -> np.ndarray:
        """Shares of the vote (N, K)."""
        similarity, ids = self.kneighbors(h)
        weight = np.exp((similarity - similarity[:, :1]) / self.temperature)  # (N, k), the nearest has 1
        votes = np.zeros((len(ids), len(self.classes_)))
        np.add.at(votes, (np.arange(len(ids))[:, None], self._y[ids]), weight)
        return votes / votes.sum(axis=1, keepdims=True)

    def predict(self, h: np.ndarray) -> np.ndarray:
        """Labels (N,)."""
        return self.classes_[self.predict_proba(h).argmax(axis=1)]


def accuracy_interval(accuracy: float, n: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval for an accuracy on n test rows, 95 % for the default z (Wilson 1927, JASA 22:209-212).

    It covers the chance of the draw of test images, not that of training.
    """
    if n < 1 or not 0 <= accuracy <= 1:
        raise UserError(f"An accuracy of {accuracy} on {n} rows has no interval: give one in [0, 1] on 1 row or more.")
    centre = (accuracy + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(accuracy * (1 - accuracy) / n + z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _check_h(h: np.ndarray, width: int | None = None) -> np.ndarray:
    h = np.asarray(h)
    if h.ndim != 2 or not h.size or h.dtype.kind not in "fiu":
        raise UserError(f"h has shape {h.shape} and dtype {h.dtype}: give numbers (N, D), at least one row.")
    if width not in (None, h.shape[1]):
        raise UserError(f"h has {h.shape[1]} columns, the probe was fitted on {width}: use the same encoder for both.")
    if not np.isfinite(h).all():
        raise UserError("h has NaN or infinite entries: train the encoder again, at a lower learning rate.")
    return h.astype(np.float32, copy=False)


def _check_y(y: np.ndarray, n: int) -> np.ndarray:
    y = np.asarray(y)
    if y.shape != (n,):
        raise UserError(f"y has shape {y.shape} for {n} rows of h: give one label a row.")
    if y.dtype.kind in "if" and (y < 0).any():
        raise UserError("Some rows have no label (y is negative): leave them out before probing.")
    return y


def _unit(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows at length 1 (N, D) float32, and their lengths (N,) float64; rows of zeros have cosine 0 to all others."""
    length = np.sqrt(np.einsum("nd,nd->n", h, h, dtype=np.float64))
    length[length == 0] = 1
    return (h / length[:, None]).astype(np.float32), length


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


def _minimise(W, X, y, l2: float, *, tol: float, max_iter: int, step: Callable) -> tuple[np.ndarray, int]:
    """Minimises `_objective` from W on by L-BFGS in V = W L, L from `_curvature`; returns W and the number of steps.

    Passes over X run in float32, W and the optimiser in float64. `step` is called after each step.
    """
    penalty = np.full(X.shape[1], l2)
    penalty[-1] = 0  # the bias
    L = _curvature(W, X, penalty)

    def weights(v):
        return solve_triangular(L, v.reshape(W.shape).T, lower=True, trans="T", check_finite=False).T

    def objective(v):
        loss, gradient = _objective(weights(v), X, y, penalty)
        return loss, solve_triangular(L, gradient.T, lower=True, check_finite=False).T.ravel()

    options = {"maxiter": max_iter, "maxfun": 2 * max_iter, "gtol": tol, "ftol": 1e-8}
    result = minimize(objective, (W @ L).ravel(), jac=True, method="L-BFGS-B", callback=step, options=options)
    if result.status == 1:
        warnings.warn(f"LinearProbe stopped at max_iter={max_iter}, short of its tolerance.", ConvergenceWarning, 3)
    return weights(result.x), result.nit


def _objective(W, X, y, penalty) -> tuple[float, np.ndarray]:
    """Mean cross-entropy + penalty / 2 W^2, and its gradient (K, D + 1)."""
    rows = np.arange(len(X))
    logits = _logits(W, X)  # (K, N)
    picked = logits[y, rows].mean(dtype=np.float64)
    p = np.exp(logits, out=logits)
    total = p.sum(axis=0)
    p /= total
    p[y, rows] -= 1
    loss = np.log(total).mean(dtype=np.float64) - picked + (penalty * W**2).sum() / 2
    return loss, (p @ X).astype(np.float64) / len(X) + penalty * W


def _curvature(W, X, penalty) -> np.ndarray:
    """Cholesky factor (D + 1, D + 1) of a matrix that stands for each class's block of the Hessian.

    The Hessian is the mean over rows of (diag p - p p') kron x x'. The first factor has K - 1 directions, of mean
    eigenvalue w = (1 - |p|^2) / (K - 1): the mean of w x x', plus the penalty, is what the classes share. Where D is
    large some of the rows are enough for it; the 1e-4 covers for the others.
    """
    (n, width), k = X.shape, len(W)
    X = X[:: max(1, n // max(4 * width, 40 * n * k // width))]
    p = softmax(_logits(W, X), axis=0)
    w = (1 - (p**2).sum(axis=0)) / (k - 1)
    X = X * np.sqrt(w / len(X))[:, None]
    matrix = (X.T @ X).astype(np.float64)
    matrix[np.diag_indices(width)] += penalty + 1e-4 * np.trace(matrix) / width
    return np.linalg.cholesky(matrix)


def _logits(W: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Logits (K, N) float32, less the largest of each column."""
    logits = W.astype(np.float32) @ X.T
    logits -= logits.max(axis=0)
    return logits


class _Progress:
    """Tells a callback how far a fit is. How many steps a solve takes isn't known before: each tends to its share."""

    def __init__(self, callback: Callable[[dict], None] | None, *, parts: int):
        self.callback, self.parts, self.val_accuracy = callback, parts, None

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
