"""LaTeX as MathML, for pages that carry everything with them: what the formulas of the registry need, and no more.

MathML is drawn by browsers themselves, so an exported page needs no script and no font from elsewhere.
"""

from __future__ import annotations

import re
from html import escape

WORDS = {
    "beta": "β", "tau": "τ", "theta": "θ", "mu": "μ", "sigma": "σ", "lambda": "λ", "epsilon": "ε", "sum": "∑",
    "leftarrow": "←", "cdot": "·", "mid": "|", "ne": "≠", "in": "∈", "dots": "…", "le": "≤", "ge": "≥", "infty": "∞",
    "setminus": "∖", "times": "×", "|": "∥",
}  # fmt: skip
NAMED = ("log", "exp", "min", "max")
SPACES = {",": "0.17em", ";": "0.28em", "!": "0", "quad": "1em", "qquad": "2em", " ": "0.25em"}
LETTERS = {"mathcal": {"L": "ℒ"}, "mathbb": {"E": "𝔼", "R": "ℝ"}}
SIZES = ("big", "Big", "left", "right", "bigl", "bigr")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}_^&]|\s+|[A-Za-z]|\d+(?:\.\d+)?|.", re.DOTALL)


def mathml(latex: str, *, block: bool = False) -> str:
    """A formula as an element <math>.

    Args:
        latex: of the commands that the registry uses.
        block: on a line of its own, with limits above and below its sums.

    Raises:
        ValueError: a command that is not known here.
    """
    tokens = [token for token in _TOKEN.findall(latex) if not token.isspace()]
    body, rest = _row(tokens, 0, "")
    if rest != len(tokens):
        raise ValueError(f"there is a brace too many in {latex}")
    display = "block" if block else "inline"
    return f'<math display="{display}">{body}</math>'


def _row(tokens: list[str], at: int, end: str) -> tuple[str, int]:
    """Tokens up to an end, as one row."""
    parts: list[str] = []
    while at < len(tokens) and tokens[at] != end:
        if tokens[at] == "}":
            break
        part, at = _scripted(tokens, at)
        parts.append(part)
    return f"<mrow>{''.join(parts)}</mrow>", at


def _scripted(tokens: list[str], at: int) -> tuple[str, int]:
    """An atom with what stands below and above it."""
    token = tokens[at]
    base, at = _atom(tokens, at)
    below = above = ""
    while at < len(tokens) and tokens[at] in "_^":
        kind = tokens[at]
        part, at = _atom(tokens, at + 1)
        below, above = (part, above) if kind == "_" else (below, part)
    limits = token in (r"\sum", r"\underbrace")
    names = ("munder", "mover", "munderover") if limits else ("msub", "msup", "msubsup")
    if below and above:
        return f"<{names[2]}>{base}{below}{above}</{names[2]}>", at
    if below or above:
        name = names[0] if below else names[1]
        return f"<{name}>{base}{below or above}</{name}>", at
    return base, at


def _atom(tokens: list[str], at: int) -> tuple[str, int]:
    """One thing: a group, a command with its arguments, a letter, a number or a sign."""
    if at >= len(tokens):
        raise ValueError("the formula ends too early")
    token = tokens[at]
    if token == "{":
        row, at = _row(tokens, at + 1, "}")
        if at >= len(tokens):
            raise ValueError("a brace is not closed")
        return row, at + 1
    if token.startswith("\\"):
        return _command(token[1:], tokens, at + 1)
    if token.isalpha():
        return f"<mi>{token}</mi>", at + 1
    if token == "'":
        return "<msup><mi></mi><mo>′</mo></msup>", at + 1
    if token[0].isdigit():
        return f"<mn>{token}</mn>", at + 1
    return f'<mo stretchy="false">{escape("−" if token == "-" else token)}</mo>', at + 1


def _command(name: str, tokens: list[str], at: int) -> tuple[str, int]:
    if name in SIZES:  # of the bracket that follows
        return _atom(tokens, at)
    if name in SPACES:
        return f'<mspace width="{SPACES[name]}"></mspace>', at
    if name in WORDS:
        tag = "mo" if name not in ("beta", "tau", "theta", "mu", "sigma", "lambda", "epsilon", "infty") else "mi"
        return f"<{tag}>{WORDS[name]}</{tag}>", at
    if name in NAMED:
        return f"<mi>{name}</mi><mspace width='0.17em'></mspace>", at
    if name == "frac":
        above, at = _atom(tokens, at)
        below, at = _atom(tokens, at)
        return f"<mfrac>{above}{below}</mfrac>", at
    if name in ("mathrm", "text", "operatorname"):
        return _upright(tokens, at)
    if name in LETTERS:
        letter = tokens[at + 1] if tokens[at] == "{" else tokens[at]
        return f"<mi>{LETTERS[name].get(letter, letter)}</mi>", at + (3 if tokens[at] == "{" else 1)
    if name in ("tilde", "hat", "bar"):
        base, at = _atom(tokens, at)
        mark = {"tilde": "~", "hat": "^", "bar": "¯"}[name]
        return f"<mover>{base}<mo>{mark}</mo></mover>", at
    if name == "underbrace":
        base, at = _atom(tokens, at)
        return f"<munder>{base}<mo>⏟</mo></munder>", at
    if name in "{}%":
        return f"<mo>{name}</mo>", at
    raise ValueError(f"\\{name} is not known here")


def _upright(tokens: list[str], at: int) -> tuple[str, int]:
    """A word in upright letters."""
    if tokens[at] != "{":
        return f'<mi mathvariant="normal">{escape(tokens[at])}</mi>', at + 1
    end = tokens.index("}", at)
    return f'<mi mathvariant="normal">{escape("".join(tokens[at + 1 : end]))}</mi>', end + 1
