"""Fixtures of all tests in a real browser: models, a server of them, chromium with software WebGL, and a page in it."""

import os
import shutil
from pathlib import Path

import pytest
from browsing import ARGUMENTS, CHROMIUM, WAIT, serve
from playwright import sync_api


def pytest_collection_modifyitems(items):
    """All of them are slow: a browser and a server are started for them."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def address(tiny_models, tmp_path_factory):
    """A server of the tiny models for all files that leave them as they are; what it has computed is there for all."""
    models = shutil.copytree(tiny_models, tmp_path_factory.mktemp("served") / "models")
    with serve(Path(models)) as address:
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
