"""What the server loads before it is asked: a first visit then waits for its browser, not for imports.

`streamlit run app.py` starts an ASGI app with this `lifespan` and this middleware. Loading happens in a thread beside
the server. Without a page that needs it, no torch is loaded, so that an idle server stays small.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

log = logging.getLogger("sslviz.app")


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Load what all pages share as soon as the server stands.

    What is computed for a page takes one thread, unless the environment says otherwise: every run of a page is a new
    thread, for which torch would start helpers that then wait for a core (`tests/benchmarks/contrast.py`).
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is loaded
    _beside(["sslviz.ui"])
    yield


class LoadAhead:
    """ASGI middleware: the request for a page's HTML begins to load what the page needs, while the browser starts."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app
        self.seen: set[str] = set()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        page = scope.get("path", "").strip("/")
        if scope["type"] == "http" and scope.get("method") == "GET" and page not in self.seen and page in _needs():
            self.seen.add(page)
            _beside(_needs()[page])
        await self.app(scope, receive, send)


def _needs() -> dict[str, tuple[str, ...]]:
    """Modules by page, by its name in the address; nothing before the pages themselves are loaded."""
    import sys

    shell = sys.modules.get("sslviz.ui.page_shell")
    return {key: page.needs for key, page in getattr(shell, "PAGES", {}).items() if page.needs}


def _beside(modules: list[str] | tuple[str, ...]) -> threading.Thread:
    """Import modules in a thread; one that fails is told to the log, and its page will say so."""

    def load() -> None:
        for module in modules:
            try:
                importlib.import_module(module)
            except Exception:
                log.exception("%s could not be loaded ahead", module)

    thread = threading.Thread(target=load, name="sslviz-ahead", daemon=True)
    thread.start()
    return thread
