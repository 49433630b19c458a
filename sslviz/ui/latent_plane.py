"""The latent plane of a two-dimensional VAE, decoded in the browser under the pointer."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots
from sslviz.ui.component import component
from sslviz.ui.selection import Selection
from sslviz.ui.stored import decode, load_model, stored, test_images

_PLANE = component(__file__, "latent_plane")


def plane(selection: Selection, *, key: str) -> float:
    """Show the latent space of a two-dimensional VAE, decoded under the pointer without a message to the server.

    Args:
        selection: its model has two latent dimensions.
        key: unique on the page.

    Returns:
        the radius of the circle that is drawn: it holds 99 % of the prior.
    """
    sent = _plane_data(selection.name, selection.data, load_model(selection), stored(selection).h)
    _PLANE(key=key, data=sent)
    return sent["prior"]


PLANE_TILES, PLANE_DOTS = 33, 3000  # decoded images along a side; test images drawn


@st.cache_resource(max_entries=4, show_spinner=False)
def _plane_data(name: str, dataset: str, _model: Any, _mu: np.ndarray) -> dict[str, Any]:
    images = test_images(dataset)
    reach = float(np.ceil(np.quantile(np.abs(_mu), 0.995) * 2) / 2)  # in prior standard deviations
    ticks = (np.arange(PLANE_TILES) + 0.5) / PLANE_TILES * 2 * reach - reach
    grid = np.stack(np.meshgrid(ticks, ticks[::-1]), axis=-1).reshape(-1, 2)  # row by row from the top left
    tiles = decode(_model, grid)
    height, width = tiles.shape[2:]
    mu, y = _mu[:PLANE_DOTS], images.y[:PLANE_DOTS]
    anchors = plots.spread(plots.class_anchors(mu, y, len(images.class_names)), 0.1 * reach)
    return {
        "sprite": plots.data_uri(plots.mosaic(tiles, columns=PLANE_TILES, gap=0)[..., :3]),
        "count": PLANE_TILES,
        "width": width,
        "height": height,
        "scale": 336 // width,
        "reach": reach,
        "start": [0.0, 0.0],
        "prior": float(np.sqrt(-2 * np.log(0.01))),
        "xs": np.round(mu[:, 0].astype(float), 2).tolist(),
        "zs": np.round(mu[:, 1].astype(float), 2).tolist(),
        "ys": y.tolist(),
        "palette": list(plots.PETROFF),
        "names": [
            {"x": float(a), "y": float(b), "name": images.class_names[i], "colour": plots.class_colour(i)}
            for i, (a, b) in enumerate(anchors)
            if np.isfinite(a)
        ],
        "label": "Latent plane; move with the arrow keys",
    }
