"""Pages through AppTest: opened by an address, checked, read, clicked and waited for."""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[1]
WAIT = 120  # seconds; a shared core is slow


def open_page(page: str = "home", **address: str) -> AppTest:
    """Open the app at the address of a page, with the parts that end it unfolded."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=2 * WAIT)
    _fold(at, is_open=True)
    for key, value in address.items():
        at.query_params[key] = value
    return at.run() if page == "home" else at.switch_page(f"pages/{page}.py").run()


def folded(at: AppTest) -> AppTest:
    """The page with the parts that end it closed."""
    _fold(at, is_open=False)
    return at.run()


def unfolded(at: AppTest) -> AppTest:
    """The page with the parts that end it open."""
    _fold(at, is_open=True)
    return at.run()


def _fold(at: AppTest, *, is_open: bool) -> None:
    for part in ("mathematics", "reproduce", "way"):
        at.session_state[f"fold_{part}"] = is_open


def check(at: AppTest) -> AppTest:
    """The page, which has neither failed nor said an error."""
    assert not at.exception, at.exception
    assert not at.error, [e.value for e in at.error]
    return at


def said(at: AppTest) -> str:
    """What the page says in text, captions, headings, notes, warnings and errors, without Markdown's escapes."""
    kinds = (at.markdown, at.caption, at.subheader, at.info, at.warning, at.error)
    return "\n".join(part.value for kind in kinds for part in kind).replace("\\", "")


def until(at: AppTest, wanted: str | Callable[[], Any]) -> str:
    """Run the page until it says what matches an expression, or until a condition holds; what it says then."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if re.search(wanted, said(at)) if isinstance(wanted, str) else wanted():
            return said(at)
        time.sleep(0.1)
        at.run()
        assert not at.exception, at.exception
    pytest.fail(f"waited in vain for {wanted}: {said(at)}")


def button(at: AppTest, label: str):
    """The first button whose words these are."""
    return next(b for b in at.button if b.label == label)


def param(at: AppTest, key: str) -> str:
    """The value that the address has for a key."""
    value = at.query_params[key]
    return value if isinstance(value, str) else value[0]


def unpacked(proto: Any) -> dict[str, Any]:
    """What a component is given; see `sslviz.ui.component`."""
    given = json.loads(proto.json or proto.mixed.json)
    return given["packed"][0] if "packed" in given else given


def components(at: AppTest) -> list[dict[str, Any]]:
    """What the components of a page are given."""
    return [unpacked(part.proto) for part in at.get("bidi_component")]


@contextlib.contextmanager
def places(**environment: Path) -> Iterator[None]:
    """Have the pages of the block read these folders (`SSLVIZ_MODELS=...`), and remember nothing of others."""
    with pytest.MonkeyPatch.context() as patch:
        for key, folder in environment.items():
            patch.setenv(key, str(folder))
        _forget()
        yield
        _forget()


def _forget() -> None:
    st.cache_resource.clear()
    st.cache_data.clear()
