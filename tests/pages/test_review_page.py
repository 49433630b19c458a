"""The page of revision: the sheet with its figures, the file, a room from its opening to its end."""

import re

import pytest
from visiting import button, check, open_page, said, until

from sslviz.bundled.review import SUBJECTS
from sslviz.jobs import rooms
from sslviz.ui.review import view

pytestmark = [pytest.mark.usefixtures("on_pages"), pytest.mark.slow]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(view, "SIZES", "small")
    rooms.shared.cache_clear()


def html(at):
    return "\n".join(part.proto.body for part in at.get("html"))


def test_the_sheet_comes_with_its_figures_and_a_room_is_opened_asked_and_closed():
    at = check(open_page("review"))
    assert "Printing and saving wait" in said(at) and all(each.name in html(at) for each in SUBJECTS)
    until(at, lambda: 'data-whole="true"' in html(check(at)))
    assert "two sheets" in said(at) and html(at).count("<fieldset") >= 4
    assert re.search(r"Negative ELBO \d+\.\d nats", html(at))
    missing = [each for each in SUBJECTS if each.missing and each.missing.split("`")[1] in html(at)]
    assert len(missing) + html(at).count('<div class="rv-row">') == len(
        SUBJECTS
    )  # each is shown, or said to be missing

    check(at.segmented_control(key="review_view").set_value("In class").run())
    assert "no account" in said(at)
    check(at.button(key="review_open").click().run())
    (code,) = re.findall(r"Room ([A-Z2-9]{5})", said(at))
    token = rooms.shared().join(code, "<b>Ada</b>")
    check(at.button(key="review_ask").click().run())
    standing = rooms.shared().seen(code, token)
    assert standing.open and len(standing.choices) in (3, 4)
    rooms.shared().answer(code, token, 1, 0)
    check(at.run())
    assert "1 of 1 have answered" in html(at) and "<b>Ada" not in html(at) and "&lt;b&gt;Ada" in html(at)
    check(at.button(key="review_reveal").click().run())
    shown = rooms.shared().seen(code, token)
    assert not shown.open and shown.right is not None and shown.result in html(at).replace("&#x27;", "'")
    rooms.shared.cache_clear()  # the server is started anew in mid-question
    check(at.run())
    assert "Your room has gone" in said(at)
    check(at.button(key="review_open").click().run())
    button(at, "Close the room").click().run()
    assert "Open a room" in [b.label for b in check(at).button]
