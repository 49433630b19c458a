"""The map in a real browser without WebGL, as on remote desktops: hover, click, lasso, keyboard and touch choose."""

import re

import numpy as np
import pytest
from browsing import CHROMIUM, WAIT, settle, until, visit
from playwright import sync_api

from sslviz.ui.stored import test_images as bundled_images

SHEET = 500_000  # bytes
NO_WEBGL = ["--no-sandbox", "--disable-gpu", "--disable-3d-apis"]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=NO_WEBGL)
        yield browser
        browser.close()


@pytest.fixture()
def page(browser, request):
    page = browser.new_page(**getattr(request, "param", {"viewport": {"width": 1440, "height": 900}}))
    page.set_default_timeout(WAIT)
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    assert complaints == []
    page.close()


def canvas(page, address):
    """The map of the page, drawn."""
    visit(page, f"{address}/embeddings?model=tiny-simclr")
    assert page.evaluate("document.createElement('canvas').getContext('webgl')") is None
    place = page.locator("canvas.points")
    place.wait_for()
    page.wait_for_function("performance.getEntriesByName('sslviz map').length > 0")
    return place


def chosen(page) -> int:
    return int(
        re.search(r"nearest neighbours in h of image (\d+)", page.locator("[data-testid=stMain]").inner_text())[1]
    )


def until_chosen(page, index: int) -> None:
    page.get_by_text(re.compile(rf"nearest neighbours in h of image {index}, ")).wait_for()
    settle(page)


def over_a_point(page, place) -> int:
    """Move the mouse over the map until a point answers; its id."""
    box = place.bounding_box()
    for part in (0.5, 0.45, 0.55, 0.4, 0.6, 0.35, 0.65):
        page.mouse.move(box["x"] + part * box["width"], box["y"] + part * box["height"])
        page.wait_for_timeout(100)
        if page.locator(".hover").is_visible():
            return int(re.search(r"image (\d+)$", page.locator(".hover .words").inner_text())[1])
    pytest.fail("no point answers to the mouse")


def lasso(page, place, part: float = 0.2) -> None:
    """Draw a square lasso round the middle."""
    box = place.bounding_box()
    x, y, r = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, part * box["width"]
    page.mouse.move(x - r, y - r)
    page.mouse.down()
    for dx, dy in ((r, -r), (r, r), (-r, r), (-r, -r)):
        page.mouse.move(x + dx, y + dy, steps=3)
    page.mouse.up()


def hovered(page) -> np.ndarray:
    """Pixels of the picture at the pointer."""
    pixels = page.locator("canvas.picture").evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, 28, 28).data)"
    )
    return np.array(pixels).reshape(28, 28, 4)[..., 0]


def test_pictures_are_fetched_again_where_the_server_lacked_them_for_a_moment(page, address):
    answered = []  # of the sheet of all pictures, which is larger than whatever else comes from there

    def answer(route):
        response = route.fetch()
        if len(response.body()) >= SHEET:
            answered.append(response.status if answered else 404)
            if len(answered) == 1:
                return route.fulfill(status=404)
        route.fulfill(response=response)

    page.route("**/media/*", answer)
    index = over_a_point(page, canvas(page, address))
    until(page, lambda: hovered(page).any(), seconds=60)
    np.testing.assert_array_equal(hovered(page), bundled_images("mnist").x[index, 0])
    assert answered[:2] == [404, 200]


def test_hover_shows_the_picture_and_a_click_chooses_on_every_map(page, address):
    place = canvas(page, address)
    index = over_a_point(page, place)
    until(page, lambda: hovered(page).any(), seconds=60)  # the sheet comes once, from a file of the server
    np.testing.assert_array_equal(hovered(page), bundled_images("mnist").x[index, 0])
    page.mouse.down()
    page.mouse.up()
    until_chosen(page, index)
    assert f"map_image={index}" in page.url
    before = place.screenshot()
    page.get_by_role("radio", name="PCA").or_(page.get_by_role("button", name="PCA")).first.click()
    page.get_by_text("PCA of 10,000 h").wait_for()
    settle(page)
    assert chosen(page) == index and place.screenshot() != before
    assert f"map_image={index}" in page.url and "map_method=pca" in page.url
    page.reload()
    until_chosen(page, index)
    page.get_by_text("PCA of 10,000 h").wait_for()


def test_a_lasso_selects_and_a_click_beside_lets_go(page, address):
    place = canvas(page, address)
    lasso(page, place)
    text = page.get_by_text("images in the lasso")
    text.wait_for()
    settle(page)
    count = text.inner_text()
    page.reload()
    page.get_by_text(count).wait_for()  # the address holds it
    settle(page)
    box = page.locator("canvas.points").bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + 3)
    page.get_by_text("An image and its neighbours in h").wait_for()


def test_the_keyboard_walks_and_chooses(page, address):
    place = canvas(page, address)
    place.focus()
    said = page.locator(".map-view .said")
    words = []
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
        words.append(said.inner_text())
    assert len(set(words)) >= 3 and page.locator(".hover").is_visible()
    index = int(re.search(r"image (\d+)$", words[-1])[1])
    page.keyboard.press("Enter")
    until_chosen(page, index)


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("page", [PHONE], indirect=True, ids=["phone"])
def test_a_finger_chooses_on_a_phone_where_everything_fits(page, address):
    place = canvas(page, address)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box["width"] <= 390 and box["width"] == pytest.approx(box["height"], abs=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    said = page.get_by_text("nearest neighbours kept")
    inside = said.bounding_box()
    assert inside["x"] >= 0 and inside["x"] + inside["width"] <= 390  # trustworthiness is not cut
    assert "Trustworthiness" in said.inner_text()
    for part in (0.5, 0.45, 0.55, 0.4, 0.6):
        page.touchscreen.tap(box["x"] + part * box["width"], box["y"] + part * box["height"])
        page.wait_for_timeout(300)
        settle(page)
        if chosen(page) != 0:
            return
    pytest.fail("a finger chooses nothing")


def test_ten_thousand_points_are_drawn_fast(page, address):
    canvas(page, address)
    for _ in range(6):
        page.get_by_role("button", name="Zoom in").click()
    for _ in range(6):
        page.get_by_role("button", name="Zoom out").click()
    spent = page.evaluate("performance.getEntriesByName('sslviz map').map((e) => e.duration)")
    assert sorted(spent)[len(spent) // 2] < 50  # ms, the median on a shared core without a GPU


def test_home_shows_the_same_map(page, address):
    visit(page, f"{address}/?model=tiny-simclr")
    place = page.locator("canvas.points")
    place.wait_for()
    place.scroll_into_view_if_needed()
    settle(page)
    index = over_a_point(page, place)
    page.mouse.down()
    page.mouse.up()
    page.get_by_text(re.compile(rf"Test image {index}, ")).first.wait_for()
