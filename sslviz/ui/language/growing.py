"""One word of the text, and what it is worth to models that read from the left as they are given more of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.ui.language import token_picker
from sslviz.ui.language.questions import ask
from sslviz.ui.language.sentence_input import Asked
from sslviz.ui.language.speaker import Speaker

COLOURS = (plots.PETROFF[0], plots.PETROFF[1], plots.PETROFF[2])
DASHES = ("solid", "dash", "dot")


def growing(asked: Asked, models: Mapping[str, Any], counts: Any) -> None:
    """Draw the probability of a word against the words before it that are given.

    Args:
        asked: the word is the first masked one, or the last of the text where nothing is masked.
        models: left-to-right models by name.
        counts: trigrams, or None.
    """
    found = _word(asked)
    if found is None:
        st.caption("Mask a word of the sentence, or type two words, to see what each reader makes of the words before.")
        return
    before, word = found
    curves: dict[str, list[float]] = {}
    problems: list[str] = []
    for name, model in models.items():
        try:
            curves[name] = ask(Speaker(name, (name, "causal"), model, {}), "growth", before, word)
        except UserError as error:
            problems.append(f"{name}: {error}")
    if counts is not None:
        from sslviz.language.next_word import trigram_growth

        try:
            curves["trigrams"] = trigram_growth(counts, before, word)
        except UserError as error:
            problems.append(str(error))
    if curves:
        _draw(word, curves)
    for problem in problems:
        st.caption(ui.escape(problem))


def _word(asked: Asked) -> tuple[str, str] | None:
    """The text before a word, and the word."""
    if asked.masks:
        number = asked.tokens[asked.masks[0]].word
        if number is None or asked.word(number).lower() in token_picker.MASKS:
            return None
    else:
        words = [n for n, (start, end) in enumerate(asked.spans) if any(map(str.isalnum, asked.text[start:end]))]
        if len(words) < 2:
            return None
        number = words[-1]
    start, _ = asked.spans[number]
    return asked.text[:start].rstrip(), asked.word(number)


def _draw(word: str, curves: Mapping[str, list[float]]) -> None:
    lines = [
        (name, list(range(len(values))), [100 * value for value in values], colour, dash)
        for (name, values), colour, dash in zip(curves.items(), COLOURS, DASHES, strict=False)
    ]
    told = "; ".join(
        f"{name} from {plots.share(values[0])} to {plots.share(values[-1])}"
        for name, values in curves.items()
        if np.isfinite(values[0])
    )
    ui.show(
        plots.plot_curves(
            [("probability (%)", lines)],
            title=f"“{word}”, given more of the words before it",
            x_title="words before it that are given",
            height=300,
        ),
        key="language_growth",
        alt="Probability of a word by each model that reads from the left, by the number of words before it",
        caption=ui.escape(told) + ". Trigrams read two words and no more; the others read all that they are given.",
    )
