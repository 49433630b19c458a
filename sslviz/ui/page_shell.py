"""The shell of every page: navigation, title, the path of the data, and errors as sentences."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import StopException

from sslviz.errors import UserError
from sslviz.paths import hide_folders
from sslviz.ui import address

log = logging.getLogger("sslviz.app")


Way = tuple[tuple[str, str], ...]  # stages, and what stands after each
PATH: Way = (
    ("image", "→"),
    ("augment", "→"),
    ("encoder", "→"),
    ("h", "→"),
    ("decode", "|"),
    ("project", "|"),
    ("map", "|"),
)
PATH += (("probe", ""),)
TEXT_PATH: Way = (
    ("text", "→"),
    ("mask", "→"),
    ("encoder", "→"),
    ("hidden states", "→"),
    ("fill", "|"),
    ("attend", "|"),
)
TEXT_PATH += (("map", "|"), ("probe", ""))


@dataclass(frozen=True)
class PageInfo:
    """A page: its file, its name in the navigation, its title, the one question that it answers, its stage."""

    file: str
    name: str
    icon: str
    title: str
    question: str
    stage: str
    path: Way = PATH  # the way of the data that it lies on
    also: tuple[str, ...] = ()  # further stages that it stands for
    model: bool = True  # whether it shows a model of images, so that one can be chosen
    wants: str = ""  # what a model's method must have to be shown, an attribute of its MethodInfo; "": any method
    section: str = "The path"  # of the navigation
    tour: str = ""  # what the tour says is to be pressed on it
    needs: tuple[str, ...] = ()  # modules that take long to import, loaded as soon as its address is asked for


PAGES = {
    "home": PageInfo(
        "pages/home.py",
        "Home",
        ":material/home:",
        "Self-supervised learning, seen",
        "What does a network know about images that nobody labelled?",
        "image",
        section="",
        tour="Press another image under “An image x”: its numbers h, its neighbours and its place on the map follow.",
    ),
    "vae": PageInfo(
        "pages/vae.py",
        "Decode: VAE",
        ":material/blur_on:",
        "Decode",
        "What survives the bottleneck, and what does the model dream up?",
        "decode",
        wants="decoder",
        needs=("torch",),
        tour="Move the pointer over the plane, or press “One head” among the views: a common mistake, step by step.",
    ),
    "contrastive": PageInfo(
        "pages/contrastive.py",
        "Contrast: two views",
        ":material/compare:",
        "Contrast",
        "Why do two views of one image end up together, and everything else apart?",
        "augment",
        also=("project",),
        needs=("torch",),
        tour="Press “New pair”, then “Collapse” among the views: what is left when nothing pushes images apart.",
    ),
    "embeddings": PageInfo(
        "pages/embeddings.py",
        "Map: embeddings",
        ":material/scatter_plot:",
        "Map",
        "Does the map keep neighbours together?",
        "map",
        tour="Press a point of the map, then one of its neighbours on the right, and walk on.",
    ),
    "probe": PageInfo(
        "pages/probe.py",
        "Probe: evidence",
        ":material/fact_check:",
        "Probe",
        "Does the representation transfer, or would anything have done?",
        "probe",
        tour="Choose few labels and fit the probe: the bars of the baselines say what it is worth.",
    ),
    "train": PageInfo(
        "pages/train.py",
        "Train: live",
        ":material/model_training:",
        "Train",
        "Can it learn from images alone, while you watch?",
        "encoder",
        model=False,
        tour="Press “Train” with half a minute of budget, and watch the pictures change.",
    ),
    "language": PageInfo(
        "pages/language.py",
        "Language: BERT",
        ":material/text_fields:",
        "Language",
        "Which word belongs in the gap, and how does the network come to it?",
        "fill",
        TEXT_PATH,
        section="The same with words",
        needs=("sslviz.ui.language.vectors", "sslviz.ui.language.compare"),
        tour="Press a word of the sentence to hide it: the model says what it would put there.",
    ),
    "review": PageInfo(
        "pages/review.py",
        "Review: on one page",
        ":material/checklist:",
        "Review",
        "What goes in, what is done to it, what comes out, and what goes wrong most often?",
        "",
        model=False,
        section="All of it",
        tour="Choose an answer before you look: what goes wrong appears under it. “In class” asks phones.",
    ),
}


def navigation() -> Any:
    """Register the pages; the page that comes back is the one that the address asks for."""
    sections: dict[str, list] = {}
    for key, page in PAGES.items():
        sections.setdefault(page.section, []).append(
            st.Page(page.file, title=page.name, icon=page.icon, url_path=key, default=key == "home", help=page.question)
        )
    return st.navigation(sections)


def begin_page(key: str) -> None:
    """Begin a page: guard a deep link, then title, question and path.

    When the first visit after a start is a deep link, Streamlit finds the folder `pages` by itself and runs the page's
    file alone, without `app.py`: the page then starts the app in its place. It ends by the exception of `st.stop`: to
    call that would also drop what the browser has asked for meanwhile, as the address script does at once.
    """
    if not getattr(_router, "running", False):
        start()
        raise StopException
    page = PAGES[key]
    with st.container(gap="xxsmall"):
        st.html(_HERE / "page_shell.css")
        if st.context.theme.type == "dark":
            st.html(_HERE / "page_shell_dark.css")
        st.title(page.title, anchor=False)
        with st.container(key="question"):  # a paragraph, since it heads no part of the page
            st.markdown(page.question)
        _path_strip(page)
        address.begin(key)
    from sslviz.ui import tour  # it knows the pages

    tour.strip(key)


def _path_strip(page: PageInfo) -> None:
    """Draw the way of the data: the same strip on every page of it, links where a page stands for the stage."""
    others = [other for other in PAGES.values() if other.path is page.path]
    files = {stage: other.file for other in others for stage in (other.stage, *other.also)}
    lit, between = (page.stage, *page.also), ""
    with st.container(horizontal=True, gap="xxsmall", vertical_alignment="center", key="path"):
        for stage, mark in page.path:
            if stage not in lit and stage not in files:
                between += f" {stage} {mark}"
                continue
            if between:
                st.markdown(f":gray[:small[{between}]]", width="content")
            if stage in lit:
                st.markdown(f":primary-background[:small[**{stage}**]]", width="content")
            else:
                st.page_link(files[stage], label=stage, width="content")
            between = mark
        if between:
            st.markdown(f":gray[:small[{between}]]", width="content")


_HERE = Path(__file__).parent
_router = threading.local()  # whether `app.py` is what runs the page, in this script thread


def start() -> None:
    """Set the pages up and run the one that the address asks for; its errors end here.

    The icon is a file of this server: for a named one the browser would ask a font host elsewhere.
    """
    st.set_page_config(page_icon=str(_HERE / "icon.png"), layout="wide")
    _router.running = True
    try:
        with plain_errors():
            navigation().run()
    finally:
        _router.running = False
    address.flush()


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Show a UserError as its sentence and anything else as one sentence; the log keeps the traceback."""
    try:
        yield
    except UserError as error:
        st.error(escape(str(error)))
    except Exception:
        log.exception("a page failed")
        st.error("This page could not be drawn; the server's log says why. Choose another model or reload the page.")


def escape(text: str) -> str:
    """Make text that comes from outside harmless in Markdown, and name this server's folders by what they hold."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:])", r"\\\1", hide_folders(text))
