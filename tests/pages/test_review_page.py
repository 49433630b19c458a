"""The page of revision: the sheet with its figures, the file, a room from its opening to its end."""

import re

import pytest
from tinyreview import figures
from visiting import button, check, components, open_page, said, until

from sslviz.bundled.review import SUBJECTS, stored
from sslviz.jobs import rooms
from sslviz.ui.review import room, view

pytestmark = pytest.mark.usefixtures("on_pages")


def html(at):
    return "\n".join(given["html"] for given in components(at) if "html" in given)


@pytest.fixture
def computed(monkeypatch):
    """Figures that stand already."""
    for module in (view, room):
        monkeypatch.setattr(module, "figures", lambda: (figures(), True))
    rooms.shared.cache_clear()


def test_the_sheet_is_drawn_and_can_be_saved(computed):
    at = check(open_page("review"))
    assert "two sheets" in said(at) and html(at).count("<fieldset") == 2 * len(SUBJECTS) + 1
    assert not at.get("download_button")[0].proto.disabled
    assert [e.label for e in at.expander] == ["Reproduce"] and len(at.expander[0].code) == 1 + len(SUBJECTS)


def test_figures_that_come_along_stand_at_once_and_are_computed_anew_at_a_press(monkeypatch):
    view._kept.clear()
    asked = []
    monkeypatch.setattr(view, "_ask", lambda: asked.append(True))
    at = check(open_page("review"))
    assert 'data-whole="true"' in html(at) and "kept with them" in said(at) and not asked
    check(button(at, "Compute them here").click().run())
    assert asked


def test_figures_of_other_models_or_code_are_not_shown(monkeypatch):
    view._kept.clear()
    asked = []
    monkeypatch.setattr(view, "_ask", lambda: asked.append(True))
    monkeypatch.setattr(stored, "state", lambda: "another")
    at = check(open_page("review"))
    assert 'data-whole="false"' in html(at) and asked


@pytest.mark.slow
def test_the_figures_are_computed_beside_the_page(monkeypatch):
    view._kept.clear()
    monkeypatch.setattr(view, "SIZES", "small")
    at = check(open_page("review"))
    assert "Printing and saving wait" in said(at) and all(each.name in html(at) for each in SUBJECTS)
    until(at, lambda: 'data-whole="true"' in html(check(at)))
    assert re.search(r"Negative ELBO \d+\.\d nats", html(at))
    missing = [each for each in SUBJECTS if each.missing and each.missing.split("`")[1] in html(at)]
    assert len(missing) + html(at).count('<div class="rv-row">') == len(
        SUBJECTS
    )  # each is shown, or said to be missing


def test_a_room_from_its_opening_to_its_end(computed):
    at = check(open_page("review", review_view="In class"))
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
    assert not shown.open and shown.right is not None and "rv-count-right" in html(at)
    rooms.shared.cache_clear()  # the server is started anew in mid-question
    check(at.run())
    assert "Your room has gone" in said(at)
    check(at.button(key="review_open").click().run())
    button(at, "Close the room").click().run()
    assert "Open a room" in [b.label for b in check(at).button]


@pytest.mark.slow
def test_the_tour_is_offered_on_home_and_taken_along():
    at = check(open_page("home"))
    check(at.button(key="tour_again").click().run())
    assert at.session_state["tour_step"] == 0
    check(at.switch_page("pages/probe.py").run())
    assert at.session_state["tour_step"] == 4  # whoever walks by other links takes it along
