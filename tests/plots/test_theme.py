"""Colours, ink and words of all figures, and what every figure keeps to."""

import importlib
import re
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import numpy as np

from sslviz import plots
from sslviz.plots import theme

ROOT = Path(__file__).parents[2]
NAMES = tuple("0123456789")


def test_neither_torch_nor_streamlit_is_imported():
    code = "import sys, sslviz.plots; print(sorted({'torch', 'streamlit'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout.strip() == "[]"


def test_the_theme_has_the_palette_of_the_plots():
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]
    assert tuple(theme["chartCategoricalColors"]) == plots.PETROFF
    assert {mode: theme[mode]["textColor"] for mode in ("light", "dark")} == plots.INK


def test_words_carry_units_and_no_more_digits_than_the_noise_allows():
    assert plots.percent(0.9861) == "98.6 %"
    assert plots.percent(0.9861, half_width=0.02) == "99 %"
    assert plots.percent_interval(0.986, (0.984, 0.988), 10_000) == "98.6 % (98.4 to 98.8, n = 10,000)"
    assert plots.percent_interval(0.70, (0.68, 0.72), 2_000) == "70 % (68 to 72, n = 2,000)"
    assert [plots.nats(v) for v in (104.83, -2154.5)] == ["104.8 nats", "−2,154 nats"]
    assert [plots.seconds(s) for s in (0.42, 12, 185)] == ["0.4 s", "12 s", "3 min 05 s"]


def test_colours_keep_their_order_and_baselines_are_grey():
    assert [plots.class_colour(i) for i in (0, 9, 10)] == [plots.PETROFF[0], plots.PETROFF[9], plots.PETROFF[0]]


def test_no_method_is_named():
    """What a method's figures look like, its colour among it, comes from its entry in the registry."""
    from sslviz.methods.registry import METHODS

    text = "\n".join(path.read_text() for path in (ROOT / "sslviz/plots").glob("*.py")).lower()
    for method, info in METHODS.items():
        assert not re.search(rf"\b({method}|{info.title.lower()})\b", text)


def test_a_figure_hands_its_title_over_and_keeps_no_room_for_it():
    figure = plots.plot_counts(np.arange(3), NAMES[:3], title="A long title that a phone would cut")
    title, bare = plots.without_title(figure, tools=False)
    assert title == figure.layout.title.text and not bare.layout.title.text
    assert figure.layout.margin.t - bare.layout.margin.t == figure.layout.height - bare.layout.height > 20
    assert plots.without_title(figure, tools=True)[1].layout.margin.t == plots.MODE_BAR


def test_ink_is_put_on_a_copy():
    figure = plots.plot_counts([1], NAMES[:1], title="t")
    inked = plots.in_ink(figure, "dark")
    assert inked.layout.font.color == plots.INK["dark"] and figure.layout.font.color is None
    assert plots.in_ink(figure, "unheard of").layout.font.color == plots.INK["light"]


def test_every_figure_has_a_title():
    source = (ROOT / "sslviz/plots/__init__.py").read_text()
    for head in re.findall(r"^def (plot_\w+\(.*?)\) -> ", source, re.M | re.S):
        assert "title: str" in head, head


def test_a_figure_waits_for_a_module_that_another_thread_is_importing(tmp_path, monkeypatch):
    """Plotly would look into a pandas that is only begun ("partially initialized module")."""
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.5)\nSeries = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    thread = threading.Thread(target=importlib.import_module, args=("slow_to_import",))
    thread.start()
    while "slow_to_import" not in sys.modules:
        time.sleep(0.01)
    theme.settle("slow_to_import")
    assert sys.modules["slow_to_import"].Series == 1
    thread.join()
    theme.settle("never_imported_by_anyone")
    assert "never_imported_by_anyone" not in sys.modules
