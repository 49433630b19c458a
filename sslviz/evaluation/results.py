"""What an evaluation found, and how it is told: accuracies under one protocol, intervals, differences, confusions.

Imports neither torch nor scikit-learn, since pages read it before anything is computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from sslviz.evaluation.intervals import INTERVAL, PAIRED_INTERVAL, Difference, paired_difference
from sslviz.evaluation.neighbours import Metric

ProbeName = Literal["linear", "knn"]
PROBE_TITLES: dict[str, str] = {"linear": "Linear probe", "knn": "k-NN probe"}


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled samples of one split.

    Attributes:
        x: images (N, C, H, W), uint8, or a tuple of N sentences.
        y: labels (N,) int64, indices into `class_names`.
        class_names: in the order of the labels.
        source: where the samples come from, in words.
        unit: what they are, in the plural.
    """

    x: Any
    y: np.ndarray
    class_names: tuple[str, ...]
    source: str
    unit: str = "images"

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> Labelled:
        """The samples of these rows."""
        x = tuple(self.x[row] for row in rows) if isinstance(self.x, tuple) else self.x[rows]
        return replace(self, x=x, y=self.y[rows])


@dataclass(frozen=True, eq=False)
class Score:
    """What a probe read off one encoder's h.

    Attributes:
        name: of the encoder.
        y_pred: predictions of the test samples (N,), int64.
        accuracy: in [0, 1], with its `interval`.
        metric: of k-NN in this h; None for the linear probe.
        l2: penalty of the linear probe; None for k-NN.
        fit_seconds: of the probe alone.
    """

    name: str
    y_pred: np.ndarray
    accuracy: float
    interval: tuple[float, float]
    metric: Metric | None = None
    l2: float | None = None
    fit_seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Encoders side by side under one protocol, the one that is evaluated first.

    Attributes:
        model: name of the encoder that is evaluated; all others are baselines.
        probe: "linear" or "knn".
        n_train: labelled samples that each probe was fitted on, the same for all.
        seed: of the choice of labels, of the linear probe's validation rows, and of what baselines draw.
        y: labels of the test samples (N,).
        class_names: in the order of the labels.
        unit: "images" or "sentences".
        train_source, test_source: in words.
        largest_class_share: accuracy of always naming the most frequent class of the test samples.
        scores: by name, in the order in which they were found.
        left_out: baselines that could not be fitted on these samples -> why, in a sentence.
        n_encoders: how many there will be.
        seconds: of all so far.
    """

    model: str
    probe: ProbeName
    n_train: int
    seed: int
    y: np.ndarray
    class_names: tuple[str, ...]
    unit: str
    train_source: str
    test_source: str
    largest_class_share: float
    scores: dict[str, Score] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    n_encoders: int = 1
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether all encoders have had their turn."""
        return len(self.scores) + len(self.left_out) >= self.n_encoders

    @property
    def n_test(self) -> int:
        """Test samples."""
        return len(self.y)

    @property
    def score(self) -> Score:
        """That of the encoder that is evaluated."""
        return self.scores[self.model]

    @property
    def baselines(self) -> dict[str, Score]:
        """Those of the baselines, by name."""
        return {name: score for name, score in self.scores.items() if name != self.model}

    @property
    def best_baseline(self) -> Score | None:
        """The baseline with the highest accuracy; None where there is none."""
        return max(self.baselines.values(), key=lambda score: score.accuracy, default=None)

    @property
    def protocol(self) -> str:
        """The protocol in words, for titles."""
        return protocol_title(self.probe, self.n_train, self.n_test, unit=self.unit, seed=self.seed)

    def difference(self, baseline: str) -> Difference:
        """How much more often than with this baseline the encoder's probe is right, on the same test samples."""
        return paired_difference(self.y, self.score.y_pred, self.scores[baseline].y_pred)

    def packed(self) -> dict[str, Any]:
        """All of it as arrays and plain values, for another process: `unpacked` makes it whole again."""
        rows = [{**vars(score), "y_pred": None} for score in self.scores.values()]
        plain = {key: value for key, value in vars(self).items() if key not in ("y", "scores")}
        return plain | {"y": self.y, "y_pred": np.array([s.y_pred for s in self.scores.values()]), "scores": rows}

    @classmethod
    def unpacked(cls, found: dict[str, Any]) -> Evaluation:
        """The evaluation that `packed` has taken apart."""
        scores = {
            row["name"]: Score(**row | {"y_pred": y_pred, "interval": tuple(row["interval"])})
            for row, y_pred in zip(found["scores"], found["y_pred"], strict=True)
        }
        kept = {key: value for key, value in found.items() if key != "y_pred"}
        return cls(**kept | {"scores": scores, "class_names": tuple(found["class_names"])})

    def beside(self, other: Evaluation) -> Evaluation:
        """This evaluation with the scores of another one, found under the same protocol, as further baselines.

        Raises:
            ValueError: the protocols differ, so nothing may stand side by side.
        """
        if (self.protocol, self.unit) != (other.protocol, other.unit) or not np.array_equal(self.y, other.y):
            raise ValueError(f"“{self.protocol}” and “{other.protocol}” can't be compared")
        return replace(self, scores=self.scores | other.scores, left_out=self.left_out | other.left_out)

    def as_dict(self) -> dict[str, Any]:
        """The evaluation as a JSON object; predictions are left out."""
        return {
            "protocol": self.protocol,
            "probe": self.probe,
            "source": self.train_source,
            "test_source": self.test_source,
            "n_train": self.n_train,
            "n_test": self.n_test,
            "seed": self.seed,
            "accuracy": self.score.accuracy,
            "interval_95": list(self.score.interval),
            "interval": INTERVAL.format(unit=self.unit),
            "largest_class_share": self.largest_class_share,
            "metric": self.score.metric,
            "baselines": {name: score.accuracy for name, score in self.baselines.items()},
            "baseline_intervals_95": {name: list(score.interval) for name, score in self.baselines.items()},
            "differences": {name: self.difference(name).as_dict() for name in self.baselines},
            "difference_interval": PAIRED_INTERVAL.format(unit=self.unit),
            "left_out": self.left_out,
            "seconds": round(self.seconds, 1),
        }


