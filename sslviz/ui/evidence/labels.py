"""Labels: accuracy against the number of labels a class, fitted live, with results that come one by one and stay."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.evaluation import stored_curve
from sslviz.evaluation.baselines import BASELINES, baseline_title
from sslviz.evaluation.efficiency import COUNTS, DIFFERENCE_INTERVAL, INTERVAL, SCRATCH, Efficiency, crossover
from sslviz.methods.registry import METHODS
from sslviz.ui import work
from sslviz.ui.address import asked as asked_for
from sslviz.ui.evidence import one_fit, source

PARTS = ("Curve", "One fit")
ALL = "all"
WORDS = tuple(ALL if count is None else str(count) for count in COUNTS)
FIRST = tuple(word for word in WORDS if word != ALL)  # what is chosen at first: quick, as few images need an h
STEPS = 150  # of a training from scratch on a page
MOST = 6  # sweeps that stay
STORED = "stored"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
GREYS = ("#8a919c", "#6b7280", "#a3a8b0", "#575d66")


@dataclass(frozen=True)
class Sweep:
    """What was asked for.

    Attributes:
        model: whose fits come first.
        others: further models.
        baselines: of `BASELINES`.
        counts: words of `WORDS`.
        seeds: draws at each count.
        scratch: steps of trainings from scratch, 0 for none.
    """

    model: str
    others: tuple[str, ...]
    baselines: tuple[str, ...]
    counts: tuple[str, ...]
    seeds: int
    scratch: int

    def __str__(self) -> str:
        """As it stands in an address."""
        parts = ("+".join((self.model, *self.others)), "+".join(name.replace(" ", "_") for name in self.baselines))
        return "~".join((*parts, "+".join(self.counts), str(self.seeds), str(self.scratch)))

    @classmethod
    def parse(cls, text: str) -> Sweep:
        """Read `str` of one.

        Raises:
            ValueError: it is none.
        """
        names, baselines, counts, seeds, scratch = text.split("~")
        model, *others = names.split("+")
        made = cls(
            model, tuple(others), tuple(name.replace("_", " ") for name in baselines.split("+") if name),
            tuple(counts.split("+")), int(seeds), int(scratch),
        )  # fmt: skip
        if not (set(made.counts) <= set(WORDS) and set(made.baselines) <= set(BASELINES) and 0 < made.seeds <= 5):
            raise ValueError(text)
        if made.scratch not in (0, STEPS) or not all(re.fullmatch(r"[\w.-]{1,64}", name) for name in names.split("+")):
            raise ValueError(text)
        return made

    @property
    def numbers(self) -> list[int | None]:
        """Labels a class, None for all."""
        return [None if word == ALL else int(word) for word in self.counts]

    @property
    def title(self) -> str:
        """For people."""
        more = len(self.others) + len(self.baselines) + bool(self.scratch)
        return f"{self.model} and {more} more" if more else self.model


def show(selection: ui.Selection) -> None:
    """Draw label efficiency, or a single fit."""
    part = ui.bound("probe_part", PARTS[0], among=PARTS)
    st.segmented_control("Fit", PARTS, key="probe_part", required=True, label_visibility="collapsed")
    if part == PARTS[1]:
        one_fit.show(selection)
        return
    _join(selection)
    _controls(selection)
    found = _found(selection)
    shown = _choose(selection, found)
    if shown is None:
        st.caption("Nothing was fitted yet: choose encoders and labels, and fit them.")
        return
    _draw(shown)
    _differences(shown)
    _folded(selection, shown)


# what was asked for, and what was found ------------------------------------------------------------------------------


def _key(selection: ui.Selection, sweep: Sweep) -> tuple:
    """The worker's key; a model that was made anew under the same name has another."""
    return ("labels", selection.data, selection.card.get("created", ""), str(sweep))


def _asked(selection: ui.Selection) -> list[Sweep]:
    """Sweeps of this session and dataset, oldest first."""
    return st.session_state.setdefault("probe_sweeps", {}).setdefault(selection.data, [])


