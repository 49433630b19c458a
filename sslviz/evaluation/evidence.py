"""The table of evidence of a dataset: every encoder under the same protocols, as it is stored and read.

`assets/evidence/DATASET.json` holds the figures and how they were made, the `.npz` beside it what every probe predicts
on every test image, how sure it is, and the linear probes of the encoders themselves. `sslviz evidence DATASET` writes
both, row by row. Imports neither torch nor scikit-learn, since pages read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.data import npz
from sslviz.errors import UserError
from sslviz.evaluation.efficiency import DrawDifference, draw_difference
from sslviz.evaluation.intervals import Difference, paired_difference
from sslviz.evaluation.stored import read_stored, stored_path
from sslviz.files import atomic, writing

OWN = "evidence"  # stem of the two files in the folder of a model of one's own
PROBES = ("linear", "knn")  # with all labels
FORMAT = 2
TUNED = "tuned"  # the protocol whose encoder is trained too


@dataclass(frozen=True)
class Measured:
    """An accuracy under one protocol.

    Attributes:
        accuracy: in [0, 1]; the mean over draws where there are several.
        low, high: its 95 % interval over test images (Wilson).
        draws: accuracies of the draws of labels, one where all labels were used.
        detail: what the probe chose or was given: "l2", or "k" and "metric".
    """

    accuracy: float
    low: float
    high: float
    draws: tuple[float, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """An encoder in the table.

    Attributes:
        name: of the model, or key of the baseline.
        title: for people.
        kind: "model" (without labels), "labels" (trained with them) or "baseline".
        method: of a model, "" of a baseline.
        width: D, columns of h.
        measured: accuracy by protocol: "linear", "knn", "10" (labels a class).
        pflop: of the training, 10^15 operations; 0 where nothing is trained, None where unknown.
        minutes: of training, None where unknown or nothing is trained.
        hardware: that trained it.
        training_seeds: how many trainings stand behind it.
        steps, batch_size, epochs, parameters: of the training.
        command: that trained it.
        unlabelled: measures of h without labels.
        stamp: of the weights and of how it was measured; with the same one nothing need be measured again.
    """

    name: str
    title: str
    kind: str
    method: str
    width: int
    measured: dict[str, Measured]
    pflop: float | None
    minutes: float | None = None
    hardware: str = ""
    training_seeds: int = 1
    steps: int | None = None
    batch_size: int | None = None
    epochs: float | None = None
    parameters: int | None = None
    command: str = ""
    unlabelled: dict[str, float] = field(default_factory=dict)
    stamp: str = ""


@dataclass(frozen=True, eq=False)
class Reader:
    """A linear probe as arrays: class logits of h (N, D) are (h - mean) / scale @ coef.T + intercept.

    Attributes:
        coef, intercept: (K, D), (K,).
        mean, scale: (D,).
    """

    coef: np.ndarray
    intercept: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def probabilities(self, h: np.ndarray) -> np.ndarray:
        """Of h (N, D), (N, K) float64."""
        logits = ((h - self.mean) / self.scale).astype(np.float64) @ self.coef.T.astype(np.float64) + self.intercept
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: np.ndarray = odds / odds.sum(axis=1, keepdims=True)
        return found


@dataclass(frozen=True, eq=False)
class Part:
    """A row with the arrays that belong to it.

    Attributes:
        row: its figures.
        y_pred: (protocols of `PROBES`, M) uint8.
        right: by protocol of several draws, and that of tuning: whether each draw's prediction is right (S, M) bool.
        sure: probability of the linear probe's prediction (M,), in 255ths.
        reader: the linear probe of all labels, of encoders that can be made again from a name; None of others.
    """

    row: Row
    y_pred: np.ndarray
    right: dict[str, np.ndarray]
    sure: np.ndarray
    reader: Reader | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """All rows of a dataset.

    Attributes:
        dataset, title: its name, and for people.
        class_names: in the order of the labels.
        n_train, n_test: images; all rows are of these.
        train_source, test_source: in words.
        seeds: of the draws of labels.
        protocols: each protocol in a sentence, by key.
        how: of what else was counted, in words: "compute", "interval", "difference", "unlabelled".
        largest_class_share: of the test images.
        copies: test images that are also training images.
        origin: command, revision, date, versions, seconds.
        y: labels of the test images (M,) uint8.
        parts: the rows with their arrays, in the order of `measured["linear"]`, best first.
        bundled: rows of the bundled test images among these, in the order of the bundled ones; empty where unknown.
    """

    dataset: str
    title: str
    class_names: tuple[str, ...]
    n_train: int
    n_test: int
    train_source: str
    test_source: str
    seeds: tuple[int, ...]
    protocols: dict[str, str]
    how: dict[str, str]
    largest_class_share: float
    copies: int
    origin: dict[str, Any]
    y: np.ndarray
    parts: tuple[Part, ...]
    bundled: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))

    @property
    def rows(self) -> tuple[Row, ...]:
        """The figures of all rows."""
        return tuple(part.row for part in self.parts)

    def part(self, name: str) -> Part:
        """A row with its arrays, by its name.

        Raises:
            UserError: there is none.
        """
        for part in self.parts:
            if part.row.name == name:
                return part
        raise UserError(f"There is no row “{name:.60}”: choose one of {', '.join(row.name for row in self.rows)}.")

    def row(self, name: str) -> Row:
        """A row by its name.

        Raises:
            UserError: there is none.
        """
        return self.part(name).row

    def ranked(self, protocol: str) -> list[Row]:
        """The rows that have a figure under a protocol, best first."""
        found = [row for row in self.rows if protocol in row.measured]
        return sorted(found, key=lambda row: -row.measured[protocol].accuracy)

    def predictions(self, name: str, probe: str) -> np.ndarray:
        """What a row's probe of all labels predicts on the test images (M,), uint8."""
        found: np.ndarray = self.part(name).y_pred[PROBES.index(probe)]
        return found

    def difference(self, a: str, b: str, protocol: str) -> Difference | DrawDifference:
        """How much more often a is right than b, with its paired interval, under one protocol.

        Raises:
            UserError: a row that is not there, or has no figure under the protocol.
        """
        if protocol in PROBES:
            return paired_difference(self.y, self.predictions(a, protocol), self.predictions(b, protocol))
        for name in (a, b):
            if protocol not in self.part(name).right:
                raise UserError(f"“{name:.60}” has no figure under this protocol: choose another row or protocol.")
        right = (self.part(name).right[protocol].astype(np.uint8) for name in (a, b))
        return draw_difference(np.ones_like(self.y), *right)


