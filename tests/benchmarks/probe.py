"""The linear probe against scikit-learn's logistic regression, on one core: one fit, and a sweep of label counts.

    OMP_NUM_THREADS=1 python tests/benchmarks/probe.py [--model simclr-fashion] [--rows 50000] [--width 256]

One fit: both at the same penalty on the same standardised h; scikit-learn's tolerance is lowered until its loss is the
probe's. The sweep: labels a class x draws x penalties, as `sslviz probe --labels-per-class` fits them, against the same
walk over the same penalties on the same rows by scikit-learn with warm starts at its default tolerance. Seconds are of
the processor, so that what else runs on the machine counts little. It takes some five minutes.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import sklearn
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from sslviz.data.images import load_images
from sslviz.evaluation.efficiency import COUNTS, SEEDS, label_draws
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.probes import L2_GRID, LinearProbe, _split
from sslviz.store import checkpoint

warnings.simplefilter("ignore")


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    found = act()
    return time.process_time() - started, found


def loss(coef: np.ndarray, intercept: np.ndarray, x: np.ndarray, y: np.ndarray, l2: float) -> float:
    log_p = log_softmax(x.astype(np.float64) @ coef.T + intercept, axis=1)
    return float(-log_p[np.arange(len(y)), y].mean() + l2 / 2 * (coef**2).sum())


def one_fit(h: np.ndarray, y: np.ndarray, h_test: np.ndarray, y_test: np.ndarray, l2: float) -> None:
    spent, probe = timed(lambda: LinearProbe(l2_grid=(l2,)).fit(h, y))
    x, x_test = ((each - probe.mean_) / probe.scale_ for each in (h, h_test))
    ours = loss(probe.coef_, probe.intercept_, x, y, l2)
    for solver, tols in (("lbfgs", (1e-4, 1e-5, 1e-6, 1e-7)), ("newton-cholesky", (1e-4,))):
        for tol in tols:
            made = LogisticRegression(C=1 / (len(y) * l2), solver=solver, tol=tol, max_iter=20_000)
            theirs, found = timed(lambda made=made: made.fit(x, y))
            if (value := loss(found.coef_, found.intercept_, x, y, l2)) <= ours + 1e-5 or tol == tols[-1]:
                break
        y_pred = probe.predict(h_test)
        same = float(np.mean(y_pred == found.predict(x_test)))
        points = 100 * (float(np.mean(y_pred == y_test)) - float(found.score(x_test, y_test)))
        print(
            f"one fit, {len(h):,} x {h.shape[1]}, l2 {l2:g}: probe {spent:.1f} s (loss {ours:.6f}), {solver} at tol "
            f"{tol:g} {theirs:.1f} s (loss {value:.6f}): {theirs / spent:.1f} times as fast; {same:.2%} equal "
            f"predictions, accuracies {points:+.2f} points apart",
            flush=True,
        )


def their_walk(h: np.ndarray, y: np.ndarray, seed: int) -> LogisticRegression:
    """What `LinearProbe` does, by scikit-learn: the same rows and penalties, the same rules of stop and choice."""
    mean, scale = h.mean(0), h.std(0)
    x = (h - mean) / np.where(scale > 0, scale, 1)
    order, n_fit = _split(y, 0.1, np.random.default_rng(seed))
    x, y = x[order], y[order]
    chosen = L2_GRID[len(L2_GRID) // 2]
    walker = LogisticRegression(warm_start=True, max_iter=1000)
    if n_fit < len(y):
        losses, scores = [], []
        for place, l2 in enumerate(L2_GRID):
            walker.set_params(C=1 / (n_fit * l2)).fit(x[:n_fit], y[:n_fit])
            log_p = walker.predict_log_proba(x[n_fit:])
            losses.append(-log_p[np.arange(len(log_p)), y[n_fit:]].mean())
            scores.append(float(np.mean(log_p.argmax(1) == y[n_fit:])))
            lowest = int(np.argmin(losses))
            if place == lowest + 2:
                break
        chosen = L2_GRID[max(range(lowest, len(losses)), key=lambda i: scores[i])]
    return walker.set_params(C=1 / (len(y) * chosen)).fit(x, y)


def sweep(h: np.ndarray, y: np.ndarray) -> None:
    drawn = label_draws(y, COUNTS, range(SEEDS), class_names=tuple(map(str, range(10))))
    total = [0.0, 0.0]
    for count in COUNTS:
        cells = [(seed, rows) for (each, seed), rows in drawn.items() if each == count]
        spent = [
            sum(timed(lambda s=s, r=r: LinearProbe(seed=s).fit(h[r], y[r]))[0] for s, r in cells),
            sum(timed(lambda s=s, r=r: their_walk(h[r], y[r], s))[0] for s, r in cells),
        ]
        total = [a + b for a, b in zip(total, spent, strict=True)]
        print(
            f"{'all' if count is None else count} labels a class, {len(cells)} draw(s): probe {spent[0]:.1f} s, "
            f"scikit-learn {spent[1]:.1f} s: {spent[1] / spent[0]:.1f} times",
            flush=True,
        )
    print(f"the sweep: probe {total[0]:.1f} s, scikit-learn {total[1]:.1f} s: {total[1] / total[0]:.1f} times as fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="simclr-fashion")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=256)
    asked = parser.parse_args()
    model, dataset = checkpoint.load(asked.model), checkpoint.load_card(asked.model)["dataset"]
    (h, y), (h_test, y_test) = (
        (encode(model, images.x[: asked.rows])[:, : asked.width], images.y[: asked.rows].numpy())
        for images in (load_images(dataset, "train"), load_images(dataset, "test"))
    )
    print(f"scikit-learn {sklearn.__version__}, h of {asked.model}: {h.shape[0]:,} x {h.shape[1]}", flush=True)
    for l2 in (1e-3, 1e-4):
        one_fit(h, y, h_test, y_test, l2)
    sweep(h, y)


if __name__ == "__main__":
    main()
