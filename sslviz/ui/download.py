"""A file that is made when it is asked for, and saved by the browser."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable

import streamlit as st

from sslviz.ui.component import component
from sslviz.ui.page_shell import plain_errors

_FILE = component(__file__, "download")


def download(label: str, make: Callable[[], bytes], name: str, kind: str, *, key: str) -> None:
    """A button that makes a file, and hands it to the browser until that has said that it has it.

    Streamlit's own button that makes a file names it anew at every run, so that a press while the page runs may find
    nothing, and drops the file at the second end of a run, of anybody's, which may come before the browser has it.

    Args:
        label: of the button.
        make: the file's content; its UserErrors are shown.
        name: of the file.
        kind: media type.
        key: unique on the page.
    """
    state, pressed = st.session_state, f"{key}_pressed"

    def press() -> None:
        state[pressed] = secrets.token_hex(8)

    st.button(label, icon=":material/download:", key=key, on_click=press)
    if pressed not in state:
        return
    with plain_errors():
        asked = state.pop(pressed)  # a file that can't be made is not tried again
        content = make()
        state[pressed] = asked
        head = json.dumps({"press": asked, "name": name, "kind": kind})
        _FILE(key=f"{key}_file", data=head.encode() + b"\n" + content, on_saved_change=lambda: state.pop(pressed, None))
