"""Home: what the app is for, one image's way through a model, what is here, where to begin. Imports no torch."""

import streamlit as st

from sslviz import plots, ui
from sslviz.evaluation.maps import MAPS
from sslviz.evaluation.neighbours import neighbours
from sslviz.methods.registry import METHODS

selection = ui.open_page("home")

left, right = st.columns(2, gap="medium")
left.markdown(
    "**First the path, then the formula.** Every page lights one stage of the same path: what goes in, what is done "
    "to it, what comes out."
)
right.markdown(
    "**A good pretext score proves little.** A representation is judged on a task that it was not trained for, "
    "beside pixels, their principal components, random patches and the same network untrained."
)

ui.need_model(selection)
images, kept = ui.test_images(selection.data), ui.stored(selection)
names = images.class_names


def choose(index: int) -> None:
    """Follow another image."""
    st.session_state.home_image = index


index = ui.bound("home_image", 0, between=(0, len(images.y) - 1))
metric = ui.metric_of(selection)
ids, apart = neighbours(kept.h, index, 8, metric=metric)
same = int((images.y[ids] == images.y[index]).sum())
grid = st.grid(3, min_column_width=300, gap="medium")
with grid.cell():
    st.markdown("**An image x.** Choose one.")
    ui.thumbnails(
        images,
        ui.some_of_each(selection.data, 1),
        key=f"home_shelf_{selection.title}",
        label="Test images to follow",
        chosen=index,
        on_click=choose,
        room=150,
    )
    with st.container(height=210, border=False, horizontal_alignment="center"):
        st.image(
            plots.png(plots.mosaic(images.x[[index]], columns=1, scale=12)),
            width=6 * images.x.shape[3],
            alt=f"Test image {index}, {names[images.y[index]]}",
        )
with grid.cell():
    size = kept.h.shape[1]
    rows = f", {min(64, size)} a row" if size > 64 else ""
    vector = plots.plot_vector(kept.h[index], title=f"h = encoder(x): {size:,} numbers{rows}")
    ui.show(vector, key="home_h", alt=f"The {size} values of h of image {index}", still=True)
    st.markdown(f"**Its neighbours in h,** by {'cosine' if metric == 'cosine' else 'distance'}. Walk on.")
    ui.thumbnails(
        images,
        ids,
        key="home_neighbours",
        label="Nearest neighbours in h",
        words=[f"{c:.2f}" for c in apart],
        chosen=index,
        on_click=choose,
        room=185,
    )
with grid.cell():
    method = next(iter(kept.xy))
    st.markdown(f"**Its place among {len(images.y):,}** ({MAPS[method].title} of h). Choose another.")
    ui.show_map(
        kept.xy[method],
        images.y,
        names,
        key=f"home_map_{selection.title}",
        label="Map of all test images, the chosen one ringed. Arrow keys walk, Enter chooses.",
        chosen=index,
        pictures=ui.atlas(selection.data),
        tools=False,
        size=400,
        on_pick=lambda ids: choose(ids[0]),
    )
chance = len(ids) * ((images.y == images.y[index]).sum() - 1) / max(1, len(images.y) - 1)
taught = "although training used no labels"
if METHODS[selection.method].labels:
    taught = "which training was told of its own images"
st.markdown(
    f"Test image {index}, “{ui.escape(names[images.y[index]])}”, on its way through "
    f"{ui.escape(selection.model)}: {same} "
    f"of its {len(ids)} nearest neighbours show the same class, {taught}. By chance it would be {chance:.1f}."
)

st.subheader("Where to begin", anchor=False)
ui.tour.again()
doors = st.grid(3, min_column_width=240, gap="medium")
TEXTS = {
    "vae": "Squeeze an image through a few numbers, then walk, mix and sample in the space between.",
    "contrastive": "Draw two views of an image, see every pair of a batch compared, and drag the temperature.",
    "embeddings": f"See {len(images.y):,} images laid out by a network that was told no classes, and test what the map "
    "hides.",
    "probe": "Freeze the network, train one linear layer on top, and compare with the same layer on pixels and on "
    "features that were not learnt.",
    "language": "Hide a word of your own sentence, and see what a model puts there and where it looks.",
    "review": "Every method on one sheet, with the step that goes wrong most often: guess, then see.",
}
for key, text in TEXTS.items():
    with doors.cell():
        st.page_link(ui.PAGES[key].file, label=f"**{ui.PAGES[key].name}**", icon=ui.PAGES[key].icon)
        st.markdown(f"*{ui.PAGES[key].question}* {text}")

with st.container(key="tables"):
    st.subheader(f"Models of {selection.title} here", anchor=False)
    for said, table in ui.model_tables(selection.data):
        st.markdown(table)
        st.caption(said)
    for said in ui.left_out():
        st.caption(said)
    st.subheader("Datasets here", anchor=False)
    st.markdown(ui.data_table())
