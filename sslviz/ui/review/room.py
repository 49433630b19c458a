"""The room of a class, as its host sees it: code and address, a question, bars that grow, then the result."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from sslviz import ui
from sslviz.bundled.review.questions import Question, questions_of
from sslviz.jobs.rooms import NoRoom, Rooms, Standing, shared
from sslviz.ui.review.drawings import draw
from sslviz.ui.review.view import figures, show_html

NAMES = 12  # that are shown


def in_class() -> None:
    """Open a room, ask, gather answers, show the result."""
    found, _ = figures()
    asked = questions_of(found or {})
    rooms, host = shared(), _host()
    code = rooms.of_host(host)
    if code is None:
        if st.session_state.pop("review_code", None):
            st.info(
                "Your room has gone: it was left alone for long, or the server began anew.",
                icon=":material/info:",
            )
        st.markdown(
            "**A room gathers the answers of many phones.** They need a browser and this server's address, no account. "
            "Answers stay in this server's memory until the next question, and the room goes when it is closed, or "
            "when nobody has asked anything in it for some hours."
        )
        st.button("Open a room", icon=":material/meeting_room:", on_click=_open, args=(rooms, host), key="review_open")
        return
    st.session_state.review_code = code
    _head(rooms, host, code)
    if not asked:
        st.caption("Questions come with their figures, which are being computed.")
        return
    _ask(rooms, host, code, asked)
    with st.container(key="review_bars"):
        _bars(rooms, host, code, asked, found or {})


def _host() -> str:
    """Who the host is: their browser, so that a reload finds the room, or where nothing is known this session."""
    guest = ui.owner()
    return guest.client or guest.owner


def _open(rooms: Rooms, host: str) -> None:
    with ui.plain_errors():
        rooms.open(host)


def address_of(code: str, url: str) -> str:
    """Where phones find a room, from the address of this page."""
    parts = urlsplit(url)
    folder = parts.path.rpartition("/")[0]
    return f"{parts.scheme}://{parts.netloc}{folder}/?room={code}"


def _head(rooms: Rooms, host: str, code: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"## Room {code}")
        st.button(
            "Close the room", icon=":material/close:", on_click=rooms.close, args=(code, host), key="review_close"
        )
    url = address_of(code, st.context.url or "")
    st.code(url, language=None)
    if (urlsplit(url).hostname or "") in ("localhost", "127.0.0.1", "::1"):
        st.caption("Phones cannot reach this name: open this page by the server's own name or number in your network.")


def _ask(rooms: Rooms, host: str, code: str, asked: list[Question]) -> None:
    """Choose the question, ask it, show the result."""
    keys = [question.key for question in asked]
    key = str(ui.bound("review_question", keys[0], among=keys))
    texts = {question.key: question.text for question in asked}
    st.selectbox("Question", keys, format_func=lambda key: texts[key], key="review_question")
    question = asked[keys.index(key)]

    def ask() -> None:
        with ui.plain_errors():
            rooms.ask(code, host, question.text, question.choices)

    def reveal() -> None:
        with ui.plain_errors():
            rooms.reveal(code, host, question.right, question.result)

    try:
        standing = rooms.shown(code, host)
    except NoRoom:
        return
    same = standing.number > 0 and standing.question == question.text
    with st.container(horizontal=True):
        st.button("Ask this", icon=":material/help:", on_click=ask, key="review_ask", disabled=same and standing.open)
        st.button(
            "Show the result", icon=":material/visibility:", on_click=reveal, key="review_reveal",
            disabled=not (same and standing.open),
        )  # fmt: skip


def _bars(rooms: Rooms, host: str, code: str, asked: list[Question], found: dict[str, Any]) -> None:
    @st.fragment(run_every=1.0)
    def bars() -> None:
        try:
            standing = rooms.shown(code, host)
        except NoRoom as error:
            st.info(ui.escape(str(error)))
            return
        show_html(bars_of(standing), key="review_counts")

    bars()
    try:
        standing = rooms.shown(code, host)
    except NoRoom:
        return
    if standing.result:
        question = next((q for q in asked if q.text == standing.question), None)
        picture = found.get("subjects", {}).get(question.key, {}).get("pictures", {}).get("wrong") if question else None
        drawn = draw(picture, standing.result) if picture else ""
        html = f'<div class="rv-sheet"><div>{drawn}<p>{escape(standing.result)}</p></div></div>'
        show_html(html, key="review_result")


def bars_of(standing: Standing) -> str:
    """How a room stands, as HTML: the question, a bar a choice, and who is there."""
    here = f"{standing.phones} {'phone is' if standing.phones == 1 else 'phones are'} here"
    named = ", ".join(escape(name) for name in standing.names[:NAMES])
    more = len(standing.names) - NAMES
    named += f", and {more} more" if more > 0 else ""
    who = f"<p>{here}{f': {named}' if named else ''}.</p>"
    if not standing.number:
        return f'<div class="rv-sheet"><div>{who}</div></div>'
    most, rows = max(1, *(standing.counts or (0,))), []
    for i, choice in enumerate(standing.choices):
        count = (standing.counts or (0,) * len(standing.choices))[i]
        right = standing.right == i
        told = f"{escape(choice)}{' ✓ as the figure says' if right else ''}"
        rows.append(
            f'<li class="rv-count{" rv-count-right" if right else ""}"><span>{told}</span><span>{count}</span>'
            f'<i style="width: {100 * count / most:.1f}%"></i></li>'
        )
    state = f"{standing.answered} of {standing.phones} have answered" + ("" if standing.open else "; closed")
    return (
        f'<div class="rv-sheet"><div><h2>{escape(standing.question)}</h2><ul class="rv-counts">{"".join(rows)}</ul>'
        f"<p>{state}.</p>{who}</div></div>"
    )
