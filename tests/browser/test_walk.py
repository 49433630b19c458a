"""A walk through the app in a real browser: on every page one control is moved, and the picture has to change."""

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
from tinyimages import make_models

from sslviz import ui

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
WAIT = 60_000  # ms; a shared core is slow


@contextlib.contextmanager
def serve(models: Path, *, lag: float = 0):
    """A server of its own on a free port of this machine; with `lag`, one that sends what it has late, seconds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    options += ["--server.fileWatcherType=none"]
    command = [str(Path(__file__).with_name("lagging.py")), str(lag)] if lag else ["-m", "streamlit"]
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


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    make_models(folder)
    return folder


@pytest.fixture(scope="module")
def address(models):
    with serve(models) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is missing: install it (Debian: apt-get install chromium).")
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture()
def page(browser):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(WAIT)
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    assert page.complaints == []
    page.close()


def settle(page) -> None:
    page.wait_for_timeout(250)
    page.wait_for_selector(IDLE)
    page.wait_for_timeout(250)
    assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").all_inner_texts() == []


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


def test_walk_home_vae_embeddings_probe(page, address):
    visit(page, f"{address}/?model=tiny-simclr")
    vector = picture(page)
    page.get_by_role("button", name="3, test image").first.click()  # another image
    until_changed(page, vector)

    page.locator("[data-testid=stPageLink]").get_by_role("link", name="decode", exact=True).click()
    page.get_by_role("heading", name="Decode").wait_for()
    settle(page)
    tile = picture(page, "canvas.tile")
    box = page.locator("canvas.map").bounding_box()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.15 * box["height"])  # decoded under the pointer
    until_changed(page, tile, "canvas.tile")
    page.get_by_role("radio", name="Sample").or_(page.get_by_role("button", name="Sample")).first.click()
    page.get_by_role("button", name="Draw again").wait_for()
    settle(page)
    samples = picture(page)
    page.get_by_role("button", name="Draw again").click()
    until_changed(page, samples)

    page.locator("[data-testid=stPageLink]").get_by_role("link", name="map", exact=True).click()
    page.get_by_role("heading", name="Map", exact=True).wait_for()
    settle(page)
    umap = picture(page)
    page.get_by_role("radio", name="PCA").or_(page.get_by_role("button", name="PCA")).first.click()
    until_changed(page, umap)
    until_shown(page, page.get_by_text("images in the lasso"), lambda: lasso(page))

    page.locator("[data-testid=stPageLink]").get_by_role("link", name="probe", exact=True).click()
    page.get_by_role("heading", name="Probe", exact=True).wait_for()
    settle(page)
    slider = page.locator("input[type=range]").first
    slider.focus()
    for _ in range(2):
        slider.press("ArrowLeft")  # fewest labels
    settle(page)
    accuracy = picture(page)
    page.get_by_role("button", name="Fit the probe").click()
    page.get_by_text("Fitted in").wait_for()
    until_changed(page, accuracy)
    cells = picture(page, ".gallery")
    box = page.locator(".js-plotly-plot").nth(1).locator(".draglayer .nsewdrag").bounding_box()
    for column in (1, 3, 5, 7):  # clicks on cells; at least one holds other images than the first shown
        page.mouse.click(box["x"] + (column + 0.5) * box["width"] / 10, box["y"] + 0.05 * box["height"])
        settle(page)
        if picture(page, ".gallery") != cells:
            return
    until_changed(page, cells, ".gallery")


def lasso(page) -> None:
    """Draw a lasso round the middle of the first chart."""
    box = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    x, y, r = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, min(box["width"], box["height"]) / 5
    page.mouse.move(x - r, y - r)
    page.mouse.down()
    for dx, dy in ((r, -r), (r, r), (-r, r), (-r, -r)):
        page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()


@pytest.mark.parametrize("name, title", [("vae", "Decode"), ("embeddings", "Map"), ("probe", "Probe")])
def test_deep_links(page, address, name, title):
    visit(page, f"{address}/{name}?data=mnist&model=tiny-vae")
    assert page.locator("h1").inner_text() == title
    assert page.locator("[data-testid=stSidebarNav]").count() == 1
    assert "model=tiny-vae" in page.url


def test_the_address_restores_the_view(page, address):
    visit(page, f"{address}/vae?model=tiny-vae&vae_view=Sample&vae_seed=7")
    page.get_by_text("Seed 7").wait_for()


def test_a_hostile_address_is_answered_in_words(page, address):
    visit(page, f"{address}/?model=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&data=..%2F..%2Fetc")
    assert page.get_by_text("There is no data set").count() == 1
    assert page.locator("img[src='x']").count() == 0


def test_the_dark_theme_is_dark_all_over(browser, address):
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page.set_default_timeout(WAIT)
    visit(page, f"{address}/probe?model=tiny-simclr")
    page.wait_for_function(  # the chart is drawn a moment after the script has ended
        """() => [...document.querySelectorAll(".js-plotly-plot .xtick text")].some(
            (e) => getComputedStyle(e).fill === "rgb(233, 237, 242)")"""
    )
    page.close()


def test_a_deep_link_may_be_the_first_visit_after_a_start(page, models):
    """The case in which Streamlit runs a page's file without the router."""
    with serve(models) as address:
        visit(page, f"{address}/embeddings?model=tiny-vae")
        assert page.locator("h1").inner_text() == "Map"
        assert page.locator("[data-testid=stSidebarNav]").get_by_role("link").count() == len(ui.PAGES)
