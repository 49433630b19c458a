"""Language models of this server, loaded beside the pages: a page stands while its model is still coming."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

import streamlit as st

from sslviz import ui

AWAITED = "language_awaited"  # in the session: the models that the present run waits for
PATIENCE = 0.2  # seconds that a page waits for a model before it goes on without
LATER = 0.7  # seconds that a page with stored answers gets to draw them, before torch is imported


class Loader:
    """Models by key, the oldest let go; each is loaded once, in a thread of its own."""

    def __init__(self, most: int = 2) -> None:
        self._most = most
        self._lock, self._found = threading.Lock(), OrderedDict[tuple, Future[Any]]()

    def get(self, key: tuple, load: Callable[[], Any], *, after: float = 0.0) -> Future[Any]:
        """What becomes of a model; the first who asks has it loaded. A failure stays until `forget`.

        Args:
            key: of the model.
            load: reads it.
            after: seconds to wait before loading.
        """
        with self._lock:
            future = self._found.get(key)
            if future is None:
                future = self._found[key] = Future()
                threading.Thread(target=self._load, args=(key, load, after, future), daemon=True).start()
                while len(self._found) > self._most:
                    self._found.popitem(last=False)
            self._found.move_to_end(key)
            return future

    def ready(self, key: tuple) -> bool:
        """Whether a model is there, or has failed, or was let go of: whoever waits for it asks again."""
        with self._lock:
            future = self._found.get(key)
            return future is None or future.done()

    def forget(self, key: tuple, future: Future[Any]) -> None:
        """Let go of a failure that was told: the next who asks has the model loaded again."""
        with self._lock:
            if self._found.get(key) is future:
                del self._found[key]

    def _load(self, key: tuple, load: Callable[[], Any], after: float, future: Future[Any]) -> None:
        time.sleep(after)
        try:
            model = load()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(model)


@st.cache_resource(show_spinner=False)
def loader() -> Loader:
    """The models of this server that fill masks."""
    return Loader()


@st.cache_resource(show_spinner=False)
def heads() -> Loader:
    """The models of this server with other heads: from left to right, recurrent, next sentence, and one of the Hub."""
    return Loader(most=4)


def when_loaded(models: Loader, key: tuple, load: Callable[[], Any], *, after: float = 0.0) -> Any:
    """A model, or None while it is being loaded; a failure is raised once, and who asks again has it tried again."""
    future = models.get(key, load, after=after)
    wait([future], timeout=PATIENCE)
    if not future.done():
        return None
    if future.exception() is not None:
        models.forget(key, future)
    return future.result()


def load_now(models: Loader, key: tuple, load: Callable[[], Any]) -> None:
    """Wait until a model is loaded, in a job of the worker."""
    future = models.get(key, load)
    try:
        future.result()
    except BaseException:
        models.forget(key, future)
        raise


def begin_run() -> None:
    """Forget what the run before this one waited for; a page calls it before anything else."""
    st.session_state[AWAITED] = []


def wait_for(models: Loader, key: tuple, name: str) -> None:
    """Say that a model is loading, and run the page again when it, or another that this run waits for, is there.

    Never within the run that draws this, and once for all models of a run (see `begin_run`): a browser that gets two
    runs at once shows widgets at their least value.
    """
    awaited = st.session_state.setdefault(AWAITED, [])
    awaited.append((models, key))
    if len(awaited) > 1:
        st.caption(f"Loading {ui.escape(name)}: its answer comes in some seconds.")
        return
    drawn = False

    @st.fragment(run_every=0.4)
    def waiting() -> None:
        nonlocal drawn
        before, drawn = drawn, True
        if before and any(loading.ready(which) for loading, which in awaited):
            st.rerun()
        st.caption(f"Loading {ui.escape(name)}: its answer comes in some seconds.")

    waiting()
