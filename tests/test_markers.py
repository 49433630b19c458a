"""`-m "not slow"` enters every file of tests, but for those that are of a browser or of an installed wheel."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = [path for path in sorted(TESTS.rglob("test_*.py")) if "browser" not in path.parts and path.stem != "test_wheel"]


def is_slow(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(mark) in ("pytest.mark.slow", "slow") for mark in function.decorator_list)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_a_file_has_a_test_that_is_not_slow(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert any(not is_slow(test) for test in tests)
