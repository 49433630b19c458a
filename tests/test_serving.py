"""What the server loads ahead, and when."""

import asyncio
import sys
import types

import pytest

from sslviz import serving


class Page:
    """As `sslviz.ui.page_shell.PageInfo`: what a page needs."""

    def __init__(self, *needs):
        self.needs = needs


@pytest.fixture()
def loaded(monkeypatch):
    """The modules that are loaded ahead, in order, with two pages of which one needs something."""
    shell = types.SimpleNamespace(PAGES={"home": Page(), "vae": Page("heavy", "heavier")})
    monkeypatch.setitem(sys.modules, "sslviz.ui.page_shell", shell)
    found = []
    monkeypatch.setattr(serving, "_beside", lambda modules: found.append(tuple(modules)))
    return found


def ask(app, path, method="GET", kind="http"):
    asyncio.run(app({"type": kind, "path": path, "method": method}, None, None))


def test_the_address_of_a_page_loads_what_it_needs_once_and_is_served(loaded):
    served = []

    async def site(scope, receive, send):
        served.append(scope["path"])

    app = serving.LoadAhead(site)
    for path in ("/", "/home", "/static/vae.js", "/vae", "/vae/", "/../vae", "/vae"):
        ask(app, path)
    ask(app, "/vae", method="POST")
    ask(app, "/vae", kind="websocket")
    assert loaded == [("heavy", "heavier")]
    assert len(served) == 9


def test_a_module_that_fails_does_not_keep_the_others_away(monkeypatch, caplog):
    asked = []

    def fetch(name):
        asked.append(name)
        if name == "broken":
            raise ImportError("no such thing")

    monkeypatch.setattr(serving.importlib, "import_module", fetch)
    serving._beside(("broken", "sound")).join(10)
    assert asked == ["broken", "sound"] and "broken could not be loaded ahead" in caplog.text
