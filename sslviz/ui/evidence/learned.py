"""Learned: accuracy of each class, confident errors, calibration, and one picture read by every encoder and probe."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.evaluation.evidence import Evidence, Row
from sslviz.ui import work
from sslviz.ui.contrast import source as pictures
from sslviz.ui.evidence import source

PARTS = {"Errors": "on the test images", "Your picture": "drawn, uploaded or from the set"}
BINS, SHOWN, TOP = 10, 24, 3
ROOM = 250  # pixels reserved for answers


def show(selection: ui.Selection) -> None:
    """Draw the errors of a row, or what all rows make of one picture."""
    found = source.table_of(selection.data)
    if found is None:
        st.caption(
            f"No table of evidence is stored for {ui.escape(selection.title)}, so there are no stored predictions: the "
            "view Labels, One fit, shows what a probe that is fitted now confuses."
        )
        return
    ui.bound("probe_learned", "Errors", among=PARTS)
    st.segmented_control("Part", list(PARTS), key="probe_learned", required=True, label_visibility="collapsed")
    if st.session_state.probe_learned == "Errors":
        _errors(found, selection)
    else:
        _picture(found, selection)
    _folded(found, selection)


def _errors(found: Evidence, selection: ui.Selection) -> None:
    row = source.choose_row(found, str(selection.model))
    grid = st.grid(2, min_column_width=400, gap="medium")
    with grid.cell():
        _classes(found, row)
    with grid.cell():
        _calibration(found, row)
    _confident(found, row, selection)


def _classes(found: Evidence, row: Row) -> None:
    shown = source.bars_of_classes(found, found.predictions(row.name, "linear") == found.y)
    worst = min(shown, key=lambda each: each["accuracy"])
    ui.show(
        plots.plot_accuracy(shown, title=f"Accuracy of each class: {source.label(row)}, linear probe", height=430),
        key="probe_classes", alt=f"Accuracy of each class, {source.label(row)}",
        caption=f"Lowest: “{ui.escape(worst['label'])}”, {plots.percent(worst['accuracy'])}. Intervals: 95 %, "
        "Wilson, over test images of the class.",
    )  # fmt: skip


def _calibration(found: Evidence, row: Row) -> None:
    sure = found.part(row.name).sure / 255
    right = found.predictions(row.name, "linear") == found.y
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    n = np.bincount(bins, minlength=BINS)
    there = n > 0
    mean = np.bincount(bins, weights=sure, minlength=BINS)[there] / n[there]
    share = np.bincount(bins, weights=right, minlength=BINS)[there] / n[there]
    error = float(np.abs(mean - share) @ n[there] / len(sure))
    curve = {"label": source.label(row), "colour": source.colour(row), "sure": mean, "right": share, "n": n[there]}
    gap = float(sure.mean() - right.mean())
    how = "surer than it is right" if gap > 0 else "more often right than it is sure"
    ui.show(
        plots.plot_calibration([curve], title=f"Calibration: {source.label(row)}, linear probe", height=430),
        key="probe_calibration", alt="How often the probe is right against how sure it is",
        caption=f"On average {100 * sure.mean():.1f} % sure and {100 * right.mean():.1f} % right: {how}. Expected "
        f"calibration error over {BINS} bins: {100 * error:.1f} points (Guo et al. 2017, arXiv:1706.04599).",
    )  # fmt: skip


def _confident(found: Evidence, row: Row, selection: ui.Selection) -> None:
    """Wrong predictions that the probe is surest of, of those test images whose pictures come along."""
    images, names = ui.test_images(selection.data), found.class_names
    if len(found.bundled) != len(images.y):
        st.caption("Pictures of the errors need the test images of the table, which are not here.")
        return
    sure = found.part(row.name).sure[found.bundled] / 255
    y, y_pred = found.y[found.bundled], found.predictions(row.name, "linear")[found.bundled]
    wrong = np.flatnonzero(y != y_pred)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:SHOWN]
    st.markdown(f"**Most confident errors,** of {len(wrong):,} among the {len(y):,} test images that come along")
    ui.gallery(
        images.x[worst], [int(i) for i in worst], key="probe_confident", label="Most confident errors", room=150,
        hints=[f"{names[y[i]]} read as {names[y_pred[i]]}, {100 * sure[i]:.0f} % sure, test image {i}" for i in worst],
        words=[f"{names[y_pred[i]][:9]}" for i in worst], colours=[plots.class_colour(int(y_pred[i])) for i in worst],
    )  # fmt: skip
    st.caption(
        "Named and framed by what the probe says; the class that was given is told on hover. Some labels are odd."
    )


# one picture ----------------------------------------------------------------------------------------------------------


def _picture(found: Evidence, selection: ui.Selection) -> None:
    shown = pictures.choose(selection)
    with pictures.beside_sheet(shown):
        if shown.kind != pictures.DRAWN:
            ui.gallery(
                shown.x[None], [0], key="probe_picture", label="The picture", hints=[shown.name],
                scale=max(2, 112 // shown.x.shape[2]),
            )  # fmt: skip
        st.caption(f"{ui.escape(shown.name[0].upper() + shown.name[1:])}. {ui.escape(shown.note)}")
        if shown.empty:
            st.caption("There is nothing on it yet.")
            return
        _answers(found, selection, shown)


def _answers(found: Evidence, selection: ui.Selection, shown: pictures.Shown) -> None:
    here = {m.name for m in ui.models() if m.dataset == selection.data} | {"pixels"}
    names = [part.row.name for part in found.parts if part.reader is not None and part.row.name in here]
    key = ("picture", selection.data, shown.digest, tuple(part.row.stamp for part in found.parts))
    now = ui.worker().progress(key)

    def compute(report: Any) -> dict[str, Any]:
        return work.call(
            "sslviz.jobs.pictures:classify", report, arrays={"x": shown.x}, dataset=selection.data, names=names,
            found=report.found,
        )  # fmt: skip

    if now is None:
        with ui.plain_errors():
            ui.worker().submit(key, ui.owner(), compute, seconds=10.0)
        now = ui.worker().progress(key)
    if now is None or now.state != "done":
        ui.watch(key)
        if now is not None and now.state in ("failed", "stopped"):
            st.button("Ask again", icon=":material/refresh:", key="probe_ask_again")
    answer = now.result if now is not None else None
    with st.container(height=ROOM if answer is None else "content", border=False):
        if answer is not None:
            _draw_answers(found, selection, answer, shown.label)


def _draw_answers(found: Evidence, selection: ui.Selection, answer: dict[str, Any], label: int | None) -> None:
    names, images = found.class_names, ui.test_images(selection.data)
    said = [names[int(np.argmax(p))] for p in answer["p"]]
    if said:
        most = max(set(said), key=said.count)
        st.markdown(
            f"**{said.count(most)} of {len(said)} probes say “{ui.escape(most)}”**"
            + ("." if label is None else f"; the label says “{ui.escape(names[label])}”.")
        )
    for name, p, ids in zip(answer["names"], answer["p"], answer["neighbours"], strict=True):
        row = found.row(name)
        top = np.argsort(-p)[:TOP]
        told = ", ".join(
            f"**{ui.escape(names[k])}** {plots.share(p[k])}" if i == 0 else f"{ui.escape(names[k])} {plots.share(p[k])}"
            for i, k in enumerate(top)
        )
        left, right = st.columns((9, 11), vertical_alignment="center")
        left.markdown(f"{ui.escape(source.label(row))}: {told}")
        near = [int(i) for i in ids if 0 <= i < len(images.y)]
        with right:
            if near:
                ui.thumbnails(
                    images, near, key=f"probe_near_{name}", label=f"Nearest test images by {name}", scale=1,
                )  # fmt: skip
            else:
                st.caption("h of the test images is not stored for this one.")
    st.caption(
        "Each answer: the linear probe of the table, fitted on all training labels, and how sure it is. Beside it "
        "the test images that this encoder finds nearest, framed by class. What is no image of this set is given a "
        "class too."
    )


def _folded(found: Evidence, selection: ui.Selection) -> None:
    ui.foldouts(
        latex=r"\text{ECE} = \sum_{b} \frac{n_b}{n} \, \bigl| \overline{\text{sure}}_b - \overline{\text{right}}_b "
        "\bigr|",
        symbols={
            "b": ("bin of how sure the probe is", "ui.evidence.learned"),
            r"\overline{\text{sure}}": ("mean probability of the predicted class", "LinearProbe.predict_proba"),
            r"\overline{\text{right}}": ("share of right predictions", "Evidence.predictions"),
        },
        source="sslviz.evaluation.evidence:Reader",
        command=f"{found.origin['command']}\nsslviz evidence {found.dataset} --stored",
        script=f'''from sslviz import encode, load, load_images
from sslviz.evaluation.evidence import load as table

found, test = table("{selection.data}"), load_images("{selection.data}", "test")
probe = found.part("{selection.model}").reader
print(probe.probabilities(encode(load("{selection.model}"), test.x[:1])))''',
        way=(
            "Stored predictions of every probe, and how sure it was; or a picture of yours.",
            "Counted by class and by sureness; the picture is encoded by every encoder.",
            "What is confused, whether the probe knows, and what lies near a picture.",
        ),
    )