def _join(selection: ui.Selection) -> None:
    """Take up the sweep that the address names where this server has its result; none is begun by an address."""
    try:
        sweep = Sweep.parse(asked_for("probe_sweep") or "")
    except ValueError:
        return
    now = ui.worker().progress(_key(selection, sweep))
    if sweep not in _asked(selection) and now is not None and now.result is not None:
        _asked(selection).append(sweep)


def _found(selection: ui.Selection) -> dict[str, Efficiency]:
    """Results of this session by the sweep's text, partial ones too; they stay when the worker has forgotten them."""
    kept = st.session_state.setdefault("probe_curves", {})
    here = {}
    for sweep in _asked(selection):
        key = _key(selection, sweep)
        now = ui.worker().progress(key)
        if now is not None and now.result is not None:
            kept[key] = now.result
        if key in kept:
            here[str(sweep)] = kept[key]
    while len(kept) > 2 * MOST:
        kept.pop(next(iter(kept)))
    return here


def _ask(selection: ui.Selection, sweep: Sweep) -> None:
    """Begin a sweep and put it on show; those before stay."""

    def compute(report: Any) -> Efficiency:
        found = work.call(
            "sslviz.jobs.computations:label_efficiency", report, dataset=selection.data,
            models=[sweep.model, *sweep.others], baselines=list(sweep.baselines), counts=sweep.numbers,
            seeds=sweep.seeds, scratch_steps=sweep.scratch,
            found=lambda part: report.found(Efficiency.unpacked(part)),
        )  # fmt: skip
        return Efficiency.unpacked(found)

    rows = 1 + len(sweep.others) + len(sweep.baselines)
    expected = 6.0 * rows + (60.0 if ALL in sweep.counts else 0.0) * rows + 120.0 * bool(sweep.scratch)
    with ui.plain_errors():
        ui.worker().submit(_key(selection, sweep), ui.owner(), compute, seconds=min(expected, ui.Worker.LONGEST))
        mine = _asked(selection)
        mine[:] = [*[other for other in mine if other != sweep], sweep][-MOST:]
        st.session_state.probe_sweep = str(sweep)


# controls -------------------------------------------------------------------------------------------------------------


def _controls(selection: ui.Selection) -> None:
    state = st.session_state
    own = selection.name
    models = [m.name for m in ui.models() if m.dataset == selection.data and m.name != own]
    rows = [*models, *BASELINES, SCRATCH]
    default = ("pixels", "whitened patches")
    ui.bound("probe_rows", default, parse=lambda text: tuple(text.split("+")) if text else (), text="+".join)
    state.probe_rows = [name for name in state.probe_rows if name in rows]
    ui.bound("probe_counts", FIRST, parse=lambda text: tuple(text.split("+")), text="+".join)
    state.probe_counts = [word for word in WORDS if word in state.probe_counts]
    ui.bound("probe_draws", 5, between=(1, 5))
    left, right = st.columns((13, 7), gap="medium", vertical_alignment="bottom")
    with left, st.container(horizontal=True, vertical_alignment="bottom"):
        st.multiselect(
            f"Beside {own}", rows, key="probe_rows", format_func=baseline_title, width=380, placeholder="nothing"
        )
        st.pills("Labels of each class", WORDS, key="probe_counts", selection_mode="multi")
        st.number_input("Draws", 1, 5, key="probe_draws", width=85)
        sweep = Sweep(
            own, tuple(n for n in state.probe_rows if n in models),
            tuple(n for n in BASELINES if n in state.probe_rows), tuple(state.probe_counts),
            int(state.probe_draws), STEPS if SCRATCH in state.probe_rows else 0,
        )  # fmt: skip
        st.button(
            "Fit the curve", icon=":material/play_arrow:", key="probe_sweep_fit", on_click=_ask,
            args=(selection, sweep), disabled=not sweep.counts,
        )  # fmt: skip
    with right:
        if mine := _asked(selection):
            ui.watch(_key(selection, mine[-1]))
        else:
            st.caption(
                "Each fit is drawn when it ends, this encoder's first. Up to 100 labels a class take seconds an "
                f"encoder; all labels, or trainings from scratch ({STEPS} steps each), take minutes."
            )


