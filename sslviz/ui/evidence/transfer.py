"""Transfer: encoders on images of other datasets, each level of an encoder, and measures that need no labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.evaluation import transfer
from sslviz.evaluation.baselines import baseline_title
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.evaluation.ranks import rank_correlation, words
from sslviz.methods.registry import METHODS
from sslviz.store import checkpoint
from sslviz.ui.evidence import source

PARTS = {"Matrix": "pretrained on × probed on", "Ladder": "pixels, blocks, h, z", "Without labels": "RankMe and others"}
MEASURES = {"rankme": "RankMe", "uniformity": "Uniformity", "alignment": "Alignment", "lidar": "LiDAR"}
DASHES = ("solid", "dash", "dot", "dashdot")


def show(selection: ui.Selection) -> None:
    """Draw one of three: the matrix, the ladder of levels, or measures without labels beside the probe."""
    ui.bound("probe_transfer", "Matrix", among=PARTS)
    st.segmented_control("Part", list(PARTS), key="probe_transfer", required=True, label_visibility="collapsed")
    part, found = st.session_state.probe_transfer, transfer.load()
    if part == "Without labels":
        _unlabelled(selection)
    elif part == "Matrix":
        _matrix(found, selection)
    else:
        _ladder(found, selection)


def _matrix(found: dict[str, Any], selection: ui.Selection) -> None:
    if not found.get("cells"):
        st.caption("No matrix is stored: `sslviz transfer` makes it.")
        return
    columns, rows = list(found["columns"]), found["rows"]
    there = [row for row in rows if found["cells"].get(row["name"])]
    order = {column: place for place, column in enumerate(columns)}
    there.sort(key=lambda row: (not row["pretrained_on"], order.get(row["pretrained_on"], len(order)), row["kind"]))
    values, hints, own = [], [], []
    for row in there:
        cells = [found["cells"][row["name"]].get(column) for column in columns]
        values.append([cell["accuracy"] if cell else np.nan for cell in cells])
        own.append([row["pretrained_on"] == column for column in columns])
        hints.append([_hint(row, found["columns"][c], cell) for c, cell in zip(columns, cells, strict=True)])
    titles = [f"{found['columns'][c]['title']} (n = {found['columns'][c]['n_test']:,})" for c in columns]
    ui.show(
        plots.plot_grid(
            values, [baseline_title(row["name"]) for row in there], titles, hints=hints, own=own,
            title="Accuracy (%): encoders by rows, the images that are probed by columns; framed where it was "
            "pretrained",
        ),
        key="probe_matrix", alt="Accuracy of every encoder on every dataset", caption=_seen(found, there, columns),
    )  # fmt: skip
    st.caption(
        f"{found['protocol'][0].upper()}{found['protocol'][1:]}. Colours compare within a column only: columns have "
        "other images. Intervals on hover: 95 %, Wilson, over test images; one training seed each."
    )
    _folded(found, "sslviz transfer", selection)


def _hint(row: dict[str, Any], column: dict[str, Any], cell: dict[str, Any] | None) -> str:
    if not cell:
        return ""
    told = plots.percent_interval(cell["accuracy"], cell["interval_95"], column["n_test"])
    text = f"{baseline_title(row['name'])} on {column['title']}: {told}"
    less = cell.get("less_patches")
    if less:
        low, high = (100 * end for end in less["interval_95"])
        text += f"; less whitened patches {100 * less['value']:+.1f} ({low:+.1f} to {high:+.1f}) points"
        text += "" if less["told"] else ", no difference can be told"
    return text


def _seen(found: dict[str, Any], rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Which encoder is best on each column, and how many transferred ones are above whitened patches."""
    said = []
    for column in columns:
        there = [row for row in rows if column in found["cells"][row["name"]]]
        if not any(row["pretrained_on"] == column for row in there):
            continue  # not measured far enough to name a best one
        best = max(there, key=lambda row: found["cells"][row["name"]][column]["accuracy"])
        away = [row for row in there if row["pretrained_on"] not in ("", column)]
        above = [
            row for row in away
            if (less := found["cells"][row["name"]][column].get("less_patches")) and less["told"] and less["value"] > 0
        ]  # fmt: skip
        said.append(
            f"{found['columns'][column]['title']}: best is {ui.escape(baseline_title(best['name']))}; of "
            f"{len(away)} encoders pretrained on other images {len(above)} can be told to be above whitened patches"
        )
    return ". ".join(said) + "."


