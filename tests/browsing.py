"""What tests in a real browser share: a server, waiting until a page is at rest, pictures of it."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright import sync_api

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
WAIT = 60_000  # ms; a shared core is slow
# What axe-core finds in Streamlit's own parts, which a page cannot change: rule -> where
STREAMLIT = {
    "list": "[data-testid=stSidebarNavItems]",  # sections of the navigation lie between a list and its items
    "listitem": "[data-testid=stSidebarNavItems]",
}


@contextlib.contextmanager
def serve(models: Path, *, lag: float = 0):
    """A server of its own on a free port of this machine; with `lag`, one that sends what it has late, seconds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    options += ["--server.fileWatcherType=none"]
    command = [str(ROOT / "tests/browser/lagging.py"), str(lag)] if lag else ["-m", "streamlit"]
    with (models / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *command, "run", "app.py", *options],
            cwd=ROOT,
            env=os.environ | {"SSLVIZ_MODELS": str(models)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(480):
                try:
                    urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                    break
                except OSError:
                    if server.poll() is not None:
                        pytest.fail((models / "server.log").read_text())
                    time.sleep(0.25)
            yield address
        finally:
            server.terminate()
            server.wait(20)


def settle(page) -> None:
    page.wait_for_timeout(250)
    page.wait_for_selector(IDLE)
    page.wait_for_timeout(250)
    assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").all_inner_texts() == []


def until(page, condition, *, seconds: float = 4 * WAIT / 1000) -> None:
    """Wait until a condition holds: what a click leads to, or a part of the page, may take its time to arrive."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited in vain at {page.url}; the page says: {page.locator('body').inner_text()}")
        page.wait_for_timeout(100)


def visit(page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("h1")
    settle(page)


def picture(page, selector: str = ".js-plotly-plot", index: int = 0) -> bytes:
    place = page.locator(selector).nth(index)
    place.wait_for()
    return place.screenshot()


def until_changed(page, before: bytes, selector: str = ".js-plotly-plot", index: int = 0) -> None:
    """Wait until the pixels of a picture differ."""
    end = time.monotonic() + WAIT / 1000
    while time.monotonic() < end:
        settle(page)
        if picture(page, selector, index) != before:
            return
    pytest.fail(f"{selector} did not change")


def until_shown(page, place, move) -> None:
    """Move the mouse until something is shown: a chart that is still being laid out does not feel it."""
    for _ in range(3):
        move()
        with contextlib.suppress(sync_api.TimeoutError):
            return place.first.wait_for(timeout=WAIT / 3)
    pytest.fail("the chart does not answer to the mouse")


def cut(page, width: int) -> list[str]:
    """Titles of pages and figures that leave a page of this width, and a page that scrolls sideways."""
    return page.evaluate(
        """width => {
            const main = document.querySelector('[data-testid=stMain]')
            const titles = [...document.querySelectorAll('h1, h2, h3, .gtitle, .st-key-question p')].filter(node => {
                const box = node.getBoundingClientRect()
                return box.width && (box.left < 0 || box.right > width + 1)
            }).map(node => node.textContent)
            return main.scrollWidth > main.clientWidth ? [...titles, 'the page scrolls sideways'] : titles
        }""",
        width,
    )


def serious(page, *, without: str = "") -> list[tuple[str, ...]]:
    """What axe-core calls serious or critical on a page as it stands, Streamlit's own parts left out.

    Args:
        page: in the browser.
        without: a selector of what is not read: large figures take most of the time.
    """
    from axe_playwright_python.sync_playwright import Axe

    found = []
    context = {"exclude": [[without]]} if without and page.locator(without).count() else None
    for violation in Axe().run(page, context=context).response["violations"]:
        if violation["impact"] not in ("serious", "critical"):
            continue
        for node in violation["nodes"]:
            target, inside = node["target"][-1], STREAMLIT.get(violation["id"])
            if inside and page.locator(target).first.evaluate("(node, box) => !!node.closest(box)", inside):
                continue
            found.append((violation["id"], node["html"][:200], node.get("failureSummary", "")[:200]))
    return found
