"""A walk through the app in a real browser: on every page one control is moved, and the picture has to change."""

import pytest
from browsing import WAIT, picture, serve, settle, until_changed, visit

from sslviz import ui


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
    samples = picture(page, ".image-grid")
    page.get_by_role("button", name="Draw again").click()
    until_changed(page, samples, ".image-grid")

    page.locator("[data-testid=stPageLink]").get_by_role("link", name="map", exact=True).click()
    page.get_by_role("heading", name="Map", exact=True).wait_for()
    settle(page)
    umap = picture(page, "canvas.points")
    page.get_by_role("radio", name="PCA").or_(page.get_by_role("button", name="PCA")).first.click()
    until_changed(page, umap, "canvas.points")

    page.locator("[data-testid=stPageLink]").get_by_role("link", name="probe", exact=True).click()
    page.get_by_role("heading", name="Probe", exact=True).wait_for()
    settle(page)
    for name in ("Labels", "One fit"):
        page.get_by_role("radio", name=name).or_(page.get_by_role("button", name=name)).first.click()
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
    settle(page)  # baselines may still come in, and each draws the figures anew
    cells_figure = page.locator(".js-plotly-plot").nth(1).locator(".draglayer .nsewdrag")
    cells_figure.scroll_into_view_if_needed()  # the picture of the gallery moved the page
    box = cells_figure.bounding_box()
    for i in (1, 3, 5, 7):  # cells of the diagonal hold images; cells without any are not drawn
        page.mouse.click(box["x"] + (i + 0.5) * box["width"] / 10, box["y"] + (i + 0.5) * box["height"] / 10)
        settle(page)
        if picture(page, ".gallery") != cells:
            return
    until_changed(page, cells, ".gallery")


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
    assert page.get_by_text("There is no dataset").count() == 1
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