def _choose(selection: ui.Selection, found: dict[str, Efficiency]) -> Efficiency | None:
    """Which result is on show: the one that comes along, or one of this visit."""
    stored = _stored(selection)
    options: dict[str, Efficiency] = {STORED: stored} if stored else {}
    options |= found
    if not options:
        return None
    wanted = ui.bound("probe_sweep", STORED, among=[STORED, *options, *map(str, _asked(selection))])
    on_show = wanted if wanted in options else next(reversed(options))
    if len(options) > 1:
        titles = {key: _title(key, each) for key, each in options.items()}
        st.session_state.probe_curve = on_show
        st.segmented_control(
            "On show", list(titles), key="probe_curve", required=True, format_func=lambda key: titles[key],
            label_visibility="collapsed",
            on_change=lambda: st.session_state.update(probe_sweep=st.session_state.probe_curve),
        )  # fmt: skip
    return options[on_show]


def _stored(selection: ui.Selection) -> Efficiency | None:
    """What comes along: the curve of a command, for the model that it is of, else the counts of the table."""
    curve = stored_curve.load(selection.data)
    if curve is not None and curve.model == selection.model:
        return curve
    table = source.table_of(selection.data)
    if table is None or selection.model not in {row.name for row in table.rows}:
        return None
    return stored_curve.from_table(table, selection.name, st.session_state.probe_rows)


def _title(key: str, found: Efficiency) -> str:
    if key == STORED:
        return "Comes along"
    sweep = Sweep.parse(key)
    part = "" if len(found.fits) >= found.n_fits else f", {len(found.fits)} of {found.n_fits} fits"
    return f"{sweep.title}, {'/'.join(sweep.counts)}{part}"


# drawing --------------------------------------------------------------------------------------------------------------


