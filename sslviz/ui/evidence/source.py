"""What the views of the probe page share: the stored table of evidence, colours of rows, differences in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.evaluation import evidence
from sslviz.evaluation.baselines import baseline_title
from sslviz.evaluation.evidence import OWN, PROBES, TUNED, Evidence, Row
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.evaluation.results import difference_words
from sslviz.methods.registry import METHODS
from sslviz.ui.page_shell import escape
from sslviz.ui.selection import models

# the objective of the linear probe, for `ui.foldouts`
LINEAR_PROBE: dict[str, Any] = {
    "latex": r"\min_{W, b}\; \frac1n \sum_{i=1}^{n} -\log \operatorname{softmax}(W h'_i + b)_{y_i}"
    r" + \frac{\lambda}{2} \lVert W \rVert^2, \qquad h' = \frac{h - \operatorname{mean}(h)}{\operatorname{std}(h)}",
    "symbols": {
        "h": ("frozen representation", "embedding.encode(model, x)"),
        "W, b": ("the only thing that is trained", "LinearProbe.coef_, intercept_"),
        r"\lambda": ("penalty, chosen on held-out training images", "LinearProbe.l2_, val_scores_"),
        "y": ("labels, used here for the first time", "ImageSet.y"),
    },
    "source": "sslviz.evaluation.probes:LinearProbe.fit",
}
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
    return evidence.load_with_own(dataset, [Path(folder) for folder, _ in own])


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
    return baseline_title(row.name)


def choose_row(found: Evidence, first: str) -> Row:
    """Draw the choice of a row, which the views share; at first the one of that name, if there is one."""
    rows = [row.name for row in found.rows]
    ui.bound("probe_row", first if first in rows else rows[0], among=rows)
    st.selectbox("Row", rows, key="probe_row", format_func=lambda name: label(found.row(name)), width=230)
    return found.row(st.session_state.probe_row)


def bars_of_classes(found: Evidence, right: np.ndarray) -> list[dict[str, Any]]:
    """The accuracy of each class with its interval, as bars in the classes' colours.

    Args:
        found: whose test images and classes.
        right: whether each test image is right, (M,), or (S, M) of several draws.
    """
    bars = []
    for k, name in enumerate(found.class_names):
        there = found.y == k
        share = float(right[..., there].mean()) if there.any() else 0.0
        interval = accuracy_interval(share, max(1, int(there.sum())))
        bars.append({"label": name, "accuracy": share, "colour": plots.class_colour(k), "interval": interval})
    return bars


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
