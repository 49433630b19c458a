"""The optimiser of the linear probe: multinomial logistic regression with an L2 penalty, for many rows and penalties.

L-BFGS (Liu & Nocedal 1989) on all rows at once, in coordinates in which the Hessian is close to the identity: that
takes tens of steps where plain L-BFGS takes hundreds. Two factors make such coordinates. One of (D + 1)^2 numbers
stands for every class's block of the Hessian and costs next to nothing. Where the whole Hessian of (K (D + 1))^2
numbers fits, a sample of rows gives it, it is factored, and serves neighbouring penalties too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import blas, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning

LARGEST = 6000  # K (D + 1), the side of the largest Hessian that is factored: 144 MB in float32
SAMPLE = 12_000  # rows of the Hessian
PAIR = 1e-3  # a row counts for two classes where the product of their probabilities is above
FIRST, NEXT = 25, 60  # steps before the Hessian is taken, and before it is taken anew
APART = 4.0  # a factor serves penalties up to so many times smaller than its own


class Problem:
    """Rows and labels, and what is known of the Hessian from the fits before.

    Args:
        X: rows (N, D + 1) float32 in random order, zero mean and unit variance, a last column of ones.
        y: labels (N,), 0 to K - 1.
        n_classes: K.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray, n_classes: int) -> None:
        self.X, self.y, self.k = X, y, n_classes
        self._hessian: np.ndarray | None = None  # of the loss alone (K (D + 1), K (D + 1))
        self._factor: tuple[float, np.ndarray] | None = None  # with the penalty that it is of

    def minimise(
        self, W: np.ndarray, l2: float, *, n: int, tol: float, max_iter: int, step: Callable[..., None]
    ) -> tuple[np.ndarray, int]:
        """Minimise mean cross-entropy + l2 / 2 W^2 over the first n rows; the bias has no penalty.

        Passes over X run in float32, weights and the optimiser in float64.

        Args:
            W: where to begin (K, D + 1).
            l2: penalty.
            n: rows.
            tol: stop when no component of the gradient, in the optimiser's coordinates, is larger.
            max_iter: steps at most.
            step: called after each step.

        Returns:
            W, and the number of steps.
        """
        X, y = self.X[:n], self.y[:n]
        penalty = np.full(X.shape[1], l2)
        penalty[-1] = 0  # the bias
        settings: dict[str, Any] = {"tol": tol, "step": step}
        if self.k * X.shape[1] > min(LARGEST, n):  # too large, or few rows that need no help
            W, steps, over = _descend(W, X, y, penalty, _Shared(W, X, penalty), max_iter=max_iter, **settings)
            return _warned(W, steps, over, max_iter)
        steps, over = 0, False
        if self._hessian is None:
            first = min(FIRST, max_iter)
            W, steps, over = _descend(W, X, y, penalty, _Shared(W, X, penalty), max_iter=first, **settings)
        while not over and steps < max_iter:
            if self._hessian is None:
                self._hessian, self._factor = hessian(W, X[:SAMPLE]), None
            if self._factor is None or not l2 <= self._factor[0] <= APART * l2:
                self._factor = (l2, _factored(self._hessian, penalty, self.k))
            whole = _Whole(self._factor[1], self.k)
            W, more, over = _descend(W, X, y, penalty, whole, max_iter=min(NEXT, max_iter - steps), **settings)
            steps += more
            if not over:
                self._hessian = None  # W has left the place that it was taken at
        return _warned(W, steps, over, max_iter)

    def renew(self) -> None:
        """Take the Hessian anew at the next fit: for one that is to be exact."""
        self._hessian = self._factor = None


def _warned(W: np.ndarray, steps: int, over: bool, max_iter: int) -> tuple[np.ndarray, int]:
    if not over:
        warnings.warn(f"LinearProbe stopped at max_iter={max_iter}, short of its tolerance.", ConvergenceWarning, 4)
    return W, steps


