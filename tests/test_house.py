"""How long files may be: a module of the package is read in one sitting, a page in two minutes."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST = {"sslviz": 450, "pages": 130}  # lines


def sources():
    return [(folder, path) for folder in LONGEST for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize(("folder", "path"), sources(), ids=lambda value: getattr(value, "stem", value))
def test_a_file_is_no_longer_than_it_may_be(folder, path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST[folder], f"{path.relative_to(ROOT)} has {lines} lines: take a part of it out"
