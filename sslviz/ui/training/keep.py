"""What becomes of a run: its model beside the bundled ones, renamed, downloaded, deleted, brought back, and repeated.

Imports no torch until a model is brought back.
"""

from __future__ import annotations

import ast
import itertools
import shlex
from typing import Any

import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.jobs import request, uploads
from sslviz.jobs.record import RunRecord
from sslviz.store import bundle, checkpoint, embeddings
from sslviz.ui.training import console


def afterwards(identity: str, now: RunRecord) -> None:
    """The model that a run has left: beside the bundled ones, where to look at it, and what may be done with it."""
    if not now.trained:
        return
    if now.request.name not in {model.name for model in ui.models()}:
        ui.models.clear()
    card = checkpoint.load_card(now.folder)
    title = ui.data_title(card["dataset"])
    scene = ui.Scene(card["dataset"], title, now.request.name, now.request.method, card, now.folder)
    st.subheader(f"The model {scene.model}", anchor=False)
    if not now.maps and now.active:
        st.caption("Its representations of the test images are being stored; a moment.")
        return
    if not (now.folder / embeddings.EMBEDDINGS).is_file():
        st.caption(f"It has no stored maps yet: run `sslviz models maps {scene.model}` to store them.")
    _compared(scene)
    with st.container(horizontal=True, gap="small"):
        for page in ("embeddings", "probe", *(["vae"] if scene.method == "vae" else [])):
            about = ui.PAGES[page]
            if st.button(about.name, icon=about.icon, key=f"train_to_{page}"):
                ui.choose(scene.data, scene.model)
                st.switch_page(about.file)
    if now.active:
        st.caption("Its first map is ready; others are being fitted.")
    else:
        _handle(identity, scene.model)


def _handle(identity: str, name: str) -> None:
    """Rename, download or delete the model of a run; only who has the run's address gets here."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        new = st.text_input("Name", name, key=f"train_rename_{name}", max_chars=64, width=260)
        again = st.button("Rename", icon=":material/edit:", key="train_rename", disabled=new == name)
        st.download_button(
            "Download", lambda: bundle.pack(name), f"{name}.safetensors", "application/octet-stream",
            on_click="ignore", icon=":material/download:", key="train_download",
        )  # fmt: skip
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


def _compared(scene: ui.Scene) -> None:
    """The new model and the bundled ones on the same images, judged in the same way."""
    rows = []
    others = [m for m in ui.models() if m.bundled and m.dataset == scene.data]
    for model in (scene, *(ui.Scene(scene.data, scene.title, m.name, m.method, m.card, m.path) for m in others)):
        y = ui.test_images(scene.data).y
        if not (model.path / embeddings.EMBEDDINGS).is_file() or y.min() < 0:
            continue
        y_pred, judged = ui.neighbour_votes(model)
        rows.append(
            {
                "Model": model.model,
                "Method": request.METHODS.get(model.method, model.method),
                "k-NN": plots.percent(float((y_pred == y[judged]).mean())),
                "Training images": f"{model.card.get('n_train', 0):,}",
                "Training time": plots.seconds(60 * model.card.get("minutes", 0)),
            }
        )
    if rows:
        st.dataframe(rows, hide_index=True, alt="The new model beside the bundled ones")
        st.caption("k-NN: half of the bundled test images vote on the other half, for every model alike.")


def command_of(now: RunRecord | None, order: request.TrainingRequest | None) -> str:
    """The command that repeats a run exactly, once it is known in steps; before, the one that would be started."""
    order = order or (now.request if now else None)
    if now is not None and now.info.get("command"):
        words = shlex.split(now.info["command"])
    else:
        words = ["sslviz", *order.words()] if order else shlex.split("sslviz train simclr mnist --minutes 2")
    if order is not None:  # an upload goes by the name of the person's own file, not by its place on this server
        words = [uploads.file_name(word) if word == order.dataset else word for word in words]
    return shlex.join(words)


def script_of(command: str) -> str:
    """A short script that does with the package what `sslviz train …` does; the options are those of `TrainConfig`."""
    _, _, method, dataset, *rest = shlex.split(command)
    groups: dict[str, list[str]] = {"": [], "model.": [], "model.encoder.": [], "views.": []}
    for key, values in _options(rest):
        prefix, _, name = key.rpartition(".")
        groups[prefix and f"{prefix}."].append(f"{name}={_literal(name, values)}")
    top = ", ".join([f'"{method}"', repr(dataset), *groups[""]])
    lines = [f"config = config_for({top})"]
    if groups["model.encoder."]:
        lines.append(f"encoder = replace(config.model.encoder, {', '.join(groups['model.encoder.'])})")
        groups["model."].insert(0, "encoder=encoder")
    for prefix in ("model.", "views."):
        if groups[prefix]:
            part = prefix[:-1]
            lines.append(f"config = replace(config, {part}=replace(config.{part}, {', '.join(groups[prefix])}))")
    used = "from dataclasses import replace\n\n" if any("replace(" in line for line in lines) else ""
    return f"""{used}from sslviz.store import checkpoint
from sslviz.training.config import config_for
from sslviz.training.loop import fit

{chr(10).join(lines)}
for event in fit(config):
    if event.event == "monitor":
        print(event.epoch, event.monitor)
model = checkpoint.load(event.path)  # model.encode(x) -> h"""


def _options(words: list[str]) -> list[tuple[str, list[str]]]:
    """Option names, with underscores, and their values."""
    starts = [i for i, word in enumerate(words) if word.startswith("--")]
    spans = itertools.pairwise([*starts, len(words)])
    return [(words[a].removeprefix("--").replace("-", "_"), words[a + 1 : b]) for a, b in spans]


def _literal(name: str, values: list[str]) -> str:
    """Values of the command line as Python writes them."""

    def one(text: str) -> Any:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    found = tuple(one(value) for value in values)
    return repr(found if len(found) > 1 or name in ("widths", "strides") else found[0] if found else True)
