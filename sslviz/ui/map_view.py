"""A map of thousands of points, drawn on a 2-D canvas in the browser: hover, click, lasso, keyboard and touch.

It needs no WebGL, which remote desktops, virtual machines and old computers lack.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from streamlit import runtime

from sslviz import plots
from sslviz.ui.component import component
from sslviz.ui.figures import theme
from sslviz.ui.stored import test_images

_MAP = component(__file__, "map_view")
MARGIN = 0.045  # of the side, left free around the points
ATLAS = 4096  # pixels along a side of the sheet that holds the pictures of all points, at most
MOST_IDS = 1_000_000  # that an address may hold
LONGEST_NAME = 24  # characters of a class name on the map
PAGE = {"light": "#ffffff", "dark": "#11161d"}  # background of the themes in .streamlit/config.toml


@dataclass(frozen=True)
class Atlas:
    """All pictures of a map as one sheet: `columns` tiles a row, each `width` x `height` pixels; and its file."""

    content: bytes
    kind: str
    columns: int
    width: int
    height: int


@st.cache_resource(max_entries=3, show_spinner=False)
def atlas(dataset: str) -> Future[Atlas]:
    """The bundled test images of a dataset as one sheet, made in a thread beside the page, whose map does not wait."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="sslviz-atlas")
    sheet = pool.submit(make_atlas, test_images(dataset).x)
    pool.shutdown(wait=False)
    return sheet


def make_atlas(x: np.ndarray) -> Atlas:
    """Lay images x (N, C, H, W) uint8 out on a sheet of at most 4,096 pixels a side: grey ones exactly, as PNG."""
    import io

    from PIL import Image

    count, channels, height, width = x.shape
    columns = int(np.ceil(np.sqrt(count)))
    step = max(1, -(-columns * max(height, width) // ATLAS))  # every step-th pixel is kept
    x = x[:, :, ::step, ::step]
    height, width = x.shape[2:]
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, channels, height, width), np.uint8)
    sheet[:count] = x
    sheet = sheet.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    buffer = io.BytesIO()
    if channels == 1:
        Image.fromarray(sheet[..., 0]).save(buffer, "PNG", compress_level=4)
    else:
        Image.fromarray(sheet).save(buffer, "WEBP", quality=85, method=0)
    return Atlas(buffer.getvalue(), "image/png" if channels == 1 else "image/webp", columns, width, height)


def show_map(
    xy: np.ndarray,
    y: np.ndarray,
    class_names: Sequence[str],
    *,
    key: str,
    label: str,
    chosen: int | None = None,
    selected: Sequence[int] = (),
    pictures: Future[Atlas] | None = None,
    hints: Sequence[str] | None = None,
    noun: str = "image",
    guest: tuple[float, float] | None = None,
    tools: bool = True,
    size: int = 600,
    on_pick: Callable[[list[int]], None] | None = None,
) -> None:
    """Show a map coloured by class, each class named at its cluster; what is chosen is ringed.

    Args:
        xy: (N, 2) places, y upwards.
        y: (N,) labels.
        class_names: in class order.
        key: unique on the page; zoom and tools stay while it does.
        label: what is shown, for a screen reader.
        chosen: the id that is ringed.
        selected: ids that stand out, the others fade; empty: none does.
        pictures: of all points, for the hover; the browser asks again until they are there.
        hints: N texts for the hover, in place of class and id.
        noun: what a point is.
        guest: a place beside the points, drawn as a star.
        tools: whether there are a lasso and zoom.
        size: most pixels of a side; on a narrow page the map takes the width that there is.
        on_pick: called with the ids of a click, a key or a lasso before the page runs again; with none where a click
            beside all points lets go of `selected`.
    """
    xy, count = np.asarray(xy, np.float64), len(xy)
    low, high = (xy.min(axis=0), xy.max(axis=0)) if count else (np.zeros(2), np.ones(2))
    reach = max(float((high - low).max()), 1e-12)

    def unit(places: np.ndarray) -> np.ndarray:  # (M, 2) in units of the side, y down, one scale for both axes
        flat = (places - (low + high) / 2) / reach * (1 - 2 * MARGIN)
        return np.stack([0.5 + flat[:, 0], 0.5 - flat[:, 1]], axis=1)

    anchors = unit(plots.class_anchors(xy, y, len(class_names)))
    order = np.argsort(-np.bincount(y, minlength=len(class_names)), kind="stable")  # large classes first
    names = [
        {"x": float(anchors[i, 0]), "y": float(anchors[i, 1]), "name": _short(class_names[i]), "label": int(i)}
        for i in order
        if np.isfinite(anchors[i, 0])
    ]

    def picked() -> None:
        value = st.session_state[key].get("picked")
        ids = [i for i in value if isinstance(i, int) and 0 <= i < count] if isinstance(value, list) else []
        if isinstance(value, list) and on_pick is not None and bool(ids) == bool(value):
            on_pick(ids)

    done = pictures is not None and pictures.done()  # read once: they may end meanwhile
    waiting = 0  # else another number at every answer: a component is not called again for what it has
    if pictures is not None and not done:
        waiting = 1 + int(st.session_state.get(key, {}).get("asked") or 0)
    star = None if guest is None else unit(np.array([guest]))[0]
    ink = theme()
    _MAP(
        key=key,
        data={
            "places": _base64(np.clip(unit(xy) * 65535, 0, 65535).round().astype("<u2")),
            "labels": _base64(np.asarray(y).astype("<u2")),
            "classes": list(class_names),
            "names": names,
            "palette": [plots.class_colour(i) for i in range(min(len(class_names), len(plots.PETROFF)))],
            "ink": {"text": plots.INK[ink], "background": PAGE[ink]},
            "chosen": -1 if chosen is None else int(chosen),
            "selected": [int(i) for i in selected],
            "sprite": _sprite(pictures.result(), key) if pictures and done and pictures.exception() is None else None,
            "waiting": waiting,
            "hints": None if hints is None else list(hints),
            "noun": noun,
            "guest": None if star is None else {"x": float(star[0]), "y": float(star[1])},
            "label": label,
            "tools": tools,
            "size": size,
        },
        on_picked_change=picked,
        on_asked_change=lambda: None,
    )


def write_ids(ids: Sequence[int]) -> str:
    """Ids as text for an address: one bit each, packed, in base64 without padding; some 1,700 letters for 10,000."""
    bits = np.zeros(max(ids, default=0) + 1, bool)
    bits[list(ids)] = True
    return base64.urlsafe_b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode("ascii").rstrip("=")


def read_ids(text: str) -> tuple[int, ...]:
    """Read what `write_ids` writes, ids in order.

    Raises:
        ValueError: it is something else, or unpacks to more than a million ids.
    """
    try:
        unpacker = zlib.decompressobj()
        packed = unpacker.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), MOST_IDS // 8)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpacker.eof:
        raise ValueError("this is no list of ids")
    return tuple(np.flatnonzero(np.unpackbits(np.frombuffer(packed, np.uint8))).tolist())


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def _sprite(pictures: Atlas, key: str) -> dict[str, Any] | None:
    """Where the browser finds the sheet: a file of this server, fetched once; None outside of a server."""
    if not runtime.exists():
        return None
    url = runtime.get_instance().media_file_mgr.add(pictures.content, pictures.kind, f"map-{key}")
    return {"url": url, "columns": pictures.columns, "width": pictures.width, "height": pictures.height}
