"""The address of a page: it restores what is on show, and a visit of a page is one entry of the browser's history.

How a page uses it, for a widget or for any other value of `st.session_state`::

    ui.bound("vae_seed", 0, between=(0, 9999))           # before the widget; the name of the parameter is the key
    st.number_input("Seed", 0, 9999, key="vae_seed")     # no `value=`, no `bind=`

    view = ui.bound("vae_view", "Sample", among=VIEWS)   # it also returns the value
    st.segmented_control("View", VIEWS, key="vae_view", required=True)

What it does: on the first run of a visit the address sets the value; later the widget does. A value that is not allowed
(any more) becomes the default. Values outlive other views and other pages of the session, though Streamlit forgets a
widget that is not drawn. At the end of a run all changes are written in one update; defaults are left out.
Never write to `st.query_params` directly: `put` takes a parameter that belongs to no key.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from sslviz.ui.component import component

LONGEST = 2000  # characters of one parameter that are read or written
_HISTORY = component(__file__, "address")


def _read(default: Any) -> Callable[[str], Any]:
    """How a value of the default's type is read from text; a ValueError says that it cannot be."""
    if isinstance(default, bool):
        return {"1": True, "0": False}.__getitem__
    if isinstance(default, list | tuple):
        kind = type(default)
        return lambda text: kind(int(part) for part in text.split(",") if part)
    return int if isinstance(default, int) else float if isinstance(default, float) else str


def _text(value: Any) -> str:
    """A value as it stands in an address."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list | tuple):
        return ",".join(str(int(number)) for number in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def bound(
    key: str,
    default: Any,
    *,
    among: Collection | None = None,
    between: tuple[float, float] | None = None,
    parse: Callable[[str], Any] | None = None,
    text: Callable[[Any], str] = _text,
) -> Any:
    """Tie a value of `st.session_state` to the address; call it before the widget of that key.

    Args:
        key: of the widget or value, and the name of the parameter; prefix it by the page.
        default: the value at first, whose type says how the parameter is read (bool, int, float, str, or a list or
            tuple of whole numbers); it is left out of the address.
        among: the values that are allowed.
        between: the least and the greatest value allowed.
        parse: reads another type from text; a ValueError or KeyError refuses it.
        text: writes it.

    Returns:
        the value, allowed for certain.
    """
    state, memory = st.session_state, _memory()

    def allowed(value: Any) -> bool:
        if among is not None:
            return value in among
        try:
            return between is None or between[0] <= value <= between[1]
        except TypeError:
            return False

    asked = memory["asked"].pop(key, None)  # once a visit
    candidates = [state[key]] if key in state else [memory["kept"][key]] if key in memory["kept"] else []
    if asked is not None and len(asked) <= LONGEST:
        with contextlib.suppress(ValueError, KeyError, OverflowError):
            candidates.insert(0, (parse or _read(default))(asked))
    value = next((candidate for candidate in candidates if allowed(candidate)), default)
    if key not in state or state[key] != value:
        state[key] = value
    memory["bound"][key] = (default, text)
    if _in_fragment():
        flush()
    return value


def put(name: str, value: str | None) -> None:
    """Set a parameter that belongs to no value of the session; None takes it out. Written at the end of the run."""
    _memory()["put"][name] = value
    if _in_fragment():
        flush()


def asked(name: str) -> str | None:
    """What the address says of a parameter at this run, bounded in length."""
    value = st.query_params.get(name)
    return value if value is None or len(value) <= LONGEST else None


def begin(page: str) -> None:
    """Begin a run of a page: read the address where it is another page than at the run before."""
    memory = _memory()
    if memory["page"] != page:
        memory |= {"page": page, "asked": st.query_params.to_dict()}
    memory |= {"bound": {}, "runs": memory["runs"] + 1}
    _one_entry_a_page()


@st.fragment
def _one_entry_a_page() -> None:
    """Mount the script that keeps one entry a page; when it is there for the first time, write the address."""
    memory = _memory()
    told = _HISTORY(key="address", data={"ready": memory["ready"]}, on_ready_change=lambda: None)
    if told.ready and not memory["ready"]:
        memory["ready"] = True
        flush()


def flush() -> None:
    """Write what the run has bound and put, in one update, and only where it differs from the address.

    The first run writes nothing: a browser that has not yet got the script would make another entry of it. The script
    asks for it as soon as it is there, which is answered when that run has ended.
    """
    memory, state = _memory(), st.session_state
    memory["kept"] |= {key: state[key] for key in memory["bound"] if key in state}
    if not memory["ready"] and memory["runs"] < 2:
        return
    wanted = dict.fromkeys(memory["seen"]) | memory["put"]  # parameters of what is not on show are taken out
    memory["put"] = {}
    for key, (default, text) in memory["bound"].items():
        value = state.get(key, default)
        words = None if value is None or value == default else text(value)
        wanted[key] = words if words is None or len(words) <= LONGEST else None
    memory["seen"] |= set(memory["bound"])
    now = st.query_params.to_dict()
    for name in [name for name, value in wanted.items() if value is None and name in now]:
        del st.query_params[name]
    if changed := {name: value for name, value in wanted.items() if value is not None and now.get(name) != value}:
        st.query_params.update(changed)


def _in_fragment() -> bool:
    """Whether only a fragment is run, at whose end nobody calls `flush`."""
    context = get_script_run_ctx()
    return bool(context and context.fragment_ids_this_run)


def _memory() -> dict[str, Any]:
    """What this session knows of its address.

    `page` of the last run, `asked` {name: text} of the address and not yet read, `bound` {key: (default, text)} of
    this run, `seen` keys of all runs, `kept` {key: value}, `put` {name: text or None}, `runs`, and `ready`: whether the
    browser has the script.
    """
    if "address_memory" not in st.session_state:
        st.session_state.address_memory = {
            "page": None, "asked": {}, "bound": {}, "seen": set(), "kept": {}, "put": {}, "runs": 0, "ready": False,
        }  # fmt: skip
    return st.session_state.address_memory
