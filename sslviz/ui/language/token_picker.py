"""Live components of the page of language models: a sentence as words to click, candidates as bars, tokens.

What a person has typed reaches the browser as text only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from sslviz import plots
from sslviz.ui.component import component

MASKS = ("[mask]", "<mask>")  # how a mask may be typed, in lower case

_WORDS = component(__file__, "sentence_words")


def sentence(
    text: str,
    spans: Sequence[tuple[int, int]],
    chosen: Sequence[int],
    mask_token: str,
    *,
    on_click: Callable[[int], None],
) -> None:
    """Show a sentence as words to click.

    Args:
        text: as typed.
        spans: first and last character of each word.
        chosen: numbers of the words that are masked; typed masks are so in any case.
        mask_token: as the model calls it.
        on_click: called with a word's number, before the page runs again.
    """
    parts: list[dict[str, Any]] = []
    last = 0
    for number, (start, end) in enumerate(spans):
        if start > last:
            parts.append({"number": None, "text": text[last:start]})
        typed = text[start:end].lower() in MASKS
        shown = mask_token if typed else text[start:end]
        parts.append({"number": number, "text": shown, "masked": typed or number in chosen, "typed": typed})
        last = end
    if last < len(text):
        parts.append({"number": None, "text": text[last:]})

    def clicked() -> None:
        value = st.session_state.language_chips.get("clicked")
        if isinstance(value, int) and 0 <= value < len(spans):
            on_click(value)

    data = {"parts": parts, "mask": mask_token, "label": "The sentence; press a word to mask it"}
    _WORDS(key="language_chips", data=data, on_clicked_change=clicked)


_BARS = component(__file__, "candidates")


@dataclass(frozen=True)
class Bars:
    """Candidates for one place, as bars: a title, a short note, (token, probability) pairs; which one stands there.

    Attributes:
        own: the token that stands in the text, or None.
        rank: its rank, where it is known.
        probability: its probability, for the case that it is not among the candidates.
    """

    title: str
    note: str
    candidates: tuple[tuple[str, float], ...]
    own: str | None = None
    rank: int | None = None
    probability: float | None = None


def bars(
    groups: Sequence[Bars], *, key: str, on_click: Callable[[int, str], None] | None = None, room: int = 0
) -> None:
    """Show candidates side by side as ranked bars, on one scale; a click hands over its group and token.

    Args:
        groups: one a mask.
        key: unique on the page.
        on_click: called with the number of the group and the token, before the page runs again.
        room: height to reserve, in pixels.
    """
    most = max((p for group in groups for _, p in group.candidates), default=1.0)
    scale = next(limit for limit in (0.1, 0.25, 0.5, 1.0) if most <= limit + 1e-6)
    sent, tokens = [], []
    for group in groups:
        rows = [(token, p, token == group.own, False) for token, p in group.candidates]
        if group.own is not None and group.probability is not None and not any(row[2] for row in rows):
            rows.append((group.own, group.probability, True, True))
        rank = f"rank {group.rank:,}" if group.rank else ""
        items = [
            {
                "token": token,
                "percent": plots.share(p),
                "width": p / scale,
                "own": own,
                "far": far,
                "rank": rank if own else "",
            }
            for token, p, own, far in rows
        ]
        sent.append({"title": group.title, "note": group.note, "items": items})
        tokens.append([row[0] for row in rows])

    def clicked() -> None:
        value = st.session_state[key].get("clicked")
        if on_click is None or not isinstance(value, list | tuple) or len(value) != 2:
            return
        g, i = value
        if isinstance(g, int) and isinstance(i, int) and 0 <= g < len(tokens) and 0 <= i < len(tokens[g]):
            on_click(g, tokens[g][i])

    data = {"groups": sent, "clickable": on_click is not None, "room": room, "colour": plots.PETROFF[0]}
    _BARS(key=key, data=data, on_clicked_change=clicked)


_TOKENS = component(__file__, "tokens")


def tokens(sent: Sequence[tuple[str, int, str]]) -> None:
    """Show tokens with their ids.

    Args:
        sent: (token, id, kind) of each, the kind "mask", "special", "unknown" or "".
    """
    _TOKENS(key="language_tokens", data={"tokens": [{"token": t, "id": i, "kind": k} for t, i, k in sent]})
