"""What the views of the probe page share: the stored table of evidence, colours of rows, differences in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots
from sslviz.evaluation import evidence
from sslviz.evaluation.baselines import BASELINES, baseline_title
from sslviz.evaluation.evidence import OWN, PROBES, TUNED, Evidence, Row
from sslviz.evaluation.results import difference_words
from sslviz.methods.registry import METHODS
from sslviz.ui.page_shell import escape
from sslviz.ui.selection import models

SHORT = {"linear": "Linear", "knn": "k-NN", "tuned": "Fine-tuned"}


def table_of(dataset: str) -> Evidence | None:
    """The stored table of a dataset, or None.

    Raises:
        UserError: its files are damaged.
    """
    path = evidence.path_of(dataset)
    if not path.is_file():
        return None
    own = [m.path for m in models() if m.dataset == dataset and not m.bundled]
    files = [(str(folder), evidence.path_of(OWN, folder)) for folder in own]
    stamps = tuple((folder, file.stat().st_mtime_ns) for folder, file in files if file.is_file())
    return _table(dataset, path.stat().st_mtime_ns, stamps)


@st.cache_resource(max_entries=4, show_spinner=False)
def _table(dataset: str, stamp: int, own: tuple[tuple[str, int], ...]) -> Evidence | None:
    """The stored table, and rows of own models that were measured as its rows were."""
    found = evidence.load(dataset)
    if found is None:
        return None
    parts = list(found.parts)
    for folder, _ in own:
        other = evidence.load(OWN, Path(folder))
        if other and other.protocols == found.protocols and np.array_equal(other.y, found.y):
            parts += other.parts
    return replace(found, parts=tuple(sorted(parts, key=lambda part: -part.row.measured["linear"].accuracy)))


def protocols(found: Evidence) -> dict[str, str]:
    """Short names of the protocols that have a figure -> their keys, few labels first, then all labels."""
    here = [key for key in found.protocols if any(key in row.measured for row in found.rows)]
    few = sorted((key for key in here if key.isdecimal()), key=int)
    order = [
        *few,
        *(key for key in PROBES if key in here),
        *(key for key in (TUNED,) if key in here),
    ]
    return {short(key): key for key in order}


def short(protocol: str) -> str:
    """A protocol in a word or two: "Linear", "10 a class"."""
    return SHORT.get(protocol, f"{protocol} a class")


def label(row: Row) -> str:
    """A row's name for people."""
    return baseline_title(row.name) if row.name in BASELINES else row.name


def colour(row: Row) -> str:
    """That of its method; baselines are grey."""
    return METHODS[row.method].colour if row.method in METHODS else plots.BASELINE_GREY


def percent(found: Evidence, name: str, protocol: str) -> str:
    """An accuracy with its interval and n."""
    measured = found.row(name).measured[protocol]
    return plots.percent_interval(measured.accuracy, (measured.low, measured.high), found.n_test)


def best_baseline(found: Evidence, protocol: str, *, but: str = "") -> Row | None:
    """The best row that is a baseline under a protocol, other than one."""
    return next((row for row in found.ranked(protocol) if row.kind == "baseline" and row.name != but), None)


def apart(found: Evidence, a: str, b: str, protocol: str, *, called: str = "") -> str:
    """The paired difference of two rows in words, or that none can be told."""
    difference: Any = found.difference(a, b, protocol)  # of one draw or of several: both say value, low, high and told
    return difference_words(difference, called or escape(label(found.row(b))))


def pflop(row: Row) -> str:
    """Compute of the training in words."""
    if row.pflop is None:
        return "unknown"
    return f"{row.pflop:.3g}" if row.pflop else "0"
