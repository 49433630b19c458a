"""Manners of every page in a real browser: Back, addresses, requests, screen readers, narrow screens, both themes."""

import re
from urllib.parse import urlsplit

import pytest
from browsing import WAIT, cut, serious, settle, until, visit

pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

# every page, and every view that is drawn by other code
PLACES = (
    "?model=tiny-simclr",
    "vae?model=tiny-plane",
    "vae?model=tiny-vae&vae_view=Sample",
    "vae?model=tiny-vae&vae_view=Traverse",
    "vae?model=tiny-vae&vae_view=Interpolate",
    "contrastive?model=tiny-simclr",
    "embeddings?model=tiny-simclr",
    "probe?model=tiny-simclr",
    "train",
    "language",
    "language?language_view=Attention",
    "language?language_view=Sentences",
    "review",
    "review?review_view=In+class",
)
PAGES = {place.partition("?")[0]: place for place in reversed(PLACES)}  # the first place of each page
WIDTHS = (390, 800, 1440)


def control(page, name: str):
    return page.get_by_role("radio", name=name, exact=True).or_(page.get_by_role("button", name=name, exact=True)).first


def entries(page) -> int:
    return page.evaluate("history.length")


def test_back_leaves_a_page_at_once(page, address):
    visit(page, f"{address}/?model=tiny-simclr")
    at = entries(page)
    page.get_by_role("button", name="3, test image").first.click()
    until(page, lambda: "home_image=" in page.url)
    assert entries(page) == at  # what is chosen on a page replaces its entry
    home = page.url

    page.locator("[data-testid=stSidebarNav]").get_by_role("link", name="Decode: VAE").click()
    page.get_by_role("heading", name="Decode").wait_for()
    settle(page)
    control(page, "Sample").click()
    page.get_by_role("button", name="Draw again").wait_for()
    settle(page)
    page.get_by_role("button", name="Draw again").click()
    until(page, lambda: "vae_seed=1" in page.url)
    page.get_by_role("slider").first.press("ArrowRight")
    asked = ("vae_view=Sample", "vae_seed=1", "vae_spread=1.1")
    until(page, lambda: all(part in page.url for part in asked))
    assert entries(page) == at + 1
    decode = page.url

    page.go_back()
    page.get_by_role("heading", name="Self-supervised learning, seen").wait_for()
    until(page, lambda: page.url == home)
    page.go_forward()
    page.get_by_role("heading", name="Decode").wait_for()
    until(page, lambda: page.url == decode)


@pytest.mark.parametrize("place", ["embeddings?model=tiny-simclr", "review"])
def test_what_is_folded_is_sent_once_it_is_opened_by_mouse_or_keyboard(page, address, place):
    visit(page, f"{address}/{place}")
    folded, code = page.locator("summary").filter(has_text="Reproduce"), page.locator("[data-testid=stCode]")
    assert code.count() == 0
    folded.click()
    code.first.wait_for()
    settle(page)
    assert "sslviz" in code.first.inner_text()
    folded.focus()
    page.keyboard.press("Enter")
    until(page, lambda: not code.first.is_visible())
    page.keyboard.press("Enter")
    code.first.wait_for()


def seen(page) -> dict:
    """What a person sees of a page's state: choices, numbers, what is pressed, and the words in its main part."""
    return page.locator("[data-testid=stMain]").evaluate(
        """main => ({
            checked: [...main.querySelectorAll('[aria-checked=true], [aria-pressed=true]')].map(
                node => node.innerText || node.ariaLabel),
            numbers: [...main.querySelectorAll('input')].map(node => node.value),
            words: [...main.querySelectorAll('[data-testid=stMarkdownContainer]')].map(node => node.innerText),
        })"""
    )


