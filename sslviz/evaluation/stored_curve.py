"""Label efficiency as `sslviz probe … --labels-per-class … --json` told it, kept in the assets. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sslviz.evaluation.efficiency import DrawDifference, Efficiency, Fit
from sslviz.evaluation.evidence import Evidence
from sslviz.evaluation.stored import read_stored, stored_path

NONE = np.zeros(0, np.uint16)


@dataclass(frozen=True, eq=False)
class StoredCurve(Efficiency):
    """A result without predictions: labels and predictions are left out, and only differences that were told are known.

    Attributes:
        told: differences of the first row from the others, by (other, labels a class).
    """

    told: dict[tuple[str, int | None], DrawDifference] = field(default_factory=dict)

    def difference(self, name: str, per_class: int | None, other: str) -> DrawDifference | None:
        """That of the first row from another; None of others."""
        return self.told.get((other, per_class)) if name == self.model else None


def path_of(dataset: str, folder: Path | None = None) -> Path:
    """Where the output of the command is kept."""
    return stored_path(f"labels-{Path(dataset).stem}", folder)


def load(dataset: str, folder: Path | None = None) -> StoredCurve | None:
    """What is stored of a dataset; None where nothing is.

    Raises:
        UserError: the file is damaged.
    """
    return read_stored(path_of(dataset, folder), _read)


def _read(found: dict[str, Any]) -> StoredCurve:
    counts = tuple(_count(word) for word in found["labels_per_class"])
    fits = tuple(Fit(**fit, y_pred=NONE) for fit in found["fits"])
    told = {
        (other, _count(word)): DrawDifference(each["value"], low, high, each["draws"], each["n"])
        for other, by_count in found["differences"].items() for word, each in by_count.items()
        for low, high in [each["interval_95"]]
    }  # fmt: skip
    y = np.full(found["n_test"], -1)
    names = tuple(str(k) for k in range(round(_classes(fits))))
    return StoredCurve(
        found["model"], counts, tuple(found["seeds"]), y, names, "images", found["source"], found["test_source"],
        found["n_train"], found["copies_across_the_split"], fits, found["left_out"], found["notes"], len(fits),
        found["seconds"], told,
    )  # fmt: skip


def _count(word: str | int) -> int | None:
    return None if word == "all" else int(word)


def _classes(fits: tuple[Fit, ...]) -> float:
    """How many classes there are, from a draw of labels of which each class has as many."""
    return next(fit.n_labels / fit.per_class for fit in fits if fit.per_class)


def from_table(found: Evidence, model: str, others: Iterable[str]) -> StoredCurve:
    """The few counts that a table of evidence has, as a curve: a model of the table, and other rows of it.

    Args:
        found: the table.
        model: name of the row that comes first.
        others: names of other rows; those that the table lacks are left out.
    """
    names = [model, *(row.name for row in found.rows if row.name in set(others) and row.name != model)]
    few = sorted((key for key in found.protocols if key.isdecimal()), key=int)
    classes = len(found.class_names)
    fits: list[Fit] = []
    told = {}
    for name in names:
        measured = found.row(name).measured
        for key in few:
            labels = int(key) * classes
            draws = zip(found.seeds, measured[key].draws, strict=False)
            fits += [Fit(name, int(key), seed, labels, accuracy, NONE) for seed, accuracy in draws]
        fits.append(Fit(name, None, found.seeds[0], found.n_train, measured["linear"].accuracy, NONE))
        for key in (*few, "linear") if name != model else ():
            each: Any = found.difference(model, name, key)
            count = None if key == "linear" else int(key)
            told[name, count] = DrawDifference(
                each.value, each.low, each.high, len(found.seeds) if count else 1, each.n
            )
    return StoredCurve(
        model, (*map(int, few), None), found.seeds, found.y.astype(np.int64), found.class_names, "images",
        found.train_source, found.test_source, found.n_train, found.copies, tuple(fits), {}, {}, len(fits), 0.0, told,
    )  # fmt: skip
