"""A file that is made at a press: handed over until the browser has it, and in words where it can't be made."""

import json

from streamlit.testing.v1 import AppTest


def page(fails: bool = False) -> AppTest:
    def script(fails: bool):
        from sslviz import ui
        from sslviz.errors import UserError

        def make() -> bytes:
            if fails:
                raise UserError("There is no such model.")
            return b"\n\x00the file"

        ui.download("Download", make, "a model.safetensors", "application/octet-stream", key="get")

    return AppTest.from_function(script, kwargs={"fails": fails}).run()


def offered(at: AppTest) -> list[tuple[dict, bytes]]:
    """Heads and contents of the files that a run hands over."""
    found = []
    for part in at.get("bidi_component"):
        head, content = part.proto.bytes.split(b"\n", 1)
        found.append((json.loads(head), content))
    return found


def test_a_file_is_made_at_a_press_and_handed_over_until_the_browser_has_it():
    at = page()
    assert offered(at) == []
    at.button[0].click().run()
    [(head, content)] = offered(at)
    assert head["name"] == "a model.safetensors" and content == b"\n\x00the file"
    [(again, _)] = offered(at.run())  # it is drawn anew before the browser has said so
    assert again["press"] == head["press"]
    del at.session_state["get_pressed"]  # which it then does
    assert offered(at.run()) == []
    [(other, _)] = offered(at.button[0].click().run())
    assert other["press"] != head["press"]


def test_what_cannot_be_made_is_said_once():
    at = page(fails=True)
    at.button[0].click().run()
    assert [e.value for e in at.error] == [r"There is no such model\."] and offered(at) == []
    assert not at.run().error
