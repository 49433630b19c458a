"""Folders: `~` everywhere, and none of them in a message for a guest."""

from pathlib import Path

import pytest

from sslviz.paths import assets_dir, data_dir, expand, hide_folders, models_dir


@pytest.mark.parametrize(
    ("variable", "folder"), [("SSLVIZ_DATA", data_dir), ("SSLVIZ_MODELS", models_dir), ("SSLVIZ_ASSETS", assets_dir)]
)
def test_a_tilde_is_a_home_folder_in_every_setting(monkeypatch, variable, folder):
    monkeypatch.setenv(variable, "~/here")
    assert folder() == Path.home() / "here"
    monkeypatch.setenv(variable, "~nobody-has-this-name/here")
    assert folder() == Path("~nobody-has-this-name/here")
    assert expand("~") == Path.home()


def test_messages_for_guests_name_no_place_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("SSLVIZ_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", "/home/lecturer")
    other = tmp_path / "data2"
    text = f"{models_dir()}/mine cannot be written to, nor {data_dir()}/own/a.npz, nor {other} ({expand('~/x')})"
    hidden = hide_folders(text)
    assert hidden.startswith("the models folder/mine cannot be written to, nor the data folder/own/a.npz, nor")
    assert str(tmp_path / "data/") not in hidden.replace("data2", "") and "/home/lecturer" not in hidden
    assert hide_folders("/ and . stay, 3/4 too") == "/ and . stay, 3/4 too"
