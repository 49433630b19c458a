"""Looks at bundled models: shown only of the model and the labels that they were made of."""

import json

import pytest

from sslviz.bundled.experiments import stored
from sslviz.errors import UserError

CARD = {"name": "m", "created": "2026-01-01", "steps": 7}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "assets_dir", lambda: tmp_path)
    return tmp_path / "experiments"


def test_a_look_comes_back_for_its_model_alone(folder):
    found = {"model": {"geometry": {"n": 3}, "scores": {}, "unprobed": ""}}
    assert stored.stored_look(CARD, 2000, untrained=False) is None
    stored.write_look(stored.look_path("m"), CARD, 2000, found)
    assert stored.stored_look(CARD, 2000, untrained=False) == found
    assert stored.stored_look(CARD, 1000, untrained=False) is None  # other labels
    assert stored.stored_look(CARD, 2000, untrained=True) is None
    for changed in ({"created": "2026-01-02"}, {"steps": 8}, {"name": "n"}):  # trained anew, or another
        assert stored.stored_look(CARD | changed, 2000, untrained=False) is None
    assert json.loads(stored.look_path("m").read_text())["command"] == "sslviz experiments look m"


@pytest.mark.parametrize("content", ["{", "{}", '{"found": {"model": {"geometry": 3}}}', "[]"])
def test_a_damaged_look_is_a_sentence(folder, content):
    folder.mkdir()
    stored.look_path("m").write_text(content)
    with pytest.raises(UserError, match="delete it, or restore it"):
        stored.stored_look(CARD, 2000, untrained=False)


def test_a_name_is_no_path(folder):
    assert stored.stored_look({"name": "../../m"}, 2000, untrained=False) is None