def _ladder(found: dict[str, Any], selection: ui.Selection) -> None:
    ladders = {k: v for k, v in found.get("ladders", {}).items() if v["dataset"] == selection.data}
    if ladders:
        _levels(ladders, found, selection)
    else:
        st.caption(
            f"No ladder of {ui.escape(selection.title)} is stored: `sslviz ladder` makes those of bundled models."
        )
    _layers_of_text()
    if ladders:
        _folded(found, "sslviz ladder " + " ".join(ladders), selection)


def _levels(ladders: dict[str, Any], found: dict[str, Any], selection: ui.Selection) -> None:
    names = [name for each in ladders.values() for name in (level["name"] for level in each["levels"])]
    blocks = sorted({n for n in names if n.startswith("block")}, key=lambda n: int(n.split()[1]))
    order = ["pixels", *blocks, *(n for n in ("h", "z") if n in names)]
    methods, seen = {row["name"]: row["method"] for row in found.get("rows", [])}, dict[str, int]()
    known = {m.name: m.method for m in ui.models()} | {k: v for k, v in methods.items() if v}
    curves = []
    for name, each in ladders.items():
        levels = {level["name"]: level for level in each["levels"]}
        method = known.get(name, "")
        turn = seen[method] = seen.get(method, -1) + 1
        curves.append(
            {"label": name, "colour": METHODS[method].colour if method in METHODS else plots.BASELINE_GREY,
             "dash": DASHES[turn % len(DASHES)],
             "accuracies": [levels[n]["accuracy"] if n in levels else None for n in order],
             "intervals": [levels[n]["interval_95"] if n in levels else None for n in order]}
        )  # fmt: skip
    first = next(iter(ladders.values()))
    ui.show(
        plots.plot_ladder(
            curves, order, title="Accuracy at each level, from the image outwards", y_title="accuracy (%)"
        ),
        key="probe_ladder", alt="Accuracy of a linear probe at each level of each encoder", caption=_climbed(ladders),
    )  # fmt: skip
    st.caption(
        f"{first['protocol'][0].upper()}{first['protocol'][1:]}. n = {first['n_test']:,} test images. Intervals: 95 %, "
        "Wilson, over test images; one training seed each. Levels have other widths, which a linear probe profits from."
    )


def _climbed(ladders: dict[str, Any]) -> str:
    said = []
    for name, each in ladders.items():
        levels = {level["name"]: level for level in each["levels"]}
        best = max(each["levels"], key=lambda level: level["accuracy"])
        words_ = f"{ui.escape(name)}: {best['name']} is best"
        less = levels.get("z", {}).get("less_h")
        if less:
            value = f"{100 * less['value']:+.1f} points".replace("-", "−")
            words_ += f", z less h {value}" if less["told"] else ", no difference of z from h can be told"
        said.append(words_)
    return "; ".join(said) + "."


def _layers_of_text() -> None:
    """Every layer of the bundled language models, on labelled sentences."""
    found = {}
    for info in checkpoint.list_models("language"):
        topics = info.card.get("results", {}).get("topics")
        if topics:
            found[info.name] = topics
    if not found:
        return
    curves: list[dict[str, Any]] = []
    order = ["embeddings", *(f"layer {n}" for n in range(1, max(len(t["linear"]) for t in found.values())))]
    for name, each in list(found.items())[:4]:
        values = each["linear"]
        lacking = [None] * (len(order) - len(values))
        curves.append(
            {"label": name, "colour": plots.PETROFF[4], "dash": DASHES[len(curves) % len(DASHES)],
             "accuracies": [*values, *lacking],
             "intervals": [*(accuracy_interval(v, each["n_test"]) for v in values), *lacking]}
        )  # fmt: skip
    first = next(iter(found.values()))
    words_of = first["baselines"].get("bag of words", {}).get("linear")
    beside = f" A bag of words reaches {plots.percent(words_of)}, the untrained model " if words_of else ""
    beside += f"{plots.percent(first['baselines']['random']['linear'])}." if words_of else ""
    ui.show(
        plots.plot_ladder(curves, order, title="The same with words: each layer", y_title="accuracy (%)"),
        key="probe_ladder_text", alt="Accuracy of a linear probe at each layer of a language model",
        caption=f"Linear probe on the mean of a layer's states, {first['n_train']:,} labelled sentences, n = "
        f"{first['n_test']:,} test sentences.{beside} `sslviz probe {next(iter(found))} topics --json` gives the "
        "last layer.",
    )  # fmt: skip


