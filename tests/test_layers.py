"""Who may import whom: read from the source, so that the layout stays what it is said to be."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sslviz"
# each layer may import itself and the layers before it; plots imports nothing of ours but data's facts
LAYERS = (
    {"errors", "memory", "paths", "files"},
    # facts and words that every layer above may read
    {"data.catalog", "jobs.protocol", "jobs.child", "methods.registry", "methods.config", "methods.policies"},
    {"data"},
    {"methods"},
    {"evaluation"},
    {"store"},
    {"language"},
    {"training"},
    {"jobs"},
    {"plots"},
    {"bundled"},
    {"cli", "ui", "serving", "phones"},
)
PLOTS = {"errors", "data"}
# pages read these before torch is there
TORCH_FREE = ("plots", "ui", "paths", "files", "memory", "errors")


@functools.cache
def imports(path):
    """Dotted names that a file imports, whether at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@functools.cache
def modules():
    """Names without the package's and paths of all modules; a package goes by its own name."""
    return tuple(found())


def found():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts:
            yield ".".join(parts), path


def own(path):
    known = {name for name, _ in modules()}
    return {name.removeprefix("sslviz.") for name in imports(path)} & known


def layer(name):
    """The layer that names the module itself, or else its package."""
    for part in (name, name.split(".")[0]):
        for i, names in enumerate(LAYERS):
            if part in names:
                return i
    raise KeyError(name)


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_module_imports_what_it_may(name, path):
    if name == "__main__":
        return
    if name.split(".")[0] == "plots":
        assert {n.split(".")[0] for n in own(path)} <= PLOTS | {"plots"}
        return
    wrong = {f"{name} -> {other}" for other in own(path) if layer(other) > layer(name)}
    assert not wrong


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_streamlit_stays_in_the_interface(name, path):
    if not name.startswith("ui"):
        assert not {n for n in imports(path) if n.split(".")[0] == "streamlit"}
        assert not {n for n in imports(path) if n.startswith("sslviz.ui")}
    assert not {n for n in imports(path) if n.split(".")[0] in ("pages", "app")}


def test_the_interface_does_not_train_by_itself():
    for name, path in modules():
        if name.startswith("ui"):
            assert not {
                n for n in own(path) if n.split(".")[0] in ("cli",) or n in ("training.loop", "bundled.recipes")
            }, name


def test_plots_draw_without_torch():
    for path in (PACKAGE / "plots").rglob("*.py"):
        assert not {n for n in imports(path) if n.split(".")[0] in ("torch", "streamlit")}


def test_modules_have_plain_names():
    for name in {name for name, _ in modules() if not name.endswith("__")}:
        last = name.split(".")[-1]
        assert last.replace("_", "").isalpha() and name.islower()
        assert last not in ("utils", "helpers", "misc", "common")
