"""Label efficiency: the accuracy of one probe against the number of labels a class, over several draws of them.

Each draw takes the same number of labels of every class, and is the same for all encoders, so that accuracies at one
label count may be compared, and their differences have an interval. Imports neither torch nor scikit-learn;
`sslviz.evaluation.sweep` does the fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sslviz.errors import InputError, UserError
from sslviz.evaluation.intervals import Z95, accuracy_interval, paired_difference

COUNTS: tuple[int | None, ...] = (1, 2, 5, 10, 50, 100, None)  # labels a class; None is all of them
SEEDS = 5
SCRATCH = "from scratch"  # the row of encoders that have seen the labelled images alone
# two-sided 95 % of Student's t by degrees of freedom, 1 to 30; beyond, the normal distribution's
T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
INTERVAL = "95 %, Wilson, of the mean accuracy over test {unit}; the band is from the lowest to the highest draw"
DIFFERENCE_INTERVAL = "95 %, paired by draw and by test {unit}: t over draws and normal over test {unit}, in quadrature"


@dataclass(frozen=True, eq=False)
class Fit:
    """One probe of one encoder on one draw of labels.

    Attributes:
        name: of the encoder.
        per_class: labels of each class, None where all were used.
        seed: of the draw.
        n_labels: labels in all.
        accuracy: in [0, 1].
        y_pred: predictions of the test samples (M,), uint16.
        l2: penalty of the linear probe, None for what is no probe.
        seconds: of the fit.
    """

    name: str
    per_class: int | None
    seed: int
    n_labels: int
    accuracy: float
    y_pred: np.ndarray
    l2: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Point:
    """What the draws of one label count say of one encoder.

    Attributes:
        name, per_class, n_labels: see `Fit`.
        mean: of the accuracies, in [0, 1].
        low, high: the lowest and the highest of them: the band.
        interval: of the mean over the draw of test samples.
        draws: how many there were; with all labels there is nothing to draw, and one.
    """

    name: str
    per_class: int | None
    n_labels: int
    mean: float
    low: float
    high: float
    interval: tuple[float, float]
    draws: int


@dataclass(frozen=True)
class DrawDifference:
    """How much more often a is right than b, over the same draws and the same test samples.

    Attributes:
        value: mean accuracy of a less that of b, in [-1, 1].
        low, high: its interval.
        draws, n: draws, test samples.
    """

    value: float
    low: float
    high: float
    draws: int
    n: int

    @property
    def told(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        counts = {"draws": self.draws, "n": self.n}
        return {"value": self.value, "interval_95": [self.low, self.high], "told": self.told} | counts


@dataclass(frozen=True, eq=False)
class Efficiency:
    """Encoders side by side at several label counts.

    Attributes:
        model: name of the encoder that is evaluated; its fits come first.
        counts: labels a class, None for all, rising.
        seeds: of the draws.
        y: labels of the test samples (M,).
        class_names: in the order of the labels.
        unit: "images".
        train_source, test_source: in words.
        n_train: training samples to draw from.
        copies: test samples that are also among the training samples.
        fits: so far, in the order in which they ended.
        left_out: encoders that could not be fitted -> why.
        notes: of encoders, by name: how what is no frozen probe was trained.
        n_fits: how many there will be.
        seconds: of all so far.
    """

    model: str
    counts: tuple[int | None, ...]
    seeds: tuple[int, ...]
    y: np.ndarray
    class_names: tuple[str, ...]
    unit: str
    train_source: str
    test_source: str
    n_train: int
    copies: int = 0
    fits: tuple[Fit, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    n_fits: int = 0
    seconds: float = 0.0

    @property
    def protocol(self) -> str:
        """The protocol in words."""
        draws = f"{len(self.seeds)} class-balanced draws of labels" if len(self.seeds) > 1 else "one draw of labels"
        return (
            f"Linear probe on frozen h, {draws} at each count (with all labels one fit), the same for every row; "
            f"{len(self.y):,} test {self.unit}"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Encoders with a fit, in the order of their first."""
        return tuple(dict.fromkeys(fit.name for fit in self.fits))

    def with_fit(self, fit: Fit, *, seconds: float = 0.0) -> Efficiency:
        """The same with one fit more."""
        return replace(self, fits=(*self.fits, fit), seconds=seconds or self.seconds)

    def points(self, name: str) -> list[Point]:
        """One point a label count that has a fit, fewest labels first."""
        found = []
        for per_class in self.counts:
            fits = self._of(name, per_class)
            if fits:
                accuracies = [fit.accuracy for fit in fits]
                mean = float(np.mean(accuracies))
                interval = accuracy_interval(min(1.0, mean), len(self.y))
                low, high = min(accuracies), max(accuracies)
                found.append(Point(name, per_class, fits[0].n_labels, mean, low, high, interval, len(fits)))
        return found

    def difference(self, name: str, per_class: int | None, other: str) -> DrawDifference | None:
        """Of one encoder from another at a label count, over the draws that both have; None where there is none."""
        a, b = ({fit.seed: fit.y_pred for fit in self._of(each, per_class)} for each in (name, other))
        shared = sorted(a.keys() & b.keys())
        if not shared:
            return None
        return draw_difference(self.y, np.array([a[s] for s in shared]), np.array([b[s] for s in shared]))

    def as_dict(self) -> dict[str, Any]:
        """All of it as a JSON object; predictions are left out."""
        rows = {
            name: [
                {key: list(v) if isinstance(v, tuple) else v for key, v in vars(p).items()} for p in self.points(name)
            ]
            for name in self.names
        }
        fits = [{key: value for key, value in vars(fit).items() if key != "y_pred"} for fit in self.fits]
        return {
            "protocol": self.protocol, "labels_per_class": [count or "all" for count in self.counts],
            "seeds": list(self.seeds), "source": self.train_source, "test_source": self.test_source,
            "n_train": self.n_train, "n_test": len(self.y), "copies_across_the_split": self.copies,
            "interval": INTERVAL.format(unit=self.unit), "rows": rows, "fits": fits,
            "differences": {
                other: {str(count or "all"): found.as_dict() for count in self.counts
                        if (found := self.difference(self.model, count, other)) is not None}
                for other in self.names if other != self.model
            },
            "difference_interval": DIFFERENCE_INTERVAL.format(unit=self.unit),
            "crossovers": {other: crossover(self, self.model, other) for other in self.names if other != self.model},
            "left_out": self.left_out, "notes": self.notes, "seconds": round(self.seconds, 1),
        }  # fmt: skip

    def packed(self) -> dict[str, Any]:
        """All of it as arrays and plain values, for another process: `unpacked` makes it whole again."""
        plain = {key: value for key, value in vars(self).items() if key not in ("y", "fits")}
        rows = [{**vars(fit), "y_pred": None} for fit in self.fits]
        return plain | {"y": self.y, "y_pred": np.array([fit.y_pred for fit in self.fits]), "fits": rows}

    @classmethod
    def unpacked(cls, found: dict[str, Any]) -> Efficiency:
        """The result that `packed` has taken apart."""
        fits = tuple(
            Fit(**row | {"y_pred": y_pred}) for row, y_pred in zip(found["fits"], found["y_pred"], strict=True)
        )
        kept = {key: value for key, value in found.items() if key != "y_pred"}
        kept |= {key: tuple(kept[key]) for key in ("counts", "seeds", "class_names")}
        return cls(**kept | {"fits": fits})

    def _of(self, name: str, per_class: int | None) -> list[Fit]:
        return [fit for fit in self.fits if fit.name == name and fit.per_class == per_class]