def _colours(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and dash of each row: a method's models share its colour and differ in their dash."""
    methods = {m.name: m.method for m in ui.models()}
    seen: dict[str, int] = {}
    found = {}
    for name in names:
        colour = METHODS[methods[name]].colour if name in methods else "#bd1f01" if name == SCRATCH else GREYS[0]
        turn = seen.get(colour, 0)
        seen[colour] = turn + 1
        found[name] = (GREYS[turn % len(GREYS)] if colour == GREYS[0] else colour, DASHES[turn % len(DASHES)])
    return found


def _draw(found: Efficiency) -> None:
    colours, curves = _colours(found.names), []
    for name in found.names:
        points = found.points(name)
        colour, dash = colours[name]
        curves.append(
            {"label": baseline_title(name), "colour": colour, "dash": dash, "n_labels": [p.n_labels for p in points],
             "mean": [p.mean for p in points], "low": [p.low for p in points], "high": [p.high for p in points]}
        )  # fmt: skip
    classes = len(found.class_names)
    crossings = []
    if SCRATCH in found.names and found.model != SCRATCH:
        met = crossover(found, found.model, SCRATCH)
        if met:
            crossings.append((met, f"from scratch is as good from {met // classes:,} a class on"))
    ui.show(
        plots.plot_efficiency(curves, classes=classes, title=found.protocol, crossings=crossings),
        key="probe_efficiency",
        alt="Accuracy against labels of each class, a curve with its band for each encoder",
        caption=_seen(found, crossings),
    )  # fmt: skip
    told = f"Drawn from: {found.train_source}. Tested on: {found.test_source}. Intervals: "
    told += f"{INTERVAL.format(unit=found.unit)}."
    told += "".join(f" {baseline_title(name)}: {words}." for name, words in found.notes.items())
    told += "".join(f" Left out: {baseline_title(name)} ({why})." for name, why in found.left_out.items())
    if found.copies:
        told += (
            f" {found.copies:,} test images are also training images, so all accuracies are too high: of own images "
        )
        told += "`sslviz data clean FILE --out clean.npz` leaves them out."
    st.caption(ui.escape(told))


def _seen(found: Efficiency, crossings: list[tuple[int, str]]) -> str:
    """What to see, from these figures."""
    points = found.points(found.model)
    if not points:
        return ""
    first, last = points[0], points[-1]
    said = f"{ui.escape(found.model)}: {plots.percent(first.mean, half_width=(first.high - first.low) / 2)} with "
    said += f"{_labels(first.per_class)}, {plots.percent(last.mean)} with {_labels(last.per_class)}."
    if SCRATCH in found.names and not crossings:
        said += " Training from scratch is below it at every count here."
    return said


def _labels(count: int | None) -> str:
    return "all labels" if count is None else f"{count:,} label{'s' if count > 1 else ''} a class"


def _differences(found: Efficiency) -> None:
    """The first encoder less each other at each count, paired; no number where no difference can be told."""
    others = [name for name in found.names if name != found.model]
    if not others:
        return
    heads = [ALL if count is None else f"{count:,}" for count in found.counts]
    lines = [
        f"| {ui.escape(found.model)} less … at labels a class | {' | '.join(heads)} |",
        "|---|" + "--:|" * len(heads),
    ]
    for other in others:
        cells = []
        for count in found.counts:
            each: Any = found.difference(found.model, count, other)
            if each is None:
                cells.append("")
            elif not each.told:
                cells.append("none can be told")
            else:
                low, value, high = (f"{100 * v:+.1f}".replace("-", "−") for v in (each.low, each.value, each.high))
                cells.append(f"**{value}** ({low} to {high})")
        lines.append(f"| {ui.escape(baseline_title(other))} | {' | '.join(cells)} |")
    st.markdown("**Differences in points,** paired; where the interval holds 0, no difference can be told")
    st.markdown("\n".join(lines))
    st.caption(f"Intervals: {DIFFERENCE_INTERVAL.format(unit=found.unit)}. One training seed each.")


def _folded(selection: ui.Selection, found: Efficiency) -> None:
    counts = [ALL if count is None else str(count) for count in found.counts]
    words = ["sslviz", "probe", found.model, selection.data, "--labels-per-class", *counts]
    words += ["--seeds", str(len(found.seeds))]
    steps = re.search(r"([\d,]+) steps", found.notes.get(SCRATCH, ""))
    words += ["--scratch-steps", steps[1].replace(",", "")] if steps else []
    if not set(found.names) & set(BASELINES):
        words += ["--no-baselines"]
    others = [name for name in found.names if name not in (found.model, SCRATCH, *BASELINES)]
    command = shlex.join([*words, "--json"])
    for other in others:
        command += "\n" + shlex.join(["sslviz", "probe", other, *words[3:], "--json"])
    ui.foldouts(
        latex=r"\hat a(m) = \frac1S \sum_{s=1}^{S} \frac1M \sum_{i=1}^{M} \mathbf 1[\hat y_i^{(m, s)} = y_i]",
        symbols={
            "m": ("labels of each class", "label_draws(y, counts, seeds)"),
            "s": ("draw of labels, the same for every encoder; draws of one seed are nested", "label_draws"),
            r"\hat y^{(m, s)}": ("what the probe of this draw predicts of the M test images", "Fit.y_pred"),
        },
        source="sslviz.evaluation.efficiency:label_draws",
        command=command,
        script=f'''from sslviz import load, load_images
from sslviz.evaluation.protocol import labelled_images
from sslviz.evaluation.sweep import sweep

train, test = (labelled_images(load_images("{selection.data}", split)) for split in ("train", "test"))
for found in sweep({{"{found.model}": load("{found.model}")}}, train, test, counts={found.counts}, seeds={found.seeds}):
    print(found.points("{found.model}")[-1])''',
        way=(
            "h of labelled images, each draw with the same number of labels of every class.",
            "One linear probe for each draw, the same draws for every encoder.",
            "How many labels an encoder saves, with the band of its draws, and whether a difference can be told.",
        ),
    )
