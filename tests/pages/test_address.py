"""What the address of a page restores, and what it keeps out."""

import pytest
from streamlit.testing.v1 import AppTest

PAGE = """
import streamlit as st
from sslviz import ui
from sslviz.ui import address

page = st.session_state.get("page", "one")
address.begin(page)
if page == "one":
    view = ui.bound("one_view", "Plane", among=("Plane", "Sample"))
    st.segmented_control("View", ("Plane", "Sample"), key="one_view", required=True)
    if view == "Sample":
        ui.bound("one_seed", 0, between=(0, 9999))
        st.number_input("Seed", 0, 9999, key="one_seed")
    ui.bound("one_ids", [])
    ui.bound("one_share", 1.0, between=(0, 2))
    ui.bound("one_on", False)
address.put("data", "mnist")
st.button("Again", key="again")
address.flush()
"""


def open_page(**params):
    at = AppTest.from_string(PAGE, default_timeout=60)
    for key, value in params.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception
    return at


def params(at) -> dict:
    return {key: value[0] if isinstance(value, list) else value for key, value in dict(at.query_params).items()}


def test_the_address_restores_values_of_every_type():
    asked = {"one_view": "Sample", "one_seed": "7", "one_ids": "3,1,2", "one_share": "0.5", "one_on": "1"}
    at = open_page(**asked).run()
    state = at.session_state
    assert (at.number_input(key="one_seed").value, state["one_ids"], state["one_share"], state["one_on"]) == (
        7, [3, 1, 2], 0.5, True,
    )  # fmt: skip
    assert params(at) == asked | {"data": "mnist"}


@pytest.mark.parametrize(
    "name, value",
    [
        ("one_view", "'; DROP"),
        ("one_view", ""),
        ("one_ids", "1e9,x"),
        ("one_share", "nan"),
        ("one_share", "inf"),
        ("one_share", "9"),
        ("one_on", "yes"),
        ("one_ids", "1," * 5000),
    ],
)
def test_what_is_not_allowed_becomes_the_default_and_leaves_the_address(name, value):
    at = open_page(**{name: value}).run()
    state = at.session_state
    assert (state["one_view"], list(state["one_ids"]), state["one_share"], state["one_on"]) == ("Plane", [], 1.0, False)
    assert params(at) == {"data": "mnist"}


def test_the_first_run_writes_nothing_since_the_browser_would_make_an_entry_of_it():
    at = open_page()
    assert params(at) == {}
    assert params(at.run()) == {"data": "mnist"}


def test_a_value_outlives_another_view_and_another_page():
    at = open_page()
    at.segmented_control(key="one_view").set_value("Sample").run()
    at.number_input(key="one_seed").set_value(12).run()
    assert params(at)["one_seed"] == "12"
    at.segmented_control(key="one_view").set_value("Plane").run()
    assert "one_seed" not in params(at)
    at.segmented_control(key="one_view").set_value("Sample").run()
    assert at.number_input(key="one_seed").value == 12
    at.session_state["page"] = "two"
    assert params(at.run()) == {"data": "mnist"}
    at.session_state["page"] = "one"
    at.run()
    assert at.number_input(key="one_seed").value == 12 and params(at)["one_seed"] == "12"


def test_a_value_that_is_no_longer_allowed_becomes_the_default():
    at = open_page()
    at.session_state["one_share"] = 3.0
    assert at.run().session_state["one_share"] == 1.0