def _unlabelled(selection: ui.Selection) -> None:
    found = source.table_of(selection.data)
    if found is None:
        st.caption(f"No table of evidence is stored for {ui.escape(selection.title)}.")
        return
    grid = st.grid(2, min_column_width=420, gap="medium")
    rows = [row for row in found.rows if row.kind != "baseline"]
    for key, title in MEASURES.items():
        there = [row for row in rows if key in row.unlabelled]
        if len(there) < 2:
            continue
        groups = [
            {"label": source.label(row), "colour": source.colour(row), "kind": row.kind, "x": [row.unlabelled[key]],
             "y": [row.measured["linear"].accuracy],
             "hints": [f"{row.name}: {title} {row.unlabelled[key]:g}, {source.percent(found, row.name, 'linear')}"]}
            for row in there
        ]  # fmt: skip
        pairs = [(row.unlabelled[key], row.measured["linear"].accuracy) for row in there]
        told = words(rank_correlation(*zip(*pairs, strict=True)) if pairs else None, len(pairs))
        with grid.cell():
            ui.show(
                plots.plot_moments(
                    groups, title=f"{title} beside the linear probe", x_title=f"{title} of h",
                    y_title="linear probe (%)", height=340,
                ),
                key=f"probe_measure_{key}", alt=f"{title} of each model against its linear probe",
                caption=f"All models here: {told}. {_one_method(there, key, title)}",
            )  # fmt: skip
    st.caption(
        f"{found.how['unlabelled'][0].upper()}{found.how['unlabelled'][1:]}. Across methods, widths and datasets a "
        "higher value means nothing: the figures above show whether it would have misled here. Alignment is "
        "lower the better."
    )
    _folded({}, found.origin["command"], selection)


def _one_method(rows: list[Any], key: str, title: str) -> str:
    """The correlation among models of one method, which is what the measures are for."""
    by_method: dict[str, list[Any]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    said = []
    for method, own in by_method.items():
        if len(own) > 1:
            pairs = [(row.unlabelled[key], row.measured["linear"].accuracy) for row in own]
            found = rank_correlation(*zip(*pairs, strict=True))
            said.append(f"{METHODS[method].title}: {words(found, len(pairs))}")
    return f"Of one method: {'; '.join(said)}." if said else "No method has two models here."


def _folded(found: dict[str, Any], command: str, selection: ui.Selection) -> None:
    ui.foldouts(
        latex=r"a(f, D) = \frac1S \sum_{s=1}^{S} \operatorname{acc}\bigl(g_s \circ f, D_{\text{test}}\bigr)",
        symbols={
            "f": ("encoder, or a part of it, frozen", "bundled.transfer.Adapted, _Level"),
            "g_s": ("linear probe on draw s of labels of D", "LinearProbe"),
            "D": ("images that are probed, not those of the pretraining", "load_images"),
        },
        source="sslviz.bundled.transfer:Adapted",
        command=command,
        script="""from sslviz.evaluation.transfer import load

found = load()
print(found["protocol"])
print(found["cells"])""",
        way=(
            "Encoders that were pretrained on one dataset, and labelled images of all.",
            "Frozen; images made to fit; the same draws of labels for all rows of a column.",
            "What an encoder knows beyond its own images, and at which level.",
        ),
    )
