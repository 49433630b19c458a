"""What the server loads ahead, and when."""

import asyncio
import os
import subprocess
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


@pytest.mark.slow
@pytest.mark.parametrize(("said", "threads"), [({}, 1), ({"OMP_NUM_THREADS": "2"}, 2)])
def test_what_is_computed_for_a_page_takes_one_thread_unless_the_environment_says_otherwise(said, threads):
    script = """
import asyncio
from sslviz import serving

serving._beside = lambda modules: None

async def serve():
    async with serving.lifespan(None):
        import torch
        print(torch.get_num_threads())

asyncio.run(serve())
"""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")} | said
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert int(found.stdout) == threads
