"""One fit: one linear layer on a frozen representation, beside baselines on the same labels, and what it confuses."""

from __future__ import annotations

import streamlit as st

from sslviz import plots, ui
from sslviz.evaluation.results import confusion, errors_of
from sslviz.ui import probe
from sslviz.ui.evidence import source
from sslviz.ui.stored import Images, Stored


def show(selection: ui.Selection) -> None:
    """Draw the fit that is asked for, or what the card says, with its confusion and the images of a cell."""
    images, kept = ui.test_images(selection.data), ui.stored(selection)
    ui.need_labels(images)
    _controls(selection, kept, len(images.class_names))
    fits = probe.fits(selection)
    chosen = probe.choose(selection, fits)
    shown = probe.view(selection, images, kept, fits[chosen] if chosen else None)
    grid = st.grid(2, min_column_width=420, gap="medium")
    left, right = grid.cell(), grid.cell()
    with left:
        ui.show(
            plots.plot_accuracy(shown.rows, title=shown.title, floor=shown.floor, height=400),
            key="probe_accuracy",
            alt="Accuracy of the encoder and of the baselines, with intervals",
            caption=f"{shown.caption} Always naming the largest class: {plots.percent(shown.floor)}.",
        )
        st.caption(ui.escape(shown.note))
    with right:
        worst = _confusion(shown, images.class_names)
    if len(shown.y):
        _cell(shown, images, worst)
    if fits:
        st.markdown("**Fits of this visit,** each against baselines on its own labels")
        st.markdown(probe.compared(fits))
    _folded(selection)


def _controls(selection: ui.Selection, kept: Stored, classes: int) -> None:
    """Labels, seed, the button, and how the newest fit stands."""
    state = st.session_state
    probe.join(selection)
    counts = probe.label_counts(selection, classes)
    ui.bound("probe_labels", 1_000 if 1_000 in counts else counts[-1], among=counts)
    ui.bound("probe_seed", 0, between=(0, 999))
    controls, progress = st.columns((13, 7), gap="medium")
    with controls, st.container(horizontal=True, vertical_alignment="bottom"):
        if len(counts) > 1:
            st.select_slider(
                "Labelled training images", counts, format_func=lambda n: f"{n:,}", key="probe_labels", width=200
            )
        st.number_input("Seed", 0, 999, key="probe_seed", width=85)
        asked = (selection, kept, int(state.probe_labels), int(state.probe_seed))
        st.button("Fit the probe", icon=":material/play_arrow:", key="probe_fit", on_click=probe.ask, args=asked)
    with progress:
        probe.running(selection)


def _cell_clicked(classes: int) -> None:
    """Keep the cell that was clicked."""
    ids = ui.picked_ids(st.session_state.probe_confusion)
    if ids:
        st.session_state.probe_cell = divmod(ids[0], classes)


def _confusion(shown: probe.View, names: tuple[str, ...]) -> tuple[int, int]:
    """Draw what the shown probe confuses; its most frequent error."""
    matrix = confusion(shown.y, shown.y_pred, len(names))
    errors, i, j = errors_of(matrix)
    if not len(shown.y):
        st.caption("The card has no predictions of its probe: fit the probe to see what it confuses.")
        return i, j
    share = plots.percent(errors[i, j] / max(1, matrix[i].sum()))
    ui.show(
        plots.plot_confusion(matrix, names, title=shown.errors_title, height=400),
        key="probe_confusion",
        alt="Confusion matrix in per cent, rows the true class",
        on_select=lambda: _cell_clicked(len(names)),
        selection_mode="points",
        caption=f"{share} of “{ui.escape(names[i])}” is taken for “{ui.escape(names[j])}”, the "
        f"most frequent error; {int(errors.sum()):,} of {len(shown.y):,} are wrong. Click a cell for its images.",
    )
    return i, j


def _cell(shown: probe.View, images: Images, worst: tuple[int, int]) -> None:
    """The images of the chosen cell."""
    names = images.class_names
    cells = [divmod(i, len(names)) for i in range(len(names) ** 2)]
    cell = ui.bound("probe_cell", (), among=[(), *cells]) or worst
    inside, heading = probe.cell_images(shown, cell, names)
    some = inside[:28]
    st.markdown(f"**{heading}**" + (f", the first {len(some)} of them" if len(inside) > len(some) else ""))
    ui.gallery(
        images.x[some],
        [int(row) for row in some],
        key="probe_cell_images",
        label="Images of the chosen cell",
        hints=[f"{names[cell[0]]} read as {names[cell[1]]}, test image {i}" for i in some],
        colours=[plots.class_colour(cell[1])] * len(some),
        room=150,
    )


def _folded(selection: ui.Selection) -> None:
    ui.foldouts(
        **source.LINEAR_PROBE,
        command=_command(selection),
        script=f'''from sslviz import LinearProbe, encode, load, load_images

model = load("{selection.model}")
train, test = load_images("{selection.data}", "train"), load_images("{selection.data}", "test")
linear = LinearProbe().fit(encode(model, train.x), train.y.numpy())
print(linear.score(encode(model, test.x), test.y.numpy()))''',
        way=(
            "Images with labels, for the first time on this path; the encoder stays as it is.",
            "h is standardised; one linear layer is fitted; its penalty is chosen without the test images.",
            "Accuracy on images that neither encoder nor probe has seen, beside baselines on the same labels.",
        ),
    )


def _command(selection: ui.Selection) -> str:
    """What gives the result on show again."""
    command = f"sslviz probe {selection.model} {selection.data}"
    count, _, seed = str(st.session_state.get("probe_shown", probe.CARD)).partition("-")
    return f"{command} --labels {count} --seed {seed} --json" if seed else f"{command} --json"
