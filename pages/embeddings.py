"""Map: PCA or UMAP of h; a click or a lasso brings pictures, class counts and true neighbours."""

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.evaluation import maps as reduce
from sslviz.evaluation.neighbours import neighbours

scene = ui.open_page("embeddings")
ui.need_model(scene)
images, kept = ui.test_images(scene.data), ui.stored(scene)
names, state = images.class_names, st.session_state
if state.get("map_space") != scene.model:  # a selection belongs to the images and the space that it was made in
    state.map_space, state.map_ids, state.map_centre = scene.model, [], 0

maps = {reduce.MAPS[method].title: (xy, kept.quality[method]) for method, xy in kept.xy.items()}
refit = state.get("map_refit", {}).get(scene.model)
done = ui.worker().progress(refit) if refit else None
if done is not None and done.state == "done":
    maps["UMAP, refitted"] = done.result
if state.get("map_method") not in maps:
    state.pop("map_method", None)


def picked() -> None:
    """Take the ids of a click or a lasso; an empty selection keeps what is on show."""
    ids = ui.picked_ids(state[chart])
    if ids:
        state.map_ids, state.map_centre = ids, ids[0]


def refit_umap() -> None:
    """Ask for a new UMAP of the same h."""
    settings = {"method": "umap", "n_neighbors": int(state.map_neighbours), "seed": int(state.map_seed)}
    key = ("map", scene.model, *settings.values())
    state.map_refit, state.map_method = {**state.get("map_refit", {}), scene.model: key}, "UMAP"
    with ui.plain_errors():
        ui.worker().submit(key, ui.owner(), lambda report: ui.fit_map(kept.h, settings, report))


grid = st.grid(3, min_column_width=300, gap="medium")
left, right = grid.cell(column_span=2), grid.cell()
with left:
    with st.container(horizontal=True, vertical_alignment="center"):
        method = st.segmented_control(
            "Map", list(maps), default=next(iter(maps)), key="map_method", required=True, label_visibility="collapsed"
        )
        with st.popover("Refit", icon=":material/refresh:"):
            st.number_input("Neighbours: few show detail, many the whole", 5, 100, 15, 5, key="map_neighbours")
            st.number_input("Seed", 0, 999, 1, key="map_seed")
            st.button("Refit UMAP", on_click=refit_umap)
            st.caption("Well under a minute for 2,000 images, about a minute for 10,000. Stop it at any time.")
    if refit and (done is None or done.state != "done"):
        ui.watch(refit)
    xy, quality = maps[method]
    chart = f"map_{scene.model}_{method}_{'_'.join(map(str, refit or ()))}"
    ui.show(
        ui.map_figure(chart, xy, scene.data, f"{method} of {len(xy):,} h of {kept.h.shape[1]:,} numbers, {quality}"),
        key=chart,
        alt=f"{method} map of the test images, coloured by class",
        on_select=picked,
        selection_mode=("points", "lasso"),
    )

centre = state.map_centre if 0 <= state.map_centre < len(xy) else 0
nearest, cosines = neighbours(kept.h, centre, 100)
on_map = np.argsort(((xy - xy[centre]) ** 2).sum(axis=1))[1:11]
shared = len(set(nearest[:10].tolist()) & set(on_map.tolist()))
same = int((images.y[nearest[:10]] == images.y[centre]).sum())
with left:
    st.markdown(
        f"Click a point or draw a lasso. Of the 10 nearest neighbours in h of image {centre}, {shared} are among its "
        f"10 nearest on this map, and {same} show the same class, “{ui.escape(names[images.y[centre]])}”."
    )


with right:
    if len(state.map_ids) > 1:
        chosen, words = np.array(state.map_ids), None
        title, what = f"{len(chosen):,} images in the lasso", f"Classes of the {len(chosen):,} selected"
        shelf = chosen[np.linspace(0, len(chosen) - 1, min(16, len(chosen))).astype(int)]
    else:
        chosen, words = nearest, ["image", *[f"{c:.2f}" for c in cosines[:11]]]
        title, what = "An image and its neighbours in h", "Classes of the 100 nearest in h"
        shelf = np.array([centre, *nearest[:11]])
    st.markdown(f"**{title}**")
    ui.thumbnails(
        images,
        shelf,
        key="map_shelf",
        label="Selected images",
        words=words,
        chosen=centre,
        on_click=lambda index: state.update(map_centre=index),
        room=272,
    )
    counts = np.bincount(images.y[chosen], minlength=len(names))
    ui.show(plots.plot_counts(counts, names, title=what, height=250), key="map_counts", alt=what, still=True)
    top = int(counts.argmax())
    st.markdown(
        f"{100 * counts[top] / len(chosen):.0f} % of them are “{ui.escape(names[top])}”. "
        + ("" if words is None else "Numbers under the pictures are cosines in h. ")
        + "Click a picture to walk on."
    )

ui.foldouts(
    latex=r"T(k) = 1 - \frac{2}{N k\,(2N - 3k - 1)} \sum_{i=1}^{N} \sum_{j \in U_k(i)} \big(r(i, j) - k\big)",
    symbols={
        "h": ("representation of an image", "embed.encode(model, x)"),
        r"\cos(h_i, h_j)": ("similarity that ranks neighbours", "reduce.neighbours(h, index, k)"),
        "T(k)": ("trustworthiness: 1 where no false neighbour is drawn", "reduce.trust(h, xy)"),
        "U_k(i)": ("k nearest on the map that are not k nearest in h", "k = 15"),
        "r(i, j)": ("rank of j among the neighbours of i in h", "sklearn.manifold.trustworthiness"),
    },
    source="sslviz.evaluation.maps:trust",
    command=f"sslviz embed {scene.model} {scene.data} --out h.npz\n"
    f"sslviz map {scene.model} {scene.data} --method umap --out map.npz",
    script=f'''from sslviz.store.checkpoint import load
from sslviz.data.images import load_images
from sslviz.evaluation.embedding import encode
from sslviz.evaluation.maps import fit_map
from sslviz.evaluation.neighbours import neighbours

h = encode(load("{scene.model}"), load_images("{scene.data}", "test").x)
umap = fit_map(h, method="umap", seed=0)
print(umap.trustworthiness, neighbours(h, {centre}, 10))''',
    way=(
        f"{images.source} of {scene.title} → h, {kept.h.shape[1]} numbers each.",
        "PCA keeps the two directions of largest variance; UMAP keeps cosine neighbourhoods and bends the rest.",
        "Places on a page. Distances between clusters mean little; neighbourhoods mean as much as T says.",
    ),
)
