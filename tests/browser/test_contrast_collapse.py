"""Collapse and queue in a real browser: another space and another momentum change the pictures, by keyboard too."""

from browsing import picture, settle, until_changed, visit


def test_collapse_and_queue(page, address):
    visit(page, f"{address}/contrastive?model=simclr-mnist&contrast_view=Collapse")
    page.get_by_text("The loss is perfect").wait_for()
    assert page.locator(".js-plotly-plot").count() >= 7  # a sphere and cosines an encoder, and the spectra
    spectra = picture(page, ".js-plotly-plot", 6)
    space = page.get_by_role("radio", name="z, what the loss sees").or_(
        page.get_by_role("button", name="z, what the loss")
    )
    space.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text("How much h varies").wait_for()
    until_changed(page, spectra, ".js-plotly-plot", 6)

    page.get_by_role("radio", name="Queue").or_(page.get_by_role("button", name="Queue", exact=True)).first.click()
    page.get_by_text("Keys in the queue by age, momentum 0.99").wait_for()
    settle(page)
    keys = picture(page, ".image-grid")
    page.get_by_role("radio", name="0", exact=True).or_(page.get_by_role("button", name="0", exact=True)).first.click()
    page.get_by_text("Keys in the queue by age, momentum 0, step").wait_for()
    until_changed(page, keys, ".image-grid")
    assert "contrast_momentum=0" in page.url
