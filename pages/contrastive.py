"""Contrast: what two views of an image keep, and what a contrastive loss makes of a batch of them."""

import importlib

import streamlit as st

from sslviz import ui
from sslviz.ui.contrast import VIEWS

selection = ui.open_page("contrastive")
ui.need_model(selection)
view = ui.bound("contrast_view", next(iter(VIEWS)), among=VIEWS)
with st.container(gap="xxsmall"):
    st.segmented_control("View", list(VIEWS), key="contrast_view", required=True, label_visibility="collapsed")
    st.caption(VIEWS[view].question)
importlib.import_module(VIEWS[view].module).show(selection)
