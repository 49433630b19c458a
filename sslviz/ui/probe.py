"""The probe page's results: what the card has, what was fitted here, and which of them is on show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots
from sslviz.data.images import describe
from sslviz.evaluation.baselines import baseline_title
from sslviz.evaluation.intervals import INTERVAL, PAIRED_INTERVAL, Difference, accuracy_interval
from sslviz.evaluation.results import Evaluation, difference_words, protocol_title
from sslviz.methods.registry import METHODS
from sslviz.ui.address import asked, bound
from sslviz.ui.page_shell import escape, plain_errors
from sslviz.ui.selection import Selection
from sslviz.ui.stored import Images, Stored, neighbour_votes
from sslviz.ui.work import fit_probe, owner, watch, worker

LABELS = (100, 300, 1_000, 3_000, 10_000)
CARD, MOST_FITS = "card", 8
COVERED = INTERVAL.format(unit="images"), PAIRED_INTERVAL.format(unit="images")


@dataclass(frozen=True, eq=False)
class View:
    """One protocol on show: everything on the page is of it.

    Attributes:
        title: the protocol in words.
        rows: of the accuracy figure, the encoder's first.
        caption: what to see in them.
        note: how it was done, and what the intervals cover.
        ids: test images whose predictions are known (n,), row numbers of the bundled ones.
        y, y_pred: their labels and predictions (n,); empty where no predictions are stored.
        errors_title: of the confusion matrix.
        floor: share of the largest class of the test images.
    """

    title: str
    rows: list[dict[str, Any]]
    caption: str
    note: str
    ids: np.ndarray
    y: np.ndarray
    y_pred: np.ndarray
    errors_title: str
    floor: float


def label_counts(selection: Selection, classes: int) -> list[int]:
    """How many labelled images may be asked for: at least one a class, at most all."""
    n_train = describe(selection.data).n_train
    return [n for n in LABELS if classes <= n <= n_train] or [n_train]


def job(selection: Selection, count: int, seed: int) -> tuple:
    """The worker's key of a fit; a model that was made anew under the same name has others."""
    return ("probe", selection.model, selection.card.get("created", ""), selection.data, count, seed)


def ask(selection: Selection, kept: Stored, count: int, seed: int) -> None:
    """Fit on these labels and put the result on show; fits asked for before stay."""
    with plain_errors():
        worker().submit(
            job(selection, count, seed),
            owner(),
            lambda report: fit_probe(selection, kept.h, count, seed, report),
            seconds=20 + count / 100,
        )
        mine = _asked(selection)
        mine[:] = [*[fit for fit in mine if fit != (count, seed)], (count, seed)][-MOST_FITS:]
        st.session_state.probe_shown = f"{count}-{seed}"


def _asked(selection: Selection) -> list[tuple[int, int]]:
    """(labels, seed) of the fits of this session and model, oldest first."""
    return st.session_state.setdefault("probe_fits", {}).setdefault(job(selection, 0, 0), [])


def join(selection: Selection) -> None:
    """Take up the fit that the address names, where this server still has its result; none is begun by an address."""
    named = re.fullmatch(r"(\d{1,6})-(\d{1,3})", asked("probe_shown") or "")
    if named and (fit := (int(named[1]), int(named[2]))) not in _asked(selection):
        now = worker().progress(job(selection, *fit))
        if now is not None and now.state == "done":
            _asked(selection).append(fit)


def fits(selection: Selection) -> dict[tuple[int, int], Evaluation]:
    """Fits of this session that have a result, if only a first one; finished ones are kept by the session."""
    kept = st.session_state.setdefault("probe_found", {})
    found = {}
    for fit in _asked(selection):
        key = job(selection, *fit)
        now = worker().progress(key)
        if now is not None and now.result is not None:
            kept[key] = now.result
        if key in kept:
            found[fit] = kept[key]
    while len(kept) > 2 * MOST_FITS:
        kept.pop(next(iter(kept)))
    return found


def running(selection: Selection) -> None:
    """Progress of the newest fit that was asked for, whatever the controls say now."""
    if mine := _asked(selection):
        watch(job(selection, *mine[-1]))
    else:
        st.caption(
            f"A fit takes seconds to minutes, at most {worker().LONGEST / 60:.0f}. The encoder's own result "
            "comes first, the baselines on the same labels follow."
        )


def choose(selection: Selection, found: dict[tuple[int, int], Evaluation]) -> tuple[int, int] | None:
    """Which result is on show: that of the card (None) or a fit; one whose result is yet to come waits its turn."""
    state = st.session_state
    wanted = bound("probe_shown", CARD, among=[CARD, *(f"{count}-{seed}" for count, seed in _asked(selection))])
    names = {f"{count}-{seed}": (count, seed) for count, seed in found}
    if names:
        first = "All labels (card)" if "linear_probe" in selection.card.get("results", {}) else "Before any fit"
        titles = {CARD: first} | {key: f"{c:,} labels, seed {s}" for key, (c, s) in names.items()}
        state.probe_on_show = wanted if wanted in titles else CARD
        st.segmented_control(
            "On show", list(titles), key="probe_on_show", required=True, format_func=lambda key: titles[key],
            label_visibility="collapsed", on_change=lambda: state.update(probe_shown=state.probe_on_show),
        )  # fmt: skip
    return names.get(wanted)


