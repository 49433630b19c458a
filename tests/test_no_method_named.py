"""No code names a method but its own file, its registry entry, and what makes the bundled models."""

import ast
import re
from pathlib import Path

import pytest

from sslviz.methods.registry import METHODS

ROOT = Path(__file__).resolve().parent.parent
# "self-supervised" names the field
NAMES = re.compile(
    rf"(?<!self-)\b({'|'.join([*METHODS, 'vae', *(about.title for about in METHODS.values())])})\b", re.IGNORECASE
)
# what is no method: the page that decodes has its address from one, and language may speak of its own
ADDRESS, PAGES = {"vae"}, ("pages/", "sslviz/ui/page_shell.py", "sslviz/ui/decoding.py")
LANGUAGE = ("sslviz/language/", "sslviz/ui/language/", "sslviz/cli/", "sslviz/ui/page_shell.py", "pages/language.py")
BUNDLED = {path.name for path in (ROOT / "assets/models").iterdir()}  # a bundled model's name is its own
# files where a method is still named, and how often; the list may only become shorter
KNOWN: dict[str, int] = {}


def sources():
    for path in sorted([*(ROOT / "sslviz").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"]):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(("sslviz/methods/", "sslviz/bundled/")):
            yield name, path


def docstrings(tree):
    """The nodes that say something to a reader and do nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def named(name, path):
    """What a file's code says of methods: in names, attributes, imports and strings that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent, found = set(map(id, docstrings(tree))), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in BUNDLED:
            continue
        text = {
            ast.Name: lambda n: n.id,
            ast.Attribute: lambda n: n.attr,
            ast.alias: lambda n: n.name,
            ast.Constant: lambda n: n.value if isinstance(n.value, str) and id(n) not in silent else "",
        }.get(type(node), lambda n: "")(node)
        found += NAMES.findall(text.replace("_", " ") if not isinstance(node, ast.Constant) else text)
    allowed = {"mlm", "bert", "clm", "gru", "nsp"} if name.startswith(LANGUAGE) else set()
    allowed |= ADDRESS if name.startswith(PAGES) else set()
    return [word for word in found if word.lower() not in allowed]


@pytest.mark.parametrize(("name", "path"), sources(), ids=lambda value: value if isinstance(value, str) else "")
def test_no_method_is_named(name, path):
    found = named(name, path)
    assert len(found) <= KNOWN.get(name, 0), found


def test_the_list_names_files_that_are_there():
    assert {name for name, _ in sources()} >= KNOWN.keys()
