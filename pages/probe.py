"""Probe: what a frozen representation is worth, beside baselines, under protocols that are said and held."""

import importlib

import streamlit as st

from sslviz import ui
from sslviz.ui.evidence import VIEWS

selection = ui.open_page("probe")
ui.need_model(selection)
ui.need_labels(ui.test_images(selection.data))
view = ui.bound("probe_view", next(iter(VIEWS)), among=VIEWS)
with st.container(gap="xxsmall"):
    st.segmented_control("View", list(VIEWS), key="probe_view", required=True, label_visibility="collapsed")
    st.caption(VIEWS[view].question)
importlib.import_module(VIEWS[view].module).show(selection)
