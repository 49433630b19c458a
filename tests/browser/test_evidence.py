"""The probe page in a browser: a sweep with partial results, a moved control, a broken rule, the game, an address."""

import re

from browsing import settle, until, visit


def press(page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).or_(
        page.get_by_role("button", name=name, exact=True)
    ).first.click()
    settle(page)


def body(page) -> str:
    return page.locator("body").inner_text()


def test_a_walk_through_the_evidence(page, address):
    visit(page, f"{address}/probe?model=tiny-simclr&probe_counts=1%2B2&probe_draws=2")
    until(page, lambda: "Who is best" in body(page) and page.locator(".js-plotly-plot").count() >= 3)  # unasked
    press(page, "k-NN")
    until(page, lambda: "probe_protocol=k-NN" in page.url)
    assert "20 nearest training images" in body(page)

    press(page, "Labels")
    page.get_by_role("button", name="Fit the curve").click()
    until(page, lambda: page.locator(".js-plotly-plot").count() == 1)  # partial: the encoder's own row comes first
    page.get_by_label("Draws", exact=True).fill("3")
    page.get_by_label("Draws", exact=True).press("Enter")
    settle(page)
    assert page.locator(".js-plotly-plot").count() == 1  # a moved control loses nothing
    until(page, lambda: "whitened patches" in body(page) and not page.get_by_role("button", name="Stop").count())
    assert "Differences in points" in body(page)
    until(page, lambda: "probe_sweep=" in page.url)
    link = page.url

    visit(page, f"{address}/probe?probe_view=Cheat&model=simclr-mnist")
    assert "broken" not in page.locator("table").first.inner_text()
    press(page, "Leave BatchNorm in training mode")
    until(page, lambda: "broken" in page.locator("table").first.inner_text())
    assert re.search(r"points above the honest score", body(page))

    press(page, "Game")
    first = page.locator("h4").inner_text()
    assert "Case 1 of 8" in first and "It has happened" not in body(page)
    press(page, "Choose the penalty on the test set")
    until(page, lambda: "It has happened" in body(page))
    assert "1 of 1 cases right" in body(page)
    page.get_by_role("button", name="Next case").click()
    until(page, lambda: "Case 2 of 8" in body(page))
    assert "It has happened" not in body(page)

    visit(page, link)  # what was fitted is still with this server
    until(page, lambda: page.locator(".js-plotly-plot").count() == 1 and "Differences in points" in body(page))
