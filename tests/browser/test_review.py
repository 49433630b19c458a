"""The page of revision in a browser: on paper, as a file without a network, phones of a room, and the tour."""

import re

from browsing import WAIT, settle, until, visit
from tinyreview import figures

from sslviz.ui.review.sheet import document

PAPER = 740  # pixels of an A4 sheet's width within its margins; its height is 1,069


def whole(page) -> None:
    """Wait until all figures stand."""
    until(page, lambda: page.locator(".rv-sheet[data-whole=true]").count() == 1)
    settle(page)


def sheets(page) -> int:
    """Pages of the paper that the browser prints."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True, print_background=True)))


def outside(page) -> list[str]:
    """Pictures and words of the sheet that do not lie within it, and cards that are higher than a sheet of paper."""
    return page.evaluate(
        """() => {
            const sheet = document.querySelector('.rv-sheet'), box = sheet.getBoundingClientRect()
            const bad = [...sheet.querySelectorAll('img, svg, figure, table, p, li, math')].filter(node => {
                const own = node.getBoundingClientRect()
                return own.width && (own.left < box.left - 1 || own.right > box.right + 1)
            }).map(node => node.outerHTML.slice(0, 120))
            const high = [...sheet.querySelectorAll('.rv-card')].filter(node => node.offsetHeight > 1069)
            return [...bad, ...high.map(node => `high: ${node.offsetHeight}`)]
        }"""
    )


def test_it_prints_on_two_sheets_and_its_file_needs_no_network(browser, address, tmp_path):
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        visit(page, f"{address}/review")
        whole(page)
        assert sheets(page) == 2, scheme
        page.emulate_media(media="print", color_scheme=scheme)
        page.set_viewport_size({"width": PAPER, "height": 1069})
        assert outside(page) == [], scheme
        for hidden in ("[data-testid=stSidebar]", "h1", "[data-testid=stDownloadButton]"):
            assert not page.locator(hidden).first.is_visible(), hidden
        assert page.locator(".rv-reveal").first.is_visible() and not page.locator(".rv-choice input").first.is_visible()
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": 1440, "height": 900})
        if scheme == "light":
            with page.expect_download() as download:
                page.get_by_role("button", name="Save as one file").click()
            download.value.save_as(tmp_path / "revision.html")
        context.close()

    context, asked = browser.new_context(offline=True, viewport={"width": 800, "height": 900}), []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "revision.html").as_uri())
    assert {url[:5] for url in asked} <= {"file:", "data:"}
    assert page.locator(".rv-card").count() == 7 and page.locator("math").count() > 12
    shown = page.locator(".rv-reveal").first
    assert not shown.is_visible()
    page.get_by_role("radio").first.check()
    assert shown.is_visible() and page.locator("img").first.evaluate("node => node.naturalWidth") > 0
    assert sheets(page) == 2
    # with every model there, those that may be missing here included
    (tmp_path / "all.html").write_text(document(figures(), title="Revised", said="now"), encoding="utf-8")
    page.goto((tmp_path / "all.html").as_uri())
    assert sheets(page) == 2
    context.close()


def phone(browser, address, code, name=""):
    page = browser.new_context(viewport={"width": 390, "height": 700}).new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{address}/?room={code}")
    assert page.get_by_label("Code of the room").input_value() == code
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join").press("Enter")
    page.get_by_text(f"Room {code}").wait_for()
    return page


def test_two_phones_in_a_room_and_a_third_that_comes_late(page, browser, address):
    visit(page, f"{address}/review?review_view=In+class")
    page.get_by_role("button", name="Open a room").click()
    code = re.search(r"Room ([A-Z2-9]{5})", page.locator("h2", has_text="Room").inner_text())[1]
    first, second = phone(browser, address, code, "<i>Ada</i>"), phone(browser, address, code)
    page.get_by_text("2 phones are here").wait_for()
    until(page, lambda: page.get_by_role("button", name="Ask this").count() == 1)
    page.get_by_role("button", name="Ask this").click()
    for each, choice in ((first, 0), (second, 1)):
        each.locator("#choices button").nth(choice).click()
        each.get_by_text("Taken.").wait_for()
    second.reload()  # a phone that is woken is still in the room, and what it has answered is kept
    until(second, lambda: second.locator("#choices button[aria-pressed=true]").count() == 1)
    late = phone(browser, address, code)
    late.locator("#choices button").nth(1).click()
    page.get_by_text("3 of 3 have answered").wait_for()
    assert "<i>Ada</i>" in page.locator(".rv-sheet").first.inner_text()
    assert first.locator(".bar").count() == 0
    page.get_by_role("button", name="Show the result").click()
    for each in (first, second, late):
        each.get_by_text("✓ as the figure says").wait_for()
        assert each.locator("#choices button:disabled").count() == each.locator(".bar").count() >= 3
    page.get_by_role("button", name="Close the room").click()
    until(first, lambda: "no such room" in first.locator("#said").inner_text())
    for each in (first, second, late):
        each.context.close()


def press_to(page, name: str) -> None:
    """Tab to a button, as somebody without a mouse does."""
    wanted = page.get_by_role("button", name=name)
    wanted.wait_for()
    for _ in range(60):
        if wanted.evaluate("node => node.getRootNode().activeElement === node"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} is not reached by Tab")


def test_the_tour_goes_from_the_first_visit_to_its_end_by_keyboard(browser, address):
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT)
    visit(page, f"{address}/")
    press_to(page, "Start the tour")
    page.keyboard.press("Enter")
    seen = []
    for step in range(1, 9):
        page.get_by_text(re.compile(rf"Tour, {step} of 8")).wait_for()
        settle(page)
        seen.append(page.locator("h1").inner_text())
        press_to(page, "Finish" if step == 8 else "Next page")
        page.keyboard.press("Enter")
    assert len(set(seen)) == 8 and seen[-1] == "Review"
    until(page, lambda: page.get_by_text("Tour, 8 of 8").count() == 0)
    other = context.new_page()  # the same browser is not asked again, and finds the tour on Home
    other.set_default_timeout(WAIT)
    visit(other, f"{address}/")
    assert other.get_by_role("button", name="Start the tour").count() == 0
    other.get_by_role("button", name="Take the tour").click()
    other.get_by_text("Tour, 1 of 8").wait_for()
    press_to(other, "Next page")
    other.keyboard.press("Escape")
    until(other, lambda: other.get_by_text("Tour, 1 of 8").count() == 0)
    context.close()
