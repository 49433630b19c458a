"""What becomes of a run: its model beside the bundled ones, renamed, downloaded, and deleted.

Imports no torch until a model is downloaded.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.evaluation.intervals import accuracy_interval
from sslviz.jobs.record import RunRecord
from sslviz.methods.registry import METHODS
from sslviz.store import bundle, checkpoint, embeddings
from sslviz.ui.page_shell import PATH
from sslviz.ui.training import console


def afterwards(identity: str, now: RunRecord) -> None:
    """The model that a run has left: beside the bundled ones, where to look at it, and what may be done with it."""
    if not now.trained:
        return
    if now.request.name not in {model.name for model in ui.models()}:
        ui.models.clear()
    card = checkpoint.load_card(now.folder)
    title = ui.data_title(card["dataset"])
    selection = ui.Selection(card["dataset"], title, now.request.name, now.request.method, card, now.folder)
    st.subheader(f"The model {selection.model}", anchor=False)
    _handle(identity, now)
    if now.maps or (now.folder / embeddings.EMBEDDINGS).is_file():
        _open_elsewhere(selection)
        _compared(selection)
    elif not now.active:
        _store_maps(now.request.name)


def _store_maps(model: str) -> None:
    """Store the maps of a run that was left before it had any; nothing is computed until it is asked for."""
    st.caption("Its maps are not stored yet; the other pages can show it as soon as they are.")
    if st.button("Store its maps", icon=":material/map:", key="train_store_maps"):
        with ui.plain_errors():
            ui.store_maps(model)
            st.rerun()
    ui.watch_maps(model)


def _open_elsewhere(selection: ui.Selection) -> None:
    """Buttons to the pages that can show the model."""
    method = METHODS.get(selection.method)
    with st.container(horizontal=True, gap="small"):
        for page, about in ui.PAGES.items():
            shows = about.model and about.path is PATH and page != "home"
            if not shows or (about.wants and not getattr(method, about.wants, False)):
                continue
            if st.button(about.name, icon=about.icon, key=f"train_to_{page}"):
                ui.choose(selection.data, selection.name)
                st.switch_page(about.file)


def _handle(identity: str, now: RunRecord) -> None:
    """Download the model of a run, as soon as there is one; rename or delete it once its process has ended.

    Only who has the run's address gets here.
    """
    name, again, gone, new = now.request.name, False, False, now.request.name
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if not now.active:
            new = st.text_input("Name", name, key=f"train_rename_{name}", max_chars=64, width=260)
            again = st.button("Rename", icon=":material/edit:", key="train_rename", disabled=new == name)
        ui.download(
            "Download",
            lambda: bundle.pack(name),
            f"{name}.safetensors",
            "application/octet-stream",
            key="train_download",
        )
        if not now.active:
            with st.popover("Delete", icon=":material/delete:"):
                st.markdown("This deletes the model and its pictures for everyone here.")
                gone = st.button(f"Delete {name}", key="train_delete")
    try:
        if again:
            bundle.rename(name, new)
        elif gone:
            bundle.delete(name)
            console.detach()
    except UserError as error:
        st.error(ui.escape(str(error)))
        return
    if again or gone:
        console.run_queue().forget(identity)
        ui.models.clear()
        st.rerun()


# beside the bundled models --------------------------------------------------------------------------------------------


def _compared(selection: ui.Selection) -> None:
    """The new model and the bundled ones on the same images, evaluated in the same way."""
    if ui.test_images(selection.data).y.min() < 0:
        return
    others = [m for m in ui.models() if m.bundled and m.dataset == selection.data]
    cards = {selection.model: (selection.method, selection.card)} | {m.name: (m.method, m.card) for m in others}
    stamp = (selection.path / embeddings.EMBEDDINGS).stat().st_mtime_ns if selection.path else 0
    key = ("compared", selection.data, stamp, *cards)
    if ui.worker().progress(key) is None:
        try:
            ui.worker().submit(
                key,
                ui.owner(),
                lambda report: ui.compare(list(cards), selection.data, report),
                seconds=10.0 * len(cards),
            )
        except UserError as error:
            st.caption(ui.escape(str(error)))
            return
    now = ui.worker().progress(key)
    if now is None or now.state != "done":
        ui.watch(key, height=64)
        return
    _table(now.result, cards)


def _table(found: dict[str, Any], cards: dict[str, tuple[str, dict[str, Any]]]) -> None:
    rows, n = [], int(found["n_test"])
    for name, linear, knn in zip(found["models"], found["linear"], found["knn"], strict=True):
        method, card = cards[name]
        rows.append(
            {
                "Model": name,
                "Method": METHODS[method].title if method in METHODS else method,
                "Linear probe": _accuracy(linear, n),
                "k-NN": _accuracy(knn, n),
                "Training images": f"{card.get('n_train', 0):,}",
                "Training time": plots.seconds(60 * card.get("minutes", 0)),
            }
        )
    if not rows:
        return
    st.dataframe(rows, hide_index=True, alt="The new model beside the bundled ones")
    st.caption(
        f"One protocol for all: both probes learn from {int(found['n_train']):,} of the bundled test images and are "
        f"tested on {n:,} others. In brackets 95 %, Wilson, over test images; one training seed. k-NN counts by angle "
        "where a method compares angles, and by distance where h is a posterior mean."
    )


def _accuracy(value: float, n: int) -> str:
    """An accuracy with its interval; "–" where the probe could not be fitted."""
    if value != value:
        return "–"
    low, high = accuracy_interval(float(value), n)
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
