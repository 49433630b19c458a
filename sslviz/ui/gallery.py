"""Thumbnails that can be clicked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots
from sslviz.ui.address import bound
from sslviz.ui.component import component
from sslviz.ui.selection import Selection
from sslviz.ui.stored import Images, some_of_each, test_images

_GALLERY = component(__file__, "gallery")


def gallery(
    images: np.ndarray,
    ids: Sequence[int],
    *,
    key: str,
    label: str,
    hints: Sequence[str],
    words: Sequence[str] | None = None,
    colours: Sequence[str | None] | None = None,
    chosen: int | None = None,
    scale: int = 2,
    on_click: Callable[[int], None] | None = None,
    room: int = 0,
) -> None:
    """Show images as crisp, clickable thumbnails.

    Args:
        images: (n, C, H, W).
        ids: n ids; a click hands one to `on_click`.
        key: unique on the page.
        label: what the group is, for a screen reader.
        hints: n descriptions, shown on hover and read aloud.
        words: n short lines under the pictures.
        colours: n frame colours.
        chosen: the id that is marked.
        scale: whole factor by which a pixel grows.
        on_click: called before the page runs again.
        room: height to reserve in pixels, so that nothing below moves when the number of images changes.
    """
    columns = 10  # of the sheet that is sent; the page lays the tiles out to its own width
    sheet = plots.mosaic(images, columns=columns, gap=0) if len(images) else np.zeros((1, 1, 4), np.uint8)
    items = [
        {
            "id": int(i),
            "hint": hints[n],
            "words": words[n] if words else "",
            "colour": (colours[n] if colours else None) or "",
        }
        for n, i in enumerate(ids)
    ]

    def clicked() -> None:
        value = st.session_state[key].get("clicked")
        if on_click is not None and isinstance(value, int) and value in set(int(i) for i in ids):
            on_click(value)

    _GALLERY(
        key=key,
        data={
            "sprite": plots.data_uri(sheet),
            "columns": columns,
            "width": int(images.shape[3]) if len(images) else 1,
            "height": int(images.shape[2]) if len(images) else 1,
            "scale": scale,
            "items": items,
            "label": label,
            "chosen": chosen,
            "clickable": on_click is not None,
            "room": room,
        },
        on_clicked_change=clicked,
    )


def choose_image(selection: Selection, key: str, label: str, *, start: int, per_class: int = 1) -> int:
    """Show the first test images of each class and return the id of the one that was clicked, which is in the address.

    At first it is that of class `start`, or the last where there are fewer classes.
    """
    images, shelf = test_images(selection.data), some_of_each(selection.data, per_class)
    chosen = bound(key, shelf[min(start * per_class, len(shelf) - 1)], among=shelf)
    st.markdown(f"**{label}**")
    thumbnails(
        images,
        shelf,
        framed=False,
        key=f"{key}_{selection.title}",
        label=label,
        chosen=chosen,
        scale=1 if per_class > 1 else 2,
        on_click=lambda index: st.session_state.update({key: index}),
    )
    return chosen


def thumbnails(images: Images, ids: Sequence[int], *, framed: bool = True, **options: Any) -> None:
    """Show test images by their ids in a `gallery`, which takes the options: named and, if framed, framed by class."""
    labels = images.y[ids]
    gallery(
        images.x[ids],
        ids,
        hints=[f"{images.class_names[label]}, test image {i}" for label, i in zip(labels, ids, strict=True)],
        colours=[plots.class_colour(label) for label in labels] if framed else None,
        **options,
    )