def _descend(
    W: np.ndarray, X: np.ndarray, y: np.ndarray, penalty: np.ndarray, coordinates: Any, *, tol: float, max_iter: int,
    step: Callable[..., None],
) -> tuple[np.ndarray, int, bool]:  # fmt: skip
    """L-BFGS from W on in some coordinates; W, the number of steps, and whether it is over."""

    def value(v: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = objective(coordinates.weights(v), X, y, penalty)
        return loss, coordinates.gradient(gradient)

    options = {"maxiter": max_iter, "maxfun": 2 * max_iter, "gtol": tol, "ftol": 1e-8}
    result = minimize(value, coordinates.begin(W), jac=True, method="L-BFGS-B", callback=step, options=options)
    return coordinates.weights(result.x), result.nit, result.status != 1


class _Shared:
    """V = W L: one factor for all classes."""

    def __init__(self, W: np.ndarray, X: np.ndarray, penalty: np.ndarray) -> None:
        self._L, self._shape = curvature(W, X, penalty), W.shape

    def begin(self, W: np.ndarray) -> np.ndarray:
        return (W @ self._L).ravel()

    def weights(self, v: np.ndarray) -> np.ndarray:
        return solve_triangular(self._L, v.reshape(self._shape).T, lower=True, trans="T", check_finite=False).T

    def gradient(self, g: np.ndarray) -> np.ndarray:
        return solve_triangular(self._L, g.T, lower=True, check_finite=False).T.ravel()


class _Whole:
    """v = L' w, w all weights in a row: the factor of the whole Hessian, float32."""

    def __init__(self, L: np.ndarray, n_classes: int) -> None:
        self._L, self._k = L, n_classes

    def begin(self, W: np.ndarray) -> np.ndarray:
        return (self._L.T @ W.ravel().astype(np.float32)).astype(np.float64)

    def weights(self, v: np.ndarray) -> np.ndarray:
        w = solve_triangular(self._L, v.astype(np.float32), lower=True, trans="T", check_finite=False)
        return w.reshape(self._k, -1).astype(np.float64)

    def gradient(self, g: np.ndarray) -> np.ndarray:
        v = solve_triangular(self._L, g.ravel().astype(np.float32), lower=True, check_finite=False)
        return v.astype(np.float64)


def objective(W: np.ndarray, X: np.ndarray, y: np.ndarray, penalty: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean cross-entropy + penalty / 2 W^2, and its gradient (K, D + 1)."""
    rows = np.arange(len(X))
    scores = logits(W, X)  # (K, N)
    picked = scores[y, rows].mean(dtype=np.float64)
    p = np.exp(scores, out=scores)
    total = p.sum(axis=0)
    p /= total
    p[y, rows] -= 1
    loss = np.log(total).mean(dtype=np.float64) - picked + (penalty * W**2).sum() / 2
    return float(loss), (p @ X).astype(np.float64) / len(X) + penalty * W


def curvature(W: np.ndarray, X: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Cholesky factor (D + 1, D + 1) of a matrix that stands for each class's block of the Hessian.

    The Hessian is the mean over rows of (diag p - p p') kron x x'. The first factor has K - 1 directions, of mean
    eigenvalue w = (1 - |p|^2) / (K - 1): the mean of w x x', plus the penalty, is what the classes share. Where D is
    large some of the rows are enough for it; the 1e-4 covers for the others.
    """
    (n, width), k = X.shape, len(W)
    X = X[:: max(1, n // max(4 * width, 40 * n * k // width))]
    p = softmax(logits(W, X), axis=0)
    w = (1 - (p**2).sum(axis=0)) / (k - 1)
    X = X * np.sqrt(w / len(X))[:, None]
    matrix = (X.T @ X).astype(np.float64)
    matrix[np.diag_indices(width)] += penalty + 1e-4 * np.trace(matrix) / width
    return np.linalg.cholesky(matrix)


def hessian(W: np.ndarray, X: np.ndarray) -> np.ndarray:
    """The Hessian of the mean cross-entropy at W, float32 (K (D + 1), K (D + 1)), lower triangle.

    It is the sum over pairs of classes j < k of the mean of p_j p_k x x' times (e_j - e_k)(e_j - e_k)', so leaving out
    rows that are hardly of two classes keeps it positive.
    """
    n, width = X.shape
    p = softmax(logits(W, X), axis=0)  # (K, N)
    whole = np.zeros((len(p), width, len(p), width), np.float32)
    for k in range(len(p)):
        for j in range(k):
            w = p[j] * p[k]
            rows = np.flatnonzero(w > PAIR)
            if not len(rows):
                continue
            scaled = X[rows] * np.sqrt(w[rows] / n)[:, None]
            block = blas.ssyrk(1.0, scaled.T, lower=1)  # (D + 1, D + 1), lower triangle
            block = np.tril(block) + np.tril(block, -1).T
            whole[k, :, j] -= block
            whole[j, :, j] += block
            whole[k, :, k] += block
    return whole.reshape(len(p) * width, -1)


def _factored(hessian: np.ndarray, penalty: np.ndarray, n_classes: int) -> np.ndarray:
    """Cholesky factor of the Hessian with the penalty, float32; a small multiple of its mean covers for lost rows."""
    matrix = hessian.copy()
    diagonal = hessian.diagonal()
    least = max(1e-3 * diagonal.mean(), 1e-5 * diagonal.max(), 1e-3 * penalty.max(), 1e-9)
    extra = np.maximum(np.tile(penalty, n_classes), least)
    matrix[np.diag_indices(len(matrix))] += extra.astype(np.float32)
    return cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)


def logits(W: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Logits (K, N) float32, less the largest of each column."""
    found = W.astype(np.float32) @ X.T
    found -= found.max(axis=0)
    return found


def compact(X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Fewer rows than columns span fewer directions: the rows in these, and the directions.

    With weights penalised by their square the best ones lie in the span of the rows, and a turn of the axes leaves
    their square as it is: the fit in the turned axes is the same fit.

    Args:
        X: rows (N, D + 1), the last column ones.

    Returns:
        rows (N, R + 1), the last column ones; and orthonormal directions (R, D), None where there is nothing to gain.
    """
    n, width = X.shape
    if n > 0.8 * width:
        return X, None
    q, r = np.linalg.qr(X[:, :-1].T.astype(np.float64))  # (D, N), (N, N)
    return np.column_stack([r.T, np.ones(n)]).astype(np.float32), q.T
