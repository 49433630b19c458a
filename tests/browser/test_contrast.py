"""The contrast page in a real browser: switches and strengths change the pair, a drawn digit is turned into another."""

import math
import re

import pytest
from browsing import WAIT, cut, serious, serve, settle, until, visit

from sslviz.ui.contrast import VIEWS

FOCUSED = """() => {
    let node = document.activeElement
    while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement
    return node?.ariaLabel || node?.innerText || ""
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server of the bundled models alone."""
    with serve(tmp_path_factory.mktemp("models")) as address:
        yield address


def pictures(page) -> list[str]:
    """The pixels of image and views."""
    return page.locator(".pair .large canvas").evaluate_all("all => all.map((canvas) => canvas.toDataURL())")


def until_turn(page, before: str) -> None:
    """Wait until the answer to what was asked for is painted."""
    page.wait_for_function(
        """before => [...document.querySelectorAll('*')].some((node) => {
            const pair = node.shadowRoot?.querySelector('.pair')
            return pair && pair.dataset.turn !== before
        })""",
        arg=before,
    )
    settle(page)


def turn(page) -> str:
    page.locator(".pair .large canvas").first.wait_for()
    return page.locator(".pair").get_attribute("data-turn")


def test_a_switch_changes_the_pair_and_the_address_keeps_it(page, address):
    visit(page, f"{address}/contrastive?model=simclr-mnist")
    before, at = pictures(page), turn(page)
    page.get_by_role("checkbox", name="Rotate ±").click()
    until_turn(page, at)
    after = pictures(page)
    assert after[0] == before[0] and after[1] != before[1]
    page.wait_for_function("() => location.search.includes('contrast_views=-rotate')")

    at = turn(page)
    strength = page.get_by_role("slider", name="Crop, area from: strength")
    box = strength.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.5, 0.6, 0.7, 0.8, 0.9):  # dragged: what comes while one is on its way waits for the answer
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
    page.mouse.up()
    until_turn(page, at)
    value = float(strength.input_value())
    page.wait_for_function("value => location.search.includes(`crop%3D${value}`)", arg=f"{value:g}")
    shown = pictures(page)
    visit(page, page.url)
    page.locator(".pair .large canvas").first.wait_for()
    assert pictures(page) == shown  # replayed from the address
    page.get_by_role("button", name="Back to the policy").click()
    page.wait_for_function("() => !location.search.includes('contrast_views')")


def test_the_keyboard_alone_switches_a_transform(page, address):
    visit(page, f"{address}/contrastive?model=simclr-mnist")
    before, at = pictures(page), turn(page)
    page.locator(".pair").get_by_role("checkbox", name="Crop, area from").wait_for()
    for _ in range(90):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == "Rotate ±":
            break
    assert page.evaluate(FOCUSED) == "Rotate ±"
    page.keyboard.press("Space")
    until_turn(page, at)
    assert pictures(page)[1:] != before[1:]
    assert page.evaluate(FOCUSED) == "Rotate ±"  # the answer takes no focus away
    at = turn(page)
    page.keyboard.press("Tab")  # its strength
    page.keyboard.press("ArrowRight")
    until_turn(page, at)
    page.wait_for_function("() => location.search.includes('contrast_views=rotate%3D20')")


def test_a_drawn_digit_is_turned_until_the_probe_changes_its_mind(page, address):
    visit(page, f"{address}/contrastive?model=simclr-mnist&contrast_from=Draw&contrast_view=Invariance")
    paper = page.get_by_role("application")
    box = paper.bounding_box()
    place = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])  # noqa: E731
    page.mouse.move(*place(0.33, 0.27))
    page.mouse.down()
    for x, y in ((0.66, 0.25), (0.62, 0.38), (0.5, 0.6), (0.44, 0.8)):  # a seven
        page.mouse.move(*place(x, y), steps=5)
    page.mouse.up()
    page.wait_for_function("() => location.search.includes('contrast_ink')")
    answers = page.locator(".meter .answers li")
    answers.nth(4).wait_for()  # five encoders
    settle(page)
    assert re.search(r"simclr-mnist.*7 \(\d+ %\)", answers.first.inner_text(), re.DOTALL)
    strength = page.get_by_role("slider", name="Rotate: strength")
    strength.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
        if answers.first.locator(".other").count():
            break
    assert answers.first.locator(".other").count() == 1  # another digit, and marked as such
    page.wait_for_function("() => location.search.includes('contrast_at_rotate')")
    settle(page)
    assert "SimCLR “7”, then" in page.locator("p", has_text="The probe's answer").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_readable_and_fits_a_phone(browser, address, scheme):
    """One visit, and a click a view; in dark those whose colours are chosen by scripts and styles of their own."""
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.set_default_timeout(WAIT)
    visit(page, f"{address}/contrastive?model=simclr-mnist")
    for name in VIEWS if scheme == "light" else ("Pair", "Matrix", "Gradient", "Grid"):
        page.set_viewport_size({"width": 390, "height": 844})
        page.get_by_role("radio", name=name, exact=True).or_(page.get_by_role("button", name=name, exact=True)).click()
        page.get_by_text(VIEWS[name].question).wait_for()
        settle(page)
        until(page, lambda: not page.get_by_role("button", name="Stop").count())  # what is computed has arrived
        until(page, lambda: cut(page, 390) == [])
        page.set_viewport_size({"width": 1440, "height": 900})
        page.wait_for_timeout(500)
        assert serious(page, without=".js-plotly-plot") == [], name  # figures are read on other pages
    page.close()


def test_a_finger_draws_chooses_a_row_and_drags_a_negative(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    hand = context.new_cdp_session(page)

    def drag(place, *points):
        """A finger over an element, at shares of its width and height."""
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        at = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in points]
        for kind, touches in (("touchStart", at[:1]), *(("touchMove", [one]) for one in at[1:]), ("touchEnd", [])):
            hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
            page.wait_for_timeout(30)

    visit(page, f"{address}/contrastive?model=simclr-mnist&contrast_from=Draw")
    drag(page.get_by_role("application"), (0.3, 0.3), (0.6, 0.3), (0.5, 0.6), (0.45, 0.8))
    page.wait_for_function("() => location.search.includes('contrast_ink')")
    settle(page)

    visit(page, f"{address}/contrastive?model=simclr-mnist&contrast_view=Matrix")
    matrix = page.locator("canvas.matrix")
    matrix.scroll_into_view_if_needed()
    box = matrix.bounding_box()
    matrix.tap(position={"x": box["width"] / 2, "y": box["height"] * 5.5 / 32})
    page.wait_for_function("() => location.search.includes('contrast_row=5')")
    settle(page)

    visit(page, f"{address}/contrastive?contrast_view=Gradient")
    circle = page.locator("canvas.circle").first
    circle.scroll_into_view_if_needed()
    side = circle.bounding_box()["width"]
    r = side / 2 - 44
    turned = [(0.5 + r * math.cos(math.radians(a)) / side, 0.5 + 26 / side - r * math.sin(math.radians(a)) / side)
              for a in (190, 170, 150, 130)]  # fmt: skip
    drag(circle, *turned)
    page.wait_for_function("() => location.search.includes('contrast_angles=50%2C120%2C130%2C260%2C330')")
    context.close()
