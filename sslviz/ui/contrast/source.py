"""Where the image of a view comes from: the set, a picture that was brought, or a drawing."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from sslviz import ui
from sslviz.data.picture import MAX_BYTES, fitted, read_square
from sslviz.errors import UserError
from sslviz.ui.component import component
from sslviz.ui.stored import some_of_each

SET, UPLOAD, DRAWN = "From the set", "Upload", "Draw"
SHELF, WIDEST = 10, 48  # test images to choose from; side of the largest sheet to draw on, pixels
SHEET = 196  # pixels of the page that a sheet, or a large picture, takes at the most

_SKETCH = component(__file__, "sketch")


@dataclass(frozen=True, eq=False)
class Shown:
    """The image on show.

    Attributes:
        x: (C, H, W) uint8.
        name: what it is, in a few words.
        kind: one of `SET`, `UPLOAD`, `DRAWN`.
        label: its class, or None where nobody says.
        row: its number among the test images, or None.
        note: what was done to it, "" for nothing.
    """

    x: np.ndarray
    name: str
    kind: str
    label: int | None = None
    row: int | None = None
    note: str = ""

    @property
    def digest(self) -> str:
        """Of its pixels."""
        return hashlib.sha256(repr(self.x.shape).encode() + self.x.tobytes()).hexdigest()[:16]

    @property
    def empty(self) -> bool:
        """Whether it has one value everywhere, as a sheet that nothing was drawn on."""
        return bool((self.x == self.x.flat[0]).all())


def shelf_of(selection: ui.Selection) -> list[int]:
    """Rows of the test images to choose from: the first of each of ten classes, or the first ten without labels."""
    return some_of_each(selection.data, 1 if ui.test_images(selection.data).labelled else SHELF)[:SHELF]


def kinds(shape: tuple[int, ...]) -> list[str]:
    """Where an image of a shape (C, H, W) may come from: only small grey ones are drawn."""
    drawable = shape[0] == 1 and shape[1] == shape[2] <= WIDEST
    return [SET, UPLOAD, DRAWN] if drawable else [SET, UPLOAD]


def choose(selection: ui.Selection) -> Shown:
    """Draw the choice of an image in one row, and return it.

    A drawing is made on the sheet of `beside_sheet`.
    """
    images = ui.test_images(selection.data)
    shape, shelf = images.x.shape[1:], shelf_of(selection)
    kind = ui.bound("contrast_from", SET, among=kinds(shape))
    row = ui.bound("contrast_image", shelf[min(7, len(shelf) - 1)], among=shelf)
    ink = ui.bound("contrast_ink", "", parse=_checked_ink)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.segmented_control(
            "Image", kinds(shape), key="contrast_from", required=True, label_visibility="collapsed", width="content"
        )
        if kind == SET:
            ui.thumbnails(
                images, shelf, framed=False, key=f"contrast_shelf_{selection.title}", label="Image", chosen=row,
                scale=max(1, 48 // shape[2]), on_click=lambda index: st.session_state.update({"contrast_image": index}),
            )  # fmt: skip
        elif kind == DRAWN:
            st.caption(
                "Draw with the pointer; or with the arrow keys, where space puts the pen down and lifts it, and delete "
                "clears."
            )
        else:
            brought = _upload(shape)
    if kind == DRAWN:
        return Shown(pixels_of(ink, shape[1]), "your drawing", DRAWN)
    if kind == UPLOAD and brought is not None:
        return brought
    label = int(images.y[row]) if images.labelled else None
    called = f"test image {row}" + (f", “{images.class_names[label]}”" if label is not None else "")
    return Shown(images.x[row], called, SET, label, row)


def now(shown: Shown) -> Shown:
    """The image on show, of a drawing what is on the sheet now: a part that is run alone has not chosen it anew."""
    if shown.kind != DRAWN:
        return shown
    return replace(shown, x=pixels_of(ui.bound("contrast_ink", "", parse=_checked_ink), shown.x.shape[1]))


@contextlib.contextmanager
def beside_sheet(shown: Shown) -> Iterator[None]:
    """Where the image is drawn by hand, the sheet beside what is drawn within; else nothing."""
    if shown.kind != DRAWN:
        yield
        return
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=SHEET + 4):
            sheet(shown.x.shape[1])
        with st.container(width="stretch"):
            yield


def sheet(side: int) -> None:
    """Show the sheet to draw on; what is drawn is in the address."""

    def drawn() -> None:
        told = st.session_state.contrast_sketch.get("drawn")
        try:
            st.session_state.contrast_ink = _checked_ink(told)
        except (ValueError, TypeError):
            return

    _SKETCH(
        key="contrast_sketch",
        data={
            "side": side,
            "scale": max(1, SHEET // side),
            "radius": side / 24,
            "ink": st.session_state.get("contrast_ink", ""),
            "label": "A sheet to draw on; arrow keys move, space puts the pen down or lifts it, delete clears",
        },
        on_drawn_change=drawn,
    )


# drawings: four bits a pixel, in base64 ------------------------------------------------------------------------------


def pixels_of(ink: str, side: int) -> np.ndarray:
    """A drawing (1, side, side) uint8 of its text; what the text lacks is black."""
    packed = np.frombuffer(base64.urlsafe_b64decode(ink + "=" * (-len(ink) % 4)), np.uint8)
    levels = np.zeros(2 * max(len(packed), (side * side + 1) // 2), np.uint8)
    levels[: 2 * len(packed)] = np.stack([packed >> 4, packed & 15], axis=1).ravel()
    return (17 * levels[: side * side]).reshape(1, side, side)


def _checked_ink(text: str) -> str:
    """A text that `pixels_of` reads.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str) or len(text) > 4 * (WIDEST * WIDEST // 2 + 3) // 3:
        raise ValueError("no drawing")
    try:
        base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("no drawing") from error
    return text


# pictures that are brought -------------------------------------------------------------------------------------------


def _upload(shape: tuple[int, ...]) -> Shown | None:
    """Draw a place to bring a picture; the one that was brought last, fitted to the set's images, or None."""
    state = st.session_state
    turn = state.setdefault("contrast_upload_turn", 0)
    file = st.file_uploader(
        "A picture", key=f"contrast_upload_{turn}", max_upload_size=MAX_BYTES // 1_000_000,
        label_visibility="collapsed", type=["png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff"],
    )  # fmt: skip
    if file is not None:
        try:
            state.contrast_brought = (file.name[:80], read_square(file.name, file.getbuffer()))
        except UserError as error:
            st.error(ui.escape(str(error)))
            return None
        state.contrast_upload_turn += 1  # the file leaves the uploader, and with it the memory that it takes
        st.rerun()
    if "contrast_brought" not in state:
        st.caption("Until a picture is here, an image of the set is shown. It stays in this tab alone.")
        return None
    name, square = state.contrast_brought
    x, inverted = fitted(square, shape)
    note = "Its border is light, so it was inverted: the images of this set are light on dark." if inverted else ""
    return Shown(x, f"your picture {name}", UPLOAD, note=note)
