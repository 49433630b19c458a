"""Probe: one linear layer on a frozen representation, beside baselines, and what it confuses."""

import numpy as np
import streamlit as st
from sklearn.metrics import confusion_matrix

from sslviz import plots, ui
from sslviz.evaluation import intervals
from sslviz.methods.registry import METHODS

scene = ui.open_page("probe")
ui.need_model(scene)
images, kept = ui.test_images(scene.data), ui.stored(scene)
names, state, results = images.class_names, st.session_state, scene.card.get("results", {})
LABELS = (100, 300, 1_000, 3_000, 10_000)


def row(label: str, accuracy: float, method: str, n: int, labels: str = "") -> dict:
    """One line of the accuracy figure."""
    interval = intervals.accuracy_interval(accuracy, n)
    return {
        "label": ui.BASELINES.get(label, label) + labels,
        "accuracy": accuracy,
        "interval": interval,
        "method": method,
        "colour": METHODS[method].colour if method in METHODS else None,
        "n": n,
    }


controls, progress = st.columns((13, 7), gap="medium")
with controls, st.container(horizontal=True, vertical_alignment="bottom"):
    count = st.select_slider(
        "Labelled training images", LABELS, 1_000, format_func=lambda n: f"{n:,}", key="probe_labels", width=200
    )
    count = count if count in LABELS else 1_000
    seed = int(st.number_input("Seed", 0, 999, 0, key="probe_seed", width=85))
    rivals = st.toggle("Baselines too", key="probe_baselines", help="Fits pixels, PCA, whitened patches and a random "
                       "encoder on the same labels; that takes longer.")  # fmt: skip
    key = ("probe", scene.model, count, seed, rivals)
    if st.button("Fit the probe", icon=":material/play_arrow:", key="probe_fit"):
        ui.worker().submit(key, ui.owner(), lambda report: ui.fit_probe(scene, kept.h, count, seed, rivals, report))
with progress:
    now = ui.watch(key)
grid = st.grid(2, min_column_width=420, gap="medium")
left, right = grid.cell(), grid.cell()

live = now.result if now is not None and now.state == "done" else None
if live is None:
    y_pred, judged = ui.neighbour_votes(scene)
    y_true, read_by = images.y[judged], "k-NN on stored h"
else:
    y_pred, y_true, judged = live["y_pred"], images.y, np.arange(len(images.y))
    read_by = "the linear probe"


def compared() -> tuple[list[dict], str, str]:
    """The lines of the accuracy figure, the encoder's first, its title, and what was done for them."""
    n, said = results.get("n_test", len(images.y)), ", all labels" if live is not None else ""
    card = [row(scene.model, results["linear_probe"], scene.method, n, said)] if "linear_probe" in results else []
    card += [row(name, value, "baseline", n, said) for name, value in results.get("baselines", {}).items()]
    mine = float((y_pred == y_true).mean())
    if live is None and card:
        whose = "as the imported file claims" if scene.card.get("imported") else "the model's card"
        return card, f"Linear probe on all labels, full test set ({whose})", ""
    if live is None:
        return [row(scene.model, mine, scene.method, len(y_true))], f"k-NN probe, {len(y_true):,} test images", ""
    rivals = [row(name, value, "baseline", len(y_true)) for name, value in live["rivals"].items()]
    ours = row(scene.model, mine, scene.method, len(y_true), "" if rivals else f", {count:,} labels")
    took = f"Fitted in {plots.seconds(live['fit_seconds'])}, {plots.seconds(live['seconds'])} in all; L2 penalty "
    took += f"{live['l2']:g}, chosen on training images held out."
    return [ours, *(rivals or card)], f"Linear probe on {count:,} labels, {len(y_true):,} test images", took


with left:
    rows, title, said = compared()
    ours, others = rows[0], sorted((r for r in rows if r["method"] == "baseline"), key=lambda r: -r["accuracy"])
    told = f"{scene.model}: {plots.percent_interval(ours['accuracy'], ours['interval'], ours['n'])}. "
    if others:
        gap = 100 * (ours["accuracy"] - others[0]["accuracy"])
        verdict = "above" if gap > 0 else "below"
        told += f"That is {abs(gap):.1f} points {verdict} the best baseline, {others[0]['label']}. "
    ui.show(
        plots.plot_accuracy(rows, title=title, chance=1 / len(names), height=400),
        key="probe_accuracy",
        alt="Accuracy of the encoder and of the baselines, with intervals",
        caption=told + said,
    )


def cell_clicked() -> None:
    """Keep the cell that was clicked."""
    ids = ui.picked_ids(state.probe_confusion)
    if ids:
        state.probe_cell = divmod(ids[0], len(names))


matrix = confusion_matrix(y_true, y_pred, labels=np.arange(len(names)))
errors = matrix - np.diag(np.diag(matrix))
worst = tuple(int(i) for i in np.unravel_index(errors.argmax(), errors.shape))
with right:
    ui.show(
        plots.plot_confusion(matrix, names, title=f"What {read_by} confuses (diagonal: recall, %)", height=400),
        key="probe_confusion",
        alt="Confusion matrix, rows the true class",
        on_select=cell_clicked,
        selection_mode="points",
        caption=f"“{ui.escape(names[worst[0]])}” is taken for “{ui.escape(names[worst[1]])}” most often, "
        f"{errors[worst]:,} times; {int(errors.sum()):,} of {len(y_true):,} are wrong. Click a cell to see its images.",
    )
cell = state.get("probe_cell", worst)
cell = cell if max(cell) < len(names) else worst
inside = judged[(y_true == cell[0]) & (y_pred == cell[1])]
shown = inside[:28]
st.markdown(
    f"**“{ui.escape(names[cell[0]])}” read as “{ui.escape(names[cell[1]])}”: {len(inside):,} images**"
    + (f", the first {len(shown)} of them" if len(inside) > len(shown) else "")
)
ui.gallery(
    images.x[shown],
    shown,
    key="probe_cell_images",
    label="Images of the chosen cell",
    hints=[f"{names[cell[0]]} read as {names[cell[1]]}, test image {i}" for i in shown],
    colours=[plots.class_colour(cell[1])] * len(shown),
    room=150,
)

ui.foldouts(
    latex=r"\min_{W, b}\; \frac1n \sum_{i=1}^{n} -\log \operatorname{softmax}(W h'_i + b)_{y_i}"
    r" + \frac{\lambda}{2} \lVert W \rVert^2, \qquad h' = \frac{h - \operatorname{mean}(h)}{\operatorname{std}(h)}",
    symbols={
        "h": ("frozen representation", "embed.encode(model, x)"),
        "W, b": ("the only thing that is trained", "LinearProbe.coef_, intercept_"),
        r"\lambda": ("penalty, chosen on held-out training images", "LinearProbe.l2_, val_scores_"),
        "y": ("labels, used here for the first time", "ImageSet.y"),
    },
    source="sslviz.evaluation.probes:LinearProbe.fit",
    command=f"sslviz probe {scene.model} {scene.data} --json",
    script=f'''from sslviz.store.checkpoint import load
from sslviz.data.images import load_images
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.probes import LinearProbe

model = load("{scene.model}")
train, test = load_images("{scene.data}", "train"), load_images("{scene.data}", "test")
linear = LinearProbe().fit(encode(model, train.x), train.y.numpy())
print(linear.score(encode(model, test.x), test.y.numpy()))''',
    way=(
        "Images with labels, for the first time on this path; the encoder stays as it is.",
        "h is standardised; one linear layer is fitted; its penalty is chosen without the test images.",
        "Accuracy on images that neither encoder nor probe has seen, beside features that cost nothing.",
    ),
)
