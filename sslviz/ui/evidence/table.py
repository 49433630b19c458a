"""The table of evidence: every encoder under the same protocols, what it confuses, and what it has cost."""

from __future__ import annotations

import shlex
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.bundled.published import PUBLISHED
from sslviz.data.catalog import DATASETS
from sslviz.evaluation.evidence import PROBES, Evidence, Row
from sslviz.evaluation.results import confusion, errors_of
from sslviz.evaluation.tables import FORMATS
from sslviz.ui import work
from sslviz.ui.evidence import one_fit, source
from sslviz.ui.figures import file_names

HEIGHT = 430
FILES = {
    "csv": ("CSV", "text/csv", "csv"),
    "latex": ("LaTeX", "text/plain", "tex"),
    "markdown": ("Markdown", "text/markdown", "md"),
}


def show(selection: ui.Selection) -> None:
    """Draw ranks under all protocols, the chosen row's errors, all figures, and accuracy against compute."""
    found = source.table_of(selection.data)
    if found is None:
        words = ["sslviz", "evidence", selection.data]
        words += [] if selection.data in DATASETS else ["--models", str(selection.model)]
        st.caption(
            f"No table of evidence is stored for {ui.escape(selection.title)}: `{file_names(shlex.join(words))}` "
            "measures one. Until then, this is what one fit says."
        )
        one_fit.show(selection)
        return
    names = source.protocols(found)
    protocol, row = _choices(found, selection, names)
    grid = st.grid(2, min_column_width=420, gap="medium")
    with grid.cell():
        _ranks(found, names, protocol, row)
    with grid.cell():
        _errors(found, protocol, row)
    st.markdown(_told(found, protocol, row))
    with st.container(key="tables_evidence"):
        st.markdown(_table(found, protocol, row))
    _said_of_table(found, protocol, selection)
    _compute(found, protocol)
    _export(found)
    _folded(found, row)


def _choices(found: Evidence, selection: ui.Selection, names: dict[str, str]) -> tuple[str, Row]:
    """The protocol and the row on show."""
    ui.bound("probe_protocol", "Linear", among=names)
    left, right = st.columns((3, 2), vertical_alignment="bottom")  # one over the other on a phone, where both wrap
    with left:
        st.segmented_control("Protocol", list(names), key="probe_protocol", required=True)
    with right:
        row = source.choose_row(found, str(selection.model))
    return names[st.session_state.probe_protocol], row


def _ranks(found: Evidence, names: dict[str, str], protocol: str, chosen: Row) -> None:
    keys = list(names.values())
    rows = found.ranked(protocol)
    rows += [row for row in found.rows if row not in rows]

    def clicked() -> None:
        for number in ui.picked_ids(st.session_state.probe_ranks)[:1]:
            r, p = divmod(number, len(keys))
            if r < len(rows):
                st.session_state.probe_row = rows[r].name
                st.session_state.probe_protocol = list(names)[p]

    figure = plots.plot_ranks(
        [
            {"label": source.label(row), "colour": source.colour(row), "kind": row.kind, "chosen": row is chosen,
             "accuracies": [row.measured[key].accuracy if key in row.measured else None for key in keys]}
            for row in rows
        ],
        list(names), chosen=keys.index(protocol), title="Accuracy (%), best on top: a crossing is a changed rank",
        height=max(HEIGHT, 110 + 38 * len(rows)),
    )  # fmt: skip
    ui.show(
        figure, key="probe_ranks", alt="Ranks of all encoders under each protocol, joined by lines", on_select=clicked,
        selection_mode="points", caption=_crossings(found, keys, names),
    )  # fmt: skip


def _crossings(found: Evidence, keys: list[str], names: dict[str, str]) -> str:
    """Which protocols have which winner, and two rows that a change of protocol turns round and both times are told."""
    winners: dict[str, list[str]] = {}
    short = {key: name for name, key in names.items()}
    for key in keys:
        winners.setdefault(source.label(found.ranked(key)[0]), []).append(short[key])
    said = "; ".join(f"{ui.escape(name)} leads under {', '.join(where)}" for name, where in winners.items())
    turned = _turned(found)
    if turned:
        a, b = turned
        said += (
            f". {ui.escape(source.label(a))} is above {ui.escape(source.label(b))} by the linear probe and below it by "
            "k-NN, and both differences can be told"
        )
    return f"{said}. Click a number for its row and protocol."


