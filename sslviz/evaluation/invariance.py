"""How much an encoder's h changes with a transform of the image, and what a probe on h answers then.

The cosine of h of an image and of the transformed image is 1 where the encoder does not see the transform. How far it
can fall differs from encoder to encoder (behind a ReLU all h point the same way), so each meter also has its floor: the
median cosine of h of two different images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from sslviz.errors import InputError
from sslviz.evaluation.probes import LinearProbe

FIELDS = ("coef", "intercept", "mean", "scale", "classes", "floor", "accuracy")


@dataclass(frozen=True, eq=False)
class Meter:
    """A linear probe on one encoder's h, and what is known of its h.

    Attributes:
        coef, intercept: (K, D) and (K,), for standardised h; (0, D) and (0,) without labels.
        mean, scale: (D,), which standardise h.
        classes: (K,) labels.
        floor: median cosine of h of two different images.
        accuracy: of the probe in [0, 1] on the images that it was not fitted on; NaN without labels.
    """

    coef: np.ndarray
    intercept: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    classes: np.ndarray
    floor: float
    accuracy: float

    def probabilities(self, h: np.ndarray) -> np.ndarray:
        """Class probabilities (N, K) of h (N, D), as `LinearProbe.predict_proba` gives them."""
        logits = ((h - self.mean) / self.scale).astype(np.float64) @ self.coef.T + self.intercept
        return softmax(logits, axis=1) if logits.shape[1] else logits

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays by `FIELDS`."""
        return {field: np.asarray(getattr(self, field)) for field in FIELDS}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Meter:
        """The inverse of `arrays`."""
        coef, intercept, mean, scale, classes, floor, accuracy = (arrays[field] for field in FIELDS)
        return cls(coef, intercept, mean, scale, classes, float(floor), float(accuracy))


@dataclass(frozen=True, eq=False)
class Response:
    """What one encoder makes of an image under a transform.

    Attributes:
        cosine: of h of the image and of the image at each strength (S,); NaN where one h is 0.
        p: class probabilities at each strength (S, K).
    """

    cosine: np.ndarray
    p: np.ndarray


def split_rows(
    y: np.ndarray, without: Sequence[int] | np.ndarray, *, most: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit a meter on and as many to count on, drawn without the rows of images on show.

    Args:
        y: labels (N,).
        without: rows that are left out.
        most: of either part.
        seed: of the draw.
    """
    rows = np.setdiff1d(np.arange(len(y)), without)
    order = np.random.default_rng(seed).permutation(rows)[: 2 * most]
    return np.sort(order[::2]), np.sort(order[1::2])


def fit_meter(h: np.ndarray, y: np.ndarray | None, h_judged: np.ndarray, y_judged: np.ndarray | None) -> Meter:
    """Fit the probe (`LinearProbe`, seed 0) on h (N, D) with labels y (N,), and count on h_judged (M, D).

    Without labels, or where no probe can be fitted (all h are the same), the meter has its floor alone.
    """
    floor = _floor(h_judged)
    if y is not None and y_judged is not None:
        try:
            probe = LinearProbe(seed=0).fit(h, y)
        except InputError:
            pass
        else:
            accuracy = float(np.mean(probe.predict(h_judged) == y_judged))
            weights = (probe.coef_, probe.intercept_, probe.mean_, probe.scale_, probe.classes_)
            return Meter(*weights, floor=floor, accuracy=accuracy)
    size = h.shape[1]
    nothing = (np.zeros((0, size)), np.zeros(0), np.zeros(size), np.ones(size), np.zeros(0, np.int64))
    return Meter(*nothing, floor=floor, accuracy=float("nan"))


def respond(meter: Meter, h: np.ndarray, h_sweep: np.ndarray) -> Response:
    """Cosines of h (D,) with h at each strength (S, D), and the probe's answers."""
    return Response(cosines(h[None], h_sweep)[0], meter.probabilities(h_sweep))


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosines (N, M) of rows a (N, D) and b (M, D); NaN where a row is 0."""
    a, b = (np.asarray(rows, np.float64) for rows in (a, b))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)


def first_changes(y_pred: np.ndarray, start: int) -> list[int]:
    """Where an answer first differs from the one at `start`: walking down from there, and up; numbers of strengths.

    Args:
        y_pred: answers (S,).
        start: number of the strength at which the image is as it is.
    """
    other = np.flatnonzero(np.asarray(y_pred) != y_pred[start])
    below, above = other[other < start], other[other > start]
    return [int(part) for part in (*below[-1:], *above[:1])]


def _floor(h: np.ndarray, most: int = 300) -> float:
    """Median cosine of two different rows of h (N, D), among the first ones; NaN where there are none."""
    found = cosines(h[:most], h[:most])
    values = found[np.triu_indices(len(found), 1)]
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")
