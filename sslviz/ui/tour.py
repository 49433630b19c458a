"""A tour of three minutes: what to press on each page. Offered on the first visit, to be had again from Home.

Whether this browser has seen it says a cookie that holds nothing else.
"""

from __future__ import annotations

import streamlit as st

from sslviz.ui.component import component
from sslviz.ui.page_shell import PAGES

COOKIE, STATE = "sslviz_tour", "tour_step"
STEPS = {key: page.tour for key, page in PAGES.items() if page.tour}
_KEYS = list(STEPS)
_TOUR = component(__file__, "tour")


def strip(page: str) -> None:
    """Draw the tour's strip where it is under way, on Home its offer; go to the page of the chosen step."""
    state = st.session_state
    if state.pop("tour_go", False) and state.get(STATE) is not None and (wanted := _KEYS[state[STATE]]) != page:
        st.switch_page(PAGES[wanted].file)
    if state.get(STATE) is not None and page in STEPS:
        state[STATE] = _KEYS.index(page)  # whoever walks by other links takes the tour along
        _draw(page, "step")
    elif page == "home" and not state.get("tour_told") and not st.context.cookies.get(COOKIE):
        _draw(page, "offer")


def again() -> None:
    """The button on Home that begins the tour."""
    st.button("Take the tour of three minutes", icon=":material/tour:", key="tour_again", on_click=_begin)


def _begin() -> None:
    st.session_state[STATE], st.session_state.tour_go = 0, True


def _draw(page: str, what: str) -> None:
    key = f"tour_{page}"
    step = _KEYS.index(page)

    def moved() -> None:
        state, move = st.session_state, st.session_state[key].get("move")
        state.tour_told = True
        if move == "start":
            _begin()
        elif move in ("end", "later") or (move == "next" and step + 1 == len(_KEYS)):
            state[STATE] = None
        elif move in ("next", "back"):
            state[STATE] = max(0, step + (1 if move == "next" else -1))
            state.tour_go = True

    data = {
        "what": what, "step": step + 1, "of": len(_KEYS), "page": PAGES[page].title, "words": STEPS[page],
        "cookie": COOKIE,
    }  # fmt: skip
    _TOUR(key=key, data=data, on_move_change=moved)
