"""Who may import whom: read from the source, so that the layout stays what it is said to be."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sslviz"
ERRORS = {"errors"}
ALLOWED = {
    # leaves
    "errors": set(),
    "augment": set(),
    "text": ERRORS,
    "losses": set(),
    "header": set(),
    "card": {"header"},
    "atomic": ERRORS,
    "npz": {"atomic"} | ERRORS,
    "download": ERRORS,
    "folder": {"npz"} | ERRORS,
    "data": {"atomic", "npz", "folder", "download"} | ERRORS,
    "bundle": {"data", "npz"} | ERRORS,
    "corpus": {"atomic"} | ERRORS,
    "glosses": {"corpus"} | ERRORS,
    "embed": {"data"} | ERRORS,
    "live": {"augment", "data", "embed", "npz", "reduce"} | ERRORS,
    "control": set(),
    "worker": ERRORS,
    "probe": ERRORS,
    "reduce": ERRORS,
    "baselines": ERRORS,
    "plots": {"data"} | ERRORS,
    "models.encoders": set(),
    # methods
    "models.vae": set(),
    "models.simclr": {"models.encoders"},
    "models.moco": {"models.encoders"},
    "models.language": {"text", "hub"} | ERRORS,
    # language
    "hub": {"data"} | ERRORS,
    "sentence": {"models.language"} | ERRORS,
    "fill": {"models.language", "sentence", "text", "losses"} | ERRORS,
    "trigram": {"npz", "text", "atomic"} | ERRORS,
    # compositions
    "evaluate": {"data", "embed", "probe"} | ERRORS,
    "checkpoint": {"atomic", "data", "npz", "models.vae", "models.simclr", "models.moco", "models.language"} | ERRORS,
    "topics": {"checkpoint", "data", "fill", "glosses", "models.language", "npz", "probe", "reduce"} | ERRORS,
    "exchange": {"atomic", "card", "checkpoint", "data", "embed", "header"} | ERRORS,
    "orders": {"checkpoint", "data", "npz"} | ERRORS,
    "runs": {"checkpoint", "orders"} | ERRORS,
    "jobs": {"checkpoint", "orders", "runs"} | ERRORS,
}
# may import what they like but pages and one another's clients
COMPOSING = {"train", "recipes", "cli", "forecast", "__main__"}
FORBIDDEN = {
    "train": {"cli", "recipes", "jobs", "worker"},
    "recipes": {"cli"},
    "forecast": {"cli", "recipes"},
}
# the interface: what pages share knows nothing of the views of one page, and nothing there trains by itself
INTERFACE = "ui."
VIEWS = ("ui.language.", "ui.training.")


def imports(path):
    """Dotted names that a file imports, whether at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if path.name != "__init__.py" or name.startswith(INTERFACE):
            yield name, path


def own(path):
    known = {name for name, _ in modules()}
    return {name.removeprefix("sslviz.") for name in imports(path)} & known


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_module_imports_what_it_may(name, path):
    if name.startswith(INTERFACE):
        assert not own(path) & {"cli", "train", "recipes"}
        assert name.startswith(VIEWS) or not {n for n in own(path) if n.startswith(VIEWS)}
    elif name in COMPOSING:
        assert not own(path) & FORBIDDEN.get(name, set())
    else:
        assert name in ALLOWED, f"say in {Path(__file__).name} what {name} may import"
        assert own(path) <= ALLOWED[name]


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_streamlit_stays_in_the_interface(name, path):
    if not name.startswith(INTERFACE):
        assert not {n for n in imports(path) if n.split(".")[0] == "streamlit"}
        assert not {n for n in imports(path) if n.startswith("sslviz.ui")}
    assert not {n for n in imports(path) if n.split(".")[0] in ("pages", "app")}


def test_plots_draw_without_torch():
    assert not {n for n in imports(PACKAGE / "plots.py") if n.split(".")[0] in ("torch", "streamlit")}


def test_modules_are_one_lowercase_word():
    for name in {name for name, _ in modules() if not name.endswith("__")}:
        assert name.split(".")[-1].isalpha() and name.islower()
        assert name.split(".")[-1] not in ("utils", "helpers", "misc", "common")