def moves(page, name: str) -> None:
    """Move what there is to move on a page, and wait until its address says all of it."""
    said = {
        "": ("home_image=",),
        "vae": ("vae_view=Traverse", "vae_from="),
        "contrastive": ("contrast_seed=1",),
        "embeddings": ("map_method=pca", "map_image="),
        "probe": ("probe_view=Labels", "probe_draws=4"),
        "train": ("method=vae", "train_minutes=1.5"),
        "language": ("language_view=Attention",),
        "review": ("review_view=In+class",),
    }
    if name == "":
        page.get_by_role("button", name="5, test image").first.click()
    elif name == "vae":
        control(page, "Traverse").click()
        until(page, lambda: said[name][0] in page.url)
        page.get_by_role("button", name="4, test image").nth(1).click()
    elif name == "contrastive":
        page.get_by_role("button", name="New pair").click()
        page.get_by_text("seed 6").wait_for()
    elif name == "embeddings":
        control(page, "PCA").click()
        until(page, lambda: said[name][0] in page.url)
        settle(page)
        page.get_by_role("button", name="test image").nth(3).click()
    elif name == "probe":
        control(page, "Labels").click()
        until(page, lambda: said[name][0] in page.url)
        settle(page)
        page.get_by_label("Draws").fill("4")
        page.get_by_label("Draws").press("Enter")
    elif name == "train":
        control(page, "VAE").click()
        until(page, lambda: said[name][0] in page.url)
        settle(page)
        page.get_by_label("Budget (minutes)").fill("1.5")
        page.get_by_label("Budget (minutes)").press("Enter")
    elif name == "language":
        control(page, "Attention").click()
    elif name == "review":
        control(page, "In class").click()
    until(page, lambda: all(part in page.url for part in said[name]))
    settle(page)


@pytest.mark.parametrize("name", PAGES)
def test_a_copied_address_restores_what_is_seen(page, browser, address, name):
    visit(page, f"{address}/{PAGES[name]}")
    moves(page, name)
    other = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    other.set_default_timeout(WAIT)
    visit(other, page.url)
    until(other, lambda: other.url == page.url and seen(other) == seen(page))  # parts come one after the other
    other.context.close()


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_whole_readable_and_fetches_nothing_from_elsewhere(browser, address, place):
    """Loaded as on a phone, then wider, then read by axe-core, light and dark; every request is watched."""
    context = browser.new_context(viewport={"width": WIDTHS[0], "height": 844}, color_scheme="light")
    asked, host = set(), urlsplit(address).netloc
    context.on("request", lambda request: asked.add(request.url))
    context.route(lambda url: urlsplit(url).netloc != host, lambda route: route.abort())
    page = context.new_page()
    page.set_default_timeout(WAIT)
    visit(page, f"{address}/{place}")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        until(page, lambda width=width: cut(page, width) == [])
    assert serious(page) == []
    page.emulate_media(color_scheme="dark")
    visit(page, page.url)  # what the server draws for the dark theme comes with the next run
    assert serious(page) == []
    icon = page.locator("link[rel~=icon]").first.get_attribute("href")
    context.close()
    assert urlsplit(icon).netloc in ("", host), icon
    assert {url for url in asked if urlsplit(url).netloc not in ("", host)} == set()


def test_dataset_and_model_are_within_reach_on_a_phone(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(WAIT)
    visit(page, f"{address}/embeddings?model=tiny-simclr")
    button = page.locator(".st-key-head_selection").get_by_role("button")
    assert "MNIST" in button.inner_text() and "tiny-simclr" in button.inner_text()
    assert button.bounding_box()["y"] < 844
    button.click()
    page.get_by_role("combobox", name=re.compile("Model")).last.click()
    page.get_by_role("option", name="tiny-vae").click()
    until(page, lambda: "model=tiny-vae" in page.url)
    page.close()


def test_train_has_no_choice_of_a_model(page, address):
    visit(page, f"{address}/train")
    assert page.get_by_role("combobox", name=re.compile("Dataset")).count() == 1
    assert page.locator("[data-testid=stSidebar]").get_by_text("Model", exact=True).count() == 0