def _turned(found: Evidence) -> tuple[Row, Row] | None:
    """The pair of rows that linear and k-NN probe put in opposite orders, both told, with the largest change."""
    best, turned = 0.0, None
    for a in found.rows:
        for b in found.rows:
            linear = a.measured["linear"].accuracy - b.measured["linear"].accuracy
            knn = a.measured["knn"].accuracy - b.measured["knn"].accuracy
            if not linear > 0 > knn or linear - knn <= best:
                continue
            if all(found.difference(a.name, b.name, key).told for key in PROBES):
                best, turned = linear - knn, (a, b)
    return turned


def _errors(found: Evidence, protocol: str, row: Row) -> None:
    """The confusion of stored predictions; where only right and wrong are kept, the accuracy of each class."""
    names, title = found.class_names, f"{source.label(row)}, {source.short(protocol)}"
    if protocol in PROBES:
        matrix = confusion(found.y, found.predictions(row.name, protocol), len(names))
        errors, i, j = errors_of(matrix)
        ui.show(
            plots.plot_confusion(matrix, names, title=f"Confusion (% of the true class): {title}", height=HEIGHT),
            key="probe_evidence_confusion", alt=f"Confusion matrix of {title} in per cent, rows the true class",
            caption=f"“{ui.escape(names[i])}” taken for “{ui.escape(names[j])}”: {errors[i, j]:,} of "
            f"{matrix[i].sum():,} images, the most frequent error; {errors.sum():,} of {found.n_test:,} are wrong.",
        )  # fmt: skip
        return
    right = found.part(row.name).right.get(protocol)
    if right is None:
        st.caption(f"{ui.escape(source.label(row))} has no weights to train, so it has no figure under this protocol.")
        return
    bars = source.bars_of_classes(found, right)
    worst = min(bars, key=lambda bar: bar["accuracy"])
    ui.show(
        plots.plot_accuracy(bars, title=f"Accuracy of each class: {title}", height=HEIGHT),
        key="probe_evidence_classes", alt=f"Accuracy of each class, {title}",
        caption=f"Lowest: “{ui.escape(worst['label'])}”, {plots.percent(worst['accuracy'])}. Of this protocol it is "
        "kept whether each image was right, so there is no confusion.",
    )  # fmt: skip


def _told(found: Evidence, protocol: str, row: Row) -> str:
    """The chosen row beside the best baseline and the best of all, paired."""
    name = ui.escape(source.label(row))
    if protocol not in row.measured:
        return f"**{name}** has no figure under this protocol."
    said = [f"**{name}, {source.short(protocol)}: {source.percent(found, row.name, protocol)}**"]
    baseline = source.best_baseline(found, protocol, but=row.name)
    if baseline is not None:
        called = f"the best {'other ' if row.kind == 'baseline' else ''}baseline, {source.label(baseline)}"
        said.append(source.apart(found, row.name, baseline.name, protocol, called=ui.escape(called)))
    best = found.ranked(protocol)[0]
    if best not in (row, baseline):
        said.append(
            source.apart(found, row.name, best.name, protocol, called=f"the best row, {ui.escape(source.label(best))}")
        )
    return "; ".join(said) + "."


def _table(found: Evidence, protocol: str, chosen: Row) -> str:
    """All rows in Markdown, best first under the chosen protocol."""
    keys = [*PROBES, *([protocol] if protocol not in PROBES else [])]
    heads = ["encoder", *(f"{source.short(key)} (95 %)" for key in keys), "PFLOP", "trained for", "training seeds"]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "--:|" * (len(heads) - 1)]
    ranked = found.ranked(protocol)
    for row in [*ranked, *(row for row in found.rows if row not in ranked)]:
        name = ui.escape(source.label(row))
        name = f"**{name}**" if row is chosen else f"*{name}*" if row.kind == "baseline" else name
        name += ", trained with labels" if row.kind == "labels" else ""
        cells = [_cell(row, key) for key in keys]
        spent = f"{plots.seconds(60 * row.minutes)}, {ui.escape(row.hardware)}" if row.minutes else ""
        seeds = str(row.training_seeds) if row.training_seeds else "none"
        lines.append(f"| {' | '.join([name, *cells, source.pflop(row), spent, seeds])} |")
    return "\n".join(lines)


def _cell(row: Row, key: str) -> str:
    if key not in row.measured:
        return ""
    m = row.measured[key]
    return f"{100 * m.accuracy:.1f} ({100 * m.low:.1f}–{100 * m.high:.1f})"


