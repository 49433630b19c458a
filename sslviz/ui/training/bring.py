"""Models that were downloaded here or elsewhere, brought back: checked, listed, deleted by whoever brought them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from sslviz import ui
from sslviz.errors import UserError
from sslviz.jobs import uploads
from sslviz.ui.training.own_images import sweep, whose


def bring() -> None:
    """Take a model from a file, and store its maps; list what this session has brought."""
    sweep()
    with st.expander("Bring back a model that you have downloaded", icon=":material/upload:"):
        turn = st.session_state.setdefault("train_bring_turn", 0)
        most = uploads.MAX_MODEL_BYTES // 1_000_000
        file = st.file_uploader(
            "Model (.safetensors)", type="safetensors", key=f"train_bring_{turn}", max_upload_size=most
        )
        st.caption(
            "The file is checked before anything of it is used: names, shapes and types of every tensor. A model stays "
            f"here until unused for {uploads.keep_days():g} days, or until you delete it; other people here see it."
        )
        if file is not None:
            _check(file)
        for upload in uploads.uploads(whose()):
            if upload.kind == "model":
                _brought(upload)


def _check(file: Any) -> None:
    """Have a file checked in the background, then take its model and store its maps; one refused is said why."""
    name, content, mine = file.name, file.getbuffer(), whose()
    key = ("bring", file.file_id, mine)
    if ui.worker().progress(key) is None:
        with ui.plain_errors():
            ui.worker().submit(key, ui.owner(), lambda report: ui.keep_model(name, content, mine, report), seconds=10.0)
    now = ui.watch(key, height=64)
    if now is None or now.state != "done":
        return
    brought = str(now.result)
    ui.models.clear()
    st.session_state.train_bring_turn += 1  # an empty uploader, which holds no memory
    ui.store_maps(brought)
    st.rerun()


def _brought(upload: uploads.Upload) -> None:
    """One model that this session has brought, with its maps on the way, and a button that deletes it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{ui.escape(upload.name)}** is in every page's list now; its maps are stored once.")
        gone = st.button("Delete", icon=":material/delete:", key=f"train_bring_delete_{upload.name}")
    ui.watch_maps(upload.name)
    if gone:
        try:
            uploads.delete(Path(upload.path), whose())
        except UserError as error:
            st.error(ui.escape(str(error)))
            return
        ui.models.clear()
        st.rerun()
