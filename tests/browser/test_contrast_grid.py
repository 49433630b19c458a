"""The grid of transforms in a real browser: a cell is chosen by mouse and by keyboard, and its views are shown."""

from browsing import settle, visit


def test_a_cell_of_the_grid_is_chosen_by_mouse_and_by_keyboard(page, address):
    visit(page, f"{address}/contrastive?data=mnist&contrast_view=Grid&contrast_cell=crop")
    page.get_by_text("Views: crop alone").wait_for()
    views = page.locator(".image-grid .sheet")
    before = views.get_attribute("src")
    page.get_by_role("gridcell", name="crop + translate").click()
    page.get_by_text("Views: crop + translate").wait_for()
    settle(page)
    assert views.get_attribute("src") != before and "contrast_cell=crop%2Btranslate" in page.url
    page.keyboard.press("ArrowRight")  # the focus has stayed on the cell that was clicked
    page.keyboard.press("Enter")
    page.get_by_text("Views: rotate + translate").wait_for()
    settle(page)
    chosen = page.locator("[role=gridcell][aria-selected=true]")
    assert chosen.count() == 1 and chosen.get_attribute("aria-label").startswith("rotate + translate")
