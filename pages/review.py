"""Review: every method on one page, a guess before each mistake, and a room for a class that guesses together."""

import streamlit as st

from sslviz import ui
from sslviz.ui.review import room, view

VIEWS = {"One page": view.one_page, "In class": room.in_class}

ui.begin_page("review")
shown = ui.bound("review_view", "One page", among=VIEWS)
with st.container(key="review_views"):
    st.segmented_control("View", list(VIEWS), key="review_view", required=True, label_visibility="collapsed")
VIEWS[shown]()
