"""Where in this installation a symbol of a formula is computed: file, line, and the line itself. Imports nothing."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Tied:
    """A symbol and the line that computes it.

    Attributes:
        symbol: in LaTeX.
        meaning: in words.
        target: "module:function" or "module:Class.method".
        has: what the line has in it; the first such line of the function counts.
    """

    symbol: str
    meaning: str
    target: str
    has: str


@dataclass(frozen=True)
class Line:
    """A line of this installation: file within the package, number from 1, and what stands there."""

    file: str
    number: int
    code: str


@lru_cache(maxsize=64)
def line_of(target: str, has: str) -> Line:
    """The first line of a function that has some text in it, without importing its module.

    Raises:
        LookupError: there is no such function, or no such line in it.
    """
    module, _, path = target.partition(":")
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise LookupError(f"there is no module {module}")
    text = Path(found.origin).read_text(encoding="utf-8")
    node: Any = ast.parse(text)
    for part in path.split("."):
        node = next((child for child in node.body if getattr(child, "name", None) == part), None)
        if node is None:
            raise LookupError(f"there is no {target}")
    lines = text.splitlines()
    for number in range(node.lineno, node.end_lineno + 1):
        if has in lines[number - 1]:
            return Line(f"{module.replace('.', '/')}.py", number, lines[number - 1].strip())
    raise LookupError(f"no line of {target} has “{has}”")
