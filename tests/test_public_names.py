"""What `from sslviz import …` gives, and that it costs nothing before it is used."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sslviz

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", sslviz.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(sslviz, name).__doc__
    assert name in dir(sslviz)


def test_the_names_for_type_checkers_and_at_run_time_are_the_same():
    typed = re.findall(r"^    from \S+ import (\w+) as \1$", Path(sslviz.__file__).read_text(), re.MULTILINE)
    assert sorted(typed) == sorted(sslviz.__all__) == sorted(sslviz._HOMES)


def test_another_name_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sslviz.nothing


def test_importing_takes_no_time_and_no_torch():
    code = "import sys, time; t = time.perf_counter(); import sslviz; print(time.perf_counter() - t, *sys.modules)"
    took, *modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    assert float(took) < 0.2
    assert not {"torch", "numpy", "streamlit", "sklearn"} & set(modules)


def test_the_example_of_the_readme_runs():
    """In fewer images than it takes, so that it ends in seconds; the lines are those of the README."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (example,) = [block for block in blocks if "LinearProbe" in block]
    assert example.startswith("from sslviz import ")
    printed = []
    few = (
        "load_images = lambda name, split, load=load_images: "
        "replace(s := load(name, split), x=s.x[:400], y=s.y[:400])\n"
    )
    first, rest = example.split("\n\n", 1)
    exec(f"from dataclasses import replace\n{first}\n{few}\n{rest}", {"print": printed.append})
    assert 0.5 < printed[0] <= 1
