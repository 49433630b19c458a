"""A person's own images on the train page: brought, used, and deleted again. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from sslviz import ui
from sslviz.data import images
from sslviz.errors import UserError
from sslviz.jobs import uploads
from sslviz.ui.selection import say_copies

CHOSEN, TURN = "train_own_path", "train_own_turn"


@dataclass(frozen=True)
class Choice:
    """What was chosen: the path of own images or None, and whether a file was brought that can't be used."""

    path: str | None = None
    refused: bool = False


@st.cache_data(ttl=600, show_spinner=False)
def sweep() -> None:
    """Remove aged uploads, at most every ten minutes."""
    uploads.sweep()


def whose() -> str:
    """Who brings something: the browser, so that a reload is the same person; the tab where nothing is known of it."""
    guest = ui.owner()
    return guest.client or guest.owner


def choose() -> Choice:
    """Draw the own images in use, or a place to bring some.

    A file that was kept leaves the uploader at once, and with it the memory that Streamlit holds it in.
    """
    sweep()
    state = st.session_state
    mine = {str(upload.path): upload for upload in uploads.uploads(whose()) if upload.kind == "images"}
    if state.get(CHOSEN) in mine:
        return _in_use(mine[state[CHOSEN]])
    state.pop(CHOSEN, None)
    turn = state.setdefault(TURN, 0)
    most = uploads.MAX_IMAGES_BYTES // 1_000_000
    file = st.file_uploader("Own images (.npz)", type="npz", key=f"train_own_{turn}", max_upload_size=most)
    st.caption(
        "Arrays x_train, x_test (N, H, W) or (N, H, W, 3) of bytes, and y_train, y_test where there are labels, which "
        f"only the judging sees. Kept here until unused for {uploads.keep_days():g} days, or until you delete them."
    )
    if mine:
        again = st.selectbox(
            "Brought before", list(mine), format_func=lambda path: mine[path].name, index=None, key="train_own_again",
            placeholder="none is in use",
        )  # fmt: skip
        if again:
            _use(again)
    if file is None:
        return Choice()
    try:
        upload = uploads.keep_images(file.name, file.getbuffer(), whose())
    except UserError as error:
        st.error(ui.escape(str(error)))
        st.caption("Training waits until you take this file out or bring another.")
        return Choice(refused=True)
    _use(str(upload.path))
    return Choice()


def _use(path: str) -> None:
    """Take images into use, with a new uploader beside them, and draw the page again."""
    state = st.session_state
    state[CHOSEN], state[TURN] = path, state.get(TURN, 0) + 1
    state.pop("train_own_again", None)
    st.rerun()


def _in_use(upload: uploads.Upload) -> Choice:
    """The images in use: what they are, and what may be done with them."""
    uploads.touch(upload.path)
    try:
        about = images.describe(upload.path)
        told = say_copies(about)
    except UserError as error:
        st.error(ui.escape(str(error)))
        about, told = None, ""
    if about is not None:
        st.markdown(f"**Own images: {ui.escape(upload.name)}**")
        counts = f"{about.n_train:,} training and {about.n_test:,} test images{told}."
        st.caption(ui.escape(f"{counts} Kept here until unused for {uploads.keep_days():g} days."))
    with st.container(horizontal=True, gap="small"):
        if st.button("Use others", icon=":material/swap_horiz:", key="train_own_other"):
            st.session_state.pop(CHOSEN, None)
            st.rerun()
        if st.button("Delete them here", icon=":material/delete:", key="train_own_delete"):
            try:
                uploads.delete(upload.path, whose())
                st.session_state.pop(CHOSEN, None)
            except UserError as error:
                st.error(ui.escape(str(error)))
            else:
                st.rerun()
    return Choice(str(upload.path), refused=about is None)
