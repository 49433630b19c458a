"""Where language models come from: a bundled name is a bundled model, here or not, and never a stranger's."""

import pytest

from sslviz.errors import UserError
from sslviz.language import hub
from sslviz.paths import assets_dir
from sslviz.store.names import BUNDLED


def test_the_bundled_names_are_those_of_the_folders():
    assert {path.name for path in (assets_dir() / "models").iterdir()} == BUNDLED


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_a_bundled_name_is_never_asked_of_the_hub(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLVIZ_ASSETS", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("TRANSFORMERS_OFFLINE")
    monkeypatch.setattr(hub, "_Download", lambda *args: pytest.fail("the Hub was asked"))
    monkeypatch.setattr(hub, "_cached", lambda name: pytest.fail("the Hub's cache was read"))
    assert hub.find(name) is None
    with pytest.raises(UserError, match=f"^{name} comes with sslviz, but its files are not .* SSLVIZ_ASSETS"):
        hub.fetch(name, check=lambda config: None)