def _said_of_table(found: Evidence, protocol: str, selection: ui.Selection) -> None:
    short = "difference" if protocol in PROBES else "difference_few"
    st.caption(
        f"{source.short(protocol)}: {found.protocols[protocol]}. n = {found.n_test:,} test images "
        f"({ui.escape(found.test_source)}), {found.n_train:,} training images; the same for all rows. Intervals: "
        f"{found.how['interval']}; of differences: {found.how[short]}. Always naming the largest class: "
        f"{plots.percent(found.largest_class_share)}. Test images that are also training images: {found.copies:,}."
    )
    if selection.model and selection.model not in {row.name for row in found.rows}:
        _own(found, selection)


def _own(found: Evidence, selection: ui.Selection) -> None:
    """A button that measures a model which has no row yet, all other rows as they are."""
    key = ("row", selection.model, selection.card.get("created", ""), selection.data)

    def measure() -> None:
        def compute(report: Any) -> dict[str, Any]:
            return work.call("sslviz.bundled.evidence:measure", report, model=selection.name, dataset=selection.data)

        with ui.plain_errors():
            ui.worker().submit(key, ui.owner(), compute, seconds=90.0)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Measure {selection.model}", icon=":material/add_chart:", key="probe_measure", on_click=measure,
            help="Fits every protocol of this table for this model; minutes on a laptop",
        )  # fmt: skip
        if ui.worker().progress(key) is None:
            st.caption(f"{ui.escape(selection.name)} has no row in this table of {found.title} yet.")
        else:
            ui.watch(key)


def _compute(found: Evidence, protocol: str) -> None:
    """Accuracy against the compute of training."""
    points: list[dict[str, Any]] = []
    for row in found.ranked(protocol):
        if row.pflop is None:
            continue
        m = row.measured[protocol]
        hint = f"{source.label(row)}: {source.percent(found, row.name, protocol)}, {source.pflop(row)} PFLOP"
        hint += f", {plots.seconds(60 * row.minutes)} on {row.hardware}" if row.minutes else ""
        points.append(
            {"label": source.label(row), "colour": source.colour(row), "kind": row.kind, "pflop": row.pflop,
             "accuracy": m.accuracy, "interval": (m.low, m.high), "hint": hint}
        )  # fmt: skip
    others = [each for each in PUBLISHED.get(found.dataset, ()) if each.probe == protocol]
    for each in others:
        hint = f"{each.label}: {100 * each.accuracy:.1f} %, another protocol ({each.protocol}); {each.source}"
        points.append(
            {"label": each.label.split(",")[0], "colour": plots.BASELINE_GREY, "kind": "published", "pflop": each.pflop,
             "accuracy": each.accuracy, "interval": None, "hint": hint}
        )  # fmt: skip
    caption = f"Compute: {found.how['compute']}."
    if others:
        listed = "; ".join(f"{each.label}: {each.protocol}, {each.source}" for each in others)
        caption += (
            f" Grey crosses are published figures of other protocols, which compare with nothing here, their compute "
            f"that of the encoder alone: {ui.escape(listed)}."
        )
    ui.show(
        plots.plot_compute(
            points, title=f"Accuracy against the compute of training: {source.short(protocol)}",
            y_title="accuracy on test images (%)",
        ),
        key="probe_compute", alt="Accuracy of every encoder against the compute of its training",
    )  # fmt: skip
    st.caption(caption)


def _export(found: Evidence) -> None:
    """The table as files, each with its protocols in a sentence."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for name, (title, kind, suffix) in FILES.items():
            st.download_button(
                title, FORMATS[name](found), file_name=f"evidence-{found.dataset}.{suffix}", mime=kind,
                icon=":material/download:", key=f"probe_export_{name}", on_click="ignore",
            )  # fmt: skip
        st.caption("The whole table, its protocols in a sentence.")


def _folded(found: Evidence, row: Row) -> None:
    stored = f"sslviz evidence {found.dataset} --stored --format csv"
    ui.foldouts(
        **source.LINEAR_PROBE,
        command=f"{found.origin['command']}\n{stored}\n{row.command}".rstrip(),
        script=f'''from sslviz.evaluation.evidence import load

found = load("{found.dataset}")
for row in found.ranked("linear"):
    print(row.title, row.measured["linear"])
print(found.difference("{found.rows[0].name}", "{found.rows[-1].name}", "linear"))''',
        way=(
            "Labelled images; encoders, each as it was trained or drawn.",
            "Every encoder frozen, and the same probes fitted on the same labels for all.",
            "Accuracy on the same test images, with intervals, differences paired.",
        ),
    )
