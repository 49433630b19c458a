"""Probe: one linear layer on a frozen representation, beside baselines on the same labels, and what it confuses."""

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.evaluation.results import confusion

selection = ui.open_page("probe")
ui.need_model(selection)
images, kept = ui.test_images(selection.data), ui.stored(selection)
ui.need_labels(images)
names, state = images.class_names, st.session_state

ui.probe.join(selection)
counts = ui.probe.label_counts(selection, len(names))
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
    st.button("Fit the probe", icon=":material/play_arrow:", key="probe_fit", on_click=ui.probe.ask, args=asked)
with progress:
    ui.probe.running(selection)
fits = ui.probe.fits(selection)
shown = ui.probe.view(selection, images, kept, fits.get(ui.probe.choose(selection, fits)))
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


def cell_clicked() -> None:
    """Keep the cell that was clicked."""
    ids = ui.picked_ids(state.probe_confusion)
    if ids:
        state.probe_cell = divmod(ids[0], len(names))


matrix = confusion(shown.y, shown.y_pred, len(names))
errors = matrix - np.diag(np.diag(matrix))
worst = tuple(int(i) for i in np.unravel_index(errors.argmax(), errors.shape))
with right:
    if len(shown.y):
        share = plots.percent(errors[worst] / max(1, matrix[worst[0]].sum()))
        ui.show(
            plots.plot_confusion(matrix, names, title=shown.errors_title, height=400),
            key="probe_confusion",
            alt="Confusion matrix in per cent, rows the true class",
            on_select=cell_clicked,
            selection_mode="points",
            caption=f"{share} of “{ui.escape(names[worst[0]])}” is taken for “{ui.escape(names[worst[1]])}”, the "
            f"most frequent error; {int(errors.sum()):,} of {len(shown.y):,} are wrong. Click a cell for its images.",
        )
    else:
        st.caption("The card has no predictions of its probe: fit the probe to see what it confuses.")
cells = [divmod(i, len(names)) for i in range(len(names) ** 2)]
cell = ui.bound("probe_cell", (), among=[(), *cells]) or worst
if len(shown.y):
    inside, heading = ui.probe.cell_images(shown, cell, names)
    some = inside[:28]
    st.markdown(f"**{heading}**" + (f", the first {len(some)} of them" if len(inside) > len(some) else ""))
    ui.gallery(
        images.x[some],
        some,
        key="probe_cell_images",
        label="Images of the chosen cell",
        hints=[f"{names[cell[0]]} read as {names[cell[1]]}, test image {i}" for i in some],
        colours=[plots.class_colour(cell[1])] * len(some),
        room=150,
    )
if fits:
    st.markdown("**Fits of this visit,** each against baselines on its own labels")
    st.markdown(ui.probe.compared(fits))

ui.foldouts(
    latex=r"\min_{W, b}\; \frac1n \sum_{i=1}^{n} -\log \operatorname{softmax}(W h'_i + b)_{y_i}"
    r" + \frac{\lambda}{2} \lVert W \rVert^2, \qquad h' = \frac{h - \operatorname{mean}(h)}{\operatorname{std}(h)}",
    symbols={
        "h": ("frozen representation", "embedding.encode(model, x)"),
        "W, b": ("the only thing that is trained", "LinearProbe.coef_, intercept_"),
        r"\lambda": ("penalty, chosen on held-out training images", "LinearProbe.l2_, val_scores_"),
        "y": ("labels, used here for the first time", "ImageSet.y"),
    },
    source="sslviz.evaluation.probes:LinearProbe.fit",
    command=f"sslviz probe {selection.model} {selection.data} --json",
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
