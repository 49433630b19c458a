"""Language models in a real browser: type, click a word, read the answer, click a candidate, open a head."""

import json
import re

import pytest
import tinytext
from browsing import WAIT, serve, settle, until, until_shown, visit

from sslviz.language import explain, model, predict

TEXT = "The children were playing in the garden."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an own language model."""
    folder = tmp_path_factory.mktemp("models")
    bert = tinytext.write("bert", folder / "tiny-bert")
    (bert / "card.json").write_text(json.dumps({"method": "mlm", "dataset": "words"}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with serve(folder) as address:
        yield f"{address}/language?language_model=tiny-bert"


def answers(page) -> list[str]:
    """The candidates on show, best first."""
    return page.locator(".groups button:not(.far) .token").all_inner_texts()


def test_type_click_a_word_read_the_answer_click_a_candidate_open_a_head(page, address, folder):
    page.set_default_timeout(4 * WAIT)
    visit(page, address)
    page.locator(".groups button").first.wait_for()
    assert len(answers(page)) >= 10

    field = page.get_by_role("textbox", name="A sentence; click a word")
    field.fill(TEXT)
    field.press("Enter")
    page.locator(".chips button", has_text="children").wait_for()
    settle(page)
    page.get_by_text("click a word of the sentence").wait_for()

    page.locator(".chips button", has_text="children").click()
    page.locator(".chips button[aria-pressed=true]", has_text="children").wait_for()
    page.locator(".groups button").first.wait_for()
    settle(page)
    expected = [p.token for p in predict.fill(model.load(folder / "tiny-bert"), TEXT, words=[1])[0].predictions]
    assert answers(page)[:10] == expected
    assert "language_words=1" in page.url

    candidate = next(token for token in expected if token.isalpha() and len(token) > 1)
    page.get_by_role("button", name=re.compile(rf"^{candidate}, ")).first.click()
    page.wait_for_function(
        "token => [...document.querySelectorAll('input')].some(i => i.value.startsWith(`The ${token} `))", arg=candidate
    )
    settle(page)

    page.get_by_role("radio", name="Attention").or_(page.get_by_role("button", name="Attention")).first.click()
    page.locator(".js-plotly-plot").nth(2).wait_for()
    settle(page)
    box = page.locator(".js-plotly-plot").first.locator(".draglayer .nsewdrag").bounding_box()
    matrix = page.get_by_text("Layer 3, head 2", exact=True)
    assert matrix.count() == 0
    head = box["x"] + box["width"] * 1.5 / 4, box["y"] + box["height"] * 2.5 / 3
    until_shown(page, matrix, lambda: page.mouse.click(*head))
    settle(page)


def test_one_token_is_followed_through_a_head(page, address, folder):
    page.set_default_timeout(4 * WAIT)
    text = "The+cat+sat+on+the+mat."
    visit(page, f"{address}&language_text={text}&language_words=1&language_view=One+token&language_head=6")
    steps = explain.attention_head(model.load(folder / "tiny-bert"), text.replace("+", " "), words=[1], layer=1, head=2)
    shown = page.locator(".followed .score")
    shown.first.wait_for()
    assert shown.all_inner_texts() == [f"{s:.2f}".replace("-", "−") for s in steps.scores[2]]  # of the mask

    page.get_by_role("radio", name="5 value").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert page.get_by_role("radio", name="1 query").get_attribute("aria-checked") == "true"
    assert not shown.first.is_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert shown.first.is_visible() and not page.locator(".followed .bar").first.is_visible()

    page.get_by_role("button", name="follow sat").click()
    page.wait_for_function("location.search.includes('language_token=3')")
    page.get_by_role("button", name="follow sat", pressed=True).wait_for()
    assert shown.all_inner_texts() == [f"{s:.2f}".replace("-", "−") for s in steps.scores[3]]
    assert page.locator(".followed .score").first.is_visible()  # the step stays
    settle(page)


def test_next_word_fillers_and_next_sentence_with_the_network_closed(page, address):
    """With the models that come along: twin, GRU and trigrams beside the masked one, and its head for two sentences."""
    page.set_default_timeout(6 * WAIT)
    opened = address.partition("?")[0]
    visit(page, f"{opened}?language_view=Next&language_text=The+children+went+to+school+in+the&language_words=")
    for title in ("bert-sslviz-left, from the left", "gru-sslviz, from the left", "a mask and a full stop behind it"):
        page.get_by_text(title).first.wait_for()
    settle(page)
    page.get_by_role("button", name=re.compile("^morning, ")).first.click()
    page.wait_for_function("[...document.querySelectorAll('input')].some(i => i.value.endsWith('in the morning'))")
    settle(page)

    visit(page, f"{opened}?language_view=Next&language_text=Paris+is+the+capital+of+France.&language_words=5")
    told = page.get_by_text(re.compile("The text has “france”, which .*bert-sslviz, both sides"))
    told.wait_for()
    page.get_by_text("“France”, given more of the words before it").wait_for()
    page.get_by_text(re.compile(r"On [\d,]+ masked words in [\d,]+ held-out sentences")).wait_for()
    page.get_by_text(re.compile("gives .* that the second sentence follows the first")).wait_for()
    page.get_by_text(re.compile("Liu et al. 2019")).wait_for()
    settle(page)


def test_what_is_typed_is_text_and_never_markup(page, address):
    page.set_default_timeout(4 * WAIT)
    visit(page, f"{address}&language_text=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%20cat&language_words=0")
    page.locator(".chips button").first.wait_for()
    assert page.locator("img[src='x']").count() == 0


def test_a_link_with_hundreds_of_masks_says_its_limit(page, address):
    page.set_default_timeout(4 * WAIT)
    visit(page, f"{address}&language_text={'%5BMASK%5D+' * 500}")
    page.get_by_text("characters, and at most").wait_for()
    visit(page, f"{address}&language_text={'%5BMASK%5D+' * 40}")
    page.get_by_text("at most 32 are filled at a time").wait_for()
    assert page.locator(".groups button").count() == 0


def test_a_copied_address_shows_the_same(page, browser, address):
    page.set_default_timeout(4 * WAIT)
    visit(page, f"{address}&language_text=The+cat+sat+on+the+mat.&language_words=1,5")
    page.locator(".groups button").first.wait_for()
    page.get_by_role("radio", name="Layers").or_(page.get_by_role("button", name="Layers")).first.click()
    page.get_by_text("What each layer would answer").wait_for()
    settle(page)
    page.wait_for_function("location.search.includes('language_view=Layers')")
    other = browser.new_page()
    other.set_default_timeout(4 * WAIT)
    visit(other, page.url)
    other.get_by_text("What each layer would answer").wait_for()
    pressed = other.locator(".chips button[aria-pressed=true]")
    until(other, lambda: pressed.count() == 2)  # the sentence stands a moment after its answer
    other.close()


def test_a_narrow_page_keeps_everything_inside(browser, address):
    narrow = browser.new_page(viewport={"width": 800, "height": 900}, color_scheme="dark")
    narrow.set_default_timeout(4 * WAIT)
    visit(narrow, address)
    narrow.locator(".groups button").first.wait_for()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 800
    inside = narrow.locator("[data-testid=stMain] .groups, [data-testid=stMain] .chips").all()
    assert inside and all(box["x"] + box["width"] <= 800 for box in (e.bounding_box() for e in inside) if box)
    narrow.close()
