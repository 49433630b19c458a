"""Two sentences compared: what each word costs them, and what each expects in one place."""

from __future__ import annotations

import math

import streamlit as st

from sslviz import plots, ui
from sslviz.errors import UserError
from sslviz.ui.language.questions import ask
from sslviz.ui.language.sentence_input import DEFAULT, Asked, take
from sslviz.ui.language.speaker import Speaker
from sslviz.ui.language.two_places import two_places

OTHER = "Paris is the capital of banana."  # beside the default

PAIRS = {
    "Order": ("The dog chased the cat up the tree.", "The dog the cat chased up tree the."),
    "Agreement": ("The keys to the cabinet are on the table.", "The keys to the cabinet is on the table."),
    "Meaning": ("She drank a cup of hot tea.", "She drank a cup of hot sand."),
    "Bias": ("The nurse said that she was tired.", "The nurse said that he was tired."),
}
TOKENS_SCORED = 96  # one pass over the sentence a token


def compare(asked: Asked) -> None:
    """Pseudo-log-likelihoods of this sentence and of another, word by word."""
    ui.bound("language_other", OTHER if asked.text == DEFAULT[0] else asked.text)
    left, right = st.columns((3, 1), vertical_alignment="bottom")
    other = left.text_input("A second sentence", key="language_other", max_chars=1000, live="400ms")
    right.selectbox(
        "Or take a pair", list(PAIRS), index=None, placeholder="Pairs", key="language_pair", on_change=_take_pair,
        label_visibility="collapsed",
    )  # fmt: skip
    grid = st.grid(2, min_column_width=420, gap="medium")
    left, right = grid.cell(), grid.cell()
    with left:
        found = _costs(asked, other)
    if not any(problem for *_, problem in found):
        with right:
            two_places(asked, other, [_by_word(asked.speaker, text) for text in (asked.text, other)])


def _costs(asked: Asked, other: str) -> list[tuple[list[str], list[float], str]]:
    """Draw what each word costs both sentences; see `_shares`."""
    found = [_shares(asked.speaker, text) for text in (asked.text, other)]
    most = max((max(cost, default=0.0) for _, cost, _ in found), default=0.0)
    for n, (words, cost, problem) in enumerate(found):
        with st.container(height=232, border=False):
            if problem:
                st.info(ui.escape(problem), icon=":material/edit:")
                continue
            ui.show(
                plots.plot_sentence_share(
                    words,
                    cost,
                    title=f"{'First' if n == 0 else 'Second'} sentence: {plots.nats(math.fsum(cost))}",
                    most=most,
                    height=188,
                ),
                key=f"language_share_{n}",
                alt=f"What each word costs the {'first' if n == 0 else 'second'} sentence, in nats",
            )
    st.markdown(
        ui.escape(_verdict(found)) + " A bar is minus the logarithm of a word's probability given all the others."
    )
    return found


def _take_pair() -> None:
    pair = PAIRS.get(st.session_state.language_pair)
    if pair:
        take(pair[0], ())
        st.session_state.language_other = pair[1]
    st.session_state.language_pair = None


def _shares(speaker: Speaker, text: str) -> tuple[list[str], list[float], str]:
    """Words and points of a sentence in reading order, what each costs in nats, and what is wrong, or ""."""
    try:
        count = len(ask(speaker, "tokens_of", text))
        if count > TOKENS_SCORED:
            raise UserError(
                f"Sentences of up to {TOKENS_SCORED} tokens are compared, and this has {count}: shorten it."
            )
        found = ask(speaker, "pseudo_log_likelihood", text)
    except UserError as error:
        return [], [], str(error)
    words: list[str] = []
    cost: list[float] = []
    before = None
    for token, value in zip(found.tokens, found.log_probabilities, strict=True):
        if token.word is not None and token.word == before:
            words[-1] += text[token.start : token.end]
            cost[-1] -= float(value)
        else:
            words.append(text[token.start : token.end])
            cost.append(-float(value))
        before = token.word
    return words, cost, ""


def _by_word(speaker: Speaker, text: str) -> dict[int, float]:
    """What each word costs in nats, by its number."""
    found = ask(speaker, "pseudo_log_likelihood", text)
    return {n: -float(value) for n, value in enumerate(found.words)}


def _verdict(found: list[tuple[list[str], list[float], str]]) -> str:
    """Which of two sentences the model finds likelier, and the word that makes the difference."""
    if any(problem for *_, problem in found):
        return "Two sentences that can be read are needed to compare them."
    (words, first, _), (others, second, _) = found
    a, b = math.fsum(first), math.fsum(second)
    better, gap = ("first" if a < b else "second"), abs(a - b)
    if gap < 0.005:
        return "Both sentences cost the same."
    factor = f", a factor of {math.exp(gap):,.0f}" if math.log(2) < gap < 14 else ""
    told = f"The model finds the {better} likelier by {plots.nats(gap)}{factor}. "
    if len(words) == len(others):
        n = max(range(len(words)), key=lambda i: abs(first[i] - second[i]))
        told += f"Most of it at “{words[n]}”: {first[n]:.1f} nats"
        told += f" against {second[n]:.1f}" + (f" for “{others[n]}”." if words[n] != others[n] else ".")
    else:
        told += f"Their lengths differ: {a / len(words):.1f} and {b / len(others):.1f} nats a word."
    return told
