"""Map: h laid out in the plane; a click or a lasso brings pictures, class counts and true neighbours."""

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.evaluation.maps import MAPS
from sslviz.evaluation.neighbours import neighbours
from sslviz.ui import refits

selection = ui.open_page("embeddings")
ui.need_model(selection)
images, kept = ui.test_images(selection.data), ui.stored(selection)
names, state, count = images.class_names, st.session_state, len(images.y)

if (
    state.get("map_data", selection.data) != selection.data
):  # a choice is of images: it outlives map and model, not the data
    state.map_ids, state.map_image = (), 0
state.map_data = selection.data
centre = ui.bound("map_image", 0, between=(0, count - 1))
lasso = np.array([i for i in ui.bound("map_ids", (), parse=ui.read_ids, text=ui.write_ids) if i < count], int)


def pick(ids: list[int]) -> None:
    """Choose one image, or those in a lasso and the first of them; no ids let go of a lasso."""
    state.map_ids = tuple(ids) if len(ids) > 1 else ()
    state.map_image = ids[0] if ids else centre


def walk_to(index: int) -> None:
    """Choose an image on the shelf; a lasso stays."""
    state.map_image = index


maps, waiting = refits.maps_of(selection, kept)
method = ui.bound("map_method", next(iter(maps)), among=maps)
grid = st.grid(3, min_column_width=300, gap="medium")
left, right = grid.cell(column_span=2), grid.cell()
with left:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.segmented_control(
            "Map", list(maps), format_func=refits.title_of, key="map_method", required=True,
            label_visibility="collapsed",
        )  # fmt: skip
        refits.form(selection, kept.h)
        if waiting is not None:  # beside the controls, so that nothing moves
            ui.watch(refits.job(selection, waiting), height=56)
    xy, quality = maps[method]
    quality = quality or kept.quality[method]
    said = quality.words("images")
    title = refits.title_of(method)
    st.markdown(f"**{title} of {count:,} h, {kept.h.shape[1]:,} numbers each.** {said[:1].upper()}{said[1:]}.")
    ui.show_map(
        xy,
        images.y,
        names,
        key=f"map_view_{selection.title}",
        label=f"{title} map of {count:,} test images, coloured by class. Arrow keys walk, Enter chooses.",
        chosen=centre,
        selected=lasso,
        pictures=ui.atlas(selection.data),
        size=560,
        on_pick=pick,
    )
    metric = ui.metric_of(selection)
    nearest, apart = neighbours(kept.h, centre, 100, metric=metric)
    on_map, _ = neighbours(xy, centre, 10, metric="euclidean")
    same = int((images.y[nearest[:10]] == images.y[centre]).sum())
    st.markdown(
        f"Click a point, or drag a lasso round some. Of the {len(on_map)} nearest neighbours in h of image {centre}, "
        f"{len(set(nearest[:10]) & set(on_map))} are among its {len(on_map)} nearest on this map, and {same} show the "
        f"same class, “{ui.escape(names[images.y[centre]])}”."
    )

with right:
    if len(lasso):
        chosen, words = lasso, None
        title, what = f"{len(chosen):,} images in the lasso", f"Classes of the {len(chosen):,} selected"
        shelf = chosen[np.linspace(0, len(chosen) - 1, min(16, len(chosen))).astype(int)]
    else:
        chosen, words = nearest, ["image", *[f"{c:.2f}" for c in apart[:11]]]
        title, what = "An image and its neighbours in h", f"Classes of the {len(chosen)} nearest in h"
        shelf = np.array([centre, *nearest[:11]])
    st.markdown(f"**{title}**")
    ui.thumbnails(
        images,
        shelf,
        key="map_shelf",
        label="Selected images",
        words=words,
        chosen=centre,
        on_click=walk_to,
        room=272,
    )
    counts = np.bincount(images.y[chosen], minlength=len(names))
    ui.show(plots.plot_counts(counts, names, title=what), key="map_counts", alt=what, still=True)
    told = f"Numbers under the pictures are {'cosines' if metric == 'cosine' else 'distances'} in h. " if words else ""
    st.markdown(
        f"{100 * counts.max() / max(1, len(chosen)):.0f} % of them are “{ui.escape(names[counts.argmax()])}”. {told}"
        "Click a picture to walk on."
    )

command, script = refits.reproduce(selection, method, metric, centre)
info = MAPS[refits.method_of(method)]
ui.foldouts(
    latex=r"T(k) = 1 - \frac{2}{N k\,(2N - 3k - 1)} \sum_{i=1}^{N} \sum_{j \in U_k(i)} \big(r(i, j) - k\big)",
    symbols={
        "h": ("representation of an image", "encode(model, x)"),
        "T(k)": ("trustworthiness: 1 where no false neighbour is drawn", "trust(h, xy)"),
        "U_k(i)": ("k nearest on the map that are not k nearest in h", f"k = {quality.k}"),
        "N": ("rows in the sample that T is measured on", f"N = {quality.n:,}"),
        "r(i, j)": (f"rank of j among the neighbours of i in h, by {metric} distance", "neighbours(h, i, N - 1)"),
    },
    source="sslviz.evaluation.maps:trust",
    command=command,
    script=script,
    way=(
        f"{images.source} of {selection.title} → h, {kept.h.shape[1]} numbers each.",
        f"{info.title} ({info.paper}).",
        f"Places on a page. Read {info.reads}.",
    ),
)
