"""Live training in a real browser: start, watch, pause, step, leave, come back, stop, go on, keep, hand on, delete."""

import re
import shutil
from pathlib import Path

import pytest
from browsing import IDLE, WAIT, serve, settle, until, visit
from playwright.sync_api import TimeoutError


@pytest.fixture()
def page(browser):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(4 * WAIT)
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    assert page.complaints == []
    page.close()


def button(page, name: str):
    """A button of the page itself: while a script runs long, Streamlit has a Stop of its own in the head."""
    own = page.locator("xpath=//button[not(ancestor::header)]")
    return page.get_by_role("button", name=name, exact=True).and_(own).first


def fail(page) -> None:
    pytest.fail(f"waited in vain; the page says: {page.locator('body').inner_text()}")


@pytest.fixture(scope="module")
def address(models):
    """A server of its own: models come and go here."""
    with serve(models) as address:
        yield address


def step(page) -> int:
    """The step that the page tells; 0 where it tells another progress."""
    progress = page.locator("[data-testid=stProgress]").first
    try:
        found = re.search(r"[Ss]tep ([\d,]+) of", progress.inner_text())
    except TimeoutError:
        fail(page)
    return int(found[1].replace(",", "")) if found else 0


def curve(page):
    return page.locator("svg[aria-label^='Loss'] polyline").first


def test_a_bad_file_is_refused_in_words(page, address, tmp_path):
    file = tmp_path / "bad.safetensors"
    file.write_bytes(b"\x80\x04not a model")
    visit(page, f"{address}/train")
    page.get_by_text("Bring back a model").click()
    page.locator("input[type=file][accept*=safetensors]").set_input_files(file)
    page.locator("[data-testid=stAlertContentError]").wait_for()
    assert button(page, "Train").is_enabled()


@pytest.mark.timeout(1500)
def test_a_run_from_its_start_to_its_end(page, address, tmp_path):
    visit(page, f"{address}/train?method=vae")
    minutes = page.get_by_label("Budget (minutes)")
    minutes.fill("0.3")  # several times what passes while it is looked at: it is paused before it is read
    minutes.press("Enter")
    settle(page)
    button(page, "Train").click()
    page.wait_for_url(re.compile(r"run=[\w-]{22}"))
    button(page, "Pause").click()  # as soon as it can be
    button(page, "Play").wait_for()
    settle(page)
    at = step(page)
    button(page, "One step").click()
    until(page, lambda: step(page) == at + 1)
    page.get_by_text(f"Step {at + 1:,} alone").wait_for()
    page.get_by_text("gradient of decoder").or_(page.locator("[data-testid=stDataFrame]")).first.wait_for()

    here = page.url
    page.locator("[data-testid=stSidebarNav]").get_by_role("link", name="Home").click()
    page.get_by_role("heading", name="Self-supervised learning, seen").wait_for()
    other = page.context.browser.new_page()  # another session, as after a reload
    other.set_default_timeout(4 * WAIT)
    visit(other, here)
    assert step(other) == at + 1
    points = curve(other).get_attribute("points")
    place = curve(other).evaluate_handle("line => line.ownerSVGElement")
    button(other, "Play").click()
    button(other, "Pause").click()
    until(other, lambda: step(other) > at + 1 and curve(other).get_attribute("points") != points)  # the loss moves,
    assert place.evaluate("svg => svg.isConnected")  # and its figure is not taken down for that
    button(other, "Stop").click()
    button(other, "Go on").wait_for(timeout=10_000)
    other.close()

    visit(page, here)
    page.get_by_text(re.compile(r"resumes it from step [\d,]+")).wait_for()
    settle(page)
    stopped = step(page)
    button(page, "Go on").click()
    until(page, lambda: step(page) > stopped)
    page.get_by_text(re.compile("storing maps: ")).wait_for()  # it has ended, and says so
    assert page.get_by_role("button", name="Pause", exact=True).count() == 0
    button(page, "Download").wait_for()
    button(page, "Probe: evidence").wait_for()  # other pages can show it from the first map on
    button(page, "Leave the maps").click()
    page.get_by_text("Back over the epochs").wait_for()
    keep(page, address, tmp_path)


def keep(page, address: str, tmp_path) -> None:
    """Probe, download, rename, delete and bring back the model that a run has left."""
    here = page.url
    with page.expect_download() as download:
        button(page, "Download").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.suffix == ".safetensors" and file.stat().st_size > 1_000_000

    button(page, "Probe: evidence").click()
    page.get_by_role("heading", name="Probe", exact=True).wait_for()
    settle(page)
    assert "model=vae-mnist-1" in page.url

    visit(page, here)
    name = page.get_by_label("Name", exact=True)
    name.fill("my-first")
    name.press("Enter")
    settle(page)
    button(page, "Rename").click()
    page.get_by_role("heading", name="The model my-first").wait_for()
    button(page, "Delete").click()
    button(page, "Delete my-first").click()
    button(page, "Train").wait_for()
    settle(page)

    page.get_by_text("Bring back a model").click()
    page.locator("input[type=file][accept*=safetensors]").set_input_files(file)
    page.get_by_text("is in every page's list now").wait_for()

    def opens() -> bool:
        page.goto(f"{address}/vae?model=vae-mnist-1")
        page.wait_for_selector(IDLE)
        page.wait_for_timeout(2000)
        return page.locator("[data-testid=stAlert]").count() == 0

    until(page, opens, seconds=60)  # as soon as its h is stored, which comes before the maps
    assert "model=vae-mnist-1" in page.url


def test_a_server_that_sends_late_leaves_every_part_of_the_page_in_its_place(page, tiny_models, tmp_path):
    """Drawings of the page then overtake one another before they are sent, and some are dropped."""
    with serve(Path(shutil.copytree(tiny_models, tmp_path / "models")), lag=1.5) as address:
        visit(page, f"{address}/train?method=vae")
        button(page, "Train").click()
        page.wait_for_url(re.compile(r"run=[\w-]{22}"))
        until(page, lambda: step(page) > 0)
        for _ in range(2):
            button(page, "Pause").click()
            button(page, "Play").wait_for()
            settle(page)
            at = step(page)
            button(page, "One step").click()
            page.get_by_text(f"Step {at + 1:,} alone").wait_for()
            button(page, "Play").click()
            until(page, lambda at=at: step(page) > at + 1)
            assert page.locator("[data-testid=stExpander]").count() == 3
        button(page, "Stop").click()
        page.get_by_text(re.compile(r"resumes it from step [\d,]+")).wait_for()