def protocol_title(
    probe: str, n_train: int, n_test: int, *, unit: str = "images", seed: int | None = None, part: str = ""
) -> str:
    """A protocol in words: probe, labels, test samples, seed.

    Args:
        probe: "linear" or "knn".
        n_train: labelled samples that the probe was fitted on.
        n_test: test samples.
        unit: what they are.
        seed: of labels and probe, where there is one.
        part: said of the test samples, such as "bundled".
    """
    test = f"{n_test:,} {part} test {unit}".replace("  ", " ")
    text = f"{PROBE_TITLES[probe]} on {n_train:,} labelled {unit}, {test}"
    return text if seed is None else f"{text}, seed {seed}"


def confusion(y: np.ndarray, y_pred: np.ndarray, n_classes: int) -> np.ndarray:
    """Counts (K, K), rows the true class, columns the prediction; the labels (N,) lie in 0..K - 1."""
    matrix = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(matrix, (np.asarray(y, np.int64), np.asarray(y_pred, np.int64)), 1)
    return matrix


def errors_of(matrix: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The errors alone of confusion counts (K, K), and the true and the predicted class of the most frequent one."""
    errors = matrix - np.diag(np.diag(matrix))
    i, j = np.unravel_index(errors.argmax(), errors.shape)
    return errors, int(i), int(j)


def difference_words(difference: Difference, other: str) -> str:
    """A difference in words, in percentage points with its interval, or that none can be told.

    Args:
        difference: of an encoder and another.
        other: what the other is called.
    """
    low, value, high = (100 * number for number in (difference.low, difference.value, difference.high))
    if not difference.told:
        return f"no difference from {other} can be told ({low:+.1f} to {high:+.1f} points)".replace("-", "\u2212")
    side = "above" if value > 0 else "below"
    low, high = sorted((abs(low), abs(high)))
    return f"{abs(value):.1f} points {side} {other} ({low:.1f} to {high:.1f})"