def path_of(dataset: str, folder: Path | None = None) -> Path:
    """Where a dataset's evidence is kept, in the assets or another folder; the arrays have the same name and `.npz`."""
    return stored_path(Path(dataset).stem, folder)


def save(found: Evidence, folder: Path | None = None) -> Path:
    """Write both files, each whole or not at all, the arrays first; returns the path of the figures.

    Raises:
        UserError: no space, or a folder that can't be written to.
    """
    path = path_of(found.dataset, folder)
    plain = {key: value for key, value in vars(found).items() if key not in ("y", "parts", "bundled")}
    plain["rows"] = [asdict(row) for row in found.rows]
    with writing(path.parent):
        npz.write(path.with_suffix(".npz"), _arrays(found), compress=True)
        with atomic(path) as temporary:
            text = json.dumps({"format": FORMAT} | plain, indent=1, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")
    return path


def _arrays(found: Evidence) -> dict[str, np.ndarray]:
    """All arrays by "row number/what".

    Most predictions are right: what is stored is how far the class is from the label, which packs to little, and of
    protocols with several draws a bit an image.
    """
    arrays: dict[str, np.ndarray] = {"y": found.y.astype(np.uint8), "bundled": found.bundled.astype(np.int32)}
    for number, part in enumerate(found.parts):
        apart = (part.y_pred.astype(np.int64) - found.y) % len(found.class_names)
        arrays |= {f"{number}/apart": apart.astype(np.uint8), f"{number}/sure": part.sure.astype(np.uint8)}
        for key, right in part.right.items():
            arrays[f"{number}/right/{key}"] = np.packbits(right, axis=1)
        if part.reader is not None:
            kinds = {"coef": np.float16, "intercept": np.float32, "mean": np.float32, "scale": np.float32}
            arrays |= {f"{number}/reader/{key}": getattr(part.reader, key).astype(kind) for key, kind in kinds.items()}
    return arrays


def load(dataset: str, folder: Path | None = None) -> Evidence | None:
    """The evidence of a dataset; None where there is none.

    Raises:
        UserError: the files are damaged.
    """
    path = path_of(dataset, folder)

    def parse(plain: dict[str, Any]) -> Evidence:
        if plain.pop("format") != FORMAT:
            raise ValueError("it was written by another version")
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
            arrays = dict(file)
        y, bundled, classes = arrays.pop("y"), arrays.pop("bundled", np.zeros(0, np.int32)), len(plain["class_names"])
        parts = [_part(Row(**row), _of(number, arrays), y, classes) for number, row in enumerate(plain.pop("rows"))]
        plain |= {key: tuple(plain[key]) for key in ("class_names", "seeds")}
        return Evidence(**plain, y=y, parts=tuple(parts), bundled=bundled)

    return read_stored(path, parse, remedy=f"restore it, or run `sslviz evidence {dataset}`")


def load_with_own(dataset: str, folders: Iterable[Path]) -> Evidence | None:
    """The stored table of a dataset, with the rows of own models that were measured as its rows were; or None.

    Args:
        dataset: whose table.
        folders: of own models of these images.

    Raises:
        UserError: a file is damaged.
    """
    found = load(dataset)
    if found is None:
        return None
    parts = list(found.parts)
    for folder in folders:
        other = load(OWN, folder)
        if other and other.protocols == found.protocols and np.array_equal(other.y, found.y):
            parts += other.parts
    return replace(found, parts=tuple(sorted(parts, key=lambda part: -part.row.measured["linear"].accuracy)))


def _of(number: int, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    start = f"{number}/"
    return {key.removeprefix(start): value for key, value in arrays.items() if key.startswith(start)}


def _part(row: Row, arrays: dict[str, np.ndarray], y: np.ndarray, classes: int) -> Part:
    measured: dict[str, Any] = row.measured
    read = {key: Measured(**found | {"draws": tuple(found["draws"])}) for key, found in measured.items()}
    y_pred = ((arrays["apart"].astype(np.int64) + y) % classes).astype(np.uint8)
    start = "right/"
    right = {
        key.removeprefix(start): np.unpackbits(bits, axis=1, count=len(y)).astype(bool)
        for key, bits in arrays.items() if key.startswith(start)
    }  # fmt: skip
    names = ("coef", "intercept", "mean", "scale")
    reader = Reader(*(arrays[f"reader/{name}"] for name in names)) if "reader/coef" in arrays else None
    return Part(replace(row, measured=read), y_pred, right, arrays["sure"], reader)