def draw_difference(y: np.ndarray, a: np.ndarray, b: np.ndarray) -> DrawDifference:
    """Difference of two mean accuracies over the same draws and test samples, with its interval.

    What the draw of labels and what the draw of test samples leave open are added in quadrature: Student's t over the
    draws' differences, and the normal distribution over the test samples' mean differences. With one draw it is the
    paired interval of Tango (`intervals.paired_difference`).

    Args:
        y: labels (M,).
        a, b: predictions (S, M), row s of both of the same draw.

    Raises:
        InputError: of different shapes, or empty.
    """
    if a.shape != b.shape or a.ndim != 2 or a.shape[1:] != y.shape or not a.size:
        raise InputError(f"Predictions {a.shape} and {b.shape} must be draws of {len(y)} rows, as many of both.")
    if len(a) == 1:
        alone = paired_difference(y, a[0], b[0])
        return DrawDifference(alone.value, alone.low, alone.high, 1, len(y))
    each = (a == y).astype(np.float64) - (b == y)  # (S, M)
    draws, rows = each.mean(axis=1), each.mean(axis=0)
    t = T95[len(a) - 2] if len(a) - 1 <= len(T95) else Z95
    over_draws = t * draws.std(ddof=1) / np.sqrt(len(a))
    over_rows = Z95 * rows.std(ddof=1) / np.sqrt(len(y)) if len(y) > 1 else 1.0
    value, half = float(each.mean()), float(np.hypot(over_draws, over_rows))
    return DrawDifference(value, max(-1.0, value - half), min(1.0, value + half), len(a), len(y))


