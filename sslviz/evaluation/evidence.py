"""The table of evidence of a dataset: every encoder under the same protocols, as it is stored and read.

`assets/evidence/DATASET.json` holds the figures and how they were made, the `.npz` beside it what every probe predicts
on every test image. `sslviz evidence DATASET` writes both. Imports neither torch nor scikit-learn, since pages read it.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.data import npz
from sslviz.errors import UserError
from sslviz.evaluation.efficiency import DrawDifference
from sslviz.evaluation.intervals import Difference, paired_difference
from sslviz.files import atomic, writing
from sslviz.paths import assets_dir

FOLDER = "evidence"  # in the assets
PROBES = ("linear", "knn")  # with all labels
FORMAT = 1


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
        rows: in the order of `measured["linear"]`, best first.
        differences: of two rows at few labels: (a, b, protocol) -> a less b.
        largest_class_share: of the test images.
        copies: test images that are also training images.
        origin: command, revision, date, versions, seconds.
        y: labels of the test images (M,) uint8.
        y_pred: (rows, protocols of `PROBES`, M) uint8.
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
    rows: tuple[Row, ...]
    differences: dict[tuple[str, str, str], DrawDifference]
    largest_class_share: float
    copies: int
    origin: dict[str, Any]
    y: np.ndarray
    y_pred: np.ndarray

    def row(self, name: str) -> Row:
        """A row by its name.

        Raises:
            UserError: there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise UserError(f"There is no row “{name:.60}”: choose one of {', '.join(row.name for row in self.rows)}.")

    def ranked(self, protocol: str) -> list[Row]:
        """The rows that have a figure under a protocol, best first."""
        found = [row for row in self.rows if protocol in row.measured]
        return sorted(found, key=lambda row: -row.measured[protocol].accuracy)

    def predictions(self, name: str, probe: str) -> np.ndarray:
        """What a row's probe of all labels predicts on the test images (M,), uint8."""
        place = self.rows.index(self.row(name))
        found: np.ndarray = self.y_pred[place, PROBES.index(probe)]
        return found

    def difference(self, a: str, b: str, protocol: str) -> Difference | DrawDifference:
        """How much more often a is right than b, with its paired interval, under one protocol."""
        if protocol in PROBES:
            return paired_difference(self.y, self.predictions(a, protocol), self.predictions(b, protocol))
        if (a, b, protocol) in self.differences:
            return self.differences[a, b, protocol]
        other = self.differences[b, a, protocol]
        return DrawDifference(-other.value, -other.high, -other.low, other.draws, other.n)


def path_of(dataset: str, folder: Path | None = None) -> Path:
    """Where a dataset's evidence is kept, in the assets or another folder; the arrays have the same name and `.npz`."""
    return (folder or assets_dir() / FOLDER) / f"{Path(dataset).stem}.json"


def save(found: Evidence, folder: Path | None = None) -> Path:
    """Write both files, each whole or not at all, the arrays first; returns the path of the figures.

    Raises:
        UserError: no space, or a folder that can't be written to.
    """
    path = path_of(found.dataset, folder)
    plain = {key: value for key, value in vars(found).items() if key not in ("y", "y_pred", "rows", "differences")}
    plain["rows"] = [asdict(row) for row in found.rows]
    plain["differences"] = [
        {"a": a, "b": b, "protocol": protocol, **{k: _short(v) for k, v in vars(value).items()}}
        for (a, b, protocol), value in found.differences.items()
    ]
    # most predictions are right: what is stored is how far the class is from the label, which packs to little
    apart = (found.y_pred.astype(np.int64) - found.y) % len(found.class_names)
    with writing(path.parent):
        arrays = {"y": found.y.astype(np.uint8), "apart": apart.astype(np.uint8)}
        npz.write(path.with_suffix(".npz"), arrays, compress=True)
        with atomic(path) as temporary:
            text = json.dumps({"format": FORMAT} | plain, indent=1, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")
    return path


def _short(value: float) -> float:
    return round(value, 6) if isinstance(value, float) else value


def load(dataset: str, folder: Path | None = None) -> Evidence | None:
    """The evidence of a dataset; None where there is none.

    Raises:
        UserError: the files are damaged.
    """
    path = path_of(dataset, folder)
    if not path.is_file():
        return None
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
            y, apart = file["y"], file["apart"]
        plain.pop("format")
        rows = tuple(
            Row(
                **row
                | {"measured": {k: Measured(**m | {"draws": tuple(m["draws"])}) for k, m in row["measured"].items()}}
            )
            for row in plain.pop("rows")
        )
        differences = {
            (each.pop("a"), each.pop("b"), each.pop("protocol")): DrawDifference(**each)
            for each in plain.pop("differences")
        }
        plain |= {key: tuple(plain[key]) for key in ("class_names", "seeds")}
        y_pred = ((apart.astype(np.int64) + y) % len(plain["class_names"])).astype(np.uint8)
        return Evidence(**plain, rows=rows, differences=differences, y=y, y_pred=y_pred)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} can't be read ({error}); restore it, or run `sslviz evidence {dataset}`.") from error
