"""The page of revision: the sheet with what there is of its figures, its scripts, and the sheet as a file."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from sslviz import ui
from sslviz.bundled.review import SUBJECTS, stored
from sslviz.errors import UserError
from sslviz.ui import work
from sslviz.ui.component import component
from sslviz.ui.review.sheet import document, sheet

log = logging.getLogger("sslviz.app")

KEY, SECONDS = ("review",), 60.0
SIZES = ""  # of `figures.compute`; tests make do with less
CAME = "Figures of sslviz {version}, computed from the models and code that are installed here, and kept with them."
HERE = "Figures computed on this server, from the models and code that are installed here."
TITLE = "Self-supervised learning, revised"

# within the page's own styles, so that those for paper reach the whole page
_SHEET = component(__file__, "sheet", isolate_styles=False)


def show_html(html: str, *, key: str) -> None:
    """Show what `sheet` or `draw` has made, formulas and drawings included."""
    _SHEET(key=key, data={"html": html})


def figures() -> tuple[dict[str, Any] | None, bool]:
    """The figures as far as they stand, and whether they all do.

    Those that come along, where they are of what is installed here; otherwise, or when somebody asks for it, they are
    computed once a server, with progress.
    """
    kept = _kept()
    if not SIZES and "figures" not in kept and (found := _stored()) is not None:
        kept.update(figures=found["figures"], said=CAME.format(version=found["version"]))
    now = ui.worker().progress(KEY)
    if now is not None and now.state == "done":
        kept.update(figures=now.result, said=HERE)
    if "figures" not in kept and now is None:
        _ask()
    if "figures" not in kept or (now is not None and now.state != "done"):
        now = ui.watch(KEY)
    if "figures" in kept:
        return kept["figures"], True
    if now is not None and now.state in ("failed", "stopped"):
        st.button("Compute the figures again", icon=":material/refresh:", on_click=_ask)
    return (now.result if now is not None else None), False


def _stored() -> dict[str, Any] | None:
    """What comes along; a damaged file is as good as none, since all of it can be computed here."""
    try:
        return stored.read()
    except UserError:
        log.exception("stored figures of the page Review")
        return None


def _ask() -> None:
    """Have the figures computed in the background."""

    def compute(report: Any) -> dict[str, Any]:
        return work.call("sslviz.bundled.review.figures:compute", report, found=report.found, sizes=SIZES)

    with ui.plain_errors():
        ui.worker().submit(KEY, ui.owner(), compute, seconds=SECONDS)


@st.cache_resource(show_spinner=False)
def _kept() -> dict[str, Any]:
    return {}


def one_page() -> None:
    """The sheet, what it takes along, and the scripts."""
    with st.container(key="review_head"):
        found, whole = figures()
        _export(found, whole=whole)
    show_html(sheet(found), key="review_sheet")
    reproduce = ui.fold("Reproduce", "terminal", "fold_reproduce")
    if not reproduce.open:
        return
    with reproduce:
        st.code("sslviz review --json", language="bash")
        for subject in SUBJECTS:
            st.markdown(f"**{ui.escape(subject.name)}.** `python -m sslviz.bundled.review.scripts.{subject.key}`")
            st.code(subject.script.read_text(encoding="utf-8"), language="python")


def _export(found: dict[str, Any] | None, *, whole: bool) -> None:
    said = _kept().get("said", HERE)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            "Save as one file",
            document(found, title=TITLE, said=f"{said} Saved on {datetime.now(UTC):%Y-%m-%d}.")
            if found and whole
            else "",
            "sslviz-revision.html",
            "text/html",
            icon=":material/download:",
            key="review_save",
            disabled=not whole,
            on_click="ignore",
        )
        if whole and said != HERE:
            st.button(
                "Compute them here", icon=":material/refresh:", key="review_again", on_click=_ask,
                help="The same figures anew on this server, a minute or two; these stay until they are there.",
            )  # fmt: skip
        st.caption(
            f"Guess before each picture of a mistake. The browser's print makes two sheets of it. {said}"
            if whole
            else "Printing and saving wait until all figures stand."
        )