def crossover(found: Efficiency, name: str, other: str) -> int | None:
    """The fewest labels in all from which on another row is as good as this one at every count; None where none is."""
    own = {point.per_class: point for point in found.points(name)}
    pairs = [(own[point.per_class], point) for point in found.points(other) if point.per_class in own]
    reached = None
    for mine, theirs in reversed(pairs):
        if theirs.mean < mine.mean:
            break
        reached = mine.n_labels
    return reached


def label_draws(
    y: np.ndarray, counts: Iterable[int | None], seeds: Iterable[int], *, class_names: tuple[str, ...]
) -> dict[tuple[int | None, int], np.ndarray]:
    """Rows of every draw: of each class its first labels in an order that the seed gives, so that draws are nested.

    Args:
        y: labels (N,), 0 to K - 1.
        counts: labels a class, None for all.
        seeds: one draw each; with all labels the first alone.
        class_names: K of them.

    Returns:
        (labels a class, seed) -> rows, rising.

    Raises:
        UserError: one class only, a class without labels, or with fewer than are asked for.
    """
    counts, seeds = tuple(counts), tuple(seeds)
    have = np.bincount(y, minlength=len(class_names)) if len(y) else np.zeros(len(class_names), int)
    if len(class_names) < 2:
        raise UserError("All labels are of one class: a probe needs at least two classes to tell apart.")
    fewest = int(have.argmin())
    if have[fewest] < 1:
        raise UserError(
            f"There are {len(y):,} labels for {len(class_names)} classes, and none of “{class_names[fewest]}”: give at "
            "least one labelled training image of each class."
        )
    asked = [count for count in counts if count is not None]
    if not counts or not seeds or min(asked, default=1) < 1:
        raise UserError("Labels a class are 1 or more, or all, and there is at least one seed: choose some.")
    if asked and max(asked) > have[fewest]:
        raise UserError(
            f"{max(asked):,} labels a class can't be drawn: “{class_names[fewest]}” has {have[fewest]:,}; choose up to "
            f"{have[fewest]:,}, or all."
        )
    drawn: dict[tuple[int | None, int], np.ndarray] = {}
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(y))
        of_class = [order[y[order] == label] for label in range(len(class_names))]
        for count in asked:
            drawn[count, seed] = np.sort(np.concatenate([rows[:count] for rows in of_class]))
    if None in counts:
        drawn[None, seeds[0]] = np.arange(len(y))
    return drawn