def view(selection: Selection, images: Images, kept: Stored, found: Evaluation | None) -> View:
    """What is on show: a fit, else the card's probe, else k-NN among the test images."""
    if found is not None:
        return _fitted(selection, found)
    if "linear_probe" in selection.card.get("results", {}):
        return _carded(selection, images, kept)
    return _neighbours(selection)


def compared(found: dict[tuple[int, int], Evaluation]) -> str:
    """A table of fits in Markdown, each with its own protocol and the difference on its own labels."""
    rows = [
        "| labels | seed | this encoder | best baseline | on the same labels and test images |",
        "|---|---|---|---|:--|",
    ]
    for (count, seed), each in found.items():
        best = each.best_baseline
        cells = [f"{count:,}", str(seed), _percent(each.score.accuracy, each.n_test)]
        if best:
            cells += [f"{_percent(best.accuracy, each.n_test)}, {baseline_title(best.name)}", _difference(each)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _fitted(selection: Selection, found: Evaluation) -> View:
    rows = [_row(selection.name, found.score.accuracy, METHODS[selection.method].colour, found.n_test)]
    rows += [_row(baseline_title(s.name), s.accuracy, None, found.n_test) for s in found.baselines.values()]
    told = f"{selection.model}: {_percent(found.score.accuracy, found.n_test)}"
    told += f"; {_difference(found)}." if found.baselines else "; the baselines on the same labels follow."
    note = f"Drawn from: {found.train_source}. Tested on: {found.test_source}. "
    note += "".join(f"Left out: {baseline_title(name)} ({why}) " for name, why in found.left_out.items())
    note += f"Probe fitted in {plots.seconds(found.score.fit_seconds)}, all in {plots.seconds(found.seconds)}; its L2 "
    note += f"penalty, {found.score.l2:g}, was chosen on training images held out. {_intervals(bool(found.baselines))}"
    return View(
        found.protocol, rows, told, note, np.arange(found.n_test), found.y, found.score.y_pred,
        "What this probe confuses (% of the true class)", found.largest_class_share,
    )  # fmt: skip


def _carded(selection: Selection, images: Images, kept: Stored) -> View:
    card = selection.card["results"]
    protocol, n = card.get("protocol") or {}, card.get("n_test", len(images.y))
    n_train = protocol.get("n_train", selection.card.get("n_train", 0))
    title = protocol_title("linear", n_train, n, seed=protocol.get("seed"))
    if selection.card.get("imported"):
        title += ", as the imported file claims"
    rows = [_row(selection.name, card["linear_probe"], METHODS[selection.method].colour, n)]
    rows += [_row(baseline_title(name), value, None, n) for name, value in card.get("baselines", {}).items()]
    told = f"{selection.model}: {_percent(card['linear_probe'], n)}"
    if len(rows) > 1:
        best = max(card["baselines"], key=card["baselines"].get)
        if best in card.get("differences", {}):
            difference = Difference.from_dict(card["differences"][best])
            told += f"; {difference_words(difference, f'the best baseline, {baseline_title(best)}')}"
        else:
            told += f"; the best baseline, {baseline_title(best)}: {_percent(card['baselines'][best], n)}"
    y_pred = kept.y_pred.get("linear", np.empty(0, np.int64))
    part = f", on the {len(y_pred):,} of them that are bundled" if 0 < len(y_pred) < n else ""
    ids = np.arange(len(y_pred))
    title_errors = f"What this probe confuses{part} (% of the true class)"
    note = _intervals(bool(card.get("differences")))
    return View(title, rows, f"{told}.", note, ids, images.y[ids], y_pred, title_errors, _largest(images.y))


def _neighbours(selection: Selection) -> View:
    found, ids = neighbour_votes(selection)
    n = found.n_test
    title = f"k-NN: {found.n_train:,} test images vote on {n:,} others"
    told = (
        f"{selection.model}: {_percent(found.score.accuracy, n)}. Nothing was fitted for this model yet: fit a linear "
    )
    told += "probe for a result beside baselines."
    rows = [_row(selection.name, found.score.accuracy, METHODS[selection.method].colour, n)]
    errors = "What k-NN confuses (% of the true class)"
    y_pred, share = found.score.y_pred, found.largest_class_share
    return View(title, rows, told, _intervals(False), ids, found.y, y_pred, errors, share)


def _row(label: str, accuracy: float, colour: str | None, n: int) -> dict[str, Any]:
    """One line of the accuracy figure; baselines have no colour of their own."""
    return {"label": label, "accuracy": accuracy, "interval": accuracy_interval(accuracy, n), "colour": colour, "n": n}


def _percent(accuracy: float, n: int) -> str:
    return plots.percent_interval(accuracy, accuracy_interval(accuracy, n), n)


def _difference(found: Evaluation) -> str:
    best = found.best_baseline
    if best is None:
        return ""
    so_far = "" if found.complete else " so far"
    return difference_words(found.difference(best.name), f"the best baseline{so_far}, {baseline_title(best.name)}")


def _intervals(paired: bool) -> str:
    return f"Intervals: {COVERED[0]}{f'; of the difference: {COVERED[1]}' if paired else ''}."


def _largest(y: np.ndarray) -> float:
    return float(np.bincount(y).max() / len(y))


def cell_images(shown: View, cell: tuple[int, int], names: Sequence[str]) -> tuple[np.ndarray, str]:
    """Ids of the test images in a cell of the confusion matrix, and a heading."""
    inside = shown.ids[(shown.y == cell[0]) & (shown.y_pred == cell[1])]
    return inside, f"“{escape(names[cell[0]])}” read as “{escape(names[cell[1]])}”: {len(inside):,} images"
