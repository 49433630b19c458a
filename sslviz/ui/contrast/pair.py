"""Two views of one image, drawn as training draws them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.methods.policies import policy_for

STRIP = 12  # views in a row


def show(selection: ui.Selection) -> None:
    """Draw an image, a pair of its views, and a strip of more."""
    images = ui.test_images(selection.data)
    index = ui.bound("contrast_image", 0, between=(0, len(images.x) - 1))
    seed = ui.bound("contrast_seed", 0, between=(0, 9999))
    st.number_input("Seed of the views", 0, 9999, key="contrast_seed", width=140)
    views = _views(images.x[index], selection.data, int(seed))
    ui.show(
        plots.plot_images(
            views,
            row_labels=[""],
            title=f"{STRIP} views of test image {index}, seed {seed}",
        ),
        key="contrast_strip",
        alt=f"{STRIP} random views of one image",
    )


def _views(x: np.ndarray, dataset: str, seed: int) -> np.ndarray:
    """Views (STRIP, C, H, W) in [0, 1] of an image (C, H, W) uint8."""
    import torch

    from sslviz.data.images import to_float
    from sslviz.methods.views import augment

    batch = to_float(torch.from_numpy(x)).expand(STRIP, *x.shape)
    return augment(batch, policy_for(dataset, x.shape[0]), generator=torch.Generator().manual_seed(seed)).numpy()
