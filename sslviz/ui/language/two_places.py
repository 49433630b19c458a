"""What a model expects in one place of two sentences: each candidate as a point, its probability in either."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.language.sentence import word_spans
from sslviz.language.text import composed
from sslviz.ui.component import component
from sslviz.ui.language.answer import scientific
from sslviz.ui.language.questions import ask
from sslviz.ui.language.sentence_input import Asked, carried

LEAST = 1e-7  # smaller probabilities are drawn here

_PLACES = component(__file__, "two_places")


def shared_words(a: str, b: str) -> dict[int, int]:
    """Words that two sentences share at their beginnings or ends: number in the first, number in the second."""
    old, new = ([text[x:y] for x, y in word_spans(text)] for text in (a, b))
    found = {}
    for n in range(len(old)):
        to = carried(a, b, [n])
        if len(to) == 1 and to[0] < len(new) and old[n].lower() == new[to[0]].lower():
            found[n] = to[0]
    return found


def two_places(asked: Asked, other: str, costs: Sequence[dict[int, float]]) -> None:
    """Draw what the model expects in place of a word that both sentences have.

    Args:
        asked: the first sentence.
        other: the second.
        costs: of each sentence, what each word costs in nats by its number; the word whose cost differs most is taken
            until another is chosen.
    """
    text, other = composed(asked.text), composed(other)
    shared = shared_words(text, other)
    if not shared:
        st.caption("The sentences begin and end with different words: there is no place to compare what is expected.")
        return
    most = max(shared, key=lambda n: abs(costs[0].get(n, 0.0) - costs[1].get(shared[n], 0.0)))
    chosen = ui.bound("language_compared", None, parse=int, among=(None, *shared))
    chosen = most if chosen is None else chosen
    names = {n: f"{text[slice(*word_spans(text)[n])]} ({n + 1})" for n in shared}
    st.session_state.language_compared_word = chosen
    st.selectbox(
        "What is expected in place of", list(shared), format_func=lambda key: names[key],
        key="language_compared_word", width=260,
        on_change=lambda: st.session_state.update(language_compared=st.session_state.language_compared_word),
    )  # fmt: skip
    found = ask(asked.speaker, "two_places", text, other, words=(chosen, shared[chosen]))
    _PLACES(key="language_places", data=sent(found))
    st.markdown(ui.escape(told(found, text[slice(*word_spans(text)[chosen])])))


def sent(found: Any) -> dict[str, Any]:
    """What the browser is given: points with logarithms, ticks, and a sentence for each word."""
    both = np.log10(np.clip(np.stack([found.first, found.second]), LEAST, 1.0))
    low = min(-2, math.floor(both.min()))
    decades = list(range(low, 1))
    points = [
        {
            "token": token,
            "x": float(x),
            "y": float(y),
            "said": f"“{token}”: {_share(p)} in the first sentence, {_share(q)} in the second",
        }
        for token, p, q, (x, y) in zip(found.tokens, found.first, found.second, both.T, strict=True)
    ]
    return {
        "points": points,
        "decades": decades,
        "ticks": [f"{100 * 10.0**d:g} %" if d >= -4 else scientific(10.0**d).partition("× ")[2] for d in decades],
        "chosen": _largest(found),
        "axes": ["probability in the first sentence", "probability in the second sentence"],
        "label": f"Candidates for one place of two sentences, {len(points)} words; arrow keys go from word to word",
        "colours": {"colour": plots.PETROFF[0], "strong": plots.PETROFF[6], "grey": plots.BASELINE_GREY},
    }


def told(found: Any, word: str) -> str:
    """How much of the expectation moves, and which candidate most."""
    n = _largest(found)
    p, q = found.first[n], found.second[n]
    if found.moved < 0.005:
        return f"In place of “{word}” both sentences expect the same words: every point lies on the line."
    moved, change = plots.share(found.moved), "gains" if q > p else "loses"
    return (
        f"In place of “{word}” {moved} of the probability goes to other words in the second sentence. "
        f"“{found.tokens[n]}” {change} most: from {_share(p)} to {_share(q)}. On the dashed line a word is as "
        "likely in both."
    )


def _largest(found: Any) -> int:
    """The candidate whose probability changes most."""
    return int(np.abs(found.first - found.second).argmax())


def _share(p: float) -> str:
    """A probability in per cent, a very small one with a power of ten."""
    return plots.share(p) if p >= 0.0005 else f"{100 * p:.2g} %" if p >= 1e-5 else scientific(p)
